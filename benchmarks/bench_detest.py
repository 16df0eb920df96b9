"""Every adaptive method on the 25 nonstiff DETEST problems: how large the error is and what it cost, beside SciPy.

    python -m benchmarks.bench_detest                 run all and print the tables
    python -m benchmarks.bench_detest --write         and put them into docs/accuracy.md
    python -m benchmarks.bench_detest --methods RK45 --rtol 1e-6

An error is that of the worst component at t = 20, in units of the tolerance ``atol + rtol |y|``, with atol = rtol.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.detest import END, PROBLEMS, end_of

__all__ = ["Outcome", "adaptive_methods", "main", "measured", "scipys"]

TOLERANCES = (1e-3, 1e-6, 1e-9, 1e-12)
_IN_SCIPY = ("RK23", "RK45", "DOP853")
_PAGE = Path(__file__).parents[1] / "docs" / "accuracy.md"
_BEGIN, _END = "<!-- detest begins -->", "<!-- detest ends -->"


@dataclass(frozen=True)
class Outcome:
    """One solve.

    Attributes
    ----------
    error : float
        In units of the tolerance; infinite where the solve failed.
    nfev : int
    """

    error: float
    nfev: int


def adaptive_methods() -> list[str]:
    """Return the names of all explicit methods that choose their own steps."""
    from integrators._methods import method_class, method_names

    found = []
    for name in method_names():
        method = method_class(name)()
        if method.adaptive and not getattr(method, "implicit", False):
            found.append(name)
    return found


def measured(method: str, problem: str, tolerance: float, **options: Any) -> Outcome:
    """Solve a problem and compare its end."""
    from integrators import solve_ivp

    case = PROBLEMS[problem]
    solution = solve_ivp(case.fun, (0.0, END), case.y0, method=method, rtol=tolerance, atol=tolerance, **options)
    return _outcome(problem, tolerance, solution)


def scipys(method: str, problem: str, tolerance: float) -> Outcome:
    """Let SciPy solve a problem and compare its end."""
    from scipy.integrate import solve_ivp

    case = PROBLEMS[problem]
    solution = solve_ivp(case.fun, (0.0, END), case.y0, method=method, rtol=tolerance, atol=tolerance)
    return _outcome(problem, tolerance, solution)


def _outcome(problem: str, tolerance: float, solution: Any) -> Outcome:
    if int(solution.status) != 0:
        return Outcome(np.inf, int(solution.nfev))
    end = end_of(problem)
    error = np.max(np.abs(solution.y[:, -1] - end) / (tolerance + tolerance * np.abs(end)))
    return Outcome(float(error), int(solution.nfev))


def _row(label: str, outcomes: Sequence[Outcome]) -> str:
    errors = np.array([outcome.error for outcome in outcomes])
    names = list(PROBLEMS)
    worst = int(np.argmax(errors))
    calls = sum(outcome.nfev for outcome in outcomes)
    return f"| {label} | {calls:,} | {np.median(errors):.2g} | {errors[worst]:.2g} ({names[worst]}) |"


def tables(methods: Sequence[str], tolerances: Sequence[float], say: Any = print) -> str:
    """Return one table a tolerance, in Markdown."""
    parts = []
    for tolerance in tolerances:
        rows = [f"rtol = atol = {tolerance:.0e}:", ""]
        rows += ["| method | evaluations | median error | worst error |", "|---|---|---|---|"]
        for method in methods:
            rows.append(_row(method, [measured(method, name, tolerance) for name in PROBLEMS]))
            say(rows[-1])
            if method in _IN_SCIPY:
                rows.append(_row(f"SciPy {method}", [scipys(method, name, tolerance) for name in PROBLEMS]))
                say(rows[-1])
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="*", help="default: every adaptive explicit method")
    parser.add_argument("--rtol", nargs="*", type=float, default=list(TOLERANCES))
    parser.add_argument("--write", action="store_true", help="put the tables into docs/accuracy.md")
    given = parser.parse_args(argv)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # right-hand sides that run interpreted
        text = tables(given.methods or adaptive_methods(), given.rtol)
    if given.write:
        page = _PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(_BEGIN)
        _, _, after = rest.partition(_END)
        _PAGE.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
