"""`Routine`: a graph that runs as machine code, as a row of the table of primitives.

Its tangent and its cotangent are routines again, traced and compiled when they are first asked for; so numbers of every
kind pass through it, and derivatives of every order and mode are compiled.

Code in use is *quick*: strength is reduced, cotangents are eliminated without a guard against ``0 * inf``.  Where the
quick answer is not finite, that of the *plain* graph is given, which says what is meant.
"""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import itertools
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops, derivatives
from diffsim.compiler.function_code import FunctionCode
from diffsim.compiler.kernel import Call, address
from diffsim.graph import Graph, trace
from diffsim.linearise import tangent_graph, vjp_graph
from diffsim.number import AnyNumber, Number, Params, shape_of
from diffsim.primitive import Structural, bind
from diffsim.strength import strengthen
from diffsim.tree import leaves

__all__ = ["LARGEST", "Desk", "Routine", "apply", "derived", "truths"]

LARGEST = 200_000
"""Operations beyond which a function is not compiled.

PERF: tracing and LLVM together take about 0.1 ms an operation.
"""
_WORTH_REDUCING = 20_000
"""Operations beyond which a graph's strength is not reduced.

PERF: it takes 0.05 ms an operation, a third of all.
"""
_WORTH_SEARCHING = 2_000
"""Operations beyond which the cheapest derivative is not looked for.

PERF: that takes 0.5 ms an operation, and saves a third of the derivative's.
"""

Shape = tuple[int, ...]


@final
class Routine:
    """A graph of scalars as a function of arrays.

    Parameters
    ----------
    quick : Graph
        Its results are one tree; the values of all leaves in turn are what is computed.
    shapes : sequence of tuple of int
        Shapes of the arguments; their numbers in turn are the graph's inputs.
    shape : tuple of int
        Of the result.
    dtype : numpy.dtype
        float64 or float32: in which numbers are computed and returned.
    plain : callable () -> Graph, optional
        The graph that says what is meant, if it is another one.
    """

    def __init__(
        self,
        quick: Graph,
        shapes: Sequence[Shape],
        shape: Shape,
        dtype: Any,
        plain: Callable[[], Graph] | None = None,
    ) -> None:
        self.quick, self.shapes, self.shape, self.dtype = quick, tuple(shapes), shape, dtype
        sizes = [math.prod(s) for s in self.shapes]
        self.starts = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
        self._plain = plain
        self._desks: list[Desk] = []
        self._derived: dict[tuple[str, tuple[int, ...]], Routine] = {}

    # --- graphs ------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def outputs(self) -> tuple[int, ...]:
        """Nodes of the results of `quick`."""
        return _outputs(self.quick)

    @property
    def has_plain(self) -> bool:
        """Whether there is another graph that says what is meant."""
        return self._plain is not None

    @functools.cached_property
    def graph(self) -> Graph:
        """The graph that says what is meant."""
        return self.quick if self._plain is None else self._plain()

    @functools.cached_property
    def plain(self) -> Routine:
        """The routine of that graph."""
        return self if self._plain is None else Routine(self.graph, self.shapes, self.shape, self.dtype)

    def evaluate(self, inputs: Sequence[AnyNumber]) -> list[AnyNumber]:
        """Return the results for numbers of any kind, interpreted."""
        values = self.graph.evaluate(inputs)
        return [values[i] for i in _outputs(self.graph)]

    def positions(self, active: Sequence[int]) -> list[int]:
        """Return the inputs that some of the arguments are made of."""
        return [j for i in active for j in range(self.starts[i], self.starts[i + 1])]

    # --- derivatives -------------------------------------------------------------------------------------------------

    def tangent(self, active: tuple[int, ...]) -> Routine:
        """Return the routine of the tangent in one direction, of the arguments and the tangents of the active ones."""

        def make() -> Routine:
            moved = self.positions(active)
            shapes = (*self.shapes, *(self.shapes[i] for i in active))
            if self.graph.n_operations > _WORTH_SEARCHING:
                return derived(self._plain_tangent(moved), shapes, self.shape, self.dtype)
            quick = tangent_graph(self.graph, moved, 1)
            quick = dataclasses.replace(quick, result=leaves(quick.result)[1])
            return derived(quick, shapes, self.shape, self.dtype, lambda: self._plain_tangent(moved))

        return self._made(("tangent", active), make)

    def cotangent(self, active: tuple[int, ...]) -> Routine:
        """Return the routine of the active arguments' cotangents, in one vector; of the arguments and a cotangent."""

        def make() -> Routine:
            moved = self.positions(active)
            shapes = (*self.shapes, self.shape)
            if self.graph.n_operations > _WORTH_SEARCHING:
                return derived(self._plain_cotangent(moved), shapes, (len(moved),), self.dtype)
            quick = vjp_graph(self.graph, moved)
            quick = dataclasses.replace(quick, result=leaves(quick.result)[1])
            return derived(quick, shapes, (len(moved),), self.dtype, lambda: self._plain_cotangent(moved))

        return self._made(("cotangent", active), make)

    def _made(self, key: tuple[str, tuple[int, ...]], make: Callable[[], Routine]) -> Routine:
        if key not in self._derived:
            self._derived.setdefault(key, make())
        return self._derived[key]

    def _along(self, x: Sequence[AnyNumber], moved: Sequence[int]) -> Callable[..., list[AnyNumber]]:
        """Return the results as a function of some inputs; truth values have no derivative."""
        known = truths(self.graph)
        truth = [i in known for i in self._ends]

        def results(*given: AnyNumber) -> list[AnyNumber]:
            inputs = list(x)
            for i, value in zip(moved, given, strict=True):
                inputs[i] = value
            found = self.evaluate(inputs)
            return [0.0 if no else y for y, no in zip(found, truth, strict=True)]

        return results

    @property
    def _ends(self) -> tuple[int, ...]:
        return _outputs(self.graph)

    def _plain_tangent(self, moved: Sequence[int]) -> Graph:
        def push(x: AnyNumber, d: AnyNumber) -> Any:
            results = self._along(list(x), moved)
            return derivatives.jvp(results, tuple(x[i] for i in moved), tuple(d))[1]

        return trace(push, np.zeros(self.starts[-1]), np.zeros(len(moved)))

    def _plain_cotangent(self, moved: Sequence[int]) -> Graph:
        def pull(x: AnyNumber, w: AnyNumber) -> Any:
            results = self._along(list(x), moved)
            return list(derivatives.vjp(results, *[x[i] for i in moved])[1](list(w)))

        return trace(pull, np.zeros(self.starts[-1]), np.zeros(len(self._ends)))

    # --- machine code ------------------------------------------------------------------------------------------------

    @functools.cached_property
    def single(self) -> FunctionCode:
        """The code for one set of arguments."""
        return FunctionCode(self.quick, self.outputs, self.dtype, 1)

    @functools.cached_property
    def wide(self) -> FunctionCode:
        """The code for as many as a register holds."""
        return FunctionCode(self.quick, self.outputs, self.dtype)

    def borrow(self) -> Desk:
        """Return buffers that nobody else uses; give them back to `give_back`."""
        try:
            return self._desks.pop()  # NOTE: one operation, so two threads never get the same
        except IndexError:
            return Desk(self)

    def give_back(self, desk: Desk) -> None:
        """Take buffers back."""
        self._desks.append(desk)

    def run(self, args: Sequence[Any]) -> Any:
        """Return the result for plain numbers."""
        desk = self.borrow()
        for x, start, stop in zip(args, self.starts, self.starts[1:], strict=False):
            if x.__class__ is float:
                desk.inputs[start] = x
            else:
                desk.inputs[start:stop] = np.reshape(x, -1)
        out = desk.run()
        self.give_back(desk)
        return out

    def run_lanes(self, args: Sequence[Any], m: int, threads: int | None = None) -> NDArray[Any]:
        """Return the results of m lanes, shape ``(*shape, m)``; an argument without the last axis is shared."""
        out = self._lanes(args, m, threads)
        if self.has_plain and m:
            lost = ~np.isfinite(out).all(axis=0)
            if lost.any():
                wide = [x.ndim == len(s) + 1 for x, s in zip(args, self.shapes, strict=True)]
                some = [x[..., lost] if w else x for x, w in zip(args, wide, strict=True)]
                out[:, lost] = self.plain._lanes(some, int(lost.sum()), threads)
        return out.reshape(*self.shape, m)

    def _lanes(self, args: Sequence[Any], m: int, threads: int | None) -> NDArray[Any]:
        code = self.wide if m >= self.wide.lanes else self.single
        return code.run(args, self.shapes, m, threads)


def derived(
    graph: Graph, shapes: Sequence[Shape], shape: Shape, dtype: Any, plain: Callable[[], Graph] | None = None
) -> Routine:
    """Return the routine of a graph after strength reduction; `plain` makes the graph that is meant, if another."""
    quick = strengthen(graph) if graph.n_operations <= _WORTH_REDUCING else graph
    if plain is None and (quick.nodes != graph.nodes or _outputs(quick) != _outputs(graph)):
        plain = functools.partial(_itself, graph)
    return Routine(quick, shapes, shape, dtype, plain)


def _itself(graph: Graph) -> Graph:
    return graph


def truths(graph: Graph) -> set[int]:
    """Return the nodes that are truth values: conditions, and selections among them."""
    found: set[int] = set()
    for i, node in enumerate(graph.nodes):
        if node.row is None:
            truth = isinstance(node.value, bool)
        elif node.row.name == "where":
            truth = node.operands[1] in found and node.operands[2] in found
        else:
            truth = node.row.boolean
        if truth:
            found.add(i)
    return found


def _outputs(graph: Graph) -> tuple[int, ...]:
    return tuple(int(i) for index in leaves(graph.result) for i in np.ravel(index))


@final
class Desk:
    """Buffers for one call at a time.

    Attributes
    ----------
    inputs, results : ndarray
    memory : memoryview
        The inputs.
    pack : callable
        ``pack(memory, 0, *floats)`` sets all inputs.
    """

    def __init__(self, routine: Routine) -> None:
        code, size = routine.single, routine.dtype.itemsize
        self.inputs = np.zeros(routine.starts[-1], dtype=routine.dtype)
        self.results = np.zeros(len(routine.outputs), dtype=routine.dtype)
        self.memory: Any
        self.memory, self._found, self._routine = self.inputs.data, self.results.data, routine
        self.pack = struct.Struct(f"{len(self.inputs)}{self.inputs.dtype.char}").pack_into
        addresses = np.array(address(self.inputs) + size * np.arange(len(self.inputs)), dtype=np.uint64)
        steps = np.zeros(len(self.inputs), dtype=np.int64)
        room = np.empty(max(code.n_work, 1), dtype=routine.dtype)
        call = Call([*map(address, (addresses, steps, self.results, room))], [size, 0], [])
        self._kept = (code.kernel, call, addresses, steps, room)
        # PERF: with the addresses as whole numbers a call takes 0.8 us, half of what it takes with the arrays
        places = [ctypes.addressof(a) for a in call.addresses]
        self._work = functools.partial(code.kernel._function, *places, 0, 1)
        self._guarded = routine.has_plain
        self._number = routine.shape == () and routine.dtype == np.float64

    def run(self) -> Any:
        """Return the result for the inputs."""
        self._work()
        if self._number:
            x = self._found[0]
            if not self._guarded or math.isfinite(x):
                return x
        routine, out = self._routine, self.results
        if self._guarded and not _is_finite(out):
            args = [self.inputs[a:b] for a, b in itertools.pairwise(routine.starts)]
            return routine.plain.run(args)
        return out.copy().reshape(routine.shape) if routine.shape != () else out[0]


def _is_finite(x: NDArray[Any]) -> bool:
    with np.errstate(all="ignore"):  # PERF: one pass; an overflow of the sum only takes the careful path
        return math.isfinite(np.add.reduce(x)) or bool(np.isfinite(x).all())


# --- the row ---------------------------------------------------------------------------------------------------------


def apply(
    routine: Routine, args: Sequence[AnyNumber], lanes: int | None = None, threads: int | None = None
) -> AnyNumber:
    """Return a routine's result for numbers of any kind.

    Parameters
    ----------
    routine : Routine
    args : sequence of number or array
        Each of its shape, or, with lanes, with one more last axis.
    lanes : int, optional
    threads : int, optional
    """
    active = tuple(i for i, a in enumerate(args) if isinstance(a, Number))
    return bind(_ROW, args, {"routine": routine, "lanes": lanes, "threads": threads, "pulled": _Pulled(active)})


@final
class _Pulled:
    """The cotangents of one application: one argument after the other asks for its own."""

    def __init__(self, active: tuple[int, ...]) -> None:
        self.active = active
        self._last: tuple[Any, Any, Any] | None = None

    def all(self, g: AnyNumber, args: Sequence[AnyNumber], params: Params) -> AnyNumber:
        """Return the cotangents of all active arguments, in one vector."""
        last = self._last
        if last is None or last[0] is not g or last[1] is not args:
            routine = params["routine"].cotangent(self.active)
            last = self._last = (g, args, apply(routine, (*args, g), params["lanes"], params["threads"]))
        return last[2]


def _evaluate(*args: Any, routine: Routine, lanes: int | None, threads: int | None, pulled: _Pulled) -> Any:
    if lanes is None:
        return routine.run(args)
    return routine.run_lanes([np.asarray(a) for a in args], lanes, threads)


def _on_objects(*args: Any, routine: Routine, lanes: int | None, threads: int | None, pulled: _Pulled) -> Any:
    """Tracers, multiprecision numbers: the graph itself."""
    if lanes is not None:
        columns = [
            _on_objects(*_lane(args, routine, j), routine=routine, lanes=None, threads=None, pulled=pulled)
            for j in range(lanes)
        ]
        return np.stack([np.asarray(column, dtype=object) for column in columns], axis=-1)
    inputs = [x for a in args for x in np.asarray(a, dtype=object).ravel().tolist()]
    out = np.empty(len(routine.outputs), dtype=object)
    out[:] = routine.evaluate(inputs)
    return out.reshape(routine.shape) if routine.shape != () else out[0]


def _lane(args: Sequence[Any], routine: Routine, j: int) -> list[Any]:
    return [a[..., j] if np.ndim(a) == len(s) + 1 else a for a, s in zip(args, routine.shapes, strict=True)]


def _push(tangents: Mapping[int, AnyNumber], out: AnyNumber, args: Sequence[AnyNumber], params: Params) -> AnyNumber:
    routine = params["routine"].tangent(tuple(sorted(tangents)))
    moved = [tangents[i] for i in sorted(tangents)]
    return apply(routine, (*args, *moved), params["lanes"], params["threads"])


def _transpose(i: int, g: AnyNumber, out: AnyNumber, args: Sequence[AnyNumber], params: Params) -> AnyNumber:
    routine, lanes, pulled = params["routine"], params["lanes"], params["pulled"]
    found = pulled.all(g, args, params)
    start = sum(math.prod(routine.shapes[j]) for j in pulled.active if j < i)
    part = found[start : start + math.prod(routine.shapes[i])]
    if lanes is None:
        return array_ops.reshape(part, routine.shapes[i])
    part = array_ops.reshape(part, (*routine.shapes[i], lanes))
    shared = len(shape_of(args[i])) == len(routine.shapes[i])
    return array_ops.sum(part, axis=-1) if shared else part


_ROW = Structural("compiled", _evaluate, _transpose, push=_push, objects=_on_objects)
