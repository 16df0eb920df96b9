"""Every elementwise row of the table as machine code: values, special values, derivatives, and the same bits."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from diffsim import ops
from diffsim.compiler import engine
from diffsim.compiler.function_code import FunctionCode
from diffsim.compiler.lowering import has_machine_rule
from diffsim.derivatives import grad
from diffsim.graph import Graph, trace
from diffsim.primitive import TABLE, Elementwise, Select
from diffsim.routine import Routine
from diffsim.testing import expressions

pytestmark = pytest.mark.skipif(not engine.available(), reason="there is no compiler")

ROWS: list[Elementwise] = [row for row in TABLE.values() if isinstance(row, Elementwise)]
SMOOTH = [row for row in ROWS if not row.boolean]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -3.0, 5e-324, -1e-310, 1e300, -1e300, math.inf, -math.inf, math.nan]
LANES = (1, 2, 4, 8)
SIZES = (1, 3, 7, 8, 17)


def routine_of(graph: Graph) -> Routine:
    """A graph of scalars as machine code, as it stands."""
    n = sum(node.row is None and node.value is None for node in graph.nodes)
    n_results = len(np.ravel(np.array([np.ravel(index) for index in graph.result])))
    return Routine(graph, [()] * n, (n_results,), np.dtype(np.float64))


def all_rows(x: Any, y: Any) -> list[Any]:
    return [*(row(*(x, y)[: row.arity]) for row in ROWS), ops.where(x, y, 0.25), ops.where(x < y, x, y)]


@pytest.fixture(scope="module")
def table() -> Routine:
    return routine_of(trace(all_rows, 1.0, 1.0))


def points() -> NDArray[np.float64]:
    """Pairs of special values, and points in the rows' domains, shape (2, m)."""
    rng = np.random.default_rng(1)
    inside = []
    for row in SMOOTH:
        ends = np.array((row.domain * 2)[:2])
        inside.append(rng.uniform(ends[:, :1], ends[:, 1:], (2, 6)))
    return np.hstack([np.array(list(itertools.product(SPECIAL, SPECIAL))).T, *inside])


def eager(x: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        found = [row.evaluate([*x][: row.arity]) for row in ROWS]
        found += [np.where(x[0] != 0.0, x[1], 0.25), np.where(x[0] < x[1], x[0], x[1])]
    return np.array(found, dtype=np.float64)


def zeros_of(row: Any, x: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the value is a negative zero where the row is given plain floats: for sign(-0.0) NumPy has 0.0."""
    return np.array([math.copysign(1.0, float(row.evaluate(pair[: row.arity]))) < 0.0 for pair in x.T.tolist()])


def same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether all bits are equal; one NaN is as good as another."""
    return bool(np.array_equal(a, b, equal_nan=True) and (np.signbit(a) == np.signbit(b))[~np.isnan(a)].all())


def with_lanes(routine: Routine, lanes: int) -> Routine:
    made = Routine(routine.quick, routine.shapes, routine.shape, routine.dtype)
    made.__dict__["wide"] = FunctionCode(made.quick, made.outputs, made.dtype, lanes)
    made.__dict__["single"] = routine.single
    return made


def test_every_elementwise_row_has_a_machine_rule() -> None:
    names = [row.name for row in TABLE.values() if isinstance(row, Elementwise | Select)]
    assert len(names) > 40
    assert [name for name in names if not has_machine_rule(name)] == []


def test_compiled_rows_give_the_values_of_the_table(table: Routine) -> None:
    x = points()
    found, wanted = table.run_lanes([*x], x.shape[1]), eager(x)
    for name, got, want in zip([*(row.name for row in ROWS), "where", "where <"], found, wanted, strict=True):
        bad = ~((got == want) | (np.isnan(got) & np.isnan(want)))
        with np.errstate(all="ignore"):
            bad &= ~(np.abs(got - want) <= 4 * np.spacing(np.abs(want)))
        assert not bad.any(), f"{name}: {x[:, bad][:, :3].T.tolist()} -> {got[bad][:3]}, not {want[bad][:3]}"
        signs = (np.signbit(got) != np.signbit(want)) & (want == 0.0)
        if signs.any() and name in TABLE:
            signs &= np.signbit(got) != zeros_of(TABLE[name], x)
        assert not signs.any(), f"{name}: sign of zero at {x[:, signs][:, :3].T.tolist()}"


@pytest.mark.parametrize("lanes", LANES)
def test_compiled_rows_have_the_same_bits_whatever_the_lanes_and_the_batch(table: Routine, lanes: int) -> None:
    x = points()
    singly = np.stack([table.run([*column]) for column in x.T], axis=-1)
    wide = with_lanes(table, lanes)
    assert same_bits(wide.run_lanes([*x], x.shape[1]), singly)
    for size, start in itertools.product(SIZES, (0, 5)):
        part = slice(start, start + size)
        assert same_bits(wide.run_lanes([*x[:, part]], size), singly[:, part])
    turned = x[:, ::-1]
    assert same_bits(wide.run_lanes([*turned], x.shape[1]), singly[:, ::-1])


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_compiled_rows_have_the_same_bits_whatever_the_threads(table: Routine, threads: int) -> None:
    x = np.tile(points(), 100)
    once = table.run_lanes([*points()], points().shape[1])
    assert same_bits(table.run_lanes([*x], x.shape[1], threads), np.tile(once, 100))


def derivatives_of_all_rows(order: int) -> Any:
    def derive(x: Any, y: Any) -> list[Any]:
        out = []
        for row in SMOOTH:
            for i in range(row.arity):
                f = grad(row, i)
                out.append(f(*(x, y)[: row.arity]))
                if order == 2:
                    out[-1:] = [grad(f, j)(*(x, y)[: row.arity]) for j in range(row.arity)]
        return out

    return derive


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_of_compiled_rows_are_those_of_the_table(order: int) -> None:
    derive = derivatives_of_all_rows(order)
    code = routine_of(trace(derive, 1.0, 1.0))
    x = points()
    found = code.run_lanes([*x], x.shape[1])
    with np.errstate(all="ignore"):
        wanted = np.stack([np.array(derive(*column), dtype=np.float64) for column in x.T.tolist()], axis=-1)
    names = [row.name for row in SMOOTH for _ in range(row.arity**order)]
    for name, got, want in zip(names, found, wanted, strict=True):
        usual = np.isfinite(want) & (np.abs(x) < 1e290).all(axis=0)
        close = np.isclose(got, want, rtol=1e-13, atol=1e-14)
        bad = usual & ~close
        assert not bad.any(), f"{name}: {x[:, bad][:, :3].T.tolist()} -> {got[bad][:3]}, not {want[bad][:3]}"


def test_selection_among_conditions_is_a_condition() -> None:
    graph = trace(lambda x, y: [ops.where(ops.where(x < 0.0, y > 1.0, y > 2.0), x, y)], 1.0, 1.0)
    code = routine_of(graph)
    assert [code.run(pair)[0] for pair in ((-1.0, 1.5), (1.0, 1.5), (1.0, 3.0))] == [-1.0, 1.5, 1.0]


@settings(max_examples=40)
@given(expressions(max_steps=12))
def test_random_programs_compiled_give_what_they_give_eagerly(e: Any) -> None:
    code = Routine(trace(e, *e.arguments), [()] * e.n_inputs, (), np.dtype(np.float64))
    want = e(*e.arguments)
    with np.errstate(all="ignore"):
        steps = [abs(x) for x in _intermediates(e)]
    scale = max(steps) if all(map(math.isfinite, steps)) else 0.0
    assert code.run(e.arguments) == pytest.approx(want, rel=1e-9, abs=1e-13 * scale, nan_ok=True)


def _intermediates(e: Any) -> list[float]:
    return [float(type(e)(e.n_inputs, e.steps[: k + 1], e.point)(*e.arguments)) for k in range(len(e.steps))]
