"""Large graphs rolled into loops, and their transposes: the same numbers, in code of a bounded size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffsim import ops
from diffsim.derivatives import grad
from diffsim.families import SHORTEST_RUN, Access, Loop, Rolled, run_loops
from diffsim.graph import Graph, trace
from diffsim.rolling import roll
from diffsim.rolling_transpose import Transposed, transpose_loops

RNG = np.random.default_rng(5)
MATRIX = RNG.normal(size=(12, 12))
NEIGHBOURS = [RNG.choice(40, 4, replace=False) for _ in range(40)]


def lorenz96(y: Any, p: Any) -> Any:
    return (np.roll(y, -1) - np.roll(y, 2)) * np.roll(y, 1) - y + p[0]


def anharmonic(y: Any, p: Any) -> Any:
    x, v = y[: len(y) // 2], y[len(y) // 2 :]
    gap = np.diff(np.concatenate([[0.0], x, [0.0]]))
    return np.concatenate([v, np.diff(p[0] / p[1] * gap + p[2] * gap**2 + 0.1 * gap**3)])


def pendulums(y: Any, p: Any) -> Any:
    x, v = y[: len(y) // 2], y[len(y) // 2 :]
    link = p[2] * np.sin(np.diff(x))
    zero = np.zeros(1)
    return np.concatenate([v, -p[0] / p[1] * np.sin(x) + np.concatenate([link, zero]) - np.concatenate([zero, link])])


def membrane(y: Any, p: Any) -> Any:
    u = y.reshape(12, 12)
    around = np.roll(u, 1, 0) + np.roll(u, -1, 0) + np.roll(u, 1, 1) + np.roll(u, -1, 1)
    return (p[0] * (around - 4.0 * u) + u - u**3).ravel()


def rotators(y: Any, p: Any) -> Any:
    return np.array([p[0] * (1 + i) + p[1] * np.sum(np.sin(y - y[i])) for i in range(len(y))])


def dense(y: Any, p: Any) -> Any:
    return p[0] * MATRIX @ np.tanh(y)


def irregular(y: Any, p: Any) -> Any:
    out = []
    for i, (a, b, c, d) in enumerate(NEIGHBOURS):
        z = np.sin(y[a] * y[b]) - p[0] * y[c]
        z = z * y[d] if i % 3 else z / (2.0 + y[i] ** 2)
        out.append(np.cos(z * y[d]) if i % 7 == 2 else z)
    return np.array(out)


def entropies(y: Any, p: Any) -> Any:
    """A product with a logarithm, shared by two results, each of which takes it only where it is real."""
    x = y - p[0]
    entropy, positive = x * np.log(x), ops.greater(x, 0.0)
    return np.roll(ops.where(positive, entropy, 0.0), 1) * p[1] - ops.where(positive, 3.0 * entropy, y)


SYSTEMS: dict[str, tuple[Callable[[Any, Any], Any], int]] = {
    "lorenz96, smallest": (lorenz96, 4),
    "lorenz96": (lorenz96, 37),
    "anharmonic": (anharmonic, 50),
    "pendulums": (pendulums, 46),
    "membrane": (membrane, 144),
    "rotators": (rotators, 20),
    "dense": (dense, 12),
    "irregular": (irregular, 40),
}
PARAMETERS = np.array([0.7, 1.3, 0.4])


def traced(f: Callable[[Any, Any], Any], n: int) -> Graph:
    return trace(f, np.zeros(n), np.zeros(len(PARAMETERS)))


def rolled_of(f: Callable[[Any, Any], Any], n: int) -> Rolled:
    return roll(traced(f, n), {"state": n, "parameter": len(PARAMETERS)}, ["parameter"])


def run(rolled: Rolled, y: Any, p: Any) -> dict[str, Any]:
    """All spaces after the loops have run; NaN where nothing has been written."""
    spaces = {name: np.full(size, np.nan) for name, size in rolled.sizes.items()}
    spaces |= {"state": y, "parameter": p, "constant": rolled.constants}
    run_loops(rolled.held, spaces)
    run_loops(rolled.loops, spaces)
    return spaces


def transposes(rolled: Rolled) -> tuple[Transposed, Transposed]:
    everywhere = {name: np.arange(size) for name, size in rolled.sizes.items()}
    bars = {name: f"{name}_bar" for name in ("result", "temporary", "state", "held", "parameter")}
    back = transpose_loops(
        rolled.loops,
        {name: bars[name] for name in ("result", "temporary")},
        {name: bars[name] for name in ("temporary", "state", "held", "parameter")},
        {name: everywhere[name] for name in ("state", "held", "parameter")},
    )
    held = transpose_loops(
        rolled.held,
        {"held": "held_bar"},
        {"held": "held_bar", "parameter": "further_bar"},
        {"parameter": everywhere["parameter"]},
        ["held"],
    )
    return back, held


def pull(rolled: Rolled, y: Any, p: Any, w: Any) -> tuple[Any, Any]:
    """Cotangents of state and parameters by the transposed loops."""
    spaces = run(rolled, y, p)
    back, held = transposes(rolled)
    for name in ("temporary", "state", "held", "parameter"):
        spaces[f"{name}_bar"] = np.full(rolled.sizes[name], np.nan)
    spaces |= {"result_bar": w, "further_bar": np.full(len(p), np.nan)}
    for part in (back, held):
        run_loops(part.loops, spaces | {"sent": np.full(part.n_sent, np.nan)})
    return spaces["state_bar"], spaces["parameter_bar"] + spaces["further_bar"]


def code_size(loops: tuple[Loop, ...]) -> int:
    return sum(loop.n_written for loop in loops)


@pytest.mark.parametrize("name", SYSTEMS)
def test_rolled_graph_gives_the_same_numbers(name: str) -> None:
    f, n = SYSTEMS[name]
    y = RNG.normal(size=n)
    graph = traced(f, n)
    np.testing.assert_array_equal(run(rolled_of(f, n), y, PARAMETERS)["result"], graph(y, PARAMETERS))


@pytest.mark.parametrize("name", SYSTEMS)
def test_transposed_loops_are_the_reverse_mode(name: str) -> None:
    f, n = SYSTEMS[name]
    y, w = RNG.normal(size=n), RNG.normal(size=n)
    of_state, of_parameters = pull(rolled_of(f, n), y, PARAMETERS, w)
    wanted = grad(lambda y, p: (w * f(y, p)).sum(), argnums=(0, 1))(y, PARAMETERS)
    np.testing.assert_allclose(of_state, wanted[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(of_parameters, wanted[1], rtol=1e-12, atol=1e-11)


def test_branches_not_taken_do_not_reach_the_gradient() -> None:
    n = 30
    y = np.linspace(0.2, 1.2, n)
    y[4] = PARAMETERS[0]  # where the logarithm is infinite
    with np.errstate(all="ignore"):
        of_state, of_parameters = pull(rolled_of(entropies, n), y, PARAMETERS, np.ones(n))
        wanted = grad(lambda y, p: entropies(y, p).sum(), argnums=(0, 1))(y, PARAMETERS)
    assert np.isfinite(of_state).all()
    np.testing.assert_allclose(of_state, wanted[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(of_parameters, wanted[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("f", "small", "large"), [(lorenz96, 40, 400), (anharmonic, 80, 400), (pendulums, 80, 400)])
def test_code_does_not_grow_with_the_system(f: Callable[[Any, Any], Any], small: int, large: int) -> None:
    first, second = rolled_of(f, small), rolled_of(f, large)
    assert code_size(first.loops) == code_size(second.loops)
    for one, other in zip(transposes(first), transposes(second), strict=True):
        assert code_size(one.loops) == code_size(other.loops)


def test_lorenz96_is_one_family_with_three_strays() -> None:
    (loop,) = rolled_of(lorenz96, 1000).loops
    assert [run.count for run in loop.runs] == [997]
    assert len(loop.rest) == 3


def test_rows_of_a_grid_are_progressions_of_one_kind() -> None:
    (loop,) = rolled_of(membrane, 144).loops
    inner = max(loop.runs, key=lambda run: run.count * len(run.bases))
    assert len(inner.bases) >= 10
    assert len(loop.rest) < 40


def test_numbers_of_parameters_alone_are_computed_ahead() -> None:
    rolled = rolled_of(anharmonic, 20)
    assert [loop.graph.count()["divide"] for loop in rolled.held] == [1]
    assert all(not loop.graph.count()["divide"] for loop in rolled.loops)


def test_constants_that_differ_are_a_table() -> None:
    n = 24
    rolled = roll(trace(lambda y: np.arange(1.0, n + 1) * y, np.zeros(n)), {"state": n})
    assert len(rolled.loops) == 2  # the factor 1 is no product
    assert sorted(rolled.constants) == list(np.arange(2.0, n + 1))
    spaces = {"state": np.ones(n), "constant": rolled.constants, "result": np.zeros(n)}
    run_loops(rolled.loops, spaces)
    np.testing.assert_array_equal(spaces["result"], np.arange(1.0, n + 1))


def test_results_that_are_inputs_or_constants_are_copied() -> None:
    rolled = roll(trace(lambda y: [y[1], 2.5, y[0], y[1]], np.zeros(2)), {"state": 2})
    spaces = {"state": np.array([3.0, 4.0]), "constant": rolled.constants, "result": np.full(4, np.nan)}
    run_loops(rolled.loops, spaces)
    assert spaces["result"].tolist() == [4.0, 2.5, 3.0, 4.0]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.integers(0, 2**32 - 1))
def test_progressions_and_strays_are_all_members(places: list[int], seed: int) -> None:
    count = len(places)
    shifted = np.arange(count) + np.random.default_rng(seed).integers(0, 2, size=count)
    reads = (Access("state", np.array(places)), Access("state", shifted))
    loop = Loop(trace(lambda x, y: [x * y], 1.0, 1.0), reads, (Access("result", np.arange(count)),))
    wanted = np.array([access.index for access in (*loop.reads, *loop.writes)]).T
    pieces = [wanted[loop.rest]]
    for progression in loop.runs:
        assert progression.count >= SHORTEST_RUN
        steps = np.arange(progression.count)[:, None] * np.array(progression.strides)
        pieces += [base + steps for base in progression.bases]
    found = np.concatenate(pieces)
    np.testing.assert_array_equal(found[np.argsort(found[:, -1])], wanted)
