"""`jit`: a traceable function as machine code, together with its derivatives of every order."""

from __future__ import annotations

import functools
import inspect
import types
import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import Any, final, overload

import numpy as np

from diffsim import array_ops
from diffsim.capture import Captured, capture
from diffsim.compiler import engine
from diffsim.errors import ArgumentError, InterpretedWarning, KindError, RunError, TraceError, must, shown
from diffsim.function_form import UNFIT, Form, Given, input_labels, take_apart, trace_form
from diffsim.graph import Graph
from diffsim.number import AnyNumber, Number, shape_of
from diffsim.routine import apply
from diffsim.tree import Tree, leaves, paths, rebuild

__all__ = ["CompiledFunction", "jit"]

_FORMS_KEPT = 256


@overload
def jit(f: Callable[..., Any], *, dtype: Any = np.float64, threads: int | None = None) -> CompiledFunction: ...


@overload
def jit(
    f: None = None, *, dtype: Any = np.float64, threads: int | None = None
) -> Callable[[Callable[..., Any]], CompiledFunction]: ...


def jit(f: Any = None, *, dtype: Any = np.float64, threads: int | None = None) -> Any:
    """Compile a function of scalars and small arrays to machine code.

    The function is traced when it is first called with arguments of a new form (the structure of lists, tuples and
    dicts, and the shapes in it); after that its Python code is not run again.  Numbers that it brings along, in a
    closure, a default, a global, an attribute, are read anew at each call; changing them does not compile anew.
    Derivatives (`diffsim.grad` and its kin, ``Value.backward``) are compiled too, to any order: ``grad(jit(f))`` is as
    good as ``jit(grad(f))``.  Machine code is kept on disk for the next process.

    Parameters
    ----------
    f : callable
        Written with arithmetic, NumPy's or diffsim's functions.  Returns numbers, arrays, or a tree of them.
    dtype : float64 or float32
        In which numbers are computed and returned.
    threads : int, optional
        How many `CompiledFunction.map` uses; by default the cores that this process may use.

    Returns
    -------
    CompiledFunction
        To be called as f is.  Without f, a decorator: ``@jit(dtype=np.float32)``.

    Raises
    ------
    KindError
        f is not callable, or `dtype` is another one.
    TraceError
        At the first call: f branches on its arguments' values, calls foreign code, changes something that outlives the
        call, draws random numbers, uses a primitive without a machine rule, or has more than 200,000 operations.

    Warns
    -----
    InterpretedWarning
        Once a process, if llvmlite is missing: then f itself runs.

    Notes
    -----
    Each element of an array is an operation of its own: arrays of thousands of elements are better left to NumPy; for
    many sets of small arguments there is `CompiledFunction.map`.  A whole number among the arguments is a number like
    any other, until f needs its value (for an index, a length): then f is traced for each value.  Text, truth values
    and None are compared, not traced.  For tracers and for multiprecision numbers f itself is called.

    Examples
    --------
    >>> import diffsim as ds
    >>> @ds.jit
    ... def distance(a, b):
    ...     return np.sqrt(np.sum((a - b) ** 2))
    >>> distance(np.array([3.0, 0.0]), np.array([0.0, 4.0]))
    5.0
    >>> ds.grad(distance)(np.array([3.0, 0.0]), np.array([0.0, 4.0]))
    array([ 0.6, -0.8])
    >>> distance.map(np.array([[3.0, 5.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [4.0, 12.0]]))
    array([ 5., 13.])
    """
    if f is None:
        return functools.partial(jit, dtype=dtype, threads=threads)
    return CompiledFunction(f, dtype, threads)


@final
class CompiledFunction:
    """A function that runs as machine code; made by `jit`."""

    # NOTE: slots, because functools.wraps, in `grad` and its kin, copies what lies in the dictionary.
    __slots__ = ("__dict__", "_dtype", "_f", "_forms", "_last", "_static", "_threads")
    __wrapped__: Callable[..., Any]
    __name__: str

    def __init__(self, f: Callable[..., Any], dtype: Any = np.float64, threads: int | None = None) -> None:
        if not callable(f):
            raise KindError(f"jit: f must be callable; got {shown(f)}.")
        kind = np.dtype(dtype)
        if kind not in (np.float64, np.float32):
            raise KindError(f"jit: dtype must be float64 or float32; got {kind.name}.")
        if threads is not None and threads < 1:
            raise must("jit", "threads", "must be >= 1", threads)
        functools.update_wrapper(self, f, updated=())
        self.__wrapped__ = _as_function(f)  # NOTE: who captures this object looks through it at the function
        ours = (getattr(f, "__module__", None) or "").partition(".")[0] == "diffsim"
        self._f, self._dtype, self._threads = (_apart(f) if ours else f), kind, threads
        self._forms: dict[Hashable, Form] = {}
        self._static: frozenset[str] = frozenset()
        self._last: Form | None = None

    def __call__(self, *args: Tree, **kwargs: Any) -> Tree:
        """Return what the function returns."""
        last = self._last
        if last is not None and not kwargs:
            found = last.at_once(self._f, args)
            if found is not UNFIT:
                return found
        if not _can_compile():
            return self._f(*args, **kwargs)
        given = take_apart(_positional(self._f, args, kwargs), self._static)
        if given.inline:
            return self._f(*args, **kwargs)
        form, values = self._form(given)
        return form.split(apply(form.routine, self._arguments(form, given, values)))

    def map(self, *args: Tree, shared: Sequence[int] = ()) -> Tree:
        """Evaluate the function for many sets of arguments at once, in SIMD lanes and threads.

        Bit for bit what single calls give.

        Parameters
        ----------
        *args : tree of arrays
            Each array has one more axis than the function takes, the last, of the same length m everywhere.  A single
            number is the same for all.
        shared : sequence of int
            Positions of arguments that are the same for all: their arrays have no further axis.

        Returns
        -------
        tree of arrays
            As the function returns it, each with one more last axis of length m.

        Raises
        ------
        ArgumentError
            The lengths differ, or no argument has the axis.

        Examples
        --------
        >>> rotate = jit(lambda x, angle: np.array([x[0] * np.cos(angle), x[0] * np.sin(angle)]))
        >>> rotate.map(np.ones((1, 3)), np.array([0.0, np.pi / 6, np.pi / 2])).round(3)
        array([[1.   , 0.866, 0.   ],
               [0.   , 0.5  , 1.   ]])
        """
        whole = take_apart(args, self._static)
        alike = {i % max(len(args), 1) for i in shared}
        places = dict(zip(whole.places, whole.numbers, strict=True))
        wide = {p for p, x in places.items() if shape_of(x) and int(p[1 : p.index("]")]) not in alike}
        lengths = sorted({shape_of(places[p])[-1] for p in wide})
        if len(lengths) != 1:
            raise ArgumentError(
                f"jit: map: the last axes of the arguments must have one length; got lengths {lengths}. "
                "Name the arguments that are the same for all in shared=(...)."
            )
        (m,) = lengths
        if whole.inline:
            raise KindError("jit: map takes floats and Values, not tracers or multiprecision numbers. Call it singly.")
        if not _can_compile():
            return self._mapped_singly(args, wide, m)
        example = rebuild(
            args,
            iter(
                np.zeros(shape_of(places[p])[:-1]) if p in wide else x
                for p, x in zip(paths(args), leaves(args), strict=True)
            ),
        )
        form, values = self._form(take_apart(example, self._static))
        return form.split(apply(form.routine, self._arguments(form, whole, values), m, self._threads), (m,))

    def _mapped_singly(self, args: tuple[Tree, ...], wide: set[str], m: int) -> Tree:
        """Map in Python."""

        def lane(j: int) -> list[Any]:
            given = zip(paths(args), leaves(args), strict=True)
            return [x[..., j] if p in wide else x for p, x in given]

        found = [self._f(*rebuild(args, iter(lane(j)))) for j in range(m)]
        columns = [leaves(x) for x in found]
        stacked = [array_ops.stack(list(column), axis=-1) for column in zip(*columns, strict=True)]
        return rebuild(found[0], iter(stacked)) if found else np.zeros(0)

    # --- what was made of it -----------------------------------------------------------------------------------------

    @property
    def forms(self) -> tuple[Form, ...]:
        """What was compiled so far, one entry a form of arguments."""
        return tuple(self._forms.values())

    @property
    def graph(self) -> Graph:
        """The expression graph that was traced last.

        Raises
        ------
        RunError
            The function was not called yet.
        """
        return self._latest.graph

    @property
    def llvm_ir(self) -> str:
        """The code of a single call in LLVM's intermediate representation, before LLVM optimises it."""
        return self._latest.routine.single.kernel.text

    @property
    def assembly(self) -> str:
        """The machine code of a single call, as text."""
        return engine.compile_text(self.llvm_ir, assembly=True).decode()

    @property
    def _latest(self) -> Form:
        if self._last is None:
            raise RunError(f"jit: {self.__name__} has no graph before its first call. Call it once.")
        return self._last

    def __repr__(self) -> str:
        return f"<compiled {getattr(self, '__qualname__', self.__name__)}, {len(self._forms)} forms>"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """The compiled method of an object."""
        if instance is None:
            return self
        bound = CompiledFunction(types.MethodType(self._f, instance), self._dtype, self._threads)
        bound._forms = self._forms
        return bound

    # --- forms -------------------------------------------------------------------------------------------------------

    def _form(self, given: Given) -> tuple[Form, tuple[Any, ...]]:
        """Return the compiled form for the arguments, and the numbers that the function brings along."""
        captured = capture(self._f)
        key = None if captured.key is None else (captured.key, given.key, self._dtype)
        form = None if key is None else self._forms.get(key)
        if form is None:
            made = self._traced(captured, given)
            if isinstance(made, Given):
                return self._form(made)
            form = made
            if key is not None:
                while len(self._forms) >= _FORMS_KEPT:
                    self._forms.pop(next(iter(self._forms)), None)
                self._forms[key] = form
        self._last = form
        return form, captured.values

    def _traced(self, captured: Captured, given: Given) -> Form | Given:
        """Trace; or, where the value of a whole number is needed, return the arguments with it in their form."""
        try:
            return trace_form(captured, given, self._f, self._dtype)
        except TraceError as error:
            named = dict(zip(input_labels(self._f, given), given.places, strict=True))
            wanted = frozenset(place for name, place in named.items() if name in error.origins)
            wholes = given.wholes & wanted if error.origins else given.wholes
            if not wholes:
                raise
            self._static |= wholes
            return take_apart(given.args, self._static)

    def _arguments(self, form: Form, given: Given, values: Sequence[Any]) -> list[AnyNumber]:
        """Return what the routine takes."""
        if not values:
            return given.numbers
        recording = any(isinstance(x, Number) for x in values)
        return [*given.numbers, array_ops.stack(list(values)) if recording else np.array(values, dtype=np.float64)]


def _as_function(f: Any) -> Callable[..., Any]:
    """Return f as a function of Python, through which its numbers can be seen."""
    if isinstance(f, types.FunctionType):
        return f

    def call(*args: Any) -> Any:
        return f(*args)

    return functools.update_wrapper(call, f, updated=())


def _apart(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of diffsim's own inside another one, as a user would hold it: it brings no numbers along."""
    return lambda *args: f(*args)


def _positional(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Return the arguments by position."""
    if not kwargs:
        return args
    bound = inspect.signature(f).bind(*args, **kwargs)
    if bound.kwargs:
        bound.apply_defaults()
    if bound.kwargs:
        raise ArgumentError(
            f"jit: arguments that can only be passed by name are not compiled; got {list(bound.kwargs)}. "
            "Let the function bring them along: lambda x: f(x, name=thing)."
        )
    return bound.args


def _can_compile() -> bool:
    if engine.available():
        return True
    _tell_once()
    return False


@functools.cache
def _tell_once() -> None:
    """Tell, once a process, that nothing is compiled."""
    warnings.warn(
        "llvmlite is not installed, so functions run interpreted, which is slower. Install it: pip install llvmlite.",
        InterpretedWarning,
        stacklevel=4,
    )
