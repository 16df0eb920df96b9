"""`check_gradients`: reverse mode, forward mode and finite differences must tell the same story."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import must, unknown_name
from diffsim.testing.differences import Slope
from diffsim.testing.leaves import named_leaves, split
from diffsim.testing.problem import Mode, Problem
from diffsim.testing.wording import Disagreement, GradientError, GradientReport, GradientWarning

__all__ = ["check_gradients"]

Array: TypeAlias = NDArray[np.float64]
Unresolved: TypeAlias = Literal["warn", "ignore", "raise"]

_EVERY_COMPONENT = 32  # floats up to which each one has its own difference
_N_RANDOM = 4
_RTOL = {2: 3e-2, 4: 1e-4, 8: 1e-9}  # by the bytes of a float
_EPS = float(np.finfo(np.float64).eps)


def check_gradients(
    f: Callable[..., Any],
    *args: Any,
    order: int = 2,
    modes: Sequence[Mode] = ("vjp", "jvp"),
    rtol: float | None = None,
    atol: float = 0.0,
    directions: int | None = None,
    seed: int = 0,
    unresolved: Unresolved = "warn",
) -> GradientReport:
    """Compare the derivatives of f in reverse and forward mode with finite differences, and raise where they differ.

    The differences are extrapolated from a ladder of steps and know the bound of their own error (1e-12 relative
    is common; see `diffsim.testing.differences`).  A derivative is right if it lies within that bound, plus
    `rtol` times its size, plus `atol`.  Beyond order 1 the derivative functions themselves are checked in the same
    way: for order 2 forward over reverse, reverse over reverse, reverse over forward and forward over forward.
    Also checked: both modes compute f's value, f and its pullback give the same bits when they are called again.

    On a kink (``abs`` at 0) a difference can only say that the derivative lies between the slopes on both sides:
    each subgradient between them is accepted, and the component is reported as unresolved.

    Parameters
    ----------
    f : callable
        ``f(*args)`` returns a number, an array, or nested lists, tuples, dicts of them.
    *args : numbers, arrays, nested lists, tuples, dicts of them
        The point.  Floats and arrays of floats are differentiated by; everything else, whole numbers too, is constant.
    order : int
        Highest order of derivative that is checked.
    modes : sequence of "vjp", "jvp"
        Reverse mode, forward mode.
    rtol, atol : float
        What is allowed beyond the bound of the difference; `rtol` is 1e-9 by default (1e-4 where a float32 takes part).
    directions : int, optional
        Number of random directions.  By default every component is differenced up to 32 floats, and beyond
        that 4 random directions.
    seed : int
        Of the random directions.
    unresolved : "warn", "ignore" or "raise"
        What to do about components that differences cannot decide: kinks, jumps, borders of the domain, noise.

    Returns
    -------
    GradientReport
        Numbers of compared and unresolved derivatives, largest disagreement, largest bound.

    Raises
    ------
    GradientError
        Derivatives disagree; the message shows the first component that does.  Also an `AssertionError`.
    ArgumentError
        Nothing to differentiate by, or f is not finite at the point.

    Notes
    -----
    Costs 30 to 60 evaluations of f a component at order 1, and as many of its derivatives at order 2.

    Examples
    --------
    >>> from diffsim import ops
    >>> from diffsim.testing import check_gradients
    >>> report = check_gradients(lambda x, y: ops.sin(x) * ops.exp(y), 0.5, -1.0)
    >>> report.n_compared, report.n_unresolved, report.max_disagreement < 1e-9
    (16, 0, True)
    """
    _check_options(order, modes, unresolved)
    flat, leaves = split(f, args)
    if not leaves:
        raise must("check_gradients", "args", "must hold at least one float", args, "Write 2.0 instead of 2.")
    if rtol is None:
        rtol = max(_RTOL.get(np.asarray(leaf).dtype.itemsize, _RTOL[8]) for _, leaf in leaves)
    rules = _Rules(tuple(modes), rtol, atol, directions, np.random.default_rng(seed))
    with np.errstate(all="ignore"):
        names = [name for name, _ in named_leaves(f(*args), "output")]
    tally = _Tally()
    _check(Problem(flat, leaves, names), order, rules, tally)
    return tally.report(unresolved)


def _check_options(order: int, modes: Sequence[Mode], unresolved: Unresolved) -> None:
    if order < 1:
        raise must("check_gradients", "order", "must be >= 1", order)
    if isinstance(modes, str) or not modes:
        raise must("check_gradients", "modes", "must be a sequence of 'vjp', 'jvp'", modes)
    for mode in modes:
        if mode not in get_args(Mode):
            raise unknown_name("check_gradients", "mode", mode, get_args(Mode))
    if unresolved not in get_args(Unresolved):
        raise unknown_name("check_gradients", "value of unresolved", unresolved, get_args(Unresolved))


@dataclass(frozen=True)
class _Rules:
    """What the caller wants."""

    modes: tuple[Mode, ...]
    rtol: float
    atol: float
    directions: int | None
    random: np.random.Generator


@dataclass
class _Tally:
    """What has been compared so far."""

    compared: int = 0
    disagreement: float = 0.0
    bound: float = 0.0
    unresolved: list[str] = field(default_factory=list)

    def report(self, unresolved: Unresolved) -> GradientReport:
        """Freeze it; warn or raise where something stayed open."""
        first = tuple(self.unresolved[:10])
        report = GradientReport(self.compared, len(self.unresolved), self.disagreement, self.bound, first)
        if first and unresolved == "raise":
            raise GradientError(report.open_ends())
        if first and unresolved == "warn":
            warnings.warn(report.open_ends(), GradientWarning, stacklevel=3)
        return report


@dataclass(frozen=True)
class _Probe:
    """A direction v, the cotangents u (one a row; None for all unit vectors), and the difference along v."""

    i: int | None
    v: Array
    u: Array | None
    slope: Slope

    def project(self, mode: Mode) -> tuple[Array, Array]:
        """Value and bound of what the mode is compared with."""
        if mode == "jvp" or self.u is None:
            return self.slope.value, self.slope.error
        return self.u @ self.slope.value, np.abs(self.u) @ self.slope.error


def _check(problem: Problem, order: int, rules: _Rules, tally: _Tally) -> None:
    """Check first derivatives of the problem's function, then go on with its derivative functions."""
    problem.check_values(rules.modes)
    n_out = len(problem.y)
    u = None if n_out <= _EVERY_COMPONENT else rules.random.choice((-1.0, 1.0), (_N_RANDOM, n_out))
    if "vjp" in rules.modes:
        pullback = problem.reverse()[1]
        rows = np.array([pullback(row) for row in (np.eye(n_out) if u is None else u)]).reshape(-1, len(problem.x))
    for i, v in _directions(problem.x, rules):
        probe = _Probe(i, v, u, problem.difference(v))
        for mode in rules.modes:
            found = problem.forward(v)[1] if mode == "jvp" else rows[:, i] if i is not None else rows @ v
            _compare(problem, probe, mode, found, rules, tally)
    if order > 1:
        for mode in rules.modes:
            _check(problem.derivative(mode, rules.random), order - 1, rules, tally)


def _directions(x: Array, rules: _Rules) -> Iterator[tuple[int | None, Array]]:
    """Unit vectors with their number, or random directions scaled with the point."""
    if rules.directions is None and len(x) <= _EVERY_COMPONENT:
        yield from enumerate(np.eye(len(x)))
        return
    for _ in range(rules.directions or _N_RANDOM):
        yield None, random_direction(x, rules.random)


def random_direction(x: Array, random: np.random.Generator) -> Array:
    """Return a direction with random signs, whose components are of the sizes of the point's, to a power of two."""
    largest = float(np.max(np.abs(x), initial=0.0)) or 1.0
    scale = np.exp2(np.round(np.log2(np.maximum(np.abs(x), largest / 1024))))
    direction: Array = scale * random.choice((-1.0, 1.0), len(x))
    return direction


def _compare(problem: Problem, probe: _Probe, mode: Mode, found: Array, rules: _Rules, tally: _Tally) -> None:
    """Compare what one mode found along one direction with the difference."""
    expected, error = probe.project(mode)
    wrong = _wrong(found, expected, error, problem.scale, rules)
    if wrong.any():
        raise GradientError(_narrowed(problem, probe, mode, int(np.argmax(wrong)), rules).message())
    size = np.fmax(np.abs(found), np.abs(expected))
    value = np.abs(problem.y) if len(found) == len(problem.y) else np.full(len(found), np.max(np.abs(problem.y)))
    natural = np.fmax(size, value / max(float(np.max(np.abs(problem.x))), 1.0))
    resolved = error <= np.fmax(1e-3 * natural, 1e-12)
    miss = np.abs(found - expected)[resolved] / np.fmax(natural[resolved], np.finfo(float).tiny)
    tally.compared += len(found)
    tally.disagreement = max(tally.disagreement, float(np.max(miss, initial=0.0)))
    tally.bound = max(tally.bound, float(np.max(error[resolved], initial=0.0)))
    if mode == rules.modes[0]:
        for j in np.flatnonzero(~resolved):
            what = _what(problem, probe, int(j) if len(found) == len(problem.y) else None)
            tally.unresolved.append(f"{what}: {uncertain(probe.slope, int(j) if len(found) == len(problem.y) else 0)}")


def _wrong(found: Array, expected: Array, error: Array, scale: float, rules: _Rules) -> NDArray[np.bool_]:
    """Where a derivative lies outside the bound; one that is not finite is wrong even if nothing else is known."""
    largest = max(scale, np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected)))
    with np.errstate(invalid="ignore"):
        size = np.fmax(np.abs(found), np.abs(expected))
        bound = error + rules.rtol * size + rules.atol + 64 * _EPS * largest
        agree = (np.abs(found - expected) <= bound) | (error == np.inf)
    wrong: NDArray[np.bool_] = ~(agree & np.isfinite(found))
    return wrong


def _what(problem: Problem, probe: _Probe, j: int | None) -> str:
    of = "(u . output)" if j is None else problem.outputs.name(j)
    by = "(random direction)" if probe.i is None else problem.inputs.name(probe.i)
    return f"d {of} / d {by}"


def uncertain(slope: Slope, j: int) -> str:
    """Return what a difference leaves open about component j."""
    value, error, jump = float(slope.value[j]), float(slope.error[j]), float(slope.jump[j])
    if jump:
        return f"a kink, with slope {value - jump / 2:.6g} on the left and {value + jump / 2:.6g} on the right"
    if np.isfinite(error):
        return f"{value:.6g} +- {error:.1g}"
    return "f is not defined on both sides of the point"


def _narrowed(problem: Problem, probe: _Probe, mode: Mode, j: int, rules: _Rules) -> Disagreement:
    """Follow a disagreement down to one component of the arguments and one of the result."""
    pullback = problem.reverse()[1]

    def found_along(u: Array, v: Array) -> float:
        tangent = problem.forward(v)[1] if mode == "jvp" else pullback(u)
        other = u if mode == "jvp" else v
        return float(np.sum((tangent * other)[other != 0]))

    def disagrees(u: Array, v: Array) -> bool:
        difference = problem.difference(v)
        value, error = ((x[u != 0]) for x in (difference.value, difference.error))
        weights = u[u != 0]
        expected, bound = np.array([weights @ value]), np.array([np.abs(weights) @ error])
        return bool(_wrong(np.array([found_along(u, v)]), expected, bound, problem.scale, rules)[0])

    u = probe.u[j] if mode == "vjp" and probe.u is not None else np.eye(1, len(problem.y), j)[0]
    v = _halve(probe.v, lambda part: disagrees(u, part))
    u = _halve(u, lambda part: disagrees(part, v))
    i, j = int(np.argmax(v != 0)), int(np.argmax(u != 0))
    v, u = np.eye(1, len(v), i)[0], np.eye(1, len(u), j)[0]
    difference = problem.difference(v)
    history = (*problem.history, mode)
    return Disagreement(
        what=f"d {problem.outputs.name(j)} / d {problem.inputs.name(i)}",
        order=len(history),
        route=" of ".join(reversed(history)),
        mode=mode,
        reverse=float(pullback(u)[i]) if "vjp" in rules.modes else None,
        forward=float(problem.forward(v)[1][j]) if "jvp" in rules.modes else None,
        difference=float(difference.value[j]),
        error=float(difference.error[j]),
        step=float(difference.step[j]),
        jump=float(difference.jump[j]),
    )


def _halve(weights: Array, disagrees: Callable[[Array], bool]) -> Array:
    """Cut the support of a vector in halves until one component is left, following the first half that disagrees."""
    support = np.flatnonzero(weights)
    while len(support) > 1:
        left = np.zeros_like(weights)
        left[support[: len(support) // 2]] = weights[support[: len(support) // 2]]
        support = support[: len(support) // 2] if disagrees(left) else support[len(support) // 2 :]
    single = np.zeros_like(weights)
    single[support] = weights[support]
    return single
