"""Solves as machine code: programs, kernels that step them, machines that run the kernels, and their derivatives."""
