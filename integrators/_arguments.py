"""Arguments of `solve_ivp`: each checked before any work starts, and brought into one form."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.errors import ArgumentError, KindError, must, unknown_name
from diffsim.number import Number, raw, shape_of
from diffsim.protocols import is_system, state_names
from integrators._controller import controller_of
from integrators._integrator import Integrator
from integrators._methods import STEADY
from integrators._plain import real
from integrators.drivers.control import Control
from integrators.drivers.right_hand_side import check_callable, label

_WHO = "solve_ivp"
_SPLIT = "For derivatives split the state into real and imaginary parts."
_EPS = float(np.finfo(np.float64).eps)
_SCIPY_OPTIONS = ("mxstep",)


def check_y0(fun: Any, y0: Any) -> Any:
    """Return the start as a float64 array or a recording number, shape ``(n, *batch)``.

    Raises
    ------
    ArgumentError
        Empty, ragged, NaN or infinite, of another length than the System's state, or integers beyond 2**53.
    KindError
        No numbers, or complex ones that carry a derivative.
    """
    try:
        start = array_ops.array(list(y0) if isinstance(y0, range) else y0)
    except ValueError:
        raise ArgumentError(f"{_WHO}: y0 must be an array of shape (n, *batch); got a ragged list.") from None
    if not isinstance(start, Number):
        start = _plain_start(y0, start)
    if start.shape == ():
        start = array_ops.reshape(start, (1,))
    _check_state_length(fun, start.shape)
    finite = np.isfinite(raw(start))
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        spot = ", ".join(map(str, where))
        names = state_names(fun)
        called = f" ({names[where[0]]})" if names else ""
        raise ArgumentError(f"{_WHO}: y0 must be finite; got y0[{spot}]{called}={raw(start)[where]}.")
    if np.iscomplexobj(raw(start)) and isinstance(start, Number):
        raise KindError(f"{_WHO}: y0 must be real where it carries a derivative; got complex numbers. {_SPLIT}")
    return start


def check_real(y0: Any, sensitivities: Any) -> Any:
    """Return the start, or raise where derivatives of complex states are asked for."""
    if np.iscomplexobj(raw(y0)) and sensitivities != ():
        raise KindError(f"{_WHO}: y0 must be real for sensitivities={sensitivities!r}; got complex numbers. {_SPLIT}")
    return y0


def holds_multiprecision(y0: Any) -> bool:
    """Whether a start holds numbers of mpmath; nothing is imported to find out."""
    mpmath = sys.modules.get("mpmath")
    if mpmath is None:
        return False
    if isinstance(y0, np.ndarray):
        return y0.dtype == object and any(isinstance(x, mpmath.mpf) for x in y0.flat)
    return any(isinstance(x, mpmath.mpf) for x in (y0 if isinstance(y0, list | tuple) else [y0]))


def _plain_start(given: Any, start: Any) -> NDArray[Any]:
    """Return a start of plain numbers in doubles or pairs of them, refusing what would lose something."""
    start = np.asarray(start)
    kind = start.dtype.kind
    if kind == "O" and any(isinstance(x, complex) for x in start.flat):
        start = np.array(start.tolist())
        kind = start.dtype.kind
    if kind == "c":
        return np.array(start, dtype=np.complex128)
    if isinstance(given, np.ndarray) and given.dtype == np.float64:
        return np.array(start, dtype=np.float64)
    if kind in "fiub" or (kind == "O" and all(isinstance(x, int) for x in start.flat)):
        _check_exact(given)
        return np.array(start, dtype=np.float64)
    found = type(start.ravel()[0]).__name__ if start.size else str(start.dtype)
    raise KindError(
        f"{_WHO}: y0 must hold floats (or Values); got {found}. Numbers of other kinds go through "
        "integrators.rk4(...) or the step method of an integrator."
    )


def _check_exact(given: Any) -> None:
    """Refuse numbers that a double does not hold."""
    for x in np.asarray(given, dtype=object).flat:
        if isinstance(x, int | np.integer | np.longdouble) and (_rounded(x) != x):
            raise ArgumentError(
                f"{_WHO}: y0 must be exact in doubles; got {x} of type {type(x).__name__}. Write it as a float if its "
                "rounded value is meant."
            )


def _rounded(x: Any) -> float:
    """Return the nearest double, infinite beyond the largest."""
    try:
        return float(x)
    except OverflowError:
        return math.inf


def _check_state_length(fun: Any, shape: tuple[int, ...]) -> None:
    """Raise unless the first axis is the state component."""
    if shape[0] == 0:
        raise must(_WHO, "y0", "must have at least one component", shape)
    if not is_system(fun):
        return
    n, names = len(state_names(fun)), ", ".join(state_names(fun))
    if shape[0] == n:
        return
    mend = ""
    if len(shape) > 1 and shape[-1] == n:
        turned = "y0.T" if len(shape) == 2 else "np.moveaxis(y0, -1, 0)"
        mend = f" The state component comes first: pass {turned}."
    raise ArgumentError(
        f"{_WHO}: y0 must have shape ({n}, *batch) for {label(fun)} ({names}); got shape {shape}.{mend}"
    )


def check_args(args: Any) -> tuple[Any, ...]:
    """Return the further arguments of the right-hand side as a tuple."""
    if args is None:
        return ()
    if isinstance(args, tuple | list) or (isinstance(args, np.ndarray) and args.ndim):
        return tuple(args)
    if isinstance(args, Number) and shape_of(args):
        return tuple(args[i] for i in range(shape_of(args)[0]))  # type: ignore[index]  # an array of recording numbers
    raise KindError(f"{_WHO}: args must be a tuple; got {type(args).__name__}. For one argument write args=(value,).")


def check_fun(fun: Any, args: Any) -> tuple[Any, ...]:
    """Return the further arguments as a tuple; raise unless the right-hand side can be called with them."""
    further = check_args(args)
    check_callable(fun, further)
    return further


def check_control(
    method: Integrator,
    n: int,
    span: float,
    *,
    rtol: Any,
    atol: Any,
    first_step: Any,
    max_step: Any,
    max_steps: Any,
    min_step: Any,
    controller: Any,
) -> Control:
    """Return the step control, checked.

    A method with fixed steps takes none of SciPy's tolerances: a tolerance that has no effect is refused, so that
    nobody relies on it.
    """
    budget = None if max_steps is None else _count("max_steps", max_steps)
    if not method.adaptive:
        given: tuple[tuple[str, Any, Any], ...] = (
            ("rtol", rtol, 1e-3),
            ("atol", atol, 1e-6),
            ("first_step", first_step, None),
            ("max_step", max_step, math.inf),
            ("min_step", min_step, 0.0),
            ("controller", controller, None),
        )
        for name, value, default in given:
            if value is not default and not np.array_equal(value, default):
                if method.discrete:
                    raise must(_WHO, name, "must be left out: a map is iterated and has no steps to choose", value)
                raise must(
                    _WHO,
                    name,
                    f"must be left out: {method!r} takes fixed steps" + (f" ({STEADY})" if method.symplectic else ""),
                    value,
                    "Use method='RK45' for steps chosen by tolerance, step= for the size of fixed steps.",
                )
        return Control(1e-3, 1e-6, None, math.inf, budget)
    if controller is not None and (method.advises or method.piloted):
        raise must(_WHO, "controller", f"must be left out: {method!r} chooses its steps in its own way", controller)
    longest = max_step if callable(max_step) else _step_limit("max_step", max_step, math.inf)
    return Control(
        _attainable(_tolerance("rtol", rtol, n)),
        _tolerance("atol", atol, n),
        None if first_step is None else _step_limit("first_step", first_step, span),
        longest,
        budget,
        _shortest(min_step, longest),
        controller_of(controller),
    )


def _tolerance(name: str, value: Any, n: int) -> Any:
    """Return a tolerance: a float, or an array with one entry a component."""
    if np.ndim(value) == 0:
        numbers = np.asarray(real(name, value))
    else:
        numbers = np.array([real(name, x) for x in np.ravel(value)])
        if np.shape(value) != (n,):
            raise ArgumentError(f"{_WHO}: {name} must be one number or have shape ({n},); got shape {np.shape(value)}.")
    if not (np.isfinite(numbers) & (numbers >= 0.0)).all():
        raise must(_WHO, name, "must be finite and >= 0", value)
    return numbers if numbers.ndim else float(numbers)


def _attainable(rtol: Any) -> Any:
    """Return relative tolerances that doubles can keep, as SciPy does.

    Warns
    -----
    UserWarning
        One of them is raised.
    """
    least = 100 * _EPS
    if np.any(rtol < least):
        warnings.warn(
            f"{_WHO}: rtol must be at least {least:.3g}, which is what doubles can keep; got rtol={rtol!r}, of which "
            f"np.maximum(rtol, {least:.3g}) is taken.",
            UserWarning,
            stacklevel=5,
        )
    return np.maximum(rtol, least)


def _step_limit(name: str, value: Any, longest: float) -> float:
    """Return a bound on step sizes."""
    size = real(name, value)
    if not size > 0.0:
        raise must(_WHO, name, "must be > 0", value)
    if size > longest:
        raise must(_WHO, name, f"must not be longer than the span {longest!r}", value)
    return size


def _shortest(min_step: Any, longest: Any) -> float:
    """Return the shortest step that is allowed, 0 for no limit but that of doubles."""
    size = real("min_step", min_step)
    if not (math.isfinite(size) and size >= 0.0):
        raise must(_WHO, "min_step", "must be finite and >= 0", min_step)
    if not callable(longest) and size > longest:
        raise must(_WHO, "min_step", f"must not be longer than max_step={longest!r}", min_step)
    return size


def check_seconds(max_seconds: Any) -> float | None:
    """Return the budget of wall-clock seconds, or None."""
    if max_seconds is None:
        return None
    seconds = real("max_seconds", max_seconds)
    if not seconds > 0.0:
        raise must(_WHO, "max_seconds", "must be > 0", max_seconds)
    return seconds


def _count(name: str, value: Any) -> int:
    """Return a number of things, >= 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise KindError(f"{_WHO}: {name} must be an integer >= 1 or None; got {name}={value!r}.")
    if value < 1:
        raise must(_WHO, name, "must be >= 1", value)
    return int(value)


def check_jac(method: Integrator, jac: Any, form: Sequence[Any], n: int, args: tuple[Any, ...], compiled: Any) -> Any:
    """Return what is said about the Jacobian, a `Slope`; None for methods that need none.

    Parameters
    ----------
    form : (jac_sparsity, lband, uband)

    Warns
    -----
    UserWarning
        Something is said, and the method is explicit; in SciPy's words.
    """
    if not method.implicit:
        names = ("jac", "jac_sparsity", "lband", "uband")
        named = ", ".join(f"`{name}`" for name, x in zip(names, (jac, *form), strict=True) if x is not None)
        if named:
            warnings.warn(f"The following arguments have no effect for a chosen solver: {named}.", stacklevel=3)
        return None
    from integrators._field import check_slope  # with what implicit methods need, and the others do not

    sparsity, lband, uband = form
    return check_slope(jac, sparsity, lband, uband, n, args, compiled is not False)


def check_flag(name: str, value: Any) -> bool:
    """Return a truth value: True, False, or what SciPy's callers write for them."""
    if isinstance(value, bool | np.bool_ | int | np.integer) and value in (0, 1):
        return bool(value)
    raise KindError(f"{_WHO}: {name} must be True or False; got {value!r}.")


def check_options(options: dict[str, Any], compiled: Any, threads: Any) -> tuple[Any, float, bool]:
    """Return the options there are (step, memory, explain), and refuse all others with the nearest name.

    What is said about machine code is checked too.
    """
    if compiled not in (True, False, "auto"):
        raise must(_WHO, "compiled", "must be 'auto', True or False", compiled)
    if threads is not None:
        _count("threads", threads)
    step = options.pop("step", None)
    memory = options.pop("memory", DEFAULT_MEMORY)
    if isinstance(memory, bool) or not isinstance(memory, int | float) or not memory > 0:
        raise must(_WHO, "memory", "must be a number of bytes > 0", memory)
    explain = options.pop("explain", False)
    if not isinstance(explain, bool):
        raise KindError(f"{_WHO}: explain must be True or False; got {explain!r}.")
    for name in options:
        if name in _SCIPY_OPTIONS:
            raise ArgumentError(f"{_WHO}: option {name!r} belongs to implicit methods, which are not there yet.")
        raise unknown_name(_WHO, "option", name, _KNOWN)
    return step, float(memory), explain


DEFAULT_MEMORY = 64 * 2**20
"""Bytes for the states that an adjoint keeps, unless the caller says otherwise."""

_KNOWN: Sequence[str] = (
    "method",
    "t_eval",
    "dense_output",
    "events",
    "vectorized",
    "args",
    "rtol",
    "atol",
    "first_step",
    "max_step",
    "jac",
    "sensitivities",
    "compiled",
    "threads",
    "progress",
    "max_steps",
    "step",
    "memory",
    "explain",
    "min_step",
    "controller",
    "callback",
    "max_seconds",
    "reset",
)
