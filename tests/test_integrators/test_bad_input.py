"""Bad input: one line that names the argument, what it must be and what it got, before any work is done."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.integrate

from diffsim.errors import ArgumentError, DiffsimError, KindError
from integrators import RK4, solve_ivp
from systems import DoublePendulum

FOUR = [0.4, 0.0, 1.0, 4.0]
NEVER = "the right-hand side was called"


def untouched(t: Any, y: Any) -> Any:
    """A right-hand side that must not be reached."""
    raise AssertionError(NEVER)


def decay(t: Any, y: Any) -> Any:
    return -y


def with_rate(t: Any, y: Any, rate: Any) -> Any:
    return -rate * y


def call(**changes: Any) -> Callable[[], Any]:
    """A call of `solve_ivp` that is right but for the changes."""
    good: dict[str, Any] = {"fun": untouched, "t_span": (0.0, 1.0), "y0": [1.0, 2.0]}
    return lambda: solve_ivp(**{**good, **changes})


RK: dict[str, Any] = {"method": "RK4", "step": 0.1}
CASES: dict[str, tuple[Callable[[], Any], type[DiffsimError], str]] = {
    # the start
    "length of a system": (
        call(fun=DoublePendulum(), y0=[1, 2, 3]),
        ArgumentError,
        r"y0 must have shape \(4, \*batch\) for DoublePendulum \(theta_1, theta_2, p_1, p_2\); got shape \(3,\)",
    ),
    "batch first": (call(fun=DoublePendulum(), y0=np.zeros((10, 4))), ArgumentError, r"y0 .*\(10, 4\).*pass y0\.T\."),
    "batch of two axes first": (
        call(fun=DoublePendulum(), y0=np.zeros((5, 6, 4))),
        ArgumentError,
        r"pass np\.moveaxis\(y0, -1, 0\)",
    ),
    "batch first, plain function": (
        call(fun=lambda t, y: [y[1], -y[0]], y0=np.zeros((10, 2)), **RK),
        ArgumentError,
        r"fun must return 10 components, as many as y0 has; got shape \(2,\) from <lambda>\..*pass y0\.T",
    ),
    "nan start": (call(y0=[1.0, math.nan]), ArgumentError, r"y0 must be finite; got y0\[1\]=nan"),
    "infinite start": (
        call(fun=DoublePendulum(), y0=[0, 0, math.inf, 0]),
        ArgumentError,
        r"y0 must be finite; got y0\[2\] \(p_1\)=inf",
    ),
    "nan in a batch": (call(y0=[[1.0, 2.0], [3.0, math.nan]]), ArgumentError, r"got y0\[1, 1\]=nan"),
    "empty start": (call(y0=[]), ArgumentError, "y0 must have at least one component"),
    "ragged start": (call(y0=[[1.0, 2.0], [3.0]]), ArgumentError, "y0 must be an array .* got a ragged list"),
    "derivatives of complex numbers": (
        call(y0=[1j, 2.0], sensitivities="y0"),
        KindError,
        "y0 must be real for sensitivities='y0'; got complex .* split the state",
    ),
    "inexact integer": (call(y0=[2**53 + 1]), ArgumentError, "y0 must be exact in doubles; got 9007199254740993"),
    "huge integer": (call(y0=[10**400]), ArgumentError, "y0 must be exact in doubles"),
    "mixed inexact integer": (call(y0=[2**53 + 1, 0.5]), ArgumentError, "y0 must be exact in doubles"),
    "text": (call(y0="ab"), KindError, "y0 must hold floats"),
    "none": (call(y0=None), KindError, "y0 must hold floats"),
    "fraction": (call(y0=[Fraction(1, 3)]), KindError, "y0 must hold floats .*got Fraction.*rk4"),
    "mpmath": (call(y0=[mpmath.mpf(1)]), ArgumentError, "y0 holds multiprecision numbers.*Taylor.*step method"),
    # the right-hand side
    "wrong length": (call(fun=lambda t, y: [1.0, 2.0, 3.0]), ArgumentError, r"fun must return 2 components.*\(3,\)"),
    "scalar": (call(fun=lambda t, y: 1.0), ArgumentError, r"fun must return 2 components.*got shape \(\)"),
    "none returned": (call(fun=lambda t, y: None), KindError, "fun must return .* got None .*return statement"),
    "nan returned": (call(fun=lambda t, y: [1.0, math.nan]), ArgumentError, r"fun .* at the start; got y\[1\]=nan"),
    "nan returned, fixed": (call(fun=lambda t, y: [1.0, math.nan], **RK), ArgumentError, "fun .* at the start"),
    "complex returned": (call(fun=lambda t, y: [1j, 0]), KindError, "fun must return real numbers"),
    "text returned": (call(fun=lambda t, y: ["a", "b"]), KindError, "fun must return numbers; got str"),
    "ragged returned": (call(fun=lambda t, y: [1.0, [2.0, 3.0]]), ArgumentError, "fun must return 2 numbers"),
    "too few arguments": (call(fun=with_rate), KindError, r"fun must take \(t, y\); got with_rate\(t"),
    "too many arguments": (
        call(args=(1.0, 2.0)),
        KindError,
        r"fun must take \(t, y, args\[0\], args\[1\]\); got untouched\(t",
    ),
    "args not a tuple": (call(fun=with_rate, args=3.0), KindError, r"args must be a tuple; got float.*args=\(value,\)"),
    "args for a system": (call(fun=DoublePendulum(), y0=FOUR, args=(1,)), KindError, "args must be left out"),
    "class of a system": (call(fun=DoublePendulum), KindError, r"got the class DoublePendulum\. Make an instance"),
    "no function": (call(fun=3), KindError, "fun must be a function .*; got int"),
    # times
    "nan in t_span": (call(t_span=(0.0, math.nan)), ArgumentError, "t_span must be finite"),
    "infinite t_span": (call(t_span=(0.0, math.inf)), ArgumentError, "t_span must be finite"),
    "three ends": (call(t_span=(0.0, 1.0, 2.0)), ArgumentError, r"t_span must be two numbers \(t0, t1\); got 3"),
    "one number": (call(t_span=1.0), KindError, "t_span must be two numbers .*got float"),
    "text in t_span": (call(t_span=(0.0, "1")), KindError, "t_span must be a real number; got t_span='1'"),
    "complex t_span": (call(t_span=(0.0, 1j)), KindError, "t_span must be a real number"),
    "t_eval outside": (call(t_eval=[0.5, 1.5]), ArgumentError, r"t_eval must lie within .*; got t_eval\[1\]=1.5"),
    "t_eval unsorted": (call(t_eval=[0.5, 0.4]), ArgumentError, "t_eval must be strictly increasing"),
    "t_eval twice": (call(t_eval=[0.5, 0.5]), ArgumentError, "t_eval must be strictly increasing"),
    "t_eval forwards": (
        call(t_span=(1.0, 0.0), t_eval=[0.4, 0.5]),
        ArgumentError,
        "t_eval must be strictly decreasing, since t_span",
    ),
    "t_eval nan": (call(t_eval=[math.nan]), ArgumentError, r"t_eval must be finite; got t_eval\[0\]=nan"),
    "t_eval of two axes": (call(t_eval=[[0.4, 0.5]]), ArgumentError, "t_eval must be one-dimensional"),
    "t_eval a number": (call(t_eval=0.5), KindError, r"t_eval must be a list .* Write t_eval=\[0\.5\]"),
    "t_eval text": (call(t_eval="abc"), KindError, "t_eval must be a list"),
    # methods and steps
    "step 0": (call(method="RK4", step=0), ArgumentError, "step must be > 0; got step=0"),
    "step negative": (
        call(method="RK4", step=-0.1),
        ArgumentError,
        r"step must be > 0; got step=-0\.1\. To integrate backwards swap t_span\.$",
    ),
    "step nan": (call(method="RK4", step=math.nan), ArgumentError, "step must be finite and > 0; got step=nan"),
    "step infinite": (call(method="RK4", step=math.inf), ArgumentError, "step must be finite and > 0"),
    "step too long": (
        call(method="RK4", step=2.0),
        ArgumentError,
        r"step must not be longer than the span .*step=2\.0",
    ),
    "step text": (call(method="RK4", step="a"), KindError, "step must be a real number > 0; got step of type str"),
    "no step": (call(method="RK4"), ArgumentError, "RK4 takes fixed steps, so step must be given"),
    "step twice": (call(method=RK4(0.1), step=0.1), ArgumentError, "step must be given once"),
    "unknown method": (
        call(method="RK44"),
        ArgumentError,
        r"unknown method 'RK44'; it has .*Euler, .*\. Did you mean 'RK4'",
    ),
    "method in small letters": (call(method="rk45"), ArgumentError, "unknown method 'rk45'.*Did you mean 'RK45'"),
    "method of scipy": (call(method=scipy.integrate.RK45), KindError, "method must be a name .* got the class scipy"),
    "method a number": (call(method=4), KindError, "method must be a name or an integrator object; got int"),
    # tolerances
    "rtol nan": (call(rtol=math.nan), ArgumentError, "rtol must be finite and >= 0; got rtol=nan"),
    "rtol negative": (call(rtol=-1e-3), ArgumentError, "rtol must be finite and >= 0"),
    "rtol text": (call(rtol="tight"), KindError, "rtol must be a real number"),
    "atol negative": (call(atol=[1e-3, -1e-3]), ArgumentError, "atol must be finite and >= 0"),
    "atol of wrong shape": (call(atol=[1.0, 2.0, 3.0]), ArgumentError, r"atol must be one number or have shape \(2,\)"),
    "rtol of fixed steps": (
        call(rtol=1e-8, **RK),
        ArgumentError,
        r"rtol must be left out: RK4\(step=0\.1\) takes fixed",
    ),
    "max_step of fixed steps": (call(max_step=0.1, **RK), ArgumentError, "max_step must be left out"),
    "first_step too long": (call(first_step=2.0), ArgumentError, "first_step must not be longer than the span"),
    "first_step 0": (call(first_step=0.0), ArgumentError, "first_step must be > 0"),
    "max_step negative": (call(max_step=-1.0), ArgumentError, "max_step must be > 0"),
    "max_step nan": (call(max_step=math.nan), ArgumentError, "max_step must be > 0"),
    "max_steps 0": (call(max_steps=0), ArgumentError, "max_steps must be >= 1"),
    "max_steps a float": (call(max_steps=1.5), KindError, "max_steps must be an integer >= 1 or None"),
    # events
    "reset alone": (call(reset=lambda t, y: y), ArgumentError, "reset must belong to events; got reset without events"),
    "an event no function": (call(events=[3.0]), KindError, r"events\[0\] must be a function event\(t, y\); got float"),
    "events a number": (call(events=3.0), KindError, "events must be a function or a list of them; got float"),
    "too many resets": (
        call(events=lambda t, y: y[0], reset=[None, None]),
        ArgumentError,
        "reset must have one entry for each of the 1 events; got reset=2",
    ),
    "a reset no function": (call(events=lambda t, y: y[0], reset=[2.0]), KindError, r"reset\[0\] must be a function"),
    "an event of two values": (
        call(events=lambda t, y: [1.0, 2.0]),
        ArgumentError,
        r"events\[0\] \(<lambda>\) must return one number; got shape \(2,\)",
    ),
    "an event of nothing": (call(events=lambda t, y: None), ArgumentError, r"must return one number; got None"),
    "dense output": (call(dense_output="yes"), KindError, "dense_output must be True or False; got 'yes'"),
    # what nobody has
    "compiled": (call(compiled=True, method="LSODA"), ArgumentError, r"compiled=True is for methods .*; got LSODA"),
    "compiled text": (call(compiled="yes"), ArgumentError, "compiled must be 'auto', True or False"),
    "threads": (call(threads=0), ArgumentError, "threads must be >= 1"),
    "unknown option": (call(stp=0.1), ArgumentError, "unknown option 'stp'; .*Did you mean 'step'"),
    "negative band": (call(method="ImplicitEuler", lband=-1), ArgumentError, "lband must be >= 0; got lband=-1"),
    "sensitivities a number": (call(sensitivities=3), KindError, "sensitivities must be a name or a tuple of names"),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_gets_one_clear_line(name: str) -> None:
    do, error, words = CASES[name]
    with pytest.raises(error, match=rf"^solve_ivp: .*{words}") as caught:
        do()
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError if error is ArgumentError else TypeError)


def test_parameter_of_wrong_shape_is_named() -> None:
    from diffsim.protocols import with_parameters

    system = with_parameters(DoublePendulum(), {"gravity": np.ones(3)})
    with pytest.raises(ArgumentError, match=r"DoublePendulum: gravity must be one number or broadcast to the batch"):
        solve_ivp(system, (0.0, 1.0), FOUR)


def test_integers_that_are_exact_are_taken() -> None:
    sol = solve_ivp(decay, (0, 1), [1, 2**60], "RK4", step=0.1)
    assert sol.y.dtype == np.float64
    assert sol.y[1, 0] == 2.0**60


def test_error_of_the_user_s_own_function_comes_through_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        solve_ivp(lambda t, y: [1 / 0], (0.0, 1.0), [1.0])
    with pytest.raises(AssertionError, match=NEVER):
        solve_ivp(untouched, (0.0, 1.0), [1.0])


@pytest.mark.parametrize("step", [0.0, -1.0, math.nan, math.inf])
def test_constructor_of_a_method_checks_its_step(step: float) -> None:
    with pytest.raises(ArgumentError, match=r"^RK4: step must be"):
        RK4(step=step)
    with pytest.raises(KindError, match=r"^RK4: step must be"):
        RK4(step=True)


def test_step_that_returns_nothing_or_too_little_says_so() -> None:
    with pytest.raises(KindError, match="must return the derivative; got None"):
        RK4().step(lambda t, y: None, 0.0, [1.0], 0.1)
    with pytest.raises(ArgumentError, match="must return 1 components"):
        RK4().step(lambda t, y: [1.0, 2.0], 0.0, [1.0], 0.1)
