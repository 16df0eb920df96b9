"""`capture` a function with every number that it can see; `trace_flow` records its right-hand side as a graph.

A kernel is compiled once and used for many solves, so no number that the function brings along may be baked into it:
arguments, closures, defaults, globals, attributes and the like become inputs of the graph (`diffsim.lifting` finds
them), whole numbers, text and code become part of a key.  At each solve `capture` reads the numbers anew and compares
the rest, in a few microseconds; equal keys mean that the graph still holds.

Whole numbers in ``args`` are numbers of physics as well (a derivative by them may be asked for), until a trace needs
their values, for an index or a branch: then they go into the key (`trace_flow` raises `WholeNumberNeeded`, which
carries the capture to continue with).  Whole numbers elsewhere go into the key, unless `settle` has found that they are
physics.

The file is longer than its neighbours: reading, tracing and the decision about whole numbers ask each other.
"""

from __future__ import annotations

import functools
import threading
import types
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim import array_ops
from diffsim.errors import TraceError, shown
from diffsim.explanations import explained
from diffsim.graph import Graph, record
from diffsim.lifting import Plan, Swap, survey
from diffsim.number import Number, raw
from diffsim.primitive import TABLE
from diffsim.protocols import is_system
from diffsim.traced_array import as_plain, as_traced, holds_number
from diffsim.tracer import Tracer
from diffsim.tree import leaves

__all__ = ["Captured", "Lifted", "WholeNumberNeeded", "capture", "explained", "settle", "trace_flow", "traced_flow"]


@dataclass(frozen=True)
class Lifted:
    """One number that a function brings along.

    Attributes
    ----------
    name : str
        As the code writes it: ``"k"``, ``"args[0]"``, ``"self.stiffness"``, ``"A[0, 1]"``.
    value : float or recording number
    """

    name: str
    value: Any


class WholeNumberNeeded(TraceError):
    """A whole number of ``args`` was lifted, and the trace needs its value.

    Attributes
    ----------
    captured : Captured
        The same function with that number in the key instead; trace this one.
    """

    captured: Captured


@final
class Captured:
    """A function, the numbers that it brings along, and what else it depends on; made by `capture`.

    Attributes
    ----------
    names : tuple of str
        Names of the lifted numbers, in the order of the inputs of the graph.
    values : tuple
        Their values now: floats, or recording numbers.
    key : Hashable or None
        Equal where the graphs are equal.  None where the function holds something that cannot be understood: then
        trace it anew each time.
    """

    __slots__ = ("_args", "_fun", "_plan", "key", "names", "values")

    def __init__(self, fun: Any, args: tuple[Any, ...], plan: Plan, values: tuple[Any, ...]) -> None:
        self._fun, self._args, self._plan = fun, args, plan
        self.names, self.values = plan.names, values
        self.key: Hashable | None = plan.key

    @property
    def lifted(self) -> tuple[Lifted, ...]:
        """The lifted numbers, by name."""
        return tuple(map(Lifted, self.names, self.values))

    @property
    def label(self) -> str:
        """What to call the function in a message."""
        fun = self._fun
        return type(fun).__name__ if is_system(fun) else str(getattr(fun, "__name__", type(fun).__name__))

    def __call__(self, numbers: Sequence[Any], *call_args: Any) -> Any:
        """Call the function with other numbers in the place of the lifted ones.

        Parameters
        ----------
        numbers : sequence
            One a name: floats, `Value`s, tracers.
        *call_args
            What it is called with, before the ``args`` that were captured.

        Raises
        ------
        TraceError
            Traced numbers are given, and the function changes something that outlives the call.
        """
        traced = any(isinstance(x, Tracer) for x in numbers) or _holds_tracer(call_args)
        swap = Swap(numbers, traced)
        fun, args = self._plan.build(self._fun, self._args, swap)
        if not traced:
            return fun(*call_args, *args)
        found = fun(*(as_traced(x) if isinstance(x, np.ndarray) else x for x in call_args), *args)
        changed = _lasting_change(found, swap)
        if changed is not None:
            raise TraceError(
                f"trace: {self.label} changes {changed}, which outlives the call; compiled code would not. "
                "Keep counters and records out of it."
            )
        return found

    def exponents(self, graph: Graph) -> frozenset[str]:
        """Variables outside ``args`` that hold whole exponents: ``y**3`` is cheaper than ``y**p``."""
        used = {graph.nodes[node.operands[1]].name for node in graph.nodes if node.row is TABLE["power"]}
        wholes = self._plan.wholes
        return frozenset(wholes[name] for name in used if name in wholes and not name.startswith("args["))

    def asked_for(self, error: BaseException) -> frozenset[str]:
        """Which lifted whole numbers a failed trace asked the values of; all of them where the error does not say."""
        wholes = self._plan.wholes
        if not isinstance(error, TraceError):
            return frozenset(wholes.values())
        return frozenset(wholes[name] for name in error.origins if name in wholes)

    def without(self, names: frozenset[str]) -> Captured:
        """The same with some whole numbers of ``args`` in the key; later captures of this code follow."""
        shelf = _shelf(_anchor(self._fun))
        with shelf.lock:
            shelf.keyed |= names
            shelf.plans = [plan for plan in shelf.plans if names.isdisjoint(plan.wholes.values())]
        return capture(self._fun, self._args)


def _lasting_change(found: Any, swap: Swap) -> str | None:
    """The name of something outside the function through which one call could reach another.

    An array that a function fills anew each time is none: nothing that it returns or leaves behind depends on what
    was there before.
    """
    changes = list(swap.changes())
    if not changes:
        return None
    kept = [new for _, _, new, _ in changes]
    reached: set[str] = set()
    for x in leaves([found, kept]):
        for item in x.flat if isinstance(x, np.ndarray) else [x]:
            if isinstance(item, Tracer):
                reached |= item.origins()
    for name, old, _, room in changes:
        if not (room and isinstance(old, Tracer) and reached.isdisjoint(old.origins())):
            return name
    return None


def _holds_tracer(call_args: Sequence[Any]) -> bool:
    # Tracers are scalars: an array of them is an array of objects, unlike the arrays of Values and Duals
    return any(isinstance(x, Tracer) or (not isinstance(x, Number) and holds_number(x)) for x in call_args)


# --- plans that are kept ---------------------------------------------------------------------------------------------

_PLANS_KEPT = 16


@final
class _Shelf:
    """The plans of one piece of code, the one used last first."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.keyed: frozenset[str] = frozenset()
        self.everywhere = False
        self.settled = False
        self.lock = threading.Lock()


@functools.lru_cache(maxsize=512)
def _shelf(anchor: Hashable) -> _Shelf:
    return _Shelf()


def _anchor(fun: Any) -> Hashable:
    """What stays the same when a function or an object is made again: its code, its class."""
    if fun.__class__ is types.MethodType:
        fun = fun.__func__
    anchor: Hashable = fun.__code__ if fun.__class__ is types.FunctionType else fun.__class__
    return anchor


def capture(fun: Any, args: Sequence[Any] = ()) -> Captured:
    """Read every number that a function brings along.

    Parameters
    ----------
    fun : callable
        A function, a method, a callable object, a System.
    args : sequence
        Its further arguments, after those that change from call to call.

    Returns
    -------
    Captured

    Notes
    -----
    PERF: the plan of a function is kept with its code; with it a simple closure takes about 3 us.

    Examples
    --------
    >>> def spring(k, m=2.0):
    ...     return lambda t, y: [y[1], -k / m * y[0]]
    >>> capture(spring(3.0)).lifted
    (Lifted(name='k', value=3.0), Lifted(name='m', value=2.0))
    """
    given = tuple(args)
    shelf = _shelf(_anchor(fun))
    for i, plan in enumerate(shelf.plans):
        values = plan.read(fun, given)
        if values is not None:
            if i:
                with shelf.lock:
                    shelf.plans = [plan, *(other for other in shelf.plans if other is not plan)]
            return Captured(fun, given, plan, values)
    plan = survey(fun, given, shelf.keyed, everywhere=shelf.everywhere)
    values = plan.read(fun, given)
    if values is None:
        raise TraceError(f"capture: {getattr(fun, '__name__', fun)!r} changes while it is looked at.")
    if plan.key is not None:
        with shelf.lock:
            shelf.plans = [plan, *shelf.plans][:_PLANS_KEPT]
    return Captured(fun, given, plan, values)


def settle(fun: Any, args: Sequence[Any], n: int, *, column: bool = False) -> Captured:
    """As `capture`, for a right-hand side; whole numbers outside ``args`` are lifted where they are physics.

    ``sigma = 10`` in a global is a parameter as much as ``sigma = 10.0``; ``n = 10`` that counts a loop is not, nor is
    an exponent.  The first call for a piece of code finds out by tracing it; later ones, and `capture`, remember.

    Parameters
    ----------
    fun, args
        See `capture`.
    n, column
        See `trace_flow`.
    """
    shelf = _shelf(_anchor(fun))
    if not shelf.settled:
        shelf.everywhere, shelf.plans = True, []
        captured, fits = capture(fun, args), False
        for _ in range(_ROUNDS):
            try:
                graph = trace_flow(captured, n, column=column)
            except WholeNumberNeeded as needed:
                captured = needed.captured
            except TraceError:  # it will run interpreted: its whole numbers stay what they are
                break
            else:
                exponents = captured.exponents(graph)
                fits = not exponents
                if fits:
                    break
                captured = captured.without(exponents)
        if not fits:
            shelf.everywhere, shelf.plans = False, []
        shelf.settled = True
    return capture(fun, args)


_ROUNDS = 12  # traces after which all whole numbers outside `args` are compared


# --- tracing ---------------------------------------------------------------------------------------------------------


def trace_flow(
    captured: Captured,
    n: int,
    *,
    column: bool = False,
    what: str = "the right-hand side",
    at: tuple[float, Any] | None = None,
    n_results: int | None = None,
) -> Graph:
    """Record ``fun(t, y, *args)`` as a graph.

    Parameters
    ----------
    captured : Captured
    n : int
        Number of state components.
    n_results : int, optional
        Number of results: n by default, as of a right-hand side.
    column : bool
        Whether `fun` is called with ``y`` of shape (n, 1), as SciPy does for ``vectorized=True``; else it is (n,).
    what : str
        What messages call it.
    at : (t, y), optional
        A time and a state at which the graph is compared with the function itself: a function may tell a traced
        number from a float in ways that nobody sees (``type(y[0]) is ...``, an exception that it catches).

    Returns
    -------
    Graph
        Of ``(t, y, numbers)`` -> n derivatives; its inputs are t, the n components, and the lifted numbers, in this
        order.

    Raises
    ------
    WholeNumberNeeded
        The value of a whole number in ``args`` is needed; trace its ``captured`` instead.
    TraceError
        It cannot be traced, or is impure or random: two traces differ.  The message names the line.
    """
    names = [["t"], [f"y[{i}]" for i in range(n)], list(captured.names)]
    form = [np.empty(()), np.empty(n), np.empty(len(captured.names))]

    def flow(t: Any, y: Any, numbers: Any) -> Any:
        state = y.reshape(n, 1) if column else y
        return _as_flow(captured(list(numbers), t, as_traced(state)), n_results or n, captured.label)

    try:
        wholes = frozenset(captured._plan.wholes)
        first, second = record(flow, form, names, wholes), record(flow, form, names, wholes)
    except Exception as error:  # whatever the user's code raises on a traced number
        asked = captured.asked_for(error)
        if asked:
            needed = WholeNumberNeeded(f"trace: the value of {', '.join(sorted(asked))} is needed.")
            needed.captured = captured.without(asked)
            raise needed from error
        raise explained(error, f"{captured.label}: {what} cannot be traced") from error
    _check_constants(captured, first, what)
    _check_equal(captured, first, second, what)
    if at is not None:
        _check_value(captured, first, at, column, what)
    return first


def traced_flow(
    captured: Captured,
    n: int,
    *,
    column: bool = False,
    at: tuple[float, Any] | None = None,
    n_results: int | None = None,
) -> tuple[Captured, Graph]:
    """Return a right-hand side that can be traced, and its graph: whole numbers whose value is needed are no inputs.

    See `trace_flow` for the arguments.
    """
    while True:
        try:
            return captured, trace_flow(captured, n, column=column, at=at, n_results=n_results)
        except WholeNumberNeeded as needed:
            captured = needed.captured


def _check_equal(captured: Captured, first: Graph, second: Graph, what: str) -> None:
    """Raise unless two traces have given the same graph."""
    if _listing(first) != _listing(second):
        raise TraceError(
            f"{captured.label}: {what} cannot be traced: it is impure or random, for two traces of it differ. "
            "Draw random numbers beforehand and pass them as arguments."
        )


def _check_constants(captured: Captured, graph: Graph, what: str) -> None:
    """Raise unless all constants of the graph are plain real numbers."""
    for node in graph.nodes:
        if isinstance(node.value, complex):
            raise TraceError(
                f"{captured.label}: {what} cannot be traced: it uses complex numbers. Split them into real and "
                "imaginary parts."
            )
        if node.row is None and node.value is not None and not isinstance(node.value, float | bool):
            raise TraceError(
                f"{captured.label}: {what} cannot be traced: it uses {shown(node.value)}, which could not be followed "
                "to where it comes from. Pass it in args."
            )


def _check_value(captured: Captured, graph: Graph, at: tuple[float, Any], column: bool, what: str) -> None:
    """Raise unless the graph and the function agree at a state."""
    t, y = at[0], np.array(at[1], dtype=np.float64)
    numbers = np.array([float(raw(x)) for x in captured.values])
    with np.errstate(all="ignore"):
        found = captured._fun(t, y[:, None].copy() if column else y.copy(), *captured._args)
        want = np.array([float(raw(x)) for x in np.asarray(array_ops.array(raw(found)), dtype=object).ravel()])
        got = np.asarray(graph(t, y, numbers), dtype=np.float64)
    finite = np.isfinite(want)
    scale = np.max(np.abs(want[finite]), initial=0.0)
    if not np.allclose(got[finite], want[finite], rtol=1e-6, atol=1e-6 * scale):
        raise TraceError(
            f"{captured.label}: {what} cannot be traced: with traced numbers it computes something else than with "
            f"floats; at t={t!r} it gives {shown(want.tolist())} and its graph {shown(got.tolist())}. "
            "Does it ask for types, or catch exceptions?"
        )


def _listing(graph: Graph) -> list[Any]:
    """A graph as something that can be compared: NaN equals NaN here."""
    nodes = [(node.row, node.operands, repr(node.value), node.name) for node in graph.nodes]
    return [*nodes, np.asarray(graph.result).tolist()]


def _as_flow(found: Any, n: int, label: str) -> Any:
    """The result as an object array of shape (n,)."""
    if found is None:
        raise TraceError(f"trace: {label} returned None. Is its `return` missing?")
    if isinstance(found, Number):
        out = np.empty(1, dtype=object)
        out[0] = found
    else:
        out = np.array(_nested(found), dtype=object)
        if any(isinstance(item, list) for item in out.flat):
            raise TraceError(f"trace: {label} must return {n} numbers, like y; the shape of its parts differs.")
    shape: tuple[int, ...] = out.shape
    if shape not in ((n,), (n, 1)) and not (n == 1 and not shape):
        raise TraceError(f"trace: {label} must return {n} numbers, like y; got shape {shape}.")
    return out.reshape(n)


def _nested(x: Any) -> Any:
    """Lists of arrays as nested lists, which NumPy joins as it would join floats."""
    if isinstance(x, list | tuple):
        return [_nested(item) for item in x]
    return as_plain(x).tolist() if isinstance(x, np.ndarray) else x
