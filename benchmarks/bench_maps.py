"""The map of finite-time Lyapunov exponents against differences, at 1,000 of its cells and at its ten largest.

    python -m benchmarks.bench_maps              # 512 x 512, T = 10 s

The map is that of starts at rest, made from exact tangents of RK4 with h = 0.01.  Here the same steps are made in
80-bit arithmetic, from the states that the trajectory has each quarter of a second, with each component of the start
moved to both sides; the product of the differences over all intervals is the Jacobian.  No tangent has a part in it.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import diffsim as ds

N, T_END, STEP, INTERVAL, CELLS, RANK = 512, 10.0, 0.01, 0.25, 1000, 10
MOVED = 1e-6  # of a component, to either side


def rates(y: Any) -> Any:
    """Return the equations of two equal rods of 1 m and 1 kg, g = 9.8, as Landau and Lifshitz' formulas give them."""
    c, s = np.cos(y[0] - y[1]), np.sin(y[0] - y[1])
    below = 16 - 9 * c * c
    u, v = 6 * (2 * y[2] - 3 * c * y[3]) / below, 6 * (8 * y[3] - 3 * c * y[2]) / below
    g = np.longdouble(9.8)
    return np.stack([u, v, -(u * v * s + 3 * g * np.sin(y[0])) / 2, (u * v * s - g * np.sin(y[1])) / 2])


def carried(y: Any) -> Any:
    """Return the states (4, ...) an interval later."""
    h = np.longdouble(STEP)
    for _ in range(round(INTERVAL / STEP)):
        k_1 = rates(y)
        k_2 = rates(y + h / 2 * k_1)
        k_3 = rates(y + h / 2 * k_2)
        y = y + h / 6 * (k_1 + 2 * (k_2 + k_3) + rates(y + h * k_3))
    return y


def exponents(starts: Any) -> Any:
    """Return the exponents (m,) of starts (4, m), in 1/s, by differences."""
    times = np.arange(0.0, T_END, INTERVAL)
    solved = ds.solve_ivp(ds.systems.DoublePendulum(), (0.0, T_END), starts, method="RK4", step=STEP, t_eval=times)
    product = np.broadcast_to(np.eye(4), (starts.shape[1], 4, 4))
    for k in range(len(times)):
        y = np.asarray(solved.y[..., k], dtype=np.longdouble)
        moved = y[:, None, :] + MOVED * np.eye(4, dtype=np.longdouble)[:, :, None]
        back = y[:, None, :] - MOVED * np.eye(4, dtype=np.longdouble)[:, :, None]
        jacobian = (carried(moved) - carried(back)) / (2 * MOVED)  # (4, 4, m): component, direction, cell
        product = np.asarray(jacobian.transpose(2, 0, 1), dtype=np.float64) @ product
    return np.log(np.linalg.norm(product, 2, axis=(1, 2))) / T_END


def main() -> None:
    """Print the largest differences."""
    theta = np.linspace(-np.pi, np.pi, N)
    begin = time.perf_counter()
    axes = {"theta_1": theta, "theta_2": theta}
    chart = ds.studies.sensitivity_map(
        ds.systems.DoublePendulum(), axes, y0=[0.0] * 4, t_end=T_END, measure="ftle", method="RK4", step=STEP
    )
    print(f"map of {N} x {N}: {time.perf_counter() - begin:.1f} s")
    values = np.asarray(chart.values)
    i, j = np.random.default_rng(0).integers(0, N, (2, CELLS))
    top = np.unravel_index(np.argsort(values, axis=None)[::-1][:RANK], values.shape)
    for name, (a, b) in {f"{CELLS} random cells": (i, j), f"the {RANK} most sensitive": top}.items():
        starts = np.stack([theta[a], theta[b], *(np.full(len(a), p) for p in chart.y0[2:])])
        gap = np.abs(exponents(starts) - values[a, b])
        print(f"{name}: within {gap.max():.1e} 1/s of differences (median {np.median(gap):.1e})")
    for a, b in zip(*top, strict=True):
        print(f"  theta_1 = {theta[a]:8.5f}, theta_2 = {theta[b]:8.5f}: {values[a, b]:.5f} 1/s")


if __name__ == "__main__":
    main()
