"""Benchmarks of diffsim against other packages; see README.md.  Not part of what is installed."""
