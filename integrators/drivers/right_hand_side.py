"""The right-hand side as the drivers call it: counted, bound to its arguments, its answer checked and made a state."""

from __future__ import annotations

import inspect
import types
from collections.abc import Sequence
from typing import Any, final

import numpy as np

from diffsim import array_ops
from diffsim.errors import ArgumentError, KindError
from diffsim.number import Number, raw
from diffsim.protocols import is_system

__all__: list[str] = []

_NO_RETURN = "Is a return statement missing?"
_SPLIT = "For derivatives split the state into real and imaginary parts."
_PLAIN = (int, float, complex, np.integer, np.floating, np.complexfloating)


def label(fun: Any) -> str:
    """Return what to call a right-hand side in a message."""
    return type(fun).__name__ if is_system(fun) else getattr(fun, "__name__", type(fun).__name__)


def check_callable(fun: Any, args: Sequence[Any]) -> None:
    """Raise unless `fun` can be called as ``fun(t, y, *args)``, before any work is done.

    Raises
    ------
    KindError
        Not callable, a System class instead of an instance, or a signature that does not fit.
    """
    if isinstance(fun, type):
        raise KindError(
            f"solve_ivp: fun must be called as fun(t, y); got the class {fun.__name__}. "
            f"Make an instance: {fun.__name__}()."
        )
    if not callable(fun):
        raise KindError(f"solve_ivp: fun must be a function fun(t, y) or a System; got {type(fun).__name__}.")
    if is_system(fun):
        if args:
            raise KindError(
                f"solve_ivp: args must be left out for a System, whose parameters are its fields; got "
                f"{len(args)} args. Use {label(fun)}(...) or .replace(...)."
            )
        return
    if fun.__class__ is types.FunctionType and _takes(fun, 2 + len(args)):
        return
    try:
        signature = inspect.signature(fun)
    except (ValueError, TypeError):  # builtins do not tell their signature
        return
    try:
        signature.bind(None, None, *args)
    except TypeError as error:
        wanted = ", ".join(["t", "y", *(f"args[{i}]" for i in range(len(args)))])
        raise KindError(f"solve_ivp: fun must take ({wanted}); got {label(fun)}{signature}: {error}.") from None


def _takes(fun: types.FunctionType, n: int) -> bool:
    """Whether a plain function can be called with n arguments by position; False where `inspect` has to tell.

    PERF: a signature takes 30 us, a tenth of the gradient of a short compiled solve.
    """
    code = fun.__code__
    required = code.co_argcount - len(fun.__defaults__ or ())
    fits = required <= n and (n <= code.co_argcount or bool(code.co_flags & inspect.CO_VARARGS))
    return fits and code.co_kwonlyargcount == len(fun.__kwdefaults__ or ())


@final
class RightHandSide:
    """``f(t, y)`` for the drivers.

    Parameters
    ----------
    fun : callable
    args : sequence
        Further arguments of `fun`.
    column : bool
        Whether `fun` is called with ``y[:, None]`` (SciPy's convention for ``vectorized=True`` without a batch).
    fresh : bool
        Whether every answer is a new array.  Answers of other functions are copied: a function may fill and return
        the same array each time, and the stages of a step must not overwrite each other.

    Attributes
    ----------
    nfev : int
        Number of calls so far.
    turned : int
        Length of the last axis of a start with a batch; an answer of this length tells that its axes are swapped.
    slope : Slope or None
        What the caller says about the Jacobian.
    origin : Origin or None
        The function to compile, where it is another one than `fun`.
    machine : bool
        Whether it may be compiled.
    series : callable or None
        Its power series as machine code, once somebody has asked for them (`integrators._machine_series`).
    """

    __slots__ = ("_field", "_fresh", "args", "column", "fun", "machine", "nfev", "origin", "series", "slope", "turned")

    def __init__(
        self, fun: Any, args: Sequence[Any] = (), *, column: bool = False, fresh: bool = False, turned: int = -1
    ) -> None:
        self.fun, self.args, self.column, self._fresh = fun, tuple(args), column, fresh
        self.nfev, self.turned = 0, turned
        self.slope: Any = None
        self.origin: Any = None
        self._field: Any = None
        self.machine = False
        self.series: Any = None

    @property
    def field(self) -> Any:
        """The same for implicit methods, which ask for Jacobians: a `integrators._field.Field`."""
        if self._field is None:
            from integrators._field import Field, Origin  # of no use to explicit methods

            self._field = Field(self, self.slope, self.origin or Origin(self.fun, self.args, self.column))
        return self._field

    def __call__(self, t: Any, y: Any) -> Any:
        """Return the derivative, in the shape of y."""
        self.nfev += 1
        k = self.fun(t, y[:, None] if self.column else y, *self.args)
        if k.__class__ is np.ndarray and k.dtype == np.float64 and k.shape == y.shape:
            return k if self._fresh else k.copy()
        return self._as_state(k, y.shape, y.__class__ is np.ndarray and y.dtype.kind == "c")

    def _as_state(self, k: Any, shape: tuple[int, ...], wide: bool) -> Any:
        """Return a list, a scalar, an array of another type or a recording number as a state of the given shape.

        `wide` says that states are complex.
        """
        if k is None:
            raise KindError(
                f"solve_ivp: fun must return the derivative, {shape[0]} components; got None from "
                f"{label(self.fun)}. {_NO_RETURN}"
            )
        plain = _plain_list(k)
        if plain is not None and plain.shape == shape:
            return plain.astype(np.complex128) if wide else plain
        try:
            state = array_ops.array(k if isinstance(k, list | tuple | np.ndarray | Number) else np.asarray(k))
        except ValueError as error:
            raise ArgumentError(
                f"solve_ivp: fun must return {shape[0]} numbers; got from {label(self.fun)} something "
                f"that does not form an array: {str(error).rstrip('.')}."
            ) from None
        if not isinstance(state, Number):
            state = self._plain(state, wide)
        elif wide:
            raise KindError(
                f"solve_ivp: fun must return plain numbers where y0 is complex, no derivative goes through complex "
                f"numbers; got {type(state).__name__} from {label(self.fun)}. {_SPLIT}"
            )
        if state.shape != shape:
            fits = self.column and state.shape == (*shape, 1)
            if not fits and not (shape == (1,) and state.shape == ()):
                mend = " The state component comes first: pass y0.T." if state.shape == (self.turned,) else ""
                raise ArgumentError(_wrong_shape(label(self.fun), state.shape, shape) + mend)
            state = array_ops.reshape(state, shape)
        return state

    def _plain(self, state: Any, wide: bool) -> Any:
        """Return a plain array in doubles, or in pairs of them, or raise where it is none."""
        kind = state.dtype.kind
        if wide and (kind in "fiubc" or (kind == "O" and all(isinstance(x, _PLAIN) for x in state.flat))):
            return np.array(state, dtype=np.complex128)
        if kind == "c" or (kind == "O" and any(isinstance(x, complex | np.complexfloating) for x in state.flat)):
            raise KindError(
                f"solve_ivp: fun must return real numbers, as y0 is real; got complex ones from {label(self.fun)}. "
                f"Pass a complex y0. {_SPLIT}"
            )
        if kind == "O" and all(isinstance(x, int | float | np.integer | np.floating) for x in state.flat):
            return state.astype(np.float64)
        if kind not in "fiub":
            found = type(state.ravel()[0]).__name__ if state.size else str(state.dtype)
            raise KindError(f"solve_ivp: fun must return numbers; got {found} from {label(self.fun)}.")
        return np.array(state, dtype=np.float64)


def _plain_list(k: Any) -> Any:
    """Return a list of floats as an array, None for everything else (recording numbers, ragged lists, text)."""
    if k.__class__ is not list and k.__class__ is not tuple:
        return None
    try:
        plain = np.array(k)
    except (ValueError, TypeError):
        return None
    return plain if plain.dtype == np.float64 else None


def _wrong_shape(name: str, got: tuple[int, ...], want: tuple[int, ...]) -> str:
    """Word the message for an answer that does not fit the state."""
    message = f"solve_ivp: fun must return shape {want}, like y; got shape {got} from {name}."
    if got[:1] != want[:1] and len(want) == 1:
        message = f"solve_ivp: fun must return {want[0]} components, as many as y0 has; got shape {got} from {name}."
    return message


def first_value(f: RightHandSide, t: Any, y: Any, names: Sequence[str], strict: bool) -> Any:
    """Return ``f(t, y)`` at the start; where `strict`, refuse a single start from which nothing can follow.

    Raises
    ------
    ArgumentError
        A component is NaN or infinite.
    """
    k = f(t, y)
    plain = raw(k)
    if strict and y.ndim == 1 and not np.isfinite(plain).all():
        i = int(np.argmax(~np.isfinite(plain)))
        raise ArgumentError(
            f"solve_ivp: fun must return finite numbers at the start; got {component(i, names)}={plain[i]} from "
            f"{label(f.fun)} at t={float(raw(t))!r}."
        )
    return k


def component(i: int, names: Sequence[str]) -> str:
    """Return how a message calls component i: ``y[2]`` or ``y[2] (p_1)``."""
    return f"y[{i}] ({names[i]})" if i < len(names) else f"y[{i}]"
