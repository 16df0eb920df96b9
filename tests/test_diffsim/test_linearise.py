"""`linearise`: the same tangents as forward mode, for fewer operations."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import diffsim as ds
import systems
from diffsim import ops
from diffsim.dataflow import machine_operations, outputs_of
from diffsim.elimination import LinearGraph
from diffsim.errors import ArgumentError
from diffsim.graph import Graph, trace
from diffsim.linearise import Choice, Linearised, linearise, tangent_graph
from diffsim.primitive import Select
from diffsim.protocols import parameter_values, with_parameters
from diffsim.strength import strengthen
from diffsim.testing import expressions

K = (1, 2, 4)


def graph_of(system: Any) -> tuple[Graph, list[int], list[int], np.ndarray]:
    """The graph of rates(t, state, parameters), the places of state and parameters, and a point."""
    state, values = np.array(system.default_state), np.array(parameter_values(system))
    n, m = len(state), len(values)
    graph = trace(lambda t, y, p: with_parameters(system, list(p)).rates(t, list(y)), 0.0, state, values)
    return graph, list(range(1, 1 + n)), list(range(1 + n, 1 + n + m)), np.array([0.3, *state, *values])


def plain_tangents(graph: Graph, x: np.ndarray, directions: Sequence[np.ndarray]) -> list[list[float]]:
    """Forward mode on the graph, one direction after the other; the oracle."""
    outputs = outputs_of(graph)

    def f(point: Any) -> Any:
        values = graph.evaluate(list(point))
        return ds.stack([values[i] for i in outputs])

    return [ds.jvp(f, (x,), (d,))[1].tolist() for d in directions]


def full(active: Sequence[int], tangents: np.ndarray, n: int) -> np.ndarray:
    out = np.zeros(n)
    out[list(active)] = tangents
    return out


def pushed(program: Linearised, x: np.ndarray, tangents: np.ndarray) -> list[float]:
    with np.errstate(all="ignore"):
        return [float(v) for v in program.push(program.graph.evaluate(list(map(float, x))), tangents.tolist())]


SYSTEMS = list(systems.names())


@pytest.mark.parametrize("n_directions", K)
@pytest.mark.parametrize("with_params", [False, True])
@pytest.mark.parametrize("name", SYSTEMS)
def test_tangents_of_a_system_equal_forward_mode(name: str, with_params: bool, n_directions: int) -> None:
    graph, state, params, x = graph_of(systems.find(name)())
    active = state + params if with_params else state
    directions = np.random.default_rng(1).normal(size=(n_directions, len(active)))
    flat = tangent_graph(graph, active, n_directions, fixed=params)
    values, *found = flat(x, *directions)
    expected = plain_tangents(graph, x, [full(active, d, len(x)) for d in directions])
    np.testing.assert_allclose(np.array(found, dtype=float), expected, rtol=1e-12, atol=1e-13)
    at = graph.evaluate(list(x))
    np.testing.assert_array_equal(np.array(values, dtype=float), [float(at[i]) for i in outputs_of(graph)])


@given(expressions(max_steps=10), st.sampled_from(K), st.integers(0, 2**32 - 1))
def test_tangents_of_random_expressions_equal_forward_mode(e: Any, n_directions: int, seed: int) -> None:
    graph, x = trace(e, *e.point), np.array(e.point)
    directions = np.random.default_rng(seed).normal(size=(n_directions, len(x)))
    program = linearise(graph, range(len(x)), n_directions)
    with np.errstate(all="ignore"):
        expected = np.array(plain_tangents(graph, x, list(directions)))
        flat = tangent_graph(graph, range(len(x)), n_directions)
        _, *found = flat(x, *directions)
    size = weight_size(program, x)
    if not (np.isfinite(expected).all() and size < 1e12):
        return
    np.testing.assert_allclose(np.array(found, dtype=float), expected, rtol=1e-10, atol=1e-12 * (1.0 + size))
    np.testing.assert_allclose([pushed(program, x, d) for d in directions], found, rtol=1e-10, atol=1e-12 * (1 + size))


def weight_size(program: Linearised, x: np.ndarray) -> float:
    """The largest number that the program meets: what cancellation is measured by."""
    with np.errstate(all="ignore"):
        values = [float(v) for v in program.graph.evaluate(list(map(float, x))) if not isinstance(v, bool)]
    finite = [abs(v) for v in values if math.isfinite(v)]
    return max(finite, default=0.0) ** 2 if len(finite) == len(values) else math.inf


# --- `where` ---------------------------------------------------------------------------------------------------------

BARRIERS: dict[str, tuple[Callable[..., Any], float, float]] = {
    "log at 0": (lambda x: ops.where(x > 0.0, ops.log(x), 3.0 * x), 0.0, 3.0),
    "log at 0, turned": (lambda x: ops.where(x <= 0.0, 3.0 * x, ops.log(x)), 0.0, 3.0),
    "log of a function at 0": (lambda x: ops.sin(ops.where(x > 0.0, ops.log(2.0 * x) * x, x)), 0.0, 1.0),
    "root of a negative": (lambda x: ops.where(x > 0.0, x**1.5, -x), -2.0, -1.0),
    "1/x at 0": (lambda x: 2.0 * ops.where(x != 0.0, ops.sin(x) / x, 5.0), 0.0, 0.0),
    "nested": (lambda x: ops.where(x > 0, ops.where(x > 1, ops.log(x - 1), ops.log(x)), x * x), -3.0, -6.0),
    "overflow": (lambda x: ops.where(x < 0, x * x, ops.exp(x * x * x)), -20.0, -40.0),
    "bare": (lambda x: ops.where(x > 0.0, x, 1.0), 2.0, 1.0),
}


@pytest.mark.parametrize("n_directions", K)
@pytest.mark.parametrize("name", BARRIERS)
def test_branch_that_is_not_taken_never_reaches_the_tangent(name: str, n_directions: int) -> None:
    f, x, slope = BARRIERS[name]
    program = linearise(trace(f, 1.0), [0], n_directions)
    assert pushed(program, np.array([x]), np.array([1.5])) == [pytest.approx(1.5 * slope, rel=1e-14)]


def test_selection_is_a_step_that_stays() -> None:
    graph = trace(lambda x, y: ops.sin(ops.where(x > y, x * x, y)), 1.0, 1.0)
    program = linearise(graph, [0, 1], 9)
    (choice,) = [step for step in program.steps if isinstance(step, Choice)]
    assert None not in (choice.yes, choice.no)


# --- what it costs ---------------------------------------------------------------------------------------------------


def test_double_pendulum_costs_what_hand_written_code_costs() -> None:
    graph, state, params, _ = graph_of(systems.DoublePendulum())
    program = linearise(graph, state, 4, fixed=params)
    assert program.each <= 12
    assert program.once <= 16  # with cos(theta_1), cos(theta_2) and one reciprocal


@pytest.mark.parametrize("name", SYSTEMS)
def test_more_directions_never_cost_more_each(name: str) -> None:
    graph, state, params, _ = graph_of(systems.find(name)())
    counts = (1, 4, 9)
    found = [linearise(graph, state, k, fixed=params) for k in counts]
    each = [p.each for p in found]
    assert each == sorted(each, reverse=True)
    for k, program in zip(counts, found, strict=True):  # elimination is greedy: a few per cent may be left
        assert program.once + k * program.each <= 1.03 * min(p.once + k * p.each for p in found) + 1


def test_scarce_jacobian_is_not_multiplied_out() -> None:
    def f(x: Any) -> Any:  # a full 12 x 12 Jacobian of rank 1 and a diagonal
        total = sum(x)
        return [ops.sin(xi) * ops.exp(total) for xi in x]

    program = linearise(trace(f, np.zeros(12)), range(12), 100)
    assert program.each <= 11 + 2 * 12


def test_chain_of_functions_is_one_multiplication() -> None:
    program = linearise(trace(lambda x: ops.exp(ops.sin(ops.tanh(x))), 1.0), [0], 4)
    assert program.each == 1


def test_constant_slope_needs_no_weight() -> None:
    program = linearise(trace(lambda x, y: (x + y, 3.0 * x, y, 7.0), 1.0, 1.0), [0, 1], 4)
    assert program.once == 0
    assert program.each == 2
    assert program.results[2:] == (1, None)


# --- arguments and determinism ---------------------------------------------------------------------------------------


def test_passive_inputs_carry_no_tangent() -> None:
    program = linearise(trace(lambda x, y: x * y, 1.0, 1.0), [1], 2)
    assert program.n_active == 1
    assert pushed(program, np.array([3.0, 5.0]), np.array([1.0])) == [3.0]


def test_no_active_input_gives_no_tangent() -> None:
    program = linearise(trace(lambda x: x * x, 1.0), [], 2)
    assert program.steps == ()
    assert program.results == (None,)


def test_graph_without_inputs_gives_no_tangent() -> None:
    assert linearise(trace(lambda: 3.0), [], 1).results == (None,)


@pytest.mark.parametrize(
    ("active", "n_directions", "words"),
    [([0, 0], 1, "different numbers"), ([2], 1, "from 0 to 1"), ([-1], 1, "from 0"), ([0], 0, "must be >= 1")],
)
def test_arguments_that_cannot_be_are_refused(active: list[int], n_directions: int, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        linearise(trace(lambda x, y: x * y, 1.0, 1.0), active, n_directions)


CODE = """
import numpy as np, systems
from diffsim.graph import trace
from diffsim.linearise import linearise
pendulum = systems.DoublePendulum()
graph = trace(lambda y: pendulum.rates(0.0, list(y)), np.zeros(4))
print(linearise(graph, range(4), 4))
"""


def test_program_is_the_same_whatever_the_hash_seed() -> None:
    root = Path(__file__).parents[2]
    texts = {
        subprocess.run(
            [sys.executable, "-c", CODE],
            cwd=root,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(texts) == 1
    assert "each direction" in texts.pop()


# --- bounds ----------------------------------------------------------------------------------------------------------


def chain(n: int) -> Graph:
    """Pendulums in a row, each coupled to its neighbours."""

    def f(q: Any, p: Any) -> Any:
        pull = [ops.sin(b - a) for a, b in itertools.pairwise(q)]
        return [*p, *(a - b - 9.8 * ops.sin(x) for a, b, x in zip([*pull, 0.0], [0.0, *pull], q, strict=True))]

    return trace(f, np.zeros(n), np.zeros(n))


def all_to_all(n: int) -> Graph:
    def f(x: Any) -> Any:
        return [sum(ops.tanh(a - b) for b in x) for a in x]

    return trace(f, np.zeros(n))


def nested(n: int) -> Graph:
    def f(x: Any, y: Any) -> Any:
        for _ in range(n):
            x, y = ops.sin(x) + 0.5 * y, x * ops.cos(y)
        return x, y

    return trace(f, 1.0, 1.0)


def work_of(graph: Graph, n_directions: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Pairs of edges that the search looks at."""
    looked = 0
    gain = LinearGraph.gain

    def counted(self: LinearGraph, j: int, n: int, known: set[int]) -> float:
        nonlocal looked
        looked += self.size(j) + 1
        return gain(self, j, n, known)

    with monkeypatch.context() as patch:
        patch.setattr(LinearGraph, "gain", counted)
        n_inputs = sum(1 for node in graph.nodes if node.name)
        linearise(graph, range(n_inputs), n_directions)
    return looked


@pytest.mark.parametrize("n_directions", [1, 9])
@pytest.mark.parametrize(("make", "size"), [(chain, 100), (all_to_all, 10), (nested, 200)])
def test_work_grows_in_proportion_to_the_graph(
    make: Callable[[int], Graph], size: int, n_directions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = make(size)
    assert work_of(graph, n_directions, monkeypatch) < 2 * 12_000 + 300 * len(graph.nodes)


def test_search_over_a_small_graph_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, *_ = graph_of(systems.DoublePendulum())
    assert work_of(graph, 4, monkeypatch) < 40_000


@pytest.mark.parametrize("n_directions", K)
@pytest.mark.parametrize("make", [lambda: chain(30), lambda: all_to_all(8), lambda: nested(50)])
def test_tangents_of_a_wide_or_deep_graph_equal_forward_mode(make: Callable[[], Graph], n_directions: int) -> None:
    graph = make()
    n = sum(1 for node in graph.nodes if node.name)
    rng = np.random.default_rng(3)
    x, directions = rng.normal(size=n), rng.normal(size=(n_directions, n))
    program = linearise(graph, range(n), n_directions)
    expected = plain_tangents(graph, x, list(directions))
    np.testing.assert_allclose([pushed(program, x, d) for d in directions], expected, rtol=1e-9, atol=1e-11)


@given(expressions(max_inputs=4, max_steps=20), st.sampled_from((1, 2, 4, 9)))
def test_cost_is_not_above_that_of_tangents_one_by_one(e: Any, n_directions: int) -> None:
    graph = trace(e, *e.point)
    n = len(e.point)
    program = tangent_graph(graph, range(n), n_directions)
    outputs = outputs_of(graph)

    def plainly(x: Any, *directions: Any) -> Any:
        values = graph.evaluate(list(x))
        tangents: list[dict[int, Any]] = [{} for _ in directions]
        given_nodes = [i for i, node in enumerate(graph.nodes) if node.name]
        for tangent, d in zip(tangents, directions, strict=True):
            tangent.update(zip(given_nodes, d, strict=True))
            for i, node in enumerate(graph.nodes):
                known = {k: tangent[j] for k, j in enumerate(node.operands) if j in tangent}
                if node.row is not None and known and any(node.row.differentiable(k) for k in known):
                    args = [values[j] for j in node.operands]
                    tangent[i] = unguarded(node.row, known, values[i], args)
        return [[values[i] for i in outputs], *([t.get(i, 0.0) for i in outputs] for t in tangents)]

    plain = trace(plainly, np.zeros(n), *[np.zeros(n)] * n_directions)
    found, expected = (machine_operations(strengthen(g)) for g in (program, plain))
    assert found.total() <= expected.total() + 2  # what fuses with what is known only afterwards


def unguarded(row: Any, tangents: dict[int, Any], out: Any, args: list[Any]) -> Any:
    if isinstance(row, Select):
        return row.tangent(tangents, out, args)
    return sum(row.partial(k, out, args) * t for k, t in tangents.items() if row.differentiable(k))


def test_tangents_of_parameters_rest_while_a_solve_runs() -> None:
    graph, state, params, _ = graph_of(systems.DoublePendulum())
    both = linearise(graph, state + params, 4, fixed=params)
    counted = linearise(graph, state + params, 4, fixed=[])
    assert both.each < counted.each


# --- what the search found is kept ----------------------------------------------------------------------------------


class _Kept:
    """A cache that answers what it was told, and counts how often it had to search."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    def fetch(self, key_text: str, make: Callable[[], bytes]) -> bytes:
        return self.answer.encode() or make()


@pytest.mark.parametrize("answer", ["[true, []]", "[false, []]", "[true, [9]]", "[true, [100000]]", "[false, [0, 1]]"])
def test_any_kept_order_of_eliminations_is_right(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stale order may cost operations; one of vertices that may not be eliminated is not followed."""
    graph, state, _, x = graph_of(systems.DoublePendulum())
    program = linearise(graph, state, 4)
    monkeypatch.setattr("diffsim.compiler.cache.default_cache", lambda: _Kept(answer))
    stale = linearise(graph, state, 4)
    for direction in np.eye(4):
        np.testing.assert_allclose(pushed(stale, x, direction), pushed(program, x, direction), rtol=1e-13, atol=1e-13)
