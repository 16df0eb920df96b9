"""Methods for stiff problems on problems with published solutions: time and digits, beside SciPy.

    python -m benchmarks.bench_stiff                  run all and print the table
    python -m benchmarks.bench_stiff --write          and put it into docs/stiff.md

In each round ours stands between the runs of SciPy's; what counts is the median of the rounds' ratios.  Warm: machine
code is there.  Relative tolerance 1e-6, absolute ones in proportion to the sizes that the problem states.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.stiff import PROBLEMS, Stiff

__all__ = ["METHODS", "Outcome", "main", "measured"]

METHODS = {"Rodas5P": "Radau", "Kvaerno5": "Radau", "Radau": "Radau", "BDF": "BDF"}
"""Ours, and the one of SciPy's that it is compared with; LSODA besides."""
_NAMES = ("Robertson", "HIRES", "OREGO", "van der Pol, mu = 1e3", "POLLU")
_RTOL = 1e-6
_BATCH = 256
_PAGE = Path(__file__).parents[1] / "docs" / "stiff.md"
_BEGIN, _END = "<!-- table begins -->", "<!-- table ends -->"


@dataclass(frozen=True)
class Outcome:
    """One method on one problem.

    Attributes
    ----------
    steps : int
    seconds : float
        Of one solve.
    digits : float
        Of the worst component at the end.
    ratio, to_lsoda : float
        Time of SciPy's method, and of its LSODA, in units of ours.
    gradient : float
        Seconds of the gradient of the last component at the end by the start, the solve included.
    batch : float
        Seconds for each of 256 trajectories, one thread.
    """

    steps: int
    seconds: float
    digits: float
    ratio: float
    to_lsoda: float
    gradient: float
    batch: float


def measured(problem: Stiff, method: str, rounds: int = 5) -> Outcome:
    """Measure a method on a problem."""
    import scipy.integrate

    from diffsim.derivatives import grad
    from integrators import solve_ivp

    more: dict[str, Any] = {"rtol": _RTOL, "atol": [_RTOL * size for size in problem.atol]}
    span, y0 = (0.0, problem.end), np.array(problem.y0)

    def ours() -> Any:
        return solve_ivp(problem.fun, span, y0, method, **more)

    rates = getattr(problem.fun, "rates", problem.fun)

    def plain(t: float, y: Any) -> Any:
        """The equations on plain floats, which is the fastest for SciPy: a System brings its own checks along."""
        return rates(t, y.tolist())

    def theirs(name: str) -> Callable[[], Any]:
        return lambda: scipy.integrate.solve_ivp(plain, span, y0, name, **more)  # type: ignore[call-overload]

    found = ours()
    error = np.abs(found.y[:, -1] / np.array(problem.solution) - 1.0).max()
    times, ratios, to_lsoda = [], [], []
    for _ in range(rounds):
        before, lsoda, after = _timed(ours), _timed(theirs("LSODA"), 1), _timed(ours)
        own = min(before, after)
        times.append(own)
        ratios.append(_timed(theirs(METHODS[method]), 1) / own)
        to_lsoda.append(lsoda / own)
    starts = y0[:, None] * (1.0 + 1e-3 * np.random.default_rng(0).uniform(-1.0, 1.0, (len(y0), _BATCH)))

    def many() -> Any:
        return solve_ivp(problem.fun, span, starts, method, t_eval=[problem.end], threads=1, **more)

    def last(y: Any) -> Any:
        return solve_ivp(problem.fun, span, y, method, t_eval=[problem.end], **more).y[-1, -1]

    def gradient() -> Any:
        return grad(last)(y0)

    many()
    gradient()
    return Outcome(
        len(found.t) - 1,
        median(times),
        float(-np.log10(error)),
        median(ratios),
        median(to_lsoda),
        median(_timed(gradient, 1) for _ in range(rounds)),
        median(_timed(many, 1) for _ in range(rounds)) / _BATCH,
    )


def _timed(run: Callable[[], Any], n: int = 5) -> float:
    """Return the least of n times."""
    best = float("inf")
    for _ in range(n):
        begin = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - begin)
    return best


def _table(methods: list[str], rounds: int) -> str:
    head = (
        "| problem | method | steps | digits | a solve | a step | SciPy's | LSODA | a gradient | a solve in a batch |"
    )
    rows = [head, "|---|---|---|---|---|---|---|---|---|---|"]
    for name in _NAMES:
        for method in methods:
            x = measured(PROBLEMS[name], method, rounds)
            rows.append(
                f"| {name} | {method} | {x.steps} | {x.digits:.1f} | {1e3 * x.seconds:.2f} ms | "
                f"{1e6 * x.seconds / x.steps:.1f} µs | {METHODS[method]} {x.ratio:.0f} x | {x.to_lsoda:.0f} x | "
                f"{1e3 * x.gradient:.1f} ms | {1e6 * x.batch:.0f} µs |"
            )
            print(rows[-1], flush=True)
    return "\n".join(rows)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="put the table into docs/stiff.md")
    given = parser.parse_args()
    text = _table(given.methods, given.rounds)
    if given.write:
        before, rest = _PAGE.read_text(encoding="utf-8").split(_BEGIN)
        after = rest.split(_END)[1]
        _PAGE.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
