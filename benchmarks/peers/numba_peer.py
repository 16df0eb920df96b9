"""numba: W1 by hand-written variational equations, and W4 (variant ``DP5 TOL``) by a hand-written Dormand-Prince 5(4).

Variants of W1: ``scalar``, one cell at a time; ``lanes``, eight cells side by side.  Both with fastmath, and parallel
over cells.  With Intel's SVML (pip install intel-cmplr-lib-rt, its folder on LD_LIBRARY_PATH) sine and cosine are
vectorised.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from benchmarks import workloads
from benchmarks.frame import Case, main

LANES = 8


@nb.njit(fastmath=True, inline="always")
def one(s1, c1, s2, c2, x, k, lane):
    """Rates k[:, lane] of state and tangents x[:, lane], given sine and cosine of both angles."""
    p1, p2 = x[2, lane], x[3, lane]
    s, c = s1 * c2 - c1 * s2, c1 * c2 + s1 * s2
    c3 = 3 * c
    over = 6 / (16 - c3 * c3)
    slope = 3 * over * s
    m11, m12, m22 = 2 * over, -c3 * over, 8 * over
    v1, v2 = m11 * p1 + m12 * p2, m22 * p2 + m12 * p1
    v1_delta, v2_delta = -c * slope * v1 + slope * p2, -c * slope * v2 + slope * p1
    torque_v1, torque_v2, torque_delta = 0.5 * s * v2, 0.5 * v1 * s, 0.5 * v1 * v2 * c
    torque, g1, g2 = torque_v2 * v2, 14.7 * c1, 4.9 * c2
    k[0, lane], k[1, lane], k[2, lane], k[3, lane] = v1, v2, -torque - 14.7 * s1, torque - 4.9 * s2
    for j in range(4):
        u1, u2, q1, q2 = x[4 + j, lane], x[8 + j, lane], x[12 + j, lane], x[16 + j, lane]
        delta = u1 - u2
        dv1 = v1_delta * delta + m11 * q1 + m12 * q2
        dv2 = v2_delta * delta + m12 * q1 + m22 * q2
        dw = torque_v1 * dv1 + torque_v2 * dv2 + torque_delta * delta
        k[4 + j, lane], k[8 + j, lane], k[12 + j, lane], k[16 + j, lane] = dv1, dv2, -dw - g1 * u1, dw - g2 * u2


@nb.njit(fastmath=True)
def rates(x, k, s1, c1, s2, c2):
    for lane in range(s1.size):
        s1[lane] = math.sin(x[0, lane])
    for lane in range(s1.size):
        c1[lane] = math.cos(x[0, lane])
    for lane in range(s1.size):
        s2[lane] = math.sin(x[1, lane])
    for lane in range(s1.size):
        c2[lane] = math.cos(x[1, lane])
    for lane in range(s1.size):
        one(s1[lane], c1[lane], s2[lane], c2[lane], x, k, lane)


@nb.njit(fastmath=True, parallel=True)
def by_lanes(t1, t2, h, steps, out):
    for block in nb.prange(t1.size // LANES):
        x, k, t, total = np.zeros((20, LANES)), np.empty((20, LANES)), np.empty((20, LANES)), np.empty((20, LANES))
        s1, c1, s2, c2 = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
        xf, kf, tf, sf = x.reshape(-1), k.reshape(-1), t.reshape(-1), total.reshape(-1)
        for lane in range(LANES):
            x[0, lane], x[1, lane] = t1[block * LANES + lane], t2[block * LANES + lane]
            x[4, lane], x[9, lane], x[14, lane], x[19, lane] = 1.0, 1.0, 1.0, 1.0
        for _ in range(steps):
            rates(x, k, s1, c1, s2, c2)
            for i in range(20 * LANES):
                sf[i] = xf[i] + h / 6 * kf[i]
                tf[i] = xf[i] + h / 2 * kf[i]
            rates(t, k, s1, c1, s2, c2)
            for i in range(20 * LANES):
                sf[i] += h / 3 * kf[i]
                tf[i] = xf[i] + h / 2 * kf[i]
            rates(t, k, s1, c1, s2, c2)
            for i in range(20 * LANES):
                sf[i] += h / 3 * kf[i]
                tf[i] = xf[i] + h * kf[i]
            rates(t, k, s1, c1, s2, c2)
            for i in range(20 * LANES):
                xf[i] = sf[i] + h / 6 * kf[i]
        for i in range(20):
            for lane in range(LANES):
                out[i, block * LANES + lane] = x[i, lane]


@nb.njit(fastmath=True, parallel=True)
def one_by_one(t1, t2, h, steps, out):
    for m in nb.prange(t1.size):
        x, k, t, total = np.zeros((20, 1)), np.empty((20, 1)), np.empty((20, 1)), np.empty((20, 1))
        x[0, 0], x[1, 0] = t1[m], t2[m]
        x[4, 0], x[9, 0], x[14, 0], x[19, 0] = 1.0, 1.0, 1.0, 1.0
        for _ in range(steps):
            one(math.sin(x[0, 0]), math.cos(x[0, 0]), math.sin(x[1, 0]), math.cos(x[1, 0]), x, k, 0)
            for i in range(20):
                total[i, 0] = x[i, 0] + h / 6 * k[i, 0]
                t[i, 0] = x[i, 0] + h / 2 * k[i, 0]
            one(math.sin(t[0, 0]), math.cos(t[0, 0]), math.sin(t[1, 0]), math.cos(t[1, 0]), t, k, 0)
            for i in range(20):
                total[i, 0] += h / 3 * k[i, 0]
                t[i, 0] = x[i, 0] + h / 2 * k[i, 0]
            one(math.sin(t[0, 0]), math.cos(t[0, 0]), math.sin(t[1, 0]), math.cos(t[1, 0]), t, k, 0)
            for i in range(20):
                total[i, 0] += h / 3 * k[i, 0]
                t[i, 0] = x[i, 0] + h * k[i, 0]
            one(math.sin(t[0, 0]), math.cos(t[0, 0]), math.sin(t[1, 0]), math.cos(t[1, 0]), t, k, 0)
            for i in range(20):
                x[i, 0] = total[i, 0] + h / 6 * k[i, 0]
        for i in range(20):
            out[i, m] = x[i, 0]


def w1(task):
    from numba.core import config

    nb.set_num_threads(task.threads)
    t1, t2 = workloads.angles(task.n)
    solve, out = {"lanes": by_lanes, "scalar": one_by_one}[task.variant], np.empty((20, task.n**2))
    notes = {"svml": bool(config.USING_SVML)}
    return Case(lambda: solve(t1, t2, 0.01, task.steps, out), lambda _: workloads.growth(out[4:], task.n), notes)


@nb.njit(fastmath=True, inline="always")
def pendulum(t1, t2, p1, p2):
    s, c = math.sin(t1 - t2), math.cos(t1 - t2)
    over = 6 / (16 - 9 * c * c)
    v1, v2 = over * (2 * p1 - 3 * c * p2), over * (8 * p2 - 3 * c * p1)
    w = v1 * v2 * s
    return v1, v2, -0.5 * (w + 29.4 * math.sin(t1)), -0.5 * (9.8 * math.sin(t2) - w)


# SOURCE: Dormand and Prince, J. Comp. Appl. Math. 6 (1980), table 2
A = np.array(
    [
        [0, 0, 0, 0, 0, 0],
        [1 / 5, 0, 0, 0, 0, 0],
        [3 / 40, 9 / 40, 0, 0, 0, 0],
        [44 / 45, -56 / 15, 32 / 9, 0, 0, 0],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0],
        [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
    ]
)
E = np.array([71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])


@nb.njit(fastmath=True, parallel=True)
def dormand_prince(y0, t_end, tol, out):
    for m in nb.prange(y0.shape[1]):
        k, y, z = np.empty((7, 4)), y0[:, m].copy(), np.empty(4)
        t, h = 0.0, 0.01
        k[0, 0], k[0, 1], k[0, 2], k[0, 3] = pendulum(y[0], y[1], y[2], y[3])
        while t < t_end:
            h = min(h, t_end - t)
            for s in range(1, 7):
                for i in range(4):
                    total = 0.0
                    for j in range(s):
                        total += A[s, j] * k[j, i]
                    z[i] = y[i] + h * total
                k[s, 0], k[s, 1], k[s, 2], k[s, 3] = pendulum(z[0], z[1], z[2], z[3])
            error = 0.0
            for i in range(4):
                e = 0.0
                for j in range(7):
                    e += E[j] * k[j, i]
                error += (h * e / (tol + tol * max(abs(y[i]), abs(z[i])))) ** 2
            error = math.sqrt(error / 4)
            if error <= 1:
                t += h
                for i in range(4):
                    y[i] = z[i]
                    k[0, i] = k[6, i]
            h *= min(5.0, max(0.2, 0.9 * max(error, 1e-10) ** -0.2))
        out[:, m] = y


def w4(task):
    nb.set_num_threads(task.threads)
    y0, tol = workloads.pendulums(), float(task.variant.split()[1])
    out = np.empty_like(y0)
    return Case(lambda: dormand_prince(y0, 10.0, tol, out), lambda _: out.ravel().tolist())


if __name__ == "__main__":
    main(globals(), ("numba", "llvmlite", "numpy"))
