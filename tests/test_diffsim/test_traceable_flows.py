"""Right-hand sides that other people wrote: those of SciPy's own tests are traced as they stand."""

from __future__ import annotations

import ast
import importlib.util
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffsim.capture import WholeNumberNeeded, capture, trace_flow
from diffsim.errors import TraceError


def _loaded() -> dict[str, Any]:
    """SciPy's test module without its decorators, which name marks that are unknown here."""
    place = importlib.util.find_spec("scipy.integrate._ivp.tests")
    if place is None or place.origin is None:
        pytest.skip("this SciPy is installed without its tests", allow_module_level=True)
    path = Path(place.origin).with_name("test_ivp.py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []
    namespace = {"__name__": "scipy.integrate._ivp.tests.test_ivp"}
    exec(compile(tree, str(path), "exec"), namespace)
    return namespace


THEIRS = _loaded()
SIZES = {
    "sys3": 3,
    "fun_robertson": 3,
    "fun_medazko": 10,
    "fun_zero": 4,
    "reactions_func": 4,
    "fun@test_num_jac": 3,
    "fun@test_empty": 0,
}
ONE = {"f@test_zero_interval", "fun_with_arg"}
COLUMNS = {"fun_rational_vectorized", "fun@test_num_jac", "fun@test_num_jac_sparse"}
ARGS: dict[str, tuple[Any, ...]] = {"sys3": (2, 4, 0.99), "fun_with_arg": (-1,)}
BRANCHES = "it branches on the time"
EXCEPTIONS = {
    "fun_medazko": BRANCHES,
    "func@test_tbound_respected_larger_interval": BRANCHES,
    "reactions_func@test_tbound_respected_oscillator": BRANCHES,
}


def _is_flow(code: types.CodeType) -> bool:
    """Whether code is a right-hand side: of (t, y, ...), and neither a Jacobian nor an event."""
    names = code.co_varnames[: code.co_argcount]
    other = ("jac", "event", "hit_ground", "early_event", "sys3_", "sol_")
    return len(names) >= 2 and names[0] == "t" and not code.co_name.startswith(other)


def _local_functions(code: types.CodeType, where: str) -> Iterator[tuple[str, types.FunctionType]]:
    """Functions defined inside SciPy's tests, with the helpers beside them."""
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    helpers = {c.co_name: types.FunctionType(c, THEIRS) for c in inner if not c.co_freevars}
    for c in inner:
        if _is_flow(c) and all(name in helpers for name in c.co_freevars):
            cells = tuple(types.CellType(helpers[name]) for name in c.co_freevars)
            yield f"{c.co_name}@{where}", types.FunctionType(c, THEIRS, c.co_name, None, cells)
        yield from _local_functions(c, where)


def _flows() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, member in list(THEIRS.items()):
        if isinstance(member, types.FunctionType) and member.__module__ == THEIRS["__name__"]:
            if _is_flow(member.__code__):
                found[name] = member
            found.update(_local_functions(member.__code__, name))
    return found


FLOWS = _flows()


def _look_up(table: Any, name: str, default: Any) -> Any:
    return table.get(name, table.get(name.partition("@")[0], default))


def _prepared(name: str) -> tuple[Any, int, bool]:
    n = 1 if {name, name.partition("@")[0]} & ONE else _look_up(SIZES, name, 2)
    captured = capture(FLOWS[name], _look_up(ARGS, name, ()))
    return captured, n, name in COLUMNS


def test_the_flows_of_scipys_tests_are_found() -> None:
    assert len(FLOWS) >= 18
    assert {"fun_zero", "fun_linear", "fun_rational", "fun_rational_vectorized", "fun_complex"} <= FLOWS.keys()
    assert EXCEPTIONS.keys() <= FLOWS.keys()


@pytest.mark.parametrize("name", FLOWS)
def test_flow_of_scipys_tests_traces_as_it_stands(name: str) -> None:
    captured, n, column = _prepared(name)
    if name in EXCEPTIONS:
        with pytest.raises(TraceError, match=r"test_ivp\.py, line \d+"):
            trace_flow(captured, n, column=column)
        return
    try:
        graph = trace_flow(captured, n, column=column)
    except WholeNumberNeeded as needed:
        captured = needed.captured
        graph = trace_flow(captured, n, column=column)
    random = np.random.default_rng(1)
    for _ in range(5):
        t, y = random.uniform(1.0, 5.0), random.uniform(0.1, 0.9, n)
        want = FLOWS[name](t, y[:, None] if column else y, *_look_up(ARGS, name, ()))
        got = graph(t, y, np.array(captured.values))
        np.testing.assert_allclose(got, np.asarray(want, dtype=float).reshape(-1), rtol=1e-14)


def test_scipys_args_are_derivatives_as_well() -> None:
    name = next(name for name in FLOWS if name.startswith("sys3"))
    captured, n, _ = _prepared(name)
    assert captured.names == ("args[0]", "args[1]", "args[2]")
    graph = trace_flow(captured, n)
    x, y, z = state = np.array([0.3, -0.2, 0.6])
    jacobian = graph.jacobian(2)(0.0, state, np.array([2.0, 4.0, 0.99]))
    np.testing.assert_allclose(jacobian, [[-y, 0.0, 0.0], [x, 0.0, 0.0], [0.0, z * (1.0 - z), 0.0]])
