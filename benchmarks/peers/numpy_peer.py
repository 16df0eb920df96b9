"""NumPy: W1 by hand-written variational equations, vectorised over cells in blocks that fit the cache."""

from __future__ import annotations

import numpy as np

from benchmarks import workloads
from benchmarks.frame import Case, main

BLOCK = 1024


def rates(x):
    """Rates of state and tangents; x is (20, cells), 4 rows of state and 16 of tangents."""
    t1, t2, p1, p2 = x[:4]
    u1, u2, q1, q2 = x[4:].reshape(4, 4, -1)
    s1, c1, s2, c2 = np.sin(t1), np.cos(t1), np.sin(t2), np.cos(t2)
    s, c = s1 * c2 - c1 * s2, c1 * c2 + s1 * s2
    over = 6 / (16 - 9 * c * c)
    slope = 3 * over * s
    m11, m12, m22 = 2 * over, -3 * c * over, 8 * over
    v1, v2 = m11 * p1 + m12 * p2, m22 * p2 + m12 * p1
    v1_delta, v2_delta = -c * slope * v1 + slope * p2, -c * slope * v2 + slope * p1
    torque_v2, torque_v1, torque_delta = 0.5 * v1 * s, 0.5 * s * v2, 0.5 * v1 * v2 * c
    torque, delta = torque_v2 * v2, u1 - u2
    out = np.empty_like(x)
    out[0], out[1], out[2], out[3] = v1, v2, -torque - 14.7 * s1, torque - 4.9 * s2
    dv1 = v1_delta * delta + m11 * q1 + m12 * q2
    dv2 = v2_delta * delta + m12 * q1 + m22 * q2
    dw = torque_v1 * dv1 + torque_v2 * dv2 + torque_delta * delta
    tangents = out[4:].reshape(4, 4, -1)
    tangents[0], tangents[1], tangents[2], tangents[3] = dv1, dv2, -dw - 14.7 * c1 * u1, dw - 4.9 * c2 * u2
    return out


def integrate(t1, t2, steps, h=0.01):
    x = np.zeros((20, t1.size))
    x[0], x[1] = t1, t2
    x[[4, 9, 14, 19]] = 1.0
    for _ in range(steps):
        k1 = rates(x)
        k2 = rates(x + h / 2 * k1)
        k3 = rates(x + h / 2 * k2)
        k4 = rates(x + h * k3)
        x += h / 6 * (k1 + 2 * (k2 + k3) + k4)
    return x


def w1(task):
    t1, t2 = workloads.angles(task.n)

    def run():
        blocks = [slice(low, low + BLOCK) for low in range(0, t1.size, BLOCK)]
        return np.concatenate([integrate(t1[block], t2[block], task.steps) for block in blocks], axis=1)

    return Case(run, lambda x: workloads.growth(x[4:], task.n))


if __name__ == "__main__":
    main(globals(), ("numpy",))
