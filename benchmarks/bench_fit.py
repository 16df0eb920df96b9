"""Fits of a double pendulum: what `fit` recovers from noisy positions, with single shooting by L-BFGS beside it.

    python -m benchmarks.bench_fit pendulum        # ten seeds, two chaotic orbits and a regular one
    python -m benchmarks.bench_fit single          # the same by one shot: L-BFGS on chi2, and least squares

The data: 20 s of the positions of joint and free end, 50 times a second, with normal noise of 0.01 m, 1 % of a rod's
length; the pivot is not measured.  The truth: gravity 9.81, mass_2 / mass_1 = 1 (mass_1 is not free: positions know
the ratio alone).  The search begins 30 % off in both, up or down by the seed's choice, and, as to the initial state,
which is free, hanging at rest: it knows nothing of it.
"""

from __future__ import annotations

import sys
import time

import numpy as np

ORBITS = ((2.0, 2.0, 0.0, 0.0), (0.4, 0.0, 1.0, 4.0), (0.5, 0.5, 0.0, 0.0))
GRAVITY, RATIO, NOISE, SEEDS = 9.81, 1.0, 0.01, 10
FREE = ("gravity", "mass_2", "y0")
TIGHT = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-12}


def record(start, seed):
    """Times, positions with noise, and the System where the search begins."""
    from integrators import solve_ivp
    from systems import DoublePendulum

    rng = np.random.default_rng(seed)
    times = np.linspace(0.0, 20.0, 1001)
    truth = DoublePendulum(gravity=GRAVITY, mass_2=RATIO)
    points = np.asarray(truth.positions(solve_ivp(truth, (0.0, 20.0), start, t_eval=times, **TIGHT).y))
    data = points + NOISE * rng.normal(size=points.shape)
    data[0] = np.nan
    off = 1.0 + 0.3 * rng.choice([-1.0, 1.0], size=2)
    return times, data, DoublePendulum(gravity=GRAVITY * off[0], mass_2=RATIO * off[1])


def pendulum():
    """Count how many of ten seeds end within 1 % of both."""
    from studies import fit

    for start in ORBITS:
        good, worst, scores, seconds = 0, 0.0, [], []
        for seed in range(SEEDS):
            times, data, guess = record(start, seed)
            begin = time.perf_counter()
            found = fit(guess, (times, {"positions": data}), [0.0] * 4, free=FREE, sigma=NOISE)
            seconds.append(time.perf_counter() - begin)
            off = np.abs(found.x[:2] / [GRAVITY, RATIO] - 1.0)
            good += bool((off < 0.01).all())
            worst = max(worst, off.max())
            scores.append((found.x[:2] - [GRAVITY, RATIO]) / found.errors[:2])
            print(
                f"  seed {seed}: from g {guess.gravity:.2f}, m {guess.mass_2:.1f} to g {found.x[0]:.5f} "
                f"+- {found.errors[0]:.1g}, m {found.x[1]:.5f} +- {found.errors[1]:.1g}, "
                f"chi2 {found.chi2:.0f} / {found.freedom}, {found.n_windows} windows, growth {found.growth:.1g}",
                flush=True,
            )
        spread = np.sqrt(np.mean(np.square(scores)))
        print(
            f"{start}: {good} of {SEEDS} within 1 % of both, the farthest {100 * worst:.3f} % off; errors in units of "
            f"their standard errors {spread:.2f} (rms); {np.median(seconds):.1f} s a fit (median)"
        )


def single():
    """The same data and starts by one shot over the 20 s; the initial angles given, which is more than above."""
    from studies import fit, minimise

    for start in ORBITS:
        first = [start[0], start[1], 0.0, 0.0]
        for kind in ("L-BFGS-B", "least squares"):
            good, left = 0, []
            for seed in range(SEEDS):
                times, data, guess = record(start, seed)
                if kind == "least squares":
                    found = fit(
                        guess, (times, {"positions": data}), first, free=FREE, sigma=NOISE, shooting="single"
                    )  # fmt: skip
                    x, chi2 = found.x[:2], found.chi2 / found.freedom
                else:

                    def chi2_of(t, y, data=data, guess=guess):
                        points = guess.positions(y)  # lengths are not free
                        return (((points[1:] - data[1:]) / NOISE) ** 2).mean()

                    names = ("gravity", "mass_2", *guess.state_names)
                    found = minimise(
                        guess, chi2_of, first, free=names, t_span=(0.0, 20.0), t_eval=times, method="DOP853",
                        bounds={"gravity": (0.1, 100.0), "mass_2": (0.01, 100.0)}, shooting="single",
                    )  # fmt: skip
                    x, chi2 = found.x[:2], found.value
                good += bool((np.abs(x / [GRAVITY, RATIO] - 1.0) < 0.01).all())
                left.append(chi2)
            print(
                f"{start}: {kind}: {good} of {SEEDS} within 1 % of both; chi2 a number {np.median(left):.3g} (median), "
                f"{min(left):.3g} at best",
                flush=True,
            )


if __name__ == "__main__":
    kinds = {f.__name__: f for f in (pendulum, single)}
    asked = sys.argv[1:]
    if len(asked) != 1 or asked[0] not in kinds:
        raise SystemExit(f"usage: python -m benchmarks.bench_fit {'|'.join(kinds)}")
    kinds[asked[0]]()
