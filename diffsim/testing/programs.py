"""Random differentiable expressions: short programs over the table, with a point inside every domain they meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from diffsim import array_ops, linear_algebra, ops
from diffsim.errors import ArgumentError, must, unknown_name
from diffsim.number import AnyNumber, shape_of
from diffsim.primitive import TABLE, Elementwise, Interval
from diffsim.testing.domains import arrays_inside, need_hypothesis

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["Expression", "expressions"]

Step: TypeAlias = tuple[str, tuple[int, ...]]

_LENGTH = 3  # of the vectors in programs with arrays
_NEAR: Interval = (-3.0, 3.0)
_AWAY_FROM_0 = 0.05
_VISIBLE = 1e-4


@dataclass(frozen=True)
class Expression:
    """A straight program over the table: callable on any kind of number, printable, and equal to its `repr`.

    Attributes
    ----------
    n_inputs : int
        Number of arguments.
    steps : tuple of (name, operands)
        What is computed in turn.  Operand k < n_inputs is argument k, a larger one the result of step k - n_inputs.
        The last step is the result.
    point : tuple of floats or of tuples of floats
        A point at which every step lies inside its domain, away from kinks; a tuple is a vector.

    Examples
    --------
    >>> e = Expression(2, (("multiply", (0, 1)), ("sin", (2,))), (0.5, -1.0))
    >>> print(e)
    def expression(x0, x1):
        v2 = multiply(x0, x1)
        v3 = sin(v2)
        return v3
    >>> e(0.5, -1.0)
    -0.479425538604203
    """

    n_inputs: int
    steps: tuple[Step, ...]
    point: tuple[float | tuple[float, ...], ...]

    def __call__(self, *xs: AnyNumber) -> AnyNumber:
        """Evaluate on numbers of any kind."""
        if len(xs) != self.n_inputs:
            raise ArgumentError(f"Expression: takes {self.n_inputs} arguments; got {len(xs)}.")
        numbers = list(xs)
        for name, operands in self.steps:
            numbers.append(_function(name)(*[numbers[k] for k in operands]))
        return numbers[-1]

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The point as floats and arrays, ready for ``expression(*expression.arguments)``."""
        return tuple(np.array(x) if isinstance(x, tuple) else x for x in self.point)

    def __str__(self) -> str:
        names = [f"x{k}" for k in range(self.n_inputs)]
        lines = [f"def expression({', '.join(names)}):"]
        for name, operands in self.steps:
            names.append(f"v{len(names)}")
            lines.append(f"    {names[-1]} = {name}({', '.join(names[k] for k in operands)})")
        return "\n".join([*lines, f"    return {names[-1]}"])


def expressions(
    *, max_inputs: int = 3, max_steps: int = 8, arrays: bool = False, only: tuple[str, ...] | None = None
) -> SearchStrategy[Expression]:
    """Differentiable expressions, each with a point inside the domains of all its steps.

    Every elementwise row of the table takes part as soon as it exists, where the numbers at hand lie inside the
    domain that it declares.  Shrinks towards few inputs, few steps, simple numbers.

    Parameters
    ----------
    max_inputs, max_steps : int
        Size of the program.
    arrays : bool
        Let arguments be vectors of length 3 too, and array functions (sum, dot, cumsum, max, indexing, ...) be steps.
    only : tuple of str, optional
        Names of the steps that may occur, such as ``("add", "multiply", "sin")``.

    Returns
    -------
    strategy of Expression

    Raises
    ------
    ArgumentError
        A size below 1, or an unknown name in `only`.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> from diffsim.testing import check_gradients
    >>> @settings(max_examples=3, database=None, deadline=None)
    ... @given(expressions())
    ... def test_gradients(e):
    ...     check_gradients(e, *e.arguments)
    >>> test_gradients()
    """
    need_hypothesis("expressions")
    from hypothesis import strategies as st

    for name, size in (("max_inputs", max_inputs), ("max_steps", max_steps)):
        if size < 1:
            raise must("expressions", name, "must be >= 1", size)
    known = {step.name: step for step in (*_elementwise_steps(), *(_ARRAY_STEPS if arrays else ()))}
    for name in only or ():
        if name not in known:
            raise unknown_name("expressions", "step", name, known)
    candidates = [known[name] for name in (only or known)]
    # NOTE: beside 1, differences cannot see an argument of 1e-200.
    number = arrays_inside(*_NEAR).map(lambda x: x if abs(x) > _VISIBLE else 0.0)
    argument = st.one_of(number, st.tuples(*[number] * _LENGTH)) if arrays else number

    @st.composite
    def programs(draw: DrawFn) -> Expression:
        point = tuple(draw(st.lists(argument, min_size=1, max_size=max_inputs)))
        numbers: list[Any] = [np.array(x) if isinstance(x, tuple) else x for x in point]
        steps: list[Step] = []
        for _ in range(draw(st.integers(1, max_steps))):
            operands = draw(st.tuples(*[st.integers(0, len(numbers) - 1)] * 3))
            fitting = [step for step in candidates if step.takes([numbers[k] for k in operands[: step.arity]])]
            if not fitting:
                continue
            step = draw(st.sampled_from(fitting))
            steps.append((step.name, operands[: step.arity]))
            numbers.append(step.function(*(numbers[k] for k in operands[: step.arity])))
        return Expression(len(point), tuple(steps) or (("negative", (0,)),), point)

    return programs()


@dataclass(frozen=True)
class _Step:
    """A function that may be a step, and where."""

    name: str
    arity: int
    function: Callable[..., AnyNumber]
    takes: Callable[[list[Any]], bool]


def _elementwise_steps() -> Iterator[_Step]:
    for row in TABLE.values():
        if isinstance(row, Elementwise) and not row.boolean and row.name != "frozen":  # which drops derivatives
            yield _Step(row.name, row.arity, row, _inside(row.domain))
    yield _CHOOSE


def _inside(domain: tuple[Interval, ...]) -> Callable[[list[Any]], bool]:
    def takes(xs: list[Any]) -> bool:
        inside = all(np.all((low < x) & (x < high)) for x, (low, high) in zip(xs, domain, strict=True))
        return inside and _broadcast(xs)

    return takes


def _away(x: Any) -> bool:
    return bool(np.all(np.abs(x) > _AWAY_FROM_0))


def _broadcast(xs: list[Any]) -> bool:
    if len(xs) == 1:
        return True
    try:
        np.broadcast_shapes(*map(shape_of, xs))
    except ValueError:
        return False
    return True


def _is_vector(xs: list[Any]) -> bool:
    return all(len(shape_of(x)) == 1 for x in xs)


def _spread_out(xs: list[Any]) -> bool:
    """Whether all numbers of a vector differ clearly, so that the largest one stays the largest."""
    return _is_vector(xs) and bool(np.all(np.diff(np.sort(xs[0])) > _AWAY_FROM_0))


_CHOOSE = _Step(
    "choose", 3, lambda x, a, b: ops.where(ops.greater(x, 0.0), a, b), lambda xs: _away(xs[0]) and _broadcast(xs)
)
_ARRAY_STEPS: tuple[_Step, ...] = (
    _Step("sum", 1, array_ops.sum, _is_vector),
    _Step("mean", 1, array_ops.mean, _is_vector),
    _Step("prod", 1, array_ops.prod, _is_vector),
    _Step("norm", 1, linear_algebra.norm, lambda xs: _is_vector(xs) and _away(np.linalg.norm(xs[0]))),
    _Step("cumsum", 1, array_ops.cumsum, _is_vector),
    _Step("max", 1, array_ops.max, _spread_out),
    _Step("min", 1, array_ops.min, _spread_out),
    _Step("dot", 2, linear_algebra.dot, lambda xs: _is_vector(xs) and len({len(x) for x in xs}) == 1),
    _Step("first", 1, lambda x: array_ops.getitem(x, 0), _is_vector),
    _Step("turned", 1, lambda x: array_ops.getitem(x, slice(None, None, -1)), _is_vector),
    _Step("repeated", 1, lambda x: array_ops.getitem(x, [0, 1, 0]), _is_vector),
    _Step("joined", 2, lambda a, b: array_ops.stack([array_ops.sum(x) for x in (a, b, a)]), lambda _: True),
)


_NAMED = MappingProxyType({step.name: step.function for step in (_CHOOSE, *_ARRAY_STEPS)})


def _function(name: str) -> Callable[..., AnyNumber]:
    row = TABLE.get(name)
    found: Callable[..., AnyNumber] | None = row if isinstance(row, Elementwise) else _NAMED.get(name)
    if found is None:
        raise unknown_name("Expression", "step", name, (*TABLE, *_NAMED))
    return found
