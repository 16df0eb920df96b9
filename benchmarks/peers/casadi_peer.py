"""CasADi: W1 (a step with forward tangents, folded over the steps, mapped over the cells), W2, W8, W9 (by CVODES).

Variants: ``vm``, its interpreter; ``jit``, C that it generates and gcc compiles (-O3 -march=native -ffast-math).
"""

from __future__ import annotations

import casadi as ca
import numpy as np

from benchmarks import workloads
from benchmarks.frame import Case, main

FLAGS = ["-O3", "-march=native", "-ffast-math"]
JIT = {"jit": True, "compiler": "shell", "jit_options": {"flags": FLAGS, "verbose": False}}


def rates(y):
    t1, t2, p1, p2 = ca.vertsplit(y)
    c, s = ca.cos(t1 - t2), ca.sin(t1 - t2)
    over = 6 / (16 - 9 * c * c)
    v1, v2 = over * (2 * p1 - 3 * c * p2), over * (8 * p2 - 3 * c * p1)
    return ca.vertcat(v1, v2, -0.5 * (v1 * v2 * s + 29.4 * ca.sin(t1)), -0.5 * (9.8 * ca.sin(t2) - v1 * v2 * s))


def rk4(f, y, h):
    k1 = f(y)
    k2 = f(y + h / 2 * k1)
    k3 = f(y + h / 2 * k2)
    k4 = f(y + h * k3)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def options(task):
    return JIT if task.variant == "jit" else {}


def w1(task):
    cells = task.n**2
    y, tangents = ca.SX.sym("y", 4), ca.SX.sym("T", 4, 4)
    end = rk4(rates, y, 0.01)
    both = ca.vertcat(end, ca.vec(ca.jtimes(end, y, tangents)))
    step = ca.Function("step", [ca.vertcat(y, ca.vec(tangents))], [both], {"cse": True})
    x = ca.MX.sym("x", 20)
    solve = ca.Function("solve", [x], [step.fold(task.steps)(x)], options(task))
    over_cells = solve.map(cells, "thread", task.threads) if task.threads > 1 else solve.map(cells)
    start = np.zeros((20, cells))
    start[0], start[1] = workloads.angles(task.n)
    start[[4, 9, 14, 19]] = 1.0

    def answer(end):  # vec() runs down the columns
        return workloads.growth(end[4:].reshape(4, 4, -1).transpose(1, 0, 2), task.n)

    return Case(lambda: np.array(over_cells(start)), answer)


def w2(task):
    y, x = ca.SX.sym("y", 4), ca.MX.sym("x", 4)
    step = ca.Function("step", [y], [y + 0.01 * rates(y)])
    end = step.fold(task.steps)(x)[1]
    gradient = ca.Function("gradient", [x], [ca.gradient(end, x)], options(task))
    start = list(workloads.START)
    return Case(lambda: gradient(start), lambda result: np.array(result).ravel().tolist())


def w8(task):
    n = task.n

    def lorenz_96(y, forcing):
        ahead, behind = ca.vertcat(y[1:], y[0]), ca.vertcat(y[n - 1], y[: n - 1])
        return (ahead - ca.vertcat(y[n - 2 :], y[: n - 2])) * behind - y + forcing

    y, forcing, x = ca.SX.sym("y", n), ca.SX.sym("F"), ca.MX.sym("x", n + 1)
    end = rk4(lambda z: lorenz_96(z, forcing), y, 0.01)
    step = ca.Function("step", [ca.vertcat(y, forcing)], [ca.vertcat(end, forcing)])
    loss = ca.sumsqr(step.fold(task.steps)(x)[:n])
    gradient = ca.Function("gradient", [x], [ca.gradient(loss, x)], options(task))
    start = np.append(workloads.lorenz_start(n), workloads.FORCING)

    def answer(result):
        slopes = np.array(result).ravel()
        return workloads.lorenz_answer(slopes[:n], slopes[n])

    return Case(lambda: gradient(start), answer)


def w9(task):
    y, k, x, p = ca.SX.sym("y", 3), ca.SX.sym("k", 3), ca.MX.sym("x", 3), ca.MX.sym("p", 3)
    slow, fast, faster = k[0] * y[0], k[1] * y[1] * y[2], k[2] * y[1] ** 2
    problem = {"x": y, "p": k, "ode": ca.vertcat(fast - slow, slow - fast - faster, faster)}
    rtol, atol = workloads.ROBERTSON_TOLERANCES
    settings = {"reltol": rtol, "abstol": atol, "max_num_steps": 100_000}
    solver = ca.integrator("solver", task.variant, problem, 0.0, 1e5, settings)
    end = solver(x0=x, p=p)["xf"][2]
    gradient = ca.Function("gradient", [x, p], [ca.gradient(end, x), ca.gradient(end, p)])
    point = [1.0, 0.0, 0.0], list(workloads.ROBERTSON_RATES)

    def answer(result):
        return workloads.robertson_answer(*map(np.array, result))

    return Case(lambda: gradient(*point), answer)


if __name__ == "__main__":
    main(globals(), ("casadi", "numpy"))
