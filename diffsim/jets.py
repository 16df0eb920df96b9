"""`jet`: derivatives of all orders along a curve; `solution_series`: the Taylor series of a differential equation.

A function is called once, with numbers that are power series (`diffsim.jet_number`).  For a differential equation
``y' = f(t, y)`` the result is fed back into the argument: the coefficient k of f gives the coefficient k + 1 of y.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from diffsim import array_ops
from diffsim.data import tidy
from diffsim.errors import ArgumentError, KindError
from diffsim.jet_number import Jet, Room
from diffsim.number import AnyNumber, new_level, shape_of
from diffsim.tape import check_numbers, check_results
from diffsim.tree import Tree, leaves, leaves_like, rebuild

__all__ = ["jet", "solution_series"]


# --- derivatives of any order ----------------------------------------------------------------------------------------


def jet(
    f: Callable[..., Any], primals: Sequence[Tree], series: Sequence[Any], *, factorial_scaled: bool = True
) -> tuple[Tree, Tree]:
    """Value of f and its derivatives of all orders up to p along a curve, in one pass.

    The curve is ``x(s) = primal + series[0] s + series[1] s**2 / 2! + ...``; what comes back is the same for
    ``f(x(s))``.  It costs some p**2 / 2 times f; nested `jvp` costs 2**p times f.

    Parameters
    ----------
    f : callable
        Of ``len(primals)`` arguments; returns a number, an array or a tree of them.
    primals : tuple
        The point: numbers of any kind, multiprecision ones too, arrays, or trees of them.
    series : tuple of lists
        For each argument the p derivatives of the curve at s = 0, the first one first, each in the form of the
        primal.
    factorial_scaled : bool
        Whether `series` and the result are derivatives; otherwise they are coefficients of the powers of s.

    Returns
    -------
    value : what f returns at the point
    series : list of p derivatives, each of the shape of the value
        Where f returns a tree, a tree of such lists.

    Raises
    ------
    ArgumentError
        `series` does not have one list an argument, all of one length, of the shapes of the primals.
    KindError
        f needs a plain number (``float``, ``math.sin``, an index).

    Notes
    -----
    A branch in f, and `where`, `abs`, `maximum` and the like, take the branch of the value.

    References
    ----------
    Griewank and Walther, "Evaluating Derivatives", 2nd ed., chapter 13.

    Examples
    --------
    >>> from diffsim import ops
    >>> jet(ops.exp, (0.0,), ([1.0, 0.0, 0.0],))
    (1.0, [1.0, 1.0, 1.0])
    """
    if not isinstance(primals, list | tuple) or not isinstance(series, list | tuple):
        raise KindError("jet: primals and series must be tuples, one entry an argument; write jet(f, (x,), ([v],)).")
    points = tuple(check_numbers("jet", x, f"primals[{i}]") for i, x in enumerate(primals))
    curves = _curves(points, series, factorial_scaled)
    order = len(curves[0]) - 1 if curves else 0
    with new_level() as level, np.errstate(all="ignore"):
        room = Room(level)
        out = check_results("jet", f(*rebuild(points, iter([room.input(curve) for curve in curves]))), level)
        room.recording = False
        for k in range(1, order + 1):
            room.sweep(k)
        found = [_coefficients(x, order, level) for x in leaves(out)]
        room.close()
    scaled = [[tidy(c * math.factorial(k) if factorial_scaled else c) for k, c in enumerate(x)] for x in found]
    return rebuild(out, iter([x[0] for x in scaled])), rebuild(out, iter([x[1:] for x in scaled]))


def _curves(points: tuple[Tree, ...], series: Sequence[Any], factorial_scaled: bool) -> list[list[AnyNumber]]:
    """The coefficients of each leaf of the arguments, checked."""
    if len(series) != len(points):
        raise ArgumentError(f"jet: series must have {len(points)} lists, one an argument; got {len(series)}.")
    for entry in series:
        if not isinstance(entry, list | tuple) or len(entry) != len(series[0]):
            raise ArgumentError(
                "jet: series must hold one list an argument, the derivatives of the curve, all of one length. "
                "Fill up with zeros."
            )
    curves = []
    for i, (point, entry) in enumerate(zip(points, series, strict=True)):
        columns = [[array_ops.array(x)] for x in leaves(point)]
        for k, given in enumerate(entry, start=1):
            given = check_numbers("jet", given, f"series[{i}][{k - 1}]")
            for column, v in zip(columns, leaves_like(f"jet: series[{i}][{k - 1}]", point, given), strict=True):
                if shape_of(v) != shape_of(column[0]):
                    raise ArgumentError(
                        f"jet: series[{i}][{k - 1}] must have the shape of its primal {shape_of(column[0])}; "
                        f"got shape {shape_of(v)}."
                    )
                column.append(v / math.factorial(k) if factorial_scaled else v)
        curves.extend(columns)
    return curves


def _coefficients(x: AnyNumber, order: int, level: int) -> list[AnyNumber]:
    """The coefficients of a result, zeros for one that does not depend on the arguments."""
    if isinstance(x, Jet) and x._level == level:
        return x._series.upto(order)[: order + 1]
    return [x, *(x * 0 for _ in range(order))]


# --- differential equations ------------------------------------------------------------------------------------------


def solution_series(f: Callable[[Any, Any], Any], t: AnyNumber, y: AnyNumber, order: int) -> list[AnyNumber]:
    """Taylor coefficients of the solution of ``y' = f(t, y)`` through (t, y); f is called once.

    Parameters
    ----------
    f : callable
        ``f(t, y)``, called with jets; returns the derivative, in the form of y.
    t : number, or array of shape lanes
    y : number of any kind, array of shape (n, *lanes), or list of numbers
    order : int
        Highest order, >= 1.

    Returns
    -------
    list of states, length order + 1
        ``[y, y', y'' / 2!, ...]``, each in the form of y.

    Raises
    ------
    KindError
        f needs a plain number (``float``, ``math.sin``, an index), or returned None.
    ArgumentError
        f returned another number of components.

    Notes
    -----
    On tracers it gives the coefficients as expressions: a graph of them is ``trace(lambda t, y: solution_series(f, t,
    y, order), ...)``.

    Examples
    --------
    >>> solution_series(lambda t, y: y * y, 0.0, 1.0, 4)
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    listed = y.__class__ is list or y.__class__ is tuple
    with new_level() as level, np.errstate(all="ignore"):
        room = Room(level)
        clock = room.input([t, t * 0 + 1])
        starts = [room.input([x]) for x in y] if listed else [room.input([y])]
        found = f(clock, list(starts) if listed else starts[0])
        room.recording = False
        rates = [_down(x) for x in _components(found, y)]
        for k in range(order):
            room.sweep(k)
            for start, rate in zip(starts, rates, strict=True):
                start._series.coefficients.append(_coefficient(rate, k, level) / (k + 1))
        series = [start._series.coefficients for start in starts]
        room.close()
    return [list(column) for column in zip(*series, strict=True)] if listed else series[0]


def _down(x: AnyNumber) -> AnyNumber:
    return array_ops.array(x) if isinstance(x, list | tuple | np.ndarray) else x


def _components(found: Any, y: AnyNumber) -> list[AnyNumber]:
    """What f returned, one entry for each of the states that the jets were made of."""
    if found is None:
        raise KindError("step: f(t, y) must return the derivative; got None. Is a return statement missing?")
    if y.__class__ is list or y.__class__ is tuple:
        listed = list(found)
        if len(listed) != len(y):
            raise ArgumentError(f"step: f(t, y) must return {len(y)} components, as many as y has; got {len(listed)}.")
        return listed
    found = array_ops.array(found)
    shape, wanted = shape_of(found), shape_of(y)
    if shape != wanted:
        if math.prod(shape) != math.prod(wanted):
            raise ArgumentError(f"step: f(t, y) must return shape {wanted}, as y has; got shape {shape}.")
        found = array_ops.reshape(found, wanted) if wanted else found
    return [found]


def _coefficient(rate: AnyNumber, k: int, level: int) -> AnyNumber:
    if isinstance(rate, Jet) and rate._level == level:
        return rate._series.upto(k)[k]
    return rate if k == 0 else rate * 0
