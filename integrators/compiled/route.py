"""From a solve to its program: the right-hand side traced, the step made part of it, both kept for next time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim import array_ops
from diffsim.capture import Captured, capture, explained, settle, traced_flow
from diffsim.errors import TraceError
from diffsim.graph import Graph, trace
from diffsim.number import AnyNumber, shape_of
from diffsim.protocols import is_system, parameter_names, parameter_values, with_parameters
from integrators._integrator import Integrator
from integrators._runge_kutta import NamedRungeKutta, RungeKutta
from integrators._traced_method import TracedMethod
from integrators.compiled.kernel_rolled import as_loops, is_large
from integrators.compiled.program import Program, Scheme

__all__: list[str] = []

LARGEST = 20_000
"""Operations of a right-hand side, rolled into loops, beyond which it is not compiled.

PERF: the forward loop takes about 0.1 s to compile for each thousand, its adjoint three times that; what can be rolled
has some tens of operations, whatever the number of components.
"""


class StepTooLarge(TraceError):
    """A step with iterations has too many operations to be written out."""


@final
@dataclass(frozen=True)
class Route:
    """A compiled program and the numbers that it is given.

    Attributes
    ----------
    program : Program
    names : tuple of str
        Names of the parameters.
    values : tuple
        Their values: floats, recording numbers, or arrays with one number a lane.
    by_lane : bool
        Whether some of them are arrays.
    """

    program: Program
    names: tuple[str, ...]
    values: tuple[Any, ...]
    by_lane: bool


def find_route(
    fun: Any, args: tuple[Any, ...], n: int, method: Integrator, column: bool, at: Callable[[], Any] = lambda: None
) -> Route:
    """Return the compiled program for a right-hand side and a method.

    Parameters
    ----------
    fun, args
        As the caller of `solve_ivp` gave them.
    n : int
        Number of state components.
    method : Integrator
    column : bool
        Whether `fun` wants ``y`` of shape (n, 1).
    at : callable () -> (t, y) or None
        Where a new trace is compared with the function itself.

    Raises
    ------
    TraceError
        The right-hand side, or the step, cannot be compiled; the message says why, and where.
    StepTooLarge
        The step of an implicit method has too many operations.
    """
    captured, values, by_lane = captured_of(fun, args)
    found = kept_program(captured.key, n, method, column) if captured.key is not None else None
    if found is not None:
        return Route(found, captured.names, values, by_lane)
    settled = settle(
        fun if not by_lane else with_parameters(fun, [1.0] * len(parameter_names(fun))), args, n, column=column
    )
    if settled.names != captured.names:
        captured, values, by_lane = captured_of(fun, args)
    traced, graph = traced_flow(captured, n, column=column, at=at())
    if traced is not captured:
        captured, values = traced, traced.values
    kept = _kept_program(captured.key, n, _method_key(method), column) if captured.key is not None else None
    # NOTE: a method that knows its tolerances is not one to look things up by
    bare = type(method)() if method.has_formula else method
    program = _program(_Content(graph, n, len(captured.names), _method_key(method)), bare)
    if kept is not None:
        kept.program = program
    return Route(program, captured.names, values, by_lane)


def captured_of(fun: Any, args: tuple[Any, ...]) -> tuple[Captured, tuple[Any, ...], bool]:
    """Return the right-hand side with what it brings along, those numbers, and whether lanes have their own."""
    if not is_system(fun):
        captured = capture(fun, args)
        return captured, captured.values, False
    own = parameter_values(fun)
    if all(x.__class__ is float or not shape_of(x) for x in own):
        captured = capture(fun, ())
        return captured, captured.values, False
    captured = capture(with_parameters(fun, [1.0] * len(own)), ())
    given = dict(zip(parameter_names(fun), own, strict=True))
    values = [given.get(name, value) for name, value in zip(captured.names, captured.values, strict=True)]
    return captured, tuple(values), True


@final
class _Kept:
    """Room for the program of one key."""

    def __init__(self) -> None:
        self.program: Program | None = None


@functools.lru_cache(maxsize=1024)
def _kept_program(key: Hashable, n: int, method: Hashable, column: bool) -> _Kept:
    return _Kept()


def kept_program(key: Hashable, n: int, method: Integrator, column: bool) -> Program | None:
    """Return the program that was made for a right-hand side with that key; None where none was."""
    return _kept_program(key, n, _method_key(method), column).program


_FIELD = Scheme.of([[]], [1.0], [0.0])
"""What stands in for a scheme beside a right-hand side alone: nobody asks for its steps."""


def _method_key(method: Integrator) -> Hashable:
    """Return what tells methods apart, whatever their step."""
    if method.has_formula:
        return _FIELD
    return type(method) if isinstance(method, NamedRungeKutta) else method.with_step(1.0)


@final
class _Content:
    """A traced right-hand side and a method; equal if they say the same."""

    def __init__(self, graph: Graph, n: int, n_parameters: int, method: Hashable) -> None:
        self.graph, self.n, self.n_parameters = graph, n, n_parameters
        nodes = tuple(
            (None if node.row is None else node.row.name, node.operands, repr(node.value)) for node in graph.nodes
        )
        self._key = (nodes, tuple(np.asarray(graph.result).ravel().tolist()), n, n_parameters, method)
        self._hash = hash(self._key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Content) and self._hash == other._hash and self._key == other._key


@functools.lru_cache(maxsize=1024)
def _program(content: _Content, method: Integrator) -> Program:
    """Return the program of a method on a traced right-hand side; made once for each content."""
    flow = Program(content.graph, content.n, content.n_parameters, None)
    if isinstance(method, RungeKutta):
        tableau = method.tableau
        scheme = Scheme.of(
            [[float(x) for x in row] for row in tableau.a],
            [float(x) for x in tableau.b],
            [float(x) for x in tableau.c],
        )
        program = Program(content.graph, content.n, content.n_parameters, scheme)
    elif method.has_formula:  # the search for its steps has that
        program = Program(content.graph, content.n, content.n_parameters, _FIELD)
    else:
        if isinstance(method, TracedMethod) and method.at_least(content.graph.n_operations) > method.LARGEST_STEP:
            raise StepTooLarge(
                f"{type(method).__name__}: a right-hand side of {content.graph.n_operations} operations is too large "
                f"for a step of machine code (limit {method.LARGEST_STEP} for all its evaluations)."
            )
        program = Program(_whole_step(flow, method), content.n * method.n_copies, content.n_parameters, None)
    size = as_loops(program).n_written if is_large(program) else program.graph.n_operations
    if size > LARGEST:
        raise TraceError(
            f"solve_ivp: a right-hand side of {size} operations, rolled into loops, is too large to be compiled (limit "
            f"{LARGEST}; a function such as sin counts as 30)."
        )
    return program


def _whole_step(flow: Program, method: Integrator) -> Graph:
    """Trace one step of a method that is no Runge-Kutta method: whatever its arithmetic is.

    The state of a method that moves several copies is all of them, one after the other.
    """
    n = flow.n

    def step(leading: AnyNumber, y: AnyNumber, parameters: AnyNumber) -> AnyNumber:
        def f(t: AnyNumber, state: AnyNumber) -> AnyNumber:
            out = np.empty(n, dtype=object)
            out[:] = flow.evaluate([t], state, parameters)
            return out

        if method.n_copies == 1:
            return method.propagate(f, leading[0], y, leading[1])
        made = method.advance(f, leading[0], y[:n], leading[1], y[n:])
        return array_ops.concatenate([made.y, made.carry])

    try:
        return trace(step, np.zeros(2), np.zeros(n * method.n_copies), np.zeros(flow.n_parameters))
    except Exception as error:  # whatever the method's code raises on traced numbers
        raise explained(error, f"{type(method).__name__}: its step cannot be traced") from error
