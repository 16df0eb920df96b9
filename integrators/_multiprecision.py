"""`solve_multiprecision`: initial value problems to any number of digits, by Taylor series on mpmath's numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import ArgumentError, KindError, RunError, must
from diffsim.number import Number
from diffsim.protocols import event_functions, is_discrete, state_names
from integrators._multiprecision_steps import EXTRA, at_time, walk
from integrators._solution import Solution
from integrators.drivers.control import DEFAULT_MAX_STEPS
from integrators.drivers.endings import REACHED
from integrators.drivers.right_hand_side import check_callable
from integrators.taylor import Taylor

__all__ = ["MultiprecisionSolution", "solve_multiprecision"]

_WHO = "solve_multiprecision"
_GUARD = 8
"""Digits with which it computes beyond those that are asked for."""


@final
@dataclass(frozen=True)
class MultiprecisionSolution:
    """What `solve_multiprecision` returns.

    Attributes
    ----------
    t : array of mpmath numbers, shape (n_times,)
    y : array of mpmath numbers, shape (n, n_times)
    digits : int
        Decimal digits that were asked for.
    order : int
        Order of the series.
    n_steps : int
        Number of steps; also the number of calls of the right-hand side.
    """

    t: NDArray[np.object_]
    y: NDArray[np.object_]
    digits: int
    order: int
    n_steps: int
    _nodes: tuple[Any, ...]
    _series: tuple[Any, ...]

    def sol(self, t: Any) -> NDArray[np.object_]:
        """Return the state at any time of the span, to the digits of the solution.

        Parameters
        ----------
        t : number, or sequence of k numbers
            mpmath's, ints, floats, or strings of digits.

        Returns
        -------
        array of mpmath numbers, shape (n,) or (n, k)

        Raises
        ------
        ArgumentError
            t lies outside the span.
        """
        import mpmath

        single = isinstance(t, str) or np.ndim(t) == 0
        with mpmath.workdps(self.digits + _GUARD):
            times = _numbers("t", [t] if single else t, None)
            low, high = sorted((self._nodes[0], self._nodes[-1]))
            for at in times:
                if not low <= at <= high:
                    raise must(
                        f"{_WHO}: sol", "t", f"must lie within [{mpmath.nstr(low, 8)}, {mpmath.nstr(high, 8)}]", str(at)
                    )
            found = _columns([at_time(self._nodes, self._series, at) for at in times])
        return found[:, 0] if single else found

    def __str__(self) -> str:
        import mpmath

        end = ", ".join(mpmath.nstr(x, self.digits) for x in self.y[:, -1])
        return f"y({mpmath.nstr(self.t[-1], 8)}) = ({end}), {self.n_steps} steps of order {self.order}"


def solve_multiprecision(
    fun: Callable[..., Any],
    t_span: Sequence[Any],
    y0: Sequence[Any],
    *,
    digits: int = 50,
    t_eval: Sequence[Any] | None = None,
    args: Sequence[Any] = (),
    max_steps: int = 100_000,
) -> MultiprecisionSolution:
    """Solve ``y' = fun(t, y)`` to a given number of decimal digits.

    Taylor series, of the order and with the steps that Jorba and Zou choose for the tolerance ``10**-digits``; it
    computes with some more digits.  The error of a step is that small relative to the state; over many steps errors
    grow as the problem makes them grow (a chaotic one by ``exp(l T)``: ask for ``l T / 2.3`` digits more, and compare
    with a run that has still more).

    Parameters
    ----------
    fun : callable
        ``fun(t, y, *args)`` or a System: as for `solve_ivp`, with ``y`` of shape (n,).  It is called with power series
        of mpmath numbers, which NumPy's and diffsim's functions take; what needs a plain number is an error.
    t_span : (t0, t1)
        mpmath numbers, ints, floats, or strings of digits (``"0.1"`` is one tenth, 0.1 the double next to it).
    y0 : sequence of numbers like those of `t_span`, length n
    digits : int
        1 or more.
    t_eval : sequence of numbers, optional
        Times at which to give the solution; all steps by default.
    args : sequence
        Further arguments of `fun`.
    max_steps : int
        Budget of steps.

    Returns
    -------
    MultiprecisionSolution
        `t` and `y` are arrays of mpmath numbers; `sol` gives the state at any time.

    Raises
    ------
    ArgumentError
        An argument cannot be used.
    KindError
        `fun` cannot take power series (``float(y[0])``, ``math.sin``, foreign code), or `y0` holds no real numbers.
    RunError
        The budget is used up, or the solution leaves the finite numbers.

    See Also
    --------
    solve_ivp : does the same for a `y0` of mpmath's numbers and ``method="Taylor"``, to the digits of the context.

    Notes
    -----
    Numbers that `fun` brings along keep the digits that they have: 9.8 is the double next to 9.8.  Cost: order**2
    times the arithmetic of `fun` a step, some 30 ms for the double pendulum with 50 digits.

    References
    ----------
    Jorba and Zou, "A software package for the numerical integration of ODEs by means of high-order Taylor methods",
    Experimental Mathematics 14 (2005) 99-117, section 3.

    Examples
    --------
    >>> from integrators import solve_multiprecision
    >>> sol = solve_multiprecision(lambda t, y: [y[1], -y[0]], (0, 1), [0, 1], digits=40)
    >>> import mpmath
    >>> mpmath.nstr(sol.y[0, -1], 40)
    '0.8414709848078965066525023216302989996226'
    """
    _check(fun, digits, args, max_steps)
    solution, problem = integrate(fun, t_span, y0, digits, t_eval, args, max_steps)
    if problem:
        raise RunError(f"{_WHO}: {problem}")
    return solution


def integrate(
    fun: Callable[..., Any],
    t_span: Sequence[Any],
    y0: Sequence[Any],
    digits: int,
    t_eval: Sequence[Any] | None,
    args: Sequence[Any],
    max_steps: int,
) -> tuple[MultiprecisionSolution, str]:
    """Return the solution as far as it goes, and why it ended before the end, if it did."""
    import mpmath

    with mpmath.workdps(digits + _GUARD):
        t0, t1 = _numbers("t_span", t_span, 2)
        start = _columns([_numbers("y0", y0, None)])[:, 0]
        times = None if t_eval is None else _check_times(_numbers("t_eval", t_eval, None), t0, t1)
        order = math.ceil((digits + EXTRA) * math.log(10.0) / 2.0) + 1
        nodes, series, problem = walk(fun, tuple(args), (t0, t1), start, order, digits, max_steps)
        if times is None:
            times, states = nodes, [c[0] for c in series]
        else:
            times = [t for t in times if min(t0, nodes[-1]) <= t <= max(t0, nodes[-1])]
            states = [at_time(nodes, series, t) for t in times]
        y = _columns(states) if states else np.empty((len(start), 0), dtype=object)
        t = _columns([times])[:, 0] if times else np.empty(0, dtype=object)
        return MultiprecisionSolution(t, y, digits, order, len(nodes) - 1, tuple(nodes), tuple(series)), problem


def _columns(states: Sequence[Sequence[Any]]) -> NDArray[np.object_]:
    """Return states as the columns of an array."""
    y = np.empty((len(states[0]), len(states)), dtype=object)
    for j, state in enumerate(states):
        y[:, j] = state
    return y


# --- through the front door ------------------------------------------------------------------------------------------


def solve_in_context(
    fun: Callable[..., Any],
    t_span: Sequence[Any],
    y0: Any,
    method: Any,
    t_eval: Sequence[Any] | None,
    dense_output: bool,
    args: Sequence[Any],
    max_steps: int | None,
    given: Sequence[str],
) -> Solution:
    """Return what `solve_ivp` does for a start of multiprecision numbers: a solution to the digits of mpmath's context.

    Parameters
    ----------
    given : sequence of str
        Further arguments of `solve_ivp` that were given: they have no meaning here.

    Raises
    ------
    ArgumentError
        Another method than `Taylor`, or an argument that has no meaning here.
    """
    import mpmath

    who = "solve_ivp: y0 holds multiprecision numbers, "
    if method not in ("Taylor", Taylor, Taylor()):
        raise ArgumentError(
            f"{who}which method='Taylor' integrates, with an order and steps of its own choice; got method={method!r}. "
            "Other methods take them through their step method and integrators.rk4."
        )
    if given:
        raise ArgumentError(
            f"{who}so {given[0]} must be left out: the result has the digits of the context (mpmath.mp.dps), now "
            f"{mpmath.mp.dps}."
        )
    if is_discrete(fun):
        raise ArgumentError(
            f"{who}so {type(fun).__name__} must be a flow, not a map. Iterate it in a loop: y = system(n, y) keeps all "
            "digits."
        )
    if event_functions(fun):
        raise ArgumentError(
            f"{who}so {type(fun).__name__} must have no events of its own, which are not looked for then. Pass "
            "fun=lambda t, y: system(t, y), which has none, and find their times on its dense_output."
        )
    if np.ndim(np.asarray(y0, dtype=object)) > 1:
        raise must("solve_ivp", "y0", "must have one axis where it holds multiprecision numbers", np.shape(y0))
    start = y0 if np.ndim(np.asarray(y0, dtype=object)) else [y0]
    budget = DEFAULT_MAX_STEPS if max_steps is None else max_steps
    _check(fun, mpmath.mp.dps, args, budget)
    found, problem = integrate(fun, t_span, start, mpmath.mp.dps, t_eval, args, budget)
    times: Any = found.t
    return Solution(
        times,
        found.y,
        found.n_steps,
        -1 if problem else 0,
        f"The solve failed: {problem}" if problem else str(REACHED),
        len(found.t),
        state_names=state_names(fun),
        sol=found.sol if dense_output else None,
    )


# --- arguments -------------------------------------------------------------------------------------------------------


def _check(fun: Any, digits: Any, args: Any, max_steps: Any) -> None:
    check_callable(fun, tuple(args))
    for name, value in (("digits", digits), ("max_steps", max_steps)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise KindError(f"{_WHO}: {name} must be a whole number >= 1; got {name}={value!r}.")
        if value < 1:
            raise must(_WHO, name, "must be >= 1", value)


def _numbers(name: str, given: Any, count: int | None) -> list[Any]:
    """Return numbers as mpmath's, with all digits that they have."""
    import mpmath

    try:
        listed = list(given)
    except TypeError:
        raise KindError(f"{_WHO}: {name} must be a sequence of numbers; got {type(given).__name__}.") from None
    if count is not None and len(listed) != count:
        raise ArgumentError(f"{_WHO}: {name} must be {count} numbers; got {len(listed)}.")
    if not listed:
        raise must(_WHO, name, "must hold at least one number", listed)
    found = []
    for x in listed:
        if isinstance(x, Number | complex) or x is None:
            raise KindError(f"{_WHO}: {name} must hold real numbers, plain ones; got {type(x).__name__}.")
        try:
            exact = x.item() if isinstance(x, np.generic) else x
            number = mpmath.mpf(exact)
        except (TypeError, ValueError):
            try:
                number = mpmath.mpf(exact.numerator) / exact.denominator
            except (AttributeError, TypeError):
                raise KindError(f"{_WHO}: {name} must hold real numbers; got {x!r}.") from None
        if not mpmath.isfinite(number):
            raise must(_WHO, name, "must be finite", x)
        found.append(number)
    return found


def _check_times(times: list[Any], t0: Any, t1: Any) -> list[Any]:
    low, high = min(t0, t1), max(t0, t1)
    if not all(low <= t <= high for t in times):
        raise must(_WHO, "t_eval", "must lie within t_span", [float(t) for t in times])
    return times
