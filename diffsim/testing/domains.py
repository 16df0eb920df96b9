"""Hypothesis strategies for points: inside a primitive's domain, inside an interval, states of a System.

Hypothesis is imported when a strategy is made: it comes with ``pip install diffsim[test]``.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import KindError, RunError, must, unknown_name
from diffsim.primitive import TABLE, Interval, Primitive
from diffsim.protocols import SystemLike, is_system

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["arrays_inside", "initial_states", "inputs_for"]

Array: TypeAlias = NDArray[np.float64]


def need_hypothesis(who: str) -> None:
    """Raise an error that says how to get Hypothesis where it is missing."""
    if importlib.util.find_spec("hypothesis") is None:
        raise RunError(f"{who}: needs Hypothesis, which is not installed. Run: pip install hypothesis")


def row_of(who: str, primitive: str | Primitive | Callable[..., Any]) -> Primitive:
    """The row of the table that is meant: by its name, by its function in `diffsim.ops`, or the row itself."""
    row = getattr(primitive, "row", primitive)
    if isinstance(row, Primitive):
        return row
    if not isinstance(primitive, str):
        raise KindError(f"{who}: primitive must be a name, a row or a function of diffsim.ops; got {primitive!r}.")
    if primitive not in TABLE:
        raise unknown_name(who, "primitive", primitive, TABLE)
    found: Primitive = TABLE[primitive]
    return found


def domain_of(row: Primitive) -> tuple[Interval, ...] | None:
    """The open intervals, one an argument, on which a row is smooth; None for rows that act on whole arrays."""
    domain: tuple[Interval, ...] | None = getattr(row, "domain", None)
    return domain


def arrays_inside(low: float, high: float, shape: int | tuple[int, ...] = ()) -> SearchStrategy[Any]:
    """Floats, or arrays of them, strictly between two numbers.

    Parameters
    ----------
    low, high : float
        The open interval.
    shape : int or tuple of int
        ``()`` gives Python floats, anything else float64 arrays of that shape.

    Raises
    ------
    ArgumentError
        The interval is empty.
    RunError
        Hypothesis is not installed.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(arrays_inside(1.0, 2.0, (2,)), lambda x: x.sum() > 3.0).shape
    (2,)
    """
    need_hypothesis("arrays_inside")
    from hypothesis import strategies as st

    if not low < high:
        raise must("arrays_inside", "high", f"must be > low={low!r}", high)
    number = st.floats(low, high, exclude_min=True, exclude_max=True, allow_subnormal=False)
    if shape == ():
        return number
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    size = math.prod(shape)
    return st.lists(number, min_size=size, max_size=size).map(lambda xs: np.array(xs, dtype=np.float64).reshape(shape))


def inputs_for(
    primitive: str | Primitive | Callable[..., Any], shape: int | tuple[int, ...] = ()
) -> SearchStrategy[tuple[Any, ...]]:
    """Arguments for an elementwise primitive, inside the domain that its row declares.

    Parameters
    ----------
    primitive : str, row or function
        ``"log"``, ``diffsim.primitive.TABLE["log"]`` and ``diffsim.ops.log`` mean the same.
    shape : int or tuple of int
        Shape of each argument.

    Returns
    -------
    strategy of tuples
        One float or array an argument.

    Raises
    ------
    ArgumentError
        Unknown name.
    KindError
        The row acts on whole arrays, so it has no domain number by number; draw with `arrays_inside`.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(inputs_for("log"), lambda args: True)
    (1.0,)
    """
    row = row_of("inputs_for", primitive)
    domain = domain_of(row)
    if domain is None:
        raise KindError(f"inputs_for: {row.name!r} acts on whole arrays and declares no domain. Use arrays_inside.")
    need_hypothesis("inputs_for")
    from hypothesis import strategies as st

    return st.tuples(*(arrays_inside(low, high, shape) for low, high in domain))


def initial_states(
    system: SystemLike, *, batch: int | tuple[int, ...] = (), spread: float = 1.0
) -> SearchStrategy[Array]:
    """States in which to start a System.

    Angles lie in (-pi, pi); every other component within `spread` times ``max(1, |d|)`` of its entry d in the
    system's ``default_state`` (of 0 where the system has none).

    Parameters
    ----------
    system : System
        Its ``state_names``, ``angles`` and ``default_state`` are read.
    batch : int or tuple of int
        Shape of a batch.
    spread : float
        Half width of the range, relative.

    Returns
    -------
    strategy of ndarray, shape (n, *batch)

    Raises
    ------
    KindError
        Not a System.
    ArgumentError
        `spread` is not positive.

    Examples
    --------
    >>> from hypothesis import find
    >>> from systems import Pendulum
    >>> find(initial_states(Pendulum(), batch=(3,)), lambda y0: True).shape
    (2, 3)
    """
    if not is_system(system):
        raise KindError(f"initial_states: system must be a System; got {type(system).__name__}.")
    if not spread > 0:
        raise must("initial_states", "spread", "must be > 0", spread)
    need_hypothesis("initial_states")
    from hypothesis import strategies as st

    n = len(system.state_names)
    centre = getattr(system, "default_state", (0.0,) * n)
    shape = (batch,) if isinstance(batch, int) else tuple(batch)
    ranges = [
        (-math.pi, math.pi) if i in system.angles else (d - spread * max(1.0, abs(d)), d + spread * max(1.0, abs(d)))
        for i, d in enumerate(centre)
    ]
    return st.tuples(*(arrays_inside(low, high, shape) for low, high in ranges)).map(lambda rows: np.array(rows))
