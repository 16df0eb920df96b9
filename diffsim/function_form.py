"""A function for one form of arguments: what it was given is taken apart, traced, and becomes a `Routine`."""

from __future__ import annotations

import enum
import functools
import inspect
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim import array_ops
from diffsim.capture import Captured, explained
from diffsim.compiler.lowering import has_machine_rule
from diffsim.errors import KindError, TraceError, shown
from diffsim.graph import Graph, record
from diffsim.number import AnyNumber, Number, new_level, raw, shape_of
from diffsim.primitive import Primitive
from diffsim.routine import LARGEST, Routine, derived, truths
from diffsim.traced_array import as_traced
from diffsim.tracer import Builder, Tracer
from diffsim.tree import Tree, leaves, paths, rebuild

__all__ = ["UNFIT", "Form", "Given", "input_labels", "take_apart", "trace_form"]

UNFIT: Any = type("Unfit", (), {})()
"""What `Form.at_once` answers for arguments of another form."""

_FLOATS = {float}
_STATIC = (str, bytes, bool, np.bool_, type(None), enum.Enum)  # compared, not traced


# --- arguments -------------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True)
class Given:
    """Arguments, taken apart.

    Attributes
    ----------
    args : tuple of tree
    key : Hashable
        Equal for arguments of the same form.
    places : tuple of str
        Where each number stands, as one would index the arguments.
    numbers : list of number or array
        Floats, float arrays, recording numbers.
    wholes : frozenset of str
        Places of whole numbers among them.
    inline : bool
        Whether some are tracers or multiprecision numbers, for which the function itself is called.
    """

    args: tuple[Tree, ...]
    key: Hashable
    places: tuple[str, ...]
    numbers: list[AnyNumber]
    wholes: frozenset[str]
    inline: bool


def take_apart(args: tuple[Tree, ...], static: frozenset[str] = frozenset()) -> Given:
    """Look at the arguments of a call.

    Parameters
    ----------
    args : tuple of tree
    static : frozenset of str
        Places of whole numbers whose value is part of the form.

    Raises
    ------
    KindError
        Something that is neither a real number nor text, a truth value or None.
    """
    key: list[Hashable] = [_skeleton(args)]
    places, numbers, wholes, inline = [], [], [], False
    for place, x in zip(paths(args), leaves(args), strict=True):
        whole = isinstance(x, int | np.integer) and not isinstance(x, bool)
        if isinstance(x, _STATIC) or (whole and place in static):
            key.append((type(x), x))
            continue
        if isinstance(x, Tracer) or (isinstance(x, np.ndarray) and x.dtype == object and _has_tracer(x)):
            inline = True
        elif not isinstance(x, float | Number):
            if hasattr(x, "context") or (hasattr(x, "as_integer_ratio") and not whole):
                inline = True
            x = _real(x, place)
        if whole:
            wholes.append(place)
        places.append(place)
        numbers.append(x)
        key.append(shape_of(x))
    return Given(args, tuple(key), tuple(places), numbers, frozenset(wholes), inline)


def _skeleton(tree: Tree) -> Hashable:
    if isinstance(tree, list | tuple):
        return (type(tree), *map(_skeleton, tree))
    if isinstance(tree, dict):
        return (dict, tuple(tree), *map(_skeleton, tree.values()))
    return None


def _has_tracer(x: Any) -> bool:
    return any(isinstance(item, Tracer) for item in x.flat)


def _real(x: Any, place: str) -> AnyNumber:
    """A number or an array as floats."""
    if isinstance(x, np.ndarray) and x.dtype == object:
        x = array_ops.array(x)
        if isinstance(x, Number):
            return x
    if isinstance(x, int | np.integer):
        return float(x)
    if isinstance(x, np.ndarray | np.generic):
        if x.dtype.kind in "fiu":
            return x if x.dtype.char in "df" else x.astype(np.float64)
        if x.dtype.kind == "O":
            return x
    elif hasattr(x, "context") or hasattr(x, "as_integer_ratio"):
        return x
    raise KindError(
        f"jit: argument{place} must be a real number or an array of them; got {shown(x)}. Let the function bring along "
        "what is no number: lambda x: f(x, thing)."
    )


# --- the form --------------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, eq=False)
class Form:
    """A function as it was compiled for one form of arguments.

    Attributes
    ----------
    names : tuple of str
        Names of the arguments' numbers and of those that the function brings along.
    graph : Graph
        Of the arguments that are numbers, one after the other, and then the numbers that the function brings along.
    shapes : tuple of tuple of int
        Of the graph's arguments.
    routine : Routine
    """

    names: tuple[str, ...]
    graph: Graph
    shapes: tuple[tuple[int, ...], ...]
    routine: Routine
    result: Tree
    parts: tuple[tuple[int, int, tuple[int, ...], bool], ...]  # of the leaves: first, last + 1, shape, truth values?
    read: Callable[..., Any] | None  # reads the numbers that the function brings along; None: not twice
    simple: tuple[tuple[int, int, tuple[int, ...]], ...] | None  # of the arguments; None if some are trees
    lone: bool  # whether the result is one array or number, and needs no work

    def at_once(self, f: Any, args: tuple[Any, ...]) -> Any:
        """Return the result for floats and float arrays of this form, `UNFIT` for anything else.

        PERF: 3 us for two floats, of which 1.4 us are for the numbers that the function may bring along.
        """
        if self.simple is None or self.read is None or len(args) != len(self.simple):
            return UNFIT
        numbers = self.read(f, ())
        if numbers is None:
            return UNFIT
        given = (*args, *numbers)
        desk = self.routine.borrow()
        if {*map(type, given)} == _FLOATS and len(given) == len(desk.inputs):
            desk.pack(desk.memory, 0, *given)
        elif not self._fill(desk.inputs, args, numbers):
            self.routine.give_back(desk)
            return UNFIT
        found = desk.run()
        self.routine.give_back(desk)
        return found if self.lone else self.split(found)

    def _fill(self, inputs: Any, args: tuple[Any, ...], numbers: Sequence[Any]) -> bool:
        """Copy floats, float arrays and numbers to the inputs; whether they fit."""
        for x, (start, stop, shape) in zip(args, self.simple or (), strict=True):
            if x.__class__ is float and not shape:
                inputs[start] = x
            elif x.__class__ is np.ndarray and x.dtype.char == "d" and x.shape == shape:
                inputs[start:stop] = x.ravel()
            else:
                return False
        if numbers and {*map(type, numbers)} != _FLOATS:
            return False
        inputs[len(inputs) - len(numbers) :] = numbers
        return True

    def split(self, found: AnyNumber, lanes: tuple[int, ...] = ()) -> Tree:
        """Return the function's result from what the routine has computed, of one call or of many lanes."""
        made = []
        for start, stop, shape, truth in self.parts:
            part = found
            if len(self.parts) > 1:
                part = array_ops.reshape(found[start:stop], (*shape, *lanes)) if shape or lanes else found[start]
                part = float(part) if part.__class__ is np.float64 else part
            made.append(_truth_values(part) if truth else part)
        return made[0] if self.result.__class__ is np.ndarray else rebuild(self.result, iter(made))


def _truth_values(part: AnyNumber) -> Any:
    found = np.not_equal(raw(part), 0.0)
    return found if shape_of(found) else bool(found)


def trace_form(captured: Captured, given: Given, signature: Any, dtype: Any) -> Form:
    """Trace a function for arguments of a form.

    Parameters
    ----------
    captured : Captured
        The function.
    given : Given
        Examples of its arguments.
    signature : callable
        The function as `inspect` is asked about it.
    dtype : numpy.dtype

    Raises
    ------
    TraceError
        It cannot be compiled; the message names the line.
    """
    shapes = [shape_of(x) for x in given.numbers]
    named = [_names(label, shape) for label, shape in zip(input_labels(signature, given), shapes, strict=True)]
    names = [*named, list(captured.names)] if captured.names else named
    forms = [np.empty(shape) for shape in shapes] + [np.empty(len(captured.names))] * bool(captured.names)
    run = _runner(captured, given)
    try:
        graph, again = record(run, forms, names), record(run, forms, names)
    except Exception as error:  # whatever the user's code raises on a traced number
        raise explained(error, f"jit: {captured.label} cannot be traced") from error
    _check(captured, graph, again, lambda: _culprit(run, forms, names))
    found = leaves(graph.result)
    known = truths(graph)
    sizes = [index.size for index in found]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    parts = tuple(
        (start, start + size, index.shape, bool(size) and known.issuperset(index.ravel().tolist()))
        for start, size, index in zip(starts, sizes, found, strict=True)
    )
    shape = parts[0][2] if len(parts) == 1 else (sum(sizes),)
    every = tuple(form.shape for form in forms)
    routine = _routine(_Content(graph, every, shape, dtype))
    flat = all(place.count("[") == 1 for place in given.places) and len(given.places) == len(given.args)
    whole = flat and dtype == np.float64 and captured.key is not None
    return Form(
        tuple(name for group in names for name in group),
        graph,
        every,
        routine,
        graph.result,
        parts,
        captured._plan.read if captured.key is not None else None,
        tuple((a, a + math.prod(s), s) for a, s in zip(routine.starts, shapes, strict=False)) if whole else None,
        graph.result.__class__ is np.ndarray and not parts[0][3],
    )


def _runner(captured: Captured, given: Given) -> Callable[..., Any]:
    """Return the function of the graph's arguments."""
    taken = set(given.places)
    held = [None if place in taken else x for place, x in zip(paths(given.args), leaves(given.args), strict=True)]
    here = [place in taken for place in paths(given.args)]

    def run(*traced: Any) -> Any:
        arrays = [(x, list(x.flat)) for x in traced if isinstance(x, np.ndarray)]
        moving = iter([as_traced(x) for x in traced])
        numbers = traced[len(given.numbers)] if captured.names else ()
        filled = [next(moving) if moves else x for x, moves in zip(held, here, strict=True)]
        found = captured(list(numbers), *rebuild(given.args, iter(filled)))
        if any(a is not b for x, before in arrays for a, b in zip(x.flat, before, strict=True)):
            raise TraceError(
                f"trace: {captured.label} assigns to an array that it was given; compiled code would not change the "
                "caller's. Let it work on a copy: x = x.copy()."
            )
        return found

    return run


def input_labels(f: Any, given: Given) -> list[str]:
    """Return a name for each number: that of the function's parameter, with the place in a tree."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # a function of C has no signature
        parameters = []
    out = []
    for place in given.places:
        i = int(place[1 : place.index("]")])
        rest = place[place.index("]") + 1 :]
        many = next((k for k, p in enumerate(parameters) if p.kind is p.VAR_POSITIONAL), len(parameters))
        if i < many:
            out.append(parameters[i].name + rest)
        else:
            out.append(f"{parameters[many].name}[{i - many}]{rest}" if many < len(parameters) else f"x{i}{rest}")
    return out


def _names(label: str, shape: tuple[int, ...]) -> list[str]:
    if not shape:
        return [label]
    return [f"{label}[{', '.join(map(str, index))}]" for index in np.ndindex(shape)]


# --- what cannot be compiled -----------------------------------------------------------------------------------------


def _check(captured: Captured, graph: Graph, again: Graph, culprit: Callable[[], TraceError]) -> None:
    head = f"jit: {captured.label}"
    if _listing(graph) != _listing(again):
        raise TraceError(
            f"{head} cannot be traced: it is impure or random, for two traces of it differ. Draw random numbers "
            "beforehand and pass them as arguments."
        )
    for node in graph.nodes:
        if node.row is None and node.value is not None and not isinstance(node.value, float | bool):
            raise TraceError(
                f"{head} cannot be traced: it uses {shown(node.value)}, which could not be followed to where it comes "
                "from. Pass it as an argument."
            )
        if node.row is not None and not has_machine_rule(node.row.name):
            raise culprit()
    if graph.n_operations > LARGEST:
        raise TraceError(
            f"{head} has {graph.n_operations} operations; at most {LARGEST} are compiled. Compile the body of its "
            "loop, or leave large arrays to NumPy."
        )


class _Strict(Builder):
    """A graph in which what cannot be compiled is refused on the spot, so that the traceback shows the line."""

    def apply(self, row: Primitive, operands: Sequence[Tracer]) -> AnyNumber:
        if not has_machine_rule(row.name):
            raise TraceError(f"{row.name!r} has no machine rule, so this function cannot be compiled")
        return super().apply(row, operands)


def _culprit(run: Callable[..., Any], forms: Sequence[Any], names: Sequence[Sequence[str]]) -> TraceError:
    """Trace once more, for the line at which a primitive without a machine rule is used."""
    mend = "Use numpy outside it, or compiled=False."
    try:
        with new_level() as level:
            builder = _Strict(level)
            made = []
            for form, group in zip(forms, names, strict=True):
                numbers = np.empty(form.size, dtype=object)
                numbers[:] = [builder.input(name) for name in group]
                made.append(numbers.reshape(form.shape) if form.shape else numbers[0])
            run(*made)
    except TraceError as error:
        return TraceError(f"{explained(error, 'jit')}. {mend}")
    return TraceError(f"jit: the function uses a primitive without a machine rule. {mend}")


# --- routines that are kept ------------------------------------------------------------------------------------------


def _listing(graph: Graph) -> Any:
    """Return a graph as something that can be compared: NaN equals NaN here."""
    nodes = tuple((None if n.row is None else n.row.name, n.operands, repr(n.value)) for n in graph.nodes)
    return nodes, tuple(tuple(index.ravel().tolist()) for index in leaves(graph.result))


@final
class _Content:
    """What a routine is made from; equal if the numbers are."""

    def __init__(self, graph: Graph, shapes: tuple[tuple[int, ...], ...], shape: tuple[int, ...], dtype: Any) -> None:
        self.graph, self.shapes, self.shape, self.dtype = graph, shapes, shape, dtype
        self._key = (_listing(graph), shapes, shape, dtype)
        self._hash = hash(self._key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Content) and self._hash == other._hash and self._key == other._key


@functools.lru_cache(maxsize=256)
def _routine(content: _Content) -> Routine:
    return derived(content.graph, content.shapes, content.shape, content.dtype)
