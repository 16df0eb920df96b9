"""`certify`: a gradient together with the evidence that it is right, or that nobody can know it in doubles.

Three ways to a directional derivative are compared along random directions: the gradient of reverse mode, the tangent
of forward mode, and finite differences extrapolated to step zero (`diffsim.testing.differences`).  Each knows its own
error:

* the difference, from its extrapolation table and from the measured noise of the function;
* the two modes, by being computed again where the arguments are moved by a few units in their last place, twice.  What
  changes then is what no program that computes with these numbers can know, and along a chaotic trajectory it grows
  with the tangents until nothing is left.

Adaptive solves take the same steps in all evaluations (`diffsim.replay`), since their derivative is that of the steps
they took.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import ArgumentError, KindError, must
from diffsim.number import Number, shape_of
from diffsim.replay import Replay
from diffsim.testing.gradients import random_direction, uncertain
from diffsim.testing.leaves import split
from diffsim.testing.problem import Problem
from diffsim.testing.wording import Disagreement, GradientError
from diffsim.tree import leaves, rebuild
from diffsim.verdict import Certificate, CertificateError, Comparison, Estimate

__all__ = ["certify"]

Array: TypeAlias = NDArray[np.float64]

_NUDGE = 8.0  # units in the last place by which the arguments are moved
_SAFETY = 4.0  # on what changes then
_ROUNDING = 1024.0  # units in the last place that a derivative may be off where nothing changes
_RESOLVED = 1e-3  # relative error up to which a derivative counts as known
_SMALL = 1e-12  # and absolute
_FEW_DIGITS = 8.0  # with fewer than these, and
_LARGE = 1e4  # a growth beyond this, the tangents are to blame
_WHO = "certify"


def certify(
    loss: Callable[..., Any],
    *args: Any,
    argnums: int | Sequence[int] = 0,
    directions: int = 2,
    order: int = 1,
    seed: int = 0,
    rtol: float = 1e-10,
    atol: float = 0.0,
) -> Certificate:
    """Return the gradient of a loss with the evidence for it, or raise where its derivatives disagree.

    Parameters
    ----------
    loss : callable
        ``loss(*args)`` returns one scalar; what it does on the way, solves included, is differentiated through.
    *args : numbers, arrays, nested lists, tuples, dicts of them
        The point.
    argnums : int or sequence of int
        Which arguments to differentiate by.
    directions : int
        Number of random directions, >= 1; one is enough for a single number.
    order : 1 or 2
        With 2 the Hessian along the directions is compared as well, in all four compositions of both modes.
    seed : int
        Of the directions.
    rtol, atol : float
        Disagreement that is allowed beyond the estimates of the errors.

    Returns
    -------
    Certificate
        Prints as a table.  ``"not certifiable"`` says that the numbers cannot decide, and why: a chaotic solve past
        what doubles can know, a kink, noise.

    Raises
    ------
    CertificateError
        Derivatives disagree by more than the errors they admit, or are not finite; also a `RuntimeError` and an
        `ArithmeticError`.
    ArgumentError, KindError
        The loss is no scalar, or not finite at the point; there is nothing to differentiate by.

    Notes
    -----
    Costs 30 to 120 evaluations of the loss a direction, three forward passes a direction and three reverse passes.

    Examples
    --------
    >>> from diffsim import ops
    >>> found = certify(lambda x: ops.sin(x) * x, 0.5)
    >>> bool(found), round(found.gradient, 6), found.comparisons[0].difference.error < 1e-11
    (True, 0.918217, True)
    """
    if order not in (1, 2):
        raise must(_WHO, "order", "must be 1 or 2", order)
    if isinstance(directions, bool) or not isinstance(directions, int) or directions < 1:
        raise must(_WHO, "directions", "must be a whole number >= 1", directions)
    case = _Case(loss, args, argnums, np.random.default_rng(seed))
    chosen = [case.direction() for _ in range(directions if len(case.x) > 1 else 1)]
    comparisons = [_compare(case.problem, v, case.gradient, "d loss", 1, case, (rtol, atol)) for v in chosen]
    for v in chosen if order == 2 else ():
        for mode in ("reverse", "forward"):
            what = f"d (d loss by {mode} mode)"
            slope = Problem(case.along(v, mode), case.problem.leaves, [what[3:-1]], case.problem, who=_WHO)
            w = case.direction()
            comparisons.append(_compare(slope, w, slope.reverse()[1](np.ones(1)), what, 2, case, (rtol, atol)))
    return _conclude(case, comparisons, seed)


@functools.cache
def _epsilon(name: str) -> float:
    return float(np.finfo(name).eps)


class _Case:
    """A loss at a point: its gradient, and the function of its floats that takes the same steps again."""

    def __init__(
        self, loss: Callable[..., Any], args: tuple[Any, ...], argnums: Any, random: np.random.Generator
    ) -> None:
        self.random, self._replay = random, Replay()
        self._several = isinstance(argnums, Sequence)
        positions = _positions(argnums, len(args))
        self._chosen = [_floats(args[i], f"args[{i}]") for i in positions]

        def of_chosen(*moving: Any) -> Any:
            given = list(args)
            for i, x in zip(positions, moving, strict=True):
                given[i] = x
            return loss(*given)

        self._flat, named = split(of_chosen, self._chosen)
        if not named:
            raise must(_WHO, "args", "must hold at least one number to differentiate by", args)
        try:
            first = Problem(self._recorded, named, ["loss"], who=_WHO)
        except ValueError as error:
            if isinstance(error, ArgumentError):
                raise
            raise ArgumentError(f"{_WHO}: the loss must return one scalar; it returns several numbers.") from error
        if first.outputs.shapes != ((),):
            raise must(_WHO, "loss", "must return one scalar", first.outputs.shapes[0], "Sum it up, say.")
        value, pullback = _as_certificate_error(first.reverse)
        self.value = float(value[0])
        self.gradient: Array = _as_certificate_error(lambda: pullback(np.ones(1)))
        if not np.isfinite(self.gradient).all():
            name = first.inputs.name(int(np.argmin(np.isfinite(self.gradient))))
            raise CertificateError(
                f"{_WHO}: the derivative by {name} is not finite where the loss is. A derivative of NaN or infinity "
                "comes from 0 * inf or inf - inf inside a rule (sqrt at 0, say); guard it with `where`."
            )
        self.problem = Problem(self._repeated, named, ["loss"], who=_WHO)
        self.x: Array = self.problem.x
        self.eps = max(_epsilon(dtype.name) for dtype in (*self.problem.dtypes, np.dtype(np.float64)))
        self.nudges = [_NUDGE * self.eps * random_direction(self.x, random) for _ in range(2)]

    def _recorded(self, *numbers: Any) -> list[Any]:
        with self._replay.recording():
            return self._flat(*numbers)

    def _repeated(self, *numbers: Any) -> list[Any]:
        with self._replay.replaying():
            return self._flat(*numbers)

    @property
    def n_steps(self) -> int:
        """Steps that are held fixed."""
        return self._replay.n_steps

    def direction(self) -> Array:
        """Return a random direction, of the size of the point."""
        return random_direction(self.x, self.random) * 2.0 ** self.random.uniform(-1.0, 1.0, len(self.x))

    def along(self, v: Array, mode: str) -> Callable[..., list[Any]]:
        """Return the function of the floats that is the derivative along v, by one of the modes."""
        from diffsim.derivatives import jvp, vjp

        weights = self.problem.inputs.unpack(v, self.problem.dtypes)

        def forward(*x: Any) -> list[Any]:
            return list(jvp(self._repeated, x, tuple(weights))[1])

        def reverse(*x: Any) -> list[Any]:
            total: Any = 0.0
            for g, w in zip(vjp(self._repeated, *x)[1]([1.0]), weights, strict=True):
                total = total + ((g * w).sum() if shape_of(g) else g * w)
            return [total]

        return forward if mode == "forward" else reverse

    def arranged(self) -> Any:
        """Return the gradient in the form of the arguments."""
        parts = iter(self.problem.inputs.unpack(self.gradient, self.problem.dtypes))
        trees = [rebuild(tree, parts) for tree in self._chosen]
        return tuple(trees) if self._several else trees[0]


def _compare(
    problem: Problem, v: Array, gradient: Array, what: str, order: int, case: _Case, allowed: tuple[float, float]
) -> Comparison:
    """Find the derivative along v in three ways, or raise where they contradict each other."""
    forward = float(_as_certificate_error(lambda: problem.forward(v))[1][0])
    reverse = float(gradient @ v)
    slope = problem.difference(v, _reach(problem, v, reverse))
    floor = _ROUNDING * case.eps * float(np.abs(gradient) @ np.abs(v))
    changes = np.array([_nudged(problem, v, nudge, reverse, forward) for nudge in case.nudges]).max(axis=0)
    errors = _SAFETY * changes + floor
    found = [Estimate(reverse, float(errors[0])), Estimate(forward, float(errors[1]))]
    difference = Estimate(float(slope.value[0]), float(slope.error[0]))
    natural = max(abs(reverse), abs(forward), abs(float(problem.y[0])) / max(float(np.max(np.abs(problem.x))), 1.0))
    known = max(_RESOLVED * natural, _SMALL, allowed[1])
    kink = bool(slope.jump[0])
    lost = not kink and not max(e.error for e in found) <= known
    still_open = ""
    if lost:
        change = float(changes.max())
        still_open = (
            f"{what}: rounding the arguments by {_NUDGE:.0f} units in their last place changes it from {reverse:.3g} "
            + (f"by {change:.3g}" if math.isfinite(change) else "to no number")
        )
    elif kink or not difference.error <= known:
        still_open = f"{what}: differences cannot decide, {uncertain(slope, 0)}"
    comparison = Comparison(what, order, v, found[0], found[1], difference, still_open)
    if not lost:
        _check(problem, comparison, slope, allowed)
    return comparison


def _reach(problem: Problem, v: Array, slope: float) -> float | None:
    """Return the largest step at which f still changes about as a slope predicts; None where it never does.

    Beyond it f may have folded many times, as a chaotic solve does, and differences would take that for noise.
    """
    h = 0.25
    while h > 64 * _epsilon("float64"):
        change = abs(float(problem.value(problem.x + h * v)[0] - problem.y[0]))
        if change >= 0.1 * h * abs(slope):
            return h
        h /= 16
    return None


def _nudged(problem: Problem, v: Array, nudge: Array, reverse: float, forward: float) -> tuple[float, float]:
    """Return by how much both derivatives change where the point is moved a little; infinite if they are lost."""
    try:
        near = Problem(problem.f, _moved(problem, nudge), problem.outputs.names, who=_WHO)
        found = float(near.reverse()[1](np.ones(1)) @ v), float(near.forward(v)[1][0])
    except (ArithmeticError, LookupError, ValueError, AssertionError, RuntimeError):  # as outside of its domain
        return math.inf, math.inf
    changes = abs(found[0] - reverse), abs(found[1] - forward)
    return tuple(c if math.isfinite(c) else math.inf for c in changes)  # type: ignore[return-value]  # two of them


def _moved(problem: Problem, nudge: Array) -> list[tuple[str, Any]]:
    names = [name for name, _ in problem.leaves]
    return list(zip(names, problem.inputs.unpack(problem.x + nudge, problem.dtypes), strict=True))


def _check(problem: Problem, found: Comparison, slope: Any, allowed: tuple[float, float]) -> None:
    """Raise where two of three values contradict each other."""
    reverse, forward, difference = found.reverse, found.forward, found.difference
    for mode, (a, b) in {
        "vjp": (reverse, difference),
        "jvp": (forward, difference),
        "": (reverse, forward),
    }.items():
        if b.error == math.inf:
            continue
        size = max(abs(a.value), abs(b.value))
        if not abs(a.value - b.value) <= a.error + b.error + allowed[0] * size + allowed[1]:
            story = Disagreement(
                what=f"{found.what} along a random direction",
                order=found.order,
                route="reverse and forward mode differ" if not mode else f"{mode} against differences",
                mode=mode or "vjp",
                reverse=reverse.value,
                forward=forward.value,
                difference=difference.value,
                error=difference.error,
                step=float(slope.step[0]),
                jump=float(slope.jump[0]),
                who=_WHO,
            )
            raise CertificateError(
                f"{story.message()}\n  errors      reverse {reverse.error:.1e}, forward {forward.error:.1e}\n"
                f"  direction   {np.array2string(found.direction, threshold=8)} over {', '.join(problem.inputs.names)}"
            )


def _conclude(case: _Case, comparisons: Sequence[Comparison], seed: int) -> Certificate:
    first = [c for c in comparisons if c.order == 1]
    growth = max(abs(c.reverse.value) / float(np.linalg.norm(c.direction)) for c in first)
    digits = min((_digits(e) for c in first for e in (c.reverse, c.forward)), default=0.0)
    reasons = [c.open for c in comparisons if c.open]
    reason = ""
    if reasons:
        past = "lies past" if digits < 3.0 else "comes near"
        known = (
            f"The tangents have grown to {growth:.2g}: the horizon {past} what float64 can know. Shorten the span, or "
            "look at averages over many starts."
        )
        kink = "Move the point away from the kink, jump, border or noise."
        reason = f"{reasons[0]}. {known if digits < _FEW_DIGITS and growth > _LARGE else kink}"
    verdict = "not certifiable" if reasons else "certified"
    return Certificate(
        case.value, case.arranged(), tuple(comparisons), verdict, reason, growth, digits, case.n_steps, seed
    )


def _digits(estimate: Estimate) -> float:
    if estimate.value == 0.0 or not 0.0 < estimate.error < math.inf:
        return 16.0 if estimate.error == 0.0 else 0.0
    return -math.log10(estimate.error / abs(estimate.value))


def _as_certificate_error(compute: Callable[[], Any]) -> Any:
    """Return what is computed; what contradicts itself is this module's error."""
    try:
        return compute()
    except GradientError as error:
        raise CertificateError(str(error)) from error


def _positions(argnums: Any, n: int) -> list[int]:
    given = list(argnums) if isinstance(argnums, Sequence) else [argnums]
    if not given or not all(isinstance(i, int) and not isinstance(i, bool) and -n <= i < n for i in given):
        raise must(_WHO, "argnums", f"must name positions among the {n} arguments", argnums)
    found = [i % n for i in given]
    if len(set(found)) < len(found):
        raise must(_WHO, "argnums", "must name each argument once", argnums)
    return found


def _floats(tree: Any, name: str) -> Any:
    """Return a tree with its whole numbers as floats."""

    def convert() -> Iterator[Any]:
        for x in leaves(tree):
            if isinstance(x, Number):
                raise KindError(
                    f"{_WHO}: {name} must hold plain numbers; got a {type(x).__name__}. Certify the inner loss by "
                    "itself, outside of the differentiation around it."
                )
            whole = isinstance(x, int | np.integer) and not isinstance(x, bool)
            array = isinstance(x, np.ndarray) and x.dtype.kind in "iu"
            yield float(x) if whole else x.astype(np.float64) if array else x

    return rebuild(tree, convert())
