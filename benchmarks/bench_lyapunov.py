"""Lyapunov spectra: the figures that are claimed, and their throughput against a loop compiled by numba.

    python -m benchmarks.bench_lyapunov lorenz          # 20 seeds within their own intervals
    python -m benchmarks.bench_lyapunov pendulum        # 10,000 s with a symplectic method
    python -m benchmarks.bench_lyapunov verdicts        # regular and chaotic starts, by every indicator
    python -m benchmarks.bench_lyapunov shadowing       # d<z>/d rho beside the plain gradient
    python -m benchmarks.bench_lyapunov speed           # steps of Lorenz with all tangents a second; also by numba
    PYTHON_WITH_NUMBA benchmarks/bench_lyapunov.py numba

`speed` starts the Python that the environment variable NUMBA_PYTHON names (default: `python` of PEERS_VENV/main) for
the same work by a hand-written loop: RK4 for the Lorenz system and its three tangents, modified Gram-Schmidt once a
second of the system's time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import numpy as np

STEP, RENORM, TOTAL, TRANSIENT = 0.01, 1.0, 40_000.0, 100.0
START = (1.0, 1.0, 20.0)
ROUNDS = 5


def lorenz():
    """Count how many of 20 seeds have the published spectrum within their own intervals."""
    from studies import lyapunov_spectrum
    from systems import Lorenz63

    # SOURCE: Sprott, Chaos and Time-Series Analysis (2003), Table A.1: 0.9056, 0, -14.5723.
    published, good, widest, middle, dimensions = np.array([0.9056, 0.0, -14.5723]), 0, 0.0, 0.0, []
    for seed in range(20):
        start = np.array(START) + np.random.default_rng(seed).normal(size=3)
        time_ = {"t_transient": TRANSIENT, "t_total": TOTAL, "t_renorm": RENORM}
        found = lyapunov_spectrum(Lorenz63(), start, **time_, method="RK4", step=STEP, rng=seed)
        low, high = found.interval(0.95).T
        inside = bool(((low <= published) & (published <= high)).all())
        good += inside
        widest = max(widest, found.half_width(0.997)[[0, 2]].max())
        middle = max(middle, abs(found.exponents[1]))
        dimensions.append(found.kaplan_yorke)
        print(seed, found.exponents, "inside" if inside else "outside", f"D = {found.kaplan_yorke:.5f}", flush=True)
    print(f"{good} of 20 within their 95 % intervals; 99.7 % half-width of the first and last at most {widest:.4f};")
    print(f"middle one at most {middle:.1e}; Kaplan-Yorke {min(dimensions):.4f} to {max(dimensions):.4f}")


def pendulum():
    """Follow the notebook's double pendulum for 10,000 s, symplectically."""
    from studies import lyapunov_spectrum
    from systems import DoublePendulum

    begin = time.perf_counter()
    found = lyapunov_spectrum(
        DoublePendulum(), [0.4, 0.0, 1.0, 4.0],
        t_transient=0, t_total=10_000, t_renorm=1, method="GaussLegendre4", step=0.005,
    )  # fmt: skip
    print(found)
    print(f"sum {found.total:.2e}, pairs {found.pairing}, {time.perf_counter() - begin:.0f} s")


def verdicts():
    """Ask about two starts."""
    from studies import is_chaotic
    from systems import DoublePendulum

    for angle in (0.5, 2.0):
        print(is_chaotic(DoublePendulum(), [angle, angle, 0.0, 0.0]))


def shadowing():
    """Derivative of <z> by rho."""
    from studies import shadowing_gradient
    from systems import Lorenz63

    time_ = {"t_transient": 50, "t_total": 2000, "t_segment": 0.5}
    found = shadowing_gradient(Lorenz63(), "z", parameters="rho", **time_, method="RK4", step=STEP)
    print(found)
    for seconds in (1, 5, 10, 20, 50, 100, 200):
        print(f"plain gradient of the average over {seconds} s: {found.plain[0, 2 * seconds - 1]:.3g}")


def speed():
    """Time the same spectrum here and by numba, turn about."""
    from studies import lyapunov_spectrum
    from systems import Lorenz63

    def ours(threads):
        begin, cpu = time.perf_counter(), time.process_time()
        found = lyapunov_spectrum(
            Lorenz63(), START, t_transient=0, t_total=TOTAL, t_renorm=RENORM, method="RK4", step=STEP, threads=threads
        )
        return time.perf_counter() - begin, time.process_time() - cpu, found.exponents.tolist()

    ours(1)
    home = os.environ.get("NUMBA_PYTHON") or os.path.join(os.environ.get("PEERS_VENV", ""), "main", "bin", "python")
    times = {"diffsim, 1 thread": [], "diffsim, all cores": [], "numba": []}
    for _ in range(ROUNDS):
        for name, threads in (("diffsim, 1 thread", 1), ("diffsim, all cores", None)):
            wall, cpu, exponents = ours(threads)
            times[name].append((wall, cpu))
        if os.path.exists(home):
            told = subprocess.run([home, __file__, "numba"], capture_output=True, text=True, check=True).stdout
            wall, cpu, theirs = json.loads(told)
            times["numba"].append((wall, cpu))
            if np.abs(np.array(exponents) - theirs).max() > 0.02:
                raise SystemExit(f"the answers differ: {exponents} and {theirs}")
    steps = TOTAL / STEP
    for name, values in times.items():
        if values:
            wall, cpu = (steps / np.median(column) / 1e6 for column in zip(*values, strict=True))
            print(f"{name:20s} {wall:6.2f} million steps with tangents a second ({cpu:.2f} a second of processor time)")
        else:
            print(f"{name:20s} not installed (NUMBA_PYTHON)")


def numba_loop():
    """The hand-written loop, timed without its compilation; prints seconds and exponents as JSON."""
    import numba

    @numba.njit
    def rates(y, out):
        s, r, b = 10.0, 28.0, 8.0 / 3.0
        out[0] = s * (y[1] - y[0])
        out[1] = y[0] * (r - y[2]) - y[1]
        out[2] = y[0] * y[1] - b * y[2]
        for k in range(3):
            p, q, w = y[3 + k], y[6 + k], y[9 + k]
            out[3 + k] = s * (q - p)
            out[6 + k] = (r - y[2]) * p - q - y[0] * w
            out[9 + k] = y[1] * p + y[0] * q - b * w

    @numba.njit
    def spectrum(start, step, per, count):
        y = np.zeros(12)
        y[:3] = start
        y[3] = y[7] = y[11] = 1.0
        k1, k2, k3, k4, z = np.zeros(12), np.zeros(12), np.zeros(12), np.zeros(12), np.zeros(12)
        sums = np.zeros(3)
        for _ in range(count):
            for _ in range(per):
                rates(y, k1)
                for i in range(12):
                    z[i] = y[i] + 0.5 * step * k1[i]
                rates(z, k2)
                for i in range(12):
                    z[i] = y[i] + 0.5 * step * k2[i]
                rates(z, k3)
                for i in range(12):
                    z[i] = y[i] + step * k3[i]
                rates(z, k4)
                for i in range(12):
                    y[i] += step / 6.0 * (k1[i] + 2.0 * (k2[i] + k3[i]) + k4[i])
            for k in range(3):
                for j in range(k):
                    dot = y[3 + k] * y[3 + j] + y[6 + k] * y[6 + j] + y[9 + k] * y[9 + j]
                    for i in range(3):
                        y[3 + 3 * i + k] -= dot * y[3 + 3 * i + j]
                size = np.sqrt(y[3 + k] ** 2 + y[6 + k] ** 2 + y[9 + k] ** 2)
                sums[k] += np.log(size)
                for i in range(3):
                    y[3 + 3 * i + k] /= size
        return sums / (count * per * step)

    start, per = np.array(START), round(RENORM / STEP)
    spectrum(start, STEP, per, 2)
    begin, cpu = time.perf_counter(), time.process_time()
    found = spectrum(start, STEP, per, round(TOTAL / RENORM))
    print(json.dumps([time.perf_counter() - begin, time.process_time() - cpu, found.tolist()]))


if __name__ == "__main__":
    kinds = {f.__name__: f for f in (lorenz, pendulum, verdicts, shadowing, speed)} | {"numba": numba_loop}
    asked = sys.argv[1:]
    if len(asked) != 1 or asked[0] not in kinds:
        raise SystemExit(f"usage: python -m benchmarks.bench_lyapunov {'|'.join(kinds)}")
    kinds[asked[0]]()
