"""Integration on plain Python lists: the form in which it is taught, for any kind of number."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from diffsim.errors import ArgumentError, KindError, must
from diffsim.number import raw
from integrators._integrator import Integrator
from integrators.classical import RK4, Euler

__all__ = ["euler", "rk4"]


def euler(s_0: Sequence[Any], f: Callable[[list[Any]], Sequence[Any]], h: Any, steps: int) -> list[list[Any]]:
    """Integrate ``s' = f(s)`` by Euler's method on plain lists.

    Parameters
    ----------
    s_0 : sequence, length n
        Start: numbers of any kind (float, Value, Dual, mpmath number, Fraction).
    f : callable
        ``f(state)``, a list of n derivatives.
    h : number
        Step size; negative to go backwards.
    steps : int
        Number of steps, >= 0.

    Returns
    -------
    list of lists, length steps + 1
        The states, the start first.

    Raises
    ------
    ArgumentError
        `h` is 0 or not finite, `steps` is negative, `f` returns another number of components.
    KindError
        `s_0` is no sequence, `steps` is no integer, `f` returns None.

    References
    ----------
    Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", section I.7.

    Examples
    --------
    >>> euler([1.0, 0.0], lambda s: [s[1], -s[0]], 0.5, 2)
    [[1.0, 0.0], [1.0, -0.5], [0.75, -1.0]]
    """
    return _integrate("euler", Euler(), s_0, f, h, steps)


def rk4(s_0: Sequence[Any], f: Callable[[list[Any]], Sequence[Any]], h: Any, steps: int) -> list[list[Any]]:
    """Integrate ``s' = f(s)`` by the classical Runge-Kutta method on plain lists; see `euler`.

    Examples
    --------
    >>> from fractions import Fraction
    >>> rk4([Fraction(1)], lambda s: [-s[0]], Fraction(1, 10), 1)[-1]
    [Fraction(72387, 80000)]
    """
    return _integrate("rk4", RK4(), s_0, f, h, steps)


def _integrate(
    who: str, method: Integrator, s_0: Sequence[Any], f: Callable[[list[Any]], Sequence[Any]], h: Any, steps: int
) -> list[list[Any]]:
    """Check the arguments and step."""
    try:
        state, n_steps = list(s_0), operator.index(steps)
    except TypeError:
        raise KindError(
            f"{who}: s_0 must be a sequence and steps an integer; got s_0 of type {type(s_0).__name__}, "
            f"steps={steps!r}."
        ) from None
    if n_steps < 0:
        raise must(who, "steps", "must be >= 0", steps)
    size = raw(h)
    if isinstance(size, complex | str) or size is None:
        raise KindError(f"{who}: h must be a real number; got h={h!r}.")
    if size == 0 or size != size or size in (float("inf"), float("-inf")):
        raise must(who, "h", "must be finite and not 0", h)

    def derivative(t: Any, s: list[Any]) -> list[Any]:
        k = f(s)
        if k is None:
            raise KindError(f"{who}: f must return the list of derivatives; got None. Is a return statement missing?")
        try:
            listed = list(k)
        except TypeError:
            raise KindError(f"{who}: f must return the list of derivatives; got {type(k).__name__}.") from None
        if len(listed) != len(state):
            raise ArgumentError(f"{who}: f must return {len(state)} components, as many as s_0; got {len(listed)}.")
        return listed

    states = [state]
    for _ in range(n_steps):
        states.append(method.step(derivative, 0, states[-1], h))
    return states
