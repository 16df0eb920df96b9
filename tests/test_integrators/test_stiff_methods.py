"""Stiff methods: SciPy's steps, damping of what is stiff, Jacobians of every kind, exact derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.integrate
from scipy.sparse import csc_matrix

from diffsim.certificate import certify
from diffsim.derivatives import grad, hessian, jacobian
from diffsim.errors import ArgumentError, InterpretedWarning, KindError, RunError
from diffsim.value import Value
from integrators import solve_ivp
from integrators._field import Field, Origin, Slope
from integrators._methods import flow_methods, method_class

STIFF = tuple(name for name in flow_methods() if method_class(name)().implicit)
LIKE_SCIPY = ("Radau", "BDF")
DAMPING = tuple(name for name in STIFF if name in ("ImplicitEuler", "Radau", "BDF", "Rodas5P", "Kvaerno3", "Kvaerno5"))


def robertson(t: float, y: Any) -> Any:
    a, b, c = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
    return np.array([b - a, a - b - c, c])


def robertson_jacobian(t: float, y: Any) -> Any:
    return np.array(
        [[-0.04, 1e4 * y[2], 1e4 * y[1]], [0.04, -1e4 * y[2] - 6e7 * y[1], -1e4 * y[1]], [0, 6e7 * y[1], 0]]
    )


def rational(t: float, y: Any) -> Any:
    return np.array([y[1] / t, y[1] * (y[0] + 2 * y[1] - 1) / (t * (y[0] - 1))])


def forced(t: Any, y: Any, a: Any, b: Any) -> Any:
    return np.array([-a * y[0] + b * y[1] * y[1] * np.cos(t), y[0] - y[1] ** 3 * b])


# -- SciPy's steps -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LIKE_SCIPY)
@pytest.mark.parametrize(
    ("fun", "span", "start", "more"),
    [
        (robertson, (0.0, 1e4), [1.0, 0.0, 0.0], {"rtol": 1e-6, "atol": 1e-10, "jac": robertson_jacobian}),
        (rational, (5.0, 9.0), [1 / 3, 2 / 9], {}),
        (rational, (5.0, 1.0), [1 / 3, 2 / 9], {"rtol": 1e-6}),
        (rational, (5.0, 9.0), [1 / 3, 2 / 9], {"max_step": 0.1}),
    ],
    ids=["robertson", "forward", "backward", "max_step"],
)
def test_steps_are_those_of_scipy(name: str, fun: Any, span: Any, start: Any, more: dict[str, Any]) -> None:
    theirs: Any = scipy.integrate.solve_ivp(fun, span, start, name, **more)  # type: ignore[call-overload]
    ours = solve_ivp(fun, span, start, name, **more)
    assert len(ours.t) == len(theirs.t)
    np.testing.assert_allclose(ours.t, theirs.t, rtol=1e-4)  # rounding, amplified by what is stiff
    np.testing.assert_allclose(ours.y[:, -1], theirs.y[:, -1], rtol=1e-6, atol=1e-12)
    assert (ours.njev, ours.nlu) == (theirs.njev, theirs.nlu)
    assert abs(ours.nfev - theirs.nfev) <= 0.02 * theirs.nfev + 8  # SciPy's differences count where it has no Jacobian


# -- stability ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DAMPING)
def test_fast_transients_are_damped_at_once(name: str) -> None:
    sol = solve_ivp(lambda t, y: -1e6 * (y - np.cos(t)), (0.0, 2.0), [3.0], name, rtol=1e-5, atol=1e-7)
    assert sol.success
    assert abs(sol.y[0, -1] - np.cos(2.0)) < 1e-5
    assert sol.nfev < (900 if name != "ImplicitEuler" else 4000)


@pytest.mark.parametrize("name", DAMPING)
def test_stability_function_vanishes_at_infinity(name: str) -> None:
    if not method_class(name)().one_step:
        pytest.skip("a formula of order 1 without a past")
    assert abs(method_class(name)().step(lambda t, y: -1e10 * y, 0.0, 1.0, 1.0)) < 1e-8


def test_trapezoid_is_not_l_stable() -> None:
    assert abs(method_class("Trapezoid")().step(lambda t, y: -1e10 * y, 0.0, 1.0, 1.0) + 1.0) < 1e-8


# -- Jacobians ---------------------------------------------------------------------------------------------------


def chain(t: Any, y: Any, rate: Any = 2.0) -> Any:
    return rate * np.concatenate([[1.0 - 2 * y[0] + y[1]], y[:-2] - 2 * y[1:-1] + y[2:], [y[-2] - 2 * y[-1]]]) - y**3


@pytest.mark.parametrize("n", [5, 80])
def test_jacobian_is_the_same_by_every_way(n: int) -> None:
    y, steps = np.linspace(0.1, 0.9, n), np.eye(n) * 1e-6
    wanted = np.stack([(chain(0.0, y + e) - chain(0.0, y - e)) / 2e-6 for e in steps], axis=-1)
    pattern = csc_matrix(wanted != 0.0)

    class Counted:
        nfev = 0

        def __call__(self, t: Any, y: Any) -> Any:
            return chain(t, y)

    ways = [
        Field(Counted(), Slope(), Origin(chain)),
        Field(Counted(), Slope(compiled=False), Origin(chain)),
        Field(Counted(), Slope(sparsity=pattern, compiled=False), Origin(chain)),
    ]
    exact = [field.jacobian(0.0, y) for field in ways]
    assert isinstance(exact[0], np.ndarray) == (n == 5)
    for found in exact:
        dense = found if isinstance(found, np.ndarray) else found.toarray()
        np.testing.assert_allclose(dense, wanted, atol=1e-8)
        np.testing.assert_allclose(dense, exact[1], rtol=1e-14, atol=1e-14)


def test_a_parameter_that_changes_is_not_compiled_in() -> None:
    for rate in (1.0, 10.0):
        sol = solve_ivp(lambda t, y, rate=rate: -rate * y, (0.0, 1.0), [1.0], "Radau", rtol=1e-8, atol=1e-10)
        assert abs(sol.y[0, -1] - np.exp(-rate)) < 1e-7


@pytest.mark.parametrize("name", LIKE_SCIPY)
@pytest.mark.parametrize(
    "more",
    [
        {"jac": robertson_jacobian},
        {"jac": lambda t, y: csc_matrix(robertson_jacobian(t, y))},
        {"jac_sparsity": np.array([[1, 1, 1], [1, 1, 1], [0, 1, 0]]), "compiled": False},
        {"lband": 1, "uband": 2, "compiled": False},
        {"compiled": False},
        {},
    ],
    ids=["callable", "sparse", "sparsity", "bands", "interpreted", "machine"],
)
def test_what_is_said_about_the_jacobian_gives_the_same_solution(name: str, more: dict[str, Any]) -> None:
    sol = solve_ivp(robertson, (0.0, 40.0), [1.0, 0.0, 0.0], name, rtol=1e-6, atol=1e-10, **more)
    np.testing.assert_allclose(sol.y[:, -1], [0.7158271, 9.1855e-6, 0.2841637], rtol=3e-5)
    assert sol.njev > 0
    assert sol.nlu > 0


def test_a_branch_that_cannot_be_traced_has_an_exact_jacobian_still() -> None:
    def fun(t: float, y: Any) -> Any:
        return -1e4 * y if y[0] > 0.5 else -1e3 * y

    with pytest.warns(InterpretedWarning, match="runs interpreted"):
        sol = solve_ivp(fun, (0.0, 1.0), [1.0], "Radau")
    assert sol.success
    assert abs(sol.y[0, -1]) < 1e-6


def test_foreign_code_has_a_jacobian_by_differences_and_a_warning() -> None:
    def fun(t: float, y: Any) -> Any:
        return [-50.0 * float(np.asarray(y, dtype=float)[0])]

    differences = pytest.warns(InterpretedWarning, match="taken by differences")
    with differences, pytest.warns(InterpretedWarning, match="runs interpreted"):
        sol = solve_ivp(fun, (0.0, 1.0), [1.0], "Radau", rtol=1e-6, atol=1e-9)
    assert abs(sol.y[0, -1]) < 1e-6


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        ({"jac": np.eye(2)}, ArgumentError, r"jac must have shape \(3, 3\); got shape \(2, 2\)"),
        ({"jac": lambda t, y: np.eye(4)}, ArgumentError, r"jac must have shape \(3, 3\); got shape \(4, 4\)"),
        ({"jac": "exact"}, KindError, "jac must be a function jac"),
        ({"jac_sparsity": np.eye(2)}, ArgumentError, r"jac_sparsity must have shape \(3, 3\)"),
        ({"lband": 0.5}, KindError, "lband must be an integer"),
    ],
)
def test_a_wrong_jacobian_is_named(more: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=rf"^solve_ivp: {words}"):
        solve_ivp(robertson, (0.0, 1.0), [1.0, 0.0, 0.0], "Radau", **more)


def test_an_explicit_method_says_that_it_needs_no_jacobian() -> None:
    with pytest.warns(UserWarning, match="no effect for a chosen solver: `jac`"):
        solve_ivp(rational, (5.0, 9.0), [1 / 3, 2 / 9], "RK45", jac=np.eye(2))


# -- derivatives -------------------------------------------------------------------------------------------------


def _loss(name: str) -> Callable[[Any], Any]:
    def loss(x: Any) -> Any:
        sol = solve_ivp(forced, (0.1, 1.3), [x[0], x[1]], name, args=(x[2], x[3]), rtol=1e-4, atol=1e-7)
        return (sol.y[:, -1] ** 2).sum() + sol.y[0, 3] * x[0]

    return loss


POINT = np.array([1.0, 0.5, 20.0, 3.0])
DIFFERENTIABLE = tuple(name for name in STIFF if name != "LSODA" and method_class(name)().adaptive)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_an_adaptive_solve_is_certified(name: str) -> None:
    # raises where reverse, forward and differences on the same steps disagree beyond their errors
    assert certify(_loss(name), POINT).n_steps > 5


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_second_derivatives_agree_in_all_four_orders_of_the_modes(name: str) -> None:
    loss = _loss(name)
    wanted = hessian(loss)(POINT)
    for found in (
        jacobian(grad(loss), mode="reverse")(POINT),
        jacobian(jacobian(loss, mode="forward"), mode="forward")(POINT),
        jacobian(jacobian(loss, mode="forward"), mode="reverse")(POINT),
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_ends_of_the_span_have_derivatives(name: str) -> None:
    def end(t: Any) -> Any:
        return solve_ivp(forced, (t[0], t[1]), [1.0, 0.5], name, args=(20.0, 3.0), rtol=1e-4, atol=1e-7).y[:, -1].sum()

    assert certify(end, np.array([0.1, 1.3])).n_steps > 5


def test_derivatives_do_not_trust_the_callers_jacobian() -> None:
    rough = {"jac": np.array([[-20.0, 0.0], [0.0, 0.0]]), "rtol": 1e-6, "atol": 1e-8}

    def end(a: Any) -> Any:
        return solve_ivp(forced, (0.1, 1.3), [1.0, 0.5], "Radau", args=(a, 3.0), **rough).y[:, -1].sum()

    assert certify(end, 20.0).n_steps > 5


def test_singular_equations_have_no_derivative() -> None:
    method = method_class("ImplicitEuler")()
    with pytest.raises(RunError, match="ImplicitEuler: the equations of a step are singular"):
        # y = 0 + 1 * (y - y**2), with its double root at 0
        method.step(lambda t, y: y - y * y, 0.0, Value(np.array([0.0])), 1.0)


def test_a_step_without_a_solution_is_no_number() -> None:
    # y = 1 + y**2 + 1 has no real root
    assert np.isnan(method_class("ImplicitEuler")().step(lambda t, y: y * y + 1.0, 0.0, 1.0, 1.0))
    sol = solve_ivp(lambda t, y: y * y + 1.0, (0.0, 2.0), [1.0], "ImplicitEuler", step=1.0)
    assert sol.status == -1
