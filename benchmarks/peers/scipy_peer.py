"""SciPy: W4, all 1,024 pendulums stacked into one system of 4,096 states.  The variant is ``METHOD TOL``.

With ``loop METHOD TOL`` they are solved one after the other, which is what a loop over starts does.

Run as a module with the variant ``reference`` it gives the reference that errors of W4 are measured by: DOP853 at the
smallest tolerance that it takes.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks import workloads
from benchmarks.frame import Case, main


def rates(t, y):
    t1, t2, p1, p2 = y.reshape(4, -1)
    c, s = np.cos(t1 - t2), np.sin(t1 - t2)
    over = 6 / (16 - 9 * c * c)
    v1, v2 = over * (2 * p1 - 3 * c * p2), over * (8 * p2 - 3 * c * p1)
    return np.concatenate([v1, v2, -0.5 * (v1 * v2 * s + 29.4 * np.sin(t1)), -0.5 * (9.8 * np.sin(t2) - v1 * v2 * s)])


def rates_of_one(t, y):
    t1, t2, p1, p2 = y.tolist()
    c, s = math.cos(t1 - t2), math.sin(t1 - t2)
    over = 6 / (16 - 9 * c * c)
    v1, v2 = over * (2 * p1 - 3 * c * p2), over * (8 * p2 - 3 * c * p1)
    return v1, v2, -0.5 * (v1 * v2 * s + 29.4 * math.sin(t1)), -0.5 * (9.8 * math.sin(t2) - v1 * v2 * s)


def loop(method, rtol):
    """One pendulum after the other."""
    starts = workloads.pendulums().T

    def run(starts=starts):
        ends = [
            solve_ivp(rates_of_one, (0, 10), y0, method, rtol=rtol, atol=rtol, t_eval=[10]).y[:, -1] for y0 in starts
        ]
        return np.array(ends).T

    return Case(run, lambda y: y.ravel().tolist(), warm=lambda: run(starts[:8]))


def w4(task):
    if task.variant.startswith("loop "):
        _, method, tolerance = task.variant.split()
        return loop(method, float(tolerance))
    method, tolerance = ("DOP853", "2.3e-14") if task.variant == "reference" else task.variant.split()
    y0, rtol = workloads.pendulums().ravel(), float(tolerance)

    def run():
        return solve_ivp(rates, (0, 10), y0, method, rtol=rtol, atol=rtol, t_eval=[10]).y[:, -1]

    return Case(run, lambda y: y.tolist())


if __name__ == "__main__":
    main(globals(), ("scipy", "numpy"))
