"""States whose angles are angles: wrapped into one turn, compared modulo a turn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from diffsim import array_ops, ops
from diffsim.errors import must
from diffsim.number import shape_of

__all__ = ["state_difference", "state_distance", "wrap_angles"]

_TURN = 2.0 * math.pi
_TURN_REST = 2.4492935982947064e-16  # 2 pi - _TURN; SOURCE: OEIS A019692


def wrap_angles(system: Any, state: Any) -> Any:
    """Return ``state`` with each angle moved by whole turns into [-pi, pi).

    Parameters
    ----------
    system : System
        Whose `angles` say which components are angles.
    state : array, shape (n, ...)
        Component first: a state, a batch, or a solution's ``y``.  Derivatives pass through.

    Raises
    ------
    ArgumentError
        The first axis of `state` does not have n entries.

    Examples
    --------
    >>> from systems import Pendulum
    >>> wrap_angles(Pendulum(), [7.0, 1.0]).round(6)
    array([0.716815, 1.      ])
    """
    components = _components("wrap_angles", system, state, "state")
    for i in system.angles:
        components[i] = _wrapped(components[i])
    return array_ops.stack(components)


def state_difference(system: Any, a: Any, b: Any) -> Any:
    """Return ``a - b``, the angles by the shorter way round: in [-pi, pi).

    Parameters
    ----------
    system : System
    a, b : array, shape (n, ...)
        Component first.

    Raises
    ------
    ArgumentError
        The first axis of `a` or `b` does not have n entries.

    Examples
    --------
    >>> from systems import Pendulum
    >>> state_difference(Pendulum(), [3.1, 1.0], [-3.1, 0.5]).round(6)
    array([-0.083185,  0.5     ])
    """
    first = _components("state_difference", system, a, "a")
    second = _components("state_difference", system, b, "b")
    found = [x - y for x, y in zip(first, second, strict=True)]
    for i in system.angles:
        found[i] = _wrapped(found[i])
    return array_ops.stack(found)


def state_distance(system: Any, a: Any, b: Any) -> Any:
    """Return the Euclidean norm of `state_difference`, of shape (...); all components count in their own units."""
    gap = state_difference(system, a, b)
    return ops.sqrt(array_ops.sum(gap * gap, axis=0))


def _wrapped(x: Any) -> Any:
    turns = ops.floor((x + math.pi) / _TURN)
    return (x - turns * _TURN) - turns * _TURN_REST


def _components(who: str, system: Any, state: Any, name: str) -> list[Any]:
    n = len(system.state_names)
    state = np.asarray(state) if isinstance(state, list | tuple) and all(np.isscalar(x) for x in state) else state
    shape = shape_of(array_ops.array(state))
    if not shape or shape[0] != n:
        rule = f"must have {n} components ({', '.join(system.state_names)}) on its first axis"
        raise must(who, name, rule, shape)
    return list(state)
