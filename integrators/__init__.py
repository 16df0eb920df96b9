"""Integrators: ordinary differential equations in time, for any kind of number.

`solve_ivp` is SciPy's call with fixed steps, batches and exact derivatives.  A method is data (a `Tableau`) or one
`step(f, t, y, h)` in plain arithmetic; each public file of this folder is a family of methods, found by walking the
folder, so a new method is one new file.  `euler` and `rk4` are the teaching form on plain lists.
"""

from __future__ import annotations

from pathlib import Path

from diffsim.lazy import attach

__getattr__, __dir__ = attach(__name__, Path(__file__).parent)
