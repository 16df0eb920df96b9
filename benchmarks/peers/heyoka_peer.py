"""heyoka: W1 (first-order variational equations) and W4, by its adaptive Taylor method in SIMD batches and threads.

The variant is ``TOL``.  It takes no fixed steps: in W1 it solves the same problem another way, to another accuracy.
"""

from __future__ import annotations

import copy
import threading

import heyoka as hy
import numpy as np

from benchmarks import workloads
from benchmarks.frame import Case, main


def system():
    t1, t2, p1, p2 = hy.make_vars("t1", "t2", "p1", "p2")
    c, s = hy.cos(t1 - t2), hy.sin(t1 - t2)
    v1 = 6 * (2 * p1 - 3 * c * p2) / (16 - 9 * c * c)
    v2 = 6 * (8 * p2 - 3 * c * p1) / (16 - 9 * c * c)
    down_1, down_2 = -0.5 * (v1 * v2 * s + 29.4 * hy.sin(t1)), -0.5 * (9.8 * hy.sin(t2) - v1 * v2 * s)
    return [(t1, v1), (t2, v2), (p1, down_1), (p2, down_2)]


def propagate(solver, y0, t_end, threads):
    """Integrate y0 (rows, trajectories) to `t_end`, batch by batch; propagate_until releases the GIL."""
    out, lanes = np.empty_like(y0), solver.batch_size

    def work(solver, k):
        state = solver.state
        for i in range(k * lanes, y0.shape[1], threads * lanes):
            solver.set_time(0.0)
            state[:] = y0[:, i : i + lanes]
            solver.propagate_until([t_end] * lanes)
            out[:, i : i + lanes] = state

    solvers = [solver, *(copy.copy(solver) for _ in range(threads - 1))]
    crew = [threading.Thread(target=work, args=(own, k)) for k, own in enumerate(solvers)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    return out


def make(equations, rows, task):
    tol = float(task.variant.split()[-1])
    return hy.taylor_adaptive_batch(equations, np.zeros((rows, hy.recommended_simd_size())), tol=tol)


def w1(task):
    solver = make(hy.var_ode_sys(system(), hy.var_args.vars, order=1), 20, task)
    y0 = np.zeros((20, task.n**2))
    y0[0], y0[1] = workloads.angles(task.n)
    y0[[4, 9, 14, 19]] = 1.0

    def run():
        return propagate(solver, y0, 0.01 * task.steps, task.threads)

    return Case(run, lambda end: workloads.growth(end[4:], task.n))


def w4(task):
    solver, y0 = make(system(), 4, task), workloads.pendulums()
    return Case(lambda: propagate(solver, y0, 10.0, task.threads), lambda end: end.ravel().tolist())


if __name__ == "__main__":
    main(globals(), ("heyoka", "numpy"))
