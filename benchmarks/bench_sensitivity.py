"""Time and peak memory of a sensitivity map: the double pendulum, RK4 with h = 0.01 to T = 10, all four tangents.

    python benchmarks/bench_sensitivity.py                 # 256 x 256 cells
    python benchmarks/bench_sensitivity.py --cells 64 --numpy

`--numpy` also runs the same map by hand-written NumPy (the tangents through the Jacobian), one core, for comparison.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from studies import sensitivity_map
from systems import DoublePendulum


def by_hand(angles, t_end, step):
    """Return the largest singular value of the flow map of each start at rest, as one would write it in NumPy."""
    a, b = (grid.ravel() for grid in np.meshgrid(angles, angles, indexing="ij"))
    values = np.empty(a.size)
    for low in range(0, a.size, 2048):
        block = slice(low, low + 2048)
        y = np.zeros((20, a[block].size))
        y[0], y[1] = a[block], b[block]
        y[[4, 9, 14, 19]] = 1.0  # the identity, row by row
        for _ in range(round(t_end / step)):
            k_1 = _rates(y)
            k_2 = _rates(y + 0.5 * step * k_1)
            k_3 = _rates(y + 0.5 * step * k_2)
            k_4 = _rates(y + step * k_3)
            y = y + step / 6.0 * (k_1 + 2.0 * (k_2 + k_3) + k_4)
        values[block] = np.linalg.svd(y[4:].reshape(4, 4, -1).transpose(2, 0, 1), compute_uv=False)[:, 0]
    return values.reshape(len(angles), -1)


def _rates(z):
    """Equations and variational equations of the double pendulum of uniform rods (m = l = 1, g = 9.8)."""
    a, b, p, q = z[:4]
    d_a, d_b, d_p, d_q = z[4:].reshape(4, 4, -1)
    c, s = np.cos(a - b), np.sin(a - b)
    over = 6.0 / (16.0 - 9.0 * c * c)
    u, v = over * (2.0 * p - 3.0 * c * q), over * (8.0 * q - 3.0 * c * p)
    d_delta = d_a - d_b
    d_c, d_s = -s * d_delta, c * d_delta
    shrink = 3.0 * c * over * d_c
    d_u = over * (2.0 * d_p - 3.0 * (c * d_q + q * d_c)) + shrink * u
    d_v = over * (8.0 * d_q - 3.0 * (c * d_p + p * d_c)) + shrink * v
    torque = u * v * s
    d_torque = s * (u * d_v + v * d_u) + u * v * d_s
    first = [u, v, -0.5 * (torque + 29.4 * np.sin(a)), -0.5 * (-torque + 9.8 * np.sin(b))]
    rest = [d_u, d_v, -0.5 * (d_torque + 29.4 * np.cos(a) * d_a), -0.5 * (-d_torque + 9.8 * np.cos(b) * d_b)]
    return np.concatenate([np.stack(first), np.concatenate(rest)])


def _measured(name, work):
    """Run ``work`` and print its wall time, processor time and the peak memory of the process so far."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    used = f"{time.perf_counter() - wall:7.1f} s wall, {time.process_time() - processor:7.1f} s processor"
    print(f"{name:28s} {used}, peak {peak:.0f} MiB", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=256, help="cells along each side")
    parser.add_argument("--t-end", type=float, default=10.0)
    parser.add_argument("--numpy", action="store_true", help="also by hand-written NumPy")
    parser.add_argument("--out", help="write the map there (.png or .npz)")
    arguments = parser.parse_args()
    angles = np.linspace(-np.pi, np.pi, arguments.cells, endpoint=False)
    result = _measured(
        f"diffsim, {arguments.cells} x {arguments.cells}",
        lambda: sensitivity_map(
            DoublePendulum(),
            {"theta_1": angles, "theta_2": angles},
            y0=np.zeros(4),
            t_end=arguments.t_end,
            measure="singular_value",
        ),
    )
    print(result)
    if arguments.out:
        result.save(arguments.out)
    if arguments.numpy:
        values = _measured("NumPy by hand", lambda: by_hand(angles, arguments.t_end, 0.01))
        calm = values < 1e3  # elsewhere rounding decides
        print(f"largest relative difference where sigma < 1000: {np.abs(result.values / values - 1.0)[calm].max():.1e}")


if __name__ == "__main__":
    main()
