"""A function at a point, seen as vector to vector: its value, its differences, its derivatives in both modes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import DiffsimError, KindError, must
from diffsim.number import raw, shape_of
from diffsim.testing.differences import Slope, slope
from diffsim.testing.leaves import Layout
from diffsim.testing.wording import GradientError

__all__ = ["Mode", "Problem"]

Array: TypeAlias = NDArray[np.float64]
Mode: TypeAlias = Literal["vjp", "jvp"]
Flat: TypeAlias = Callable[..., list[Any]]
_EPS = float(np.finfo(np.float64).eps)
_WEIGHTS = (-1.0, 0.5, 1.0)


class Problem:
    """A flat function (float leaves in, list of leaves out) at a point.

    Parameters
    ----------
    f : callable
        ``f(*leaves)`` returns a list.
    leaves : sequence of (name, number)
        The point.
    out_names : sequence of str
        Names of the results.
    parent : Problem, optional
        The problem whose derivative f is.
    history : tuple of modes
        The modes by which f came out of the function under test, outermost last.
    who : str
        Who asks; begins the messages.
    """

    def __init__(
        self,
        f: Flat,
        leaves: Sequence[tuple[str, Any]],
        out_names: Sequence[str],
        parent: Problem | None = None,
        history: tuple[Mode, ...] = (),
        who: str = "check_gradients",
    ) -> None:
        self.f, self.history, self.leaves, self.who = f, history, leaves, who
        self.inputs = Layout.of(leaves)
        self.point = [leaf for _, leaf in leaves]
        self.dtypes = [np.asarray(leaf).dtype for leaf in self.point]
        self.x = self.inputs.pack(self.point)
        with np.errstate(all="ignore"):
            out = f(*self.inputs.unpack(self.x))
        for name, leaf in zip(out_names, out, strict=True):
            if np.asarray(leaf).dtype.kind not in "fiub":
                raise KindError(f"{who}: f must return numbers; {name} is {type(leaf).__name__} ({leaf!r}).")
        self.outputs = Layout.of(list(zip(out_names, out, strict=True)))
        self.y = self.outputs.pack(out)
        self.resolution = np.concatenate([np.zeros(0), *(np.full(np.size(leaf), _resolution(leaf)) for leaf in out)])
        if not np.isfinite(self.y).all():
            name = self.outputs.name(int(np.argmin(np.isfinite(self.y))))
            raise must(who, "args", f"must be a point at which {name} is finite", self.point)

        # Rounding errors of this size may stay where a derivative cancels to nothing.
        self.scale: float = max(float(np.max(np.abs(self.y), initial=0.0)), 0.0 if parent is None else parent.scale)

    def value(self, x: Array) -> Array:
        """f on plain numbers; nan where it fails, as it may outside its domain."""
        try:
            with np.errstate(all="ignore"):
                return self.outputs.pack(self.f(*self.inputs.unpack(x)))
        except (ArithmeticError, LookupError, ValueError):  # an event that is not there any more, say
            return np.full(self.outputs.size, np.nan)

    def difference(self, v: Array, largest_step: float | None = None) -> Slope:
        """The derivative along v by differences, with steps from the largest one down."""
        moving = v != 0
        size = float(np.max(np.abs(self.x[moving] / v[moving]), initial=0.0))
        first = max(size, 1.0) / 4 if largest_step is None else largest_step
        return slope(lambda s: self.value(self.x + s * v), self.y, size, first, self.resolution)

    def forward(self, v: Array) -> tuple[Array, Array]:
        """Value, and tangent along v."""
        from diffsim.derivatives import jvp

        with _mode_at_work(self.who, "forward"):
            value, tangent = jvp(self.f, tuple(self.point), tuple(self.inputs.unpack(v, self.dtypes)))
        return self._packed(self.outputs, value, "value"), self._packed(self.outputs, tangent, "tangent")

    def reverse(self) -> tuple[Array, Callable[[Array], Array]]:
        """Value, and pullback of vectors."""
        from diffsim.derivatives import vjp

        with _mode_at_work(self.who, "reverse"):
            value, pullback = vjp(self.f, *self.point)

        def pull(u: Array) -> Array:
            with _mode_at_work(self.who, "reverse"):
                return self._packed(self.inputs, pullback(self.outputs.unpack(u)), "cotangent")

        return self._packed(self.outputs, value, "value"), pull

    def derivative(self, mode: Mode, random: np.random.Generator) -> Problem:
        """The problem whose function is the derivative of f in the given mode, along one random (co)direction."""
        from diffsim.derivatives import jvp, vjp

        source, target = (self.outputs, self.inputs) if mode == "vjp" else (self.inputs, self.outputs)
        single = source.size == 1
        weights = np.ones(1) if single else random.choice(_WEIGHTS, source.size)
        seed = source.name(0) if single else "(u . output)" if mode == "vjp" else "(direction v)"
        history = (*self.history, mode)
        if mode == "vjp":
            u = source.unpack(weights)
            names = [f"(d {seed} / d {name})" for name in target.names]
            return Problem(lambda *x: _listed(vjp(self.f, *x)[1](u)), self.leaves, names, self, history, self.who)
        v = tuple(source.unpack(weights, self.dtypes))
        names = [f"(d {name} / d {seed})" for name in target.names]
        return Problem(lambda *x: _listed(jvp(self.f, x, v)[1]), self.leaves, names, self, history, self.who)

    def check_values(self, modes: Sequence[Mode]) -> None:
        """Both modes compute what f computes, and the same call gives the same bits."""
        with np.errstate(all="ignore"):
            again, here = (self.outputs.pack(self.f(*p)) for p in (self.inputs.unpack(self.x), self.point))
        if not np.array_equal(again, self.y):
            raise GradientError(
                f"{self.who}: f gives another value when it is called again; it must not draw random numbers or keep "
                "state."
            )
        if "jvp" in modes:
            self._same_value("forward", self.forward(np.zeros_like(self.x))[0], here)
        if "vjp" in modes:
            value, pullback = self.reverse()
            self._same_value("reverse", value, here)
            u = np.ones_like(self.y)
            if not np.array_equal(pullback(u), pullback(u), equal_nan=True):
                raise GradientError(f"{self.who}: the pullback gives another cotangent when it is called again.")

    def _same_value(self, mode: str, found: Array, plain: Array) -> None:
        eps = max(float(np.finfo(dtype).eps) for dtype in self.dtypes)
        allowed = 64 * np.maximum(self.resolution, eps) * np.max(np.abs(self.y), initial=0.0)
        wrong = ~(np.abs(found - plain) <= allowed)
        if wrong.any():
            j = int(np.argmax(wrong))
            raise GradientError(
                f"{self.who}: {self.outputs.name(j)} has another value in {mode} mode.\n"
                f"  plain    {float(plain[j])!r}\n  {mode}  {float(found[j])!r}\n"
                "The evaluation of a primitive, or a branch in f, depends on the kind of number that it is given."
            )

    def _packed(self, layout: Layout, numbers: Any, what: str) -> Array:
        plain = [raw(x) for x in _listed(numbers)]
        for name, x, shape in zip(layout.names, plain, layout.shapes, strict=True):
            if shape_of(x) != shape:
                raise GradientError(
                    f"{self.who}: the {what} of {name} must have its shape {shape}; got shape {shape_of(x)}.\n"
                    "A rule forgets to sum over the axes that broadcasting added, or sums over too many."
                )
        return layout.pack(plain)


@contextmanager
def _mode_at_work(who: str, mode: str) -> Iterator[None]:
    """Let no warning out; turn what a faulty rule raises inside NumPy into an error that says where it comes from."""
    try:
        with np.errstate(all="ignore"):
            yield
    except DiffsimError:
        raise
    except (ArithmeticError, IndexError, TypeError, ValueError) as error:
        raise GradientError(
            f"{who}: {mode} mode fails where plain numbers pass: {type(error).__name__}: {error}\n"
            "Often a rule that forgets to sum over the axes that broadcasting added, or that swaps axes."
        ) from error


def _listed(numbers: Any) -> list[Any]:
    return list(numbers) if isinstance(numbers, list | tuple) else [numbers]


def _resolution(leaf: Any) -> float:
    dtype = np.asarray(leaf).dtype
    return float(np.finfo(dtype).eps) if dtype.kind == "f" else _EPS
