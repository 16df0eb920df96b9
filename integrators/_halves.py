"""States ``[q, p]``: their halves, and what the derivative of each half may depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.errors import ArgumentError, TraceError
from diffsim.number import Number, raw, shape_of
from diffsim.protocols import is_system, parameter_values, says_separable, with_parameters
from integrators._combination import State

__all__: list[str] = []


def half_of(who: str, y: State, instead: str) -> int:
    """Return the number of positions of a state; `instead` ends the message that refuses an odd one."""
    listed = y.__class__ is list or y.__class__ is tuple
    n = len(y) if listed else (shape_of(y) or (1,))[0]
    if n % 2:
        raise ArgumentError(f"step: {who} takes a state [q, p] with an even number of components; got {n}. {instead}")
    return int(n) // 2


def check_even(who: str, n: int, instead: str) -> None:
    """Refuse a start that has no halves."""
    if n % 2:
        raise ArgumentError(
            f"solve_ivp: {who} takes a state [q, p], so y0 must have an even number of components; got {n}. {instead}"
        )


def joined(q: State, p: State) -> State:
    """Return the state of two halves."""
    if q.__class__ is list or q.__class__ is tuple:
        return [*q, *p]
    return array_ops.concatenate([q, p], axis=0)


def like(k: Any, y: State) -> State:
    """Return what a right-hand side gave, or half of it, in the kind of the state."""
    listed = y.__class__ is list or y.__class__ is tuple
    if (k.__class__ is list or k.__class__ is tuple) and not listed:
        return array_ops.array(k)
    return k if not listed or isinstance(k, list | tuple) else [k[i] for i in range(len(y))]


def mixed_entry(fun: Any, args: tuple[Any, ...], n: int, t: Any, y: Any, column: bool) -> tuple[int, int] | None:
    """Return a derivative and a component of its own half on which it depends, None where there is none.

    A System is believed.  Of a plain function the traced graph tells; where it cannot be traced, the Jacobian at the
    start, which sees less.
    """
    from integrators._machine_field import machine_field  # not needed by a System that says it

    if says_separable(fun):
        return None
    try:
        field, _ = machine_field(fun, args, n, column)
    except TraceError:
        slopes = slopes_at(fun, args, n, t, y, column)
        pairs = [] if slopes is None else [(int(i), int(j)) for i, j in zip(*np.nonzero(slopes), strict=True)]
    else:
        pairs = list(zip(field.rows.tolist(), field.columns.tolist(), strict=True))
    for i, j in sorted(pairs):
        if (i < n // 2) == (j < n // 2):
            return i, j
    return None


def slopes_at(fun: Any, args: tuple[Any, ...], n: int, t: Any, y: Any, column: bool) -> NDArray[np.float64] | None:
    """Return the Jacobian at the start of the first trajectory, of plain numbers; None if there is none."""
    from integrators._field import Field
    from integrators.drivers.right_hand_side import RightHandSide as Counted

    start = np.asarray(raw(y)).reshape(n, -1)
    if not start.shape[1]:
        return None
    plain = tuple(raw(x) for x in args)
    if is_system(fun):
        fun = with_parameters(fun, [np.ravel(raw(x))[0] for x in parameter_values(fun)])
    found = Field(Counted(fun, plain, column=column)).jacobian(float(np.ravel(raw(t))[0]), start[:, 0].copy())
    slopes: NDArray[np.float64] = np.asarray(raw(found if isinstance(found, np.ndarray | Number) else found.toarray()))
    return slopes


def twisted_pair(slopes: NDArray[np.float64]) -> tuple[tuple[int, int], tuple[int, int], float] | None:
    """Return two entries of a Jacobian that one H would make alike, and their sign; None where all are.

    The Jacobian of ``q' = dH/dp, p' = -dH/dq`` is ``[[H_pq, H_pp], [-H_qq, -H_qp]]``: the blocks beside the diagonal
    are symmetric, those on it are each other's transpose with the sign changed.
    """
    n = len(slopes)
    m = n // 2
    turned = np.concatenate([-slopes[m:], slopes[:m]])  # the Hessian of H
    gap = np.abs(turned - turned.T)
    size = np.abs(slopes).max(initial=0.0)
    if not gap.max(initial=0.0) > _ALIKE * size:  # NaN: others tell of it
        return None
    a, b = (int(i) for i in np.unravel_index(int(np.argmax(gap)), gap.shape))
    sign = 1.0 if (a < m) == (b < m) else -1.0
    return ((a + m) % n, b), ((b + m) % n, a), sign


_ALIKE = 1e-9
"""Difference of second derivatives, against the largest of them, that is rounding."""
