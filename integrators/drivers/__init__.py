"""Solves in Python: what walks a method along a grid or under step control, for any kind of number."""
