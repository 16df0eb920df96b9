"""What `System` refuses, and in which words; what stands in for a parameter."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from diffsim.dual import Dual
from diffsim.errors import ArgumentError, DiffsimError, KindError
from diffsim.value import Value
from systems import DoublePendulum, HarmonicOscillator, Kepler, Lorenz63, Pendulum, System

# --- construction ----------------------------------------------------------------------------------------------------


def test_integers_and_numpy_numbers_become_floats() -> None:
    system = DoublePendulum(gravity=10, mass_1=np.float32(2.0), mass_2=np.int64(3), length_1=np.array(4))
    assert [type(value) for value in system.parameters.values()] == [float] * 5
    assert system == DoublePendulum(10.0, 2.0, 3.0, 4.0)


@pytest.mark.parametrize("make", [DoublePendulum, DoublePendulum().replace], ids=["construction", "replace"])
def test_misspelt_parameter_is_answered_with_the_nearest(make: Any) -> None:
    with pytest.raises(
        ArgumentError, match=r"^DoublePendulum: unknown parameter 'lenght_1'; .*Did you mean 'length_1'\?"
    ):
        make(lenght_1=2.0)


def test_too_many_parameters_are_counted() -> None:
    with pytest.raises(ArgumentError, match=r"^Kepler: takes at most 1 parameters \(mu\); got 2: \(1.0, 2.0\)"):
        Kepler(1.0, 2.0)


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^Kepler: mu is given twice"):
        Kepler(1.0, mu=2.0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -np.inf, 10**400, [1.0, np.nan], Value(np.inf)])
def test_parameters_must_be_finite(bad: object) -> None:
    with pytest.raises(ArgumentError, match=r"^Lorenz63: rho must be finite"):
        Lorenz63(rho=bad)


@pytest.mark.parametrize("bad", [0, -1.0, [1.0, 0.0], Value(-1.0), mpmath.mpf(0)])
def test_masses_and_lengths_must_be_positive(bad: object) -> None:
    with pytest.raises(ArgumentError, match=r"^Pendulum: length must be > 0; got length="):
        Pendulum(length=bad)


def test_damping_must_not_be_negative() -> None:
    with pytest.raises(ArgumentError, match=r"^HarmonicOscillator: damping must be >= 0; got damping=-0.1"):
        HarmonicOscillator(damping=-0.1)


@pytest.mark.parametrize(
    "bad", ["1", None, 1j, True, np.complex128(1), np.array([True]), ["a"], object(), np.array("x")]
)
def test_parameters_must_be_real_numbers(bad: object) -> None:
    with pytest.raises(KindError, match=r"^Kepler: mu must be a real number"):
        Kepler(mu=bad)


def test_every_refusal_is_also_the_builtin_people_catch() -> None:
    with pytest.raises(ValueError, match="must be > 0"):
        Kepler(mu=0)
    with pytest.raises(TypeError, match="must be a real number"):
        Kepler(mu="0")
    assert issubclass(ArgumentError, DiffsimError)


@pytest.mark.parametrize("number", [Fraction(1, 3), mpmath.mpf("0.1"), Value(2.0), Value(np.array([1.0, 2.0]))])
def test_other_kinds_of_number_stay_what_they_are(number: object) -> None:
    assert Kepler(mu=number).mu is number


def test_arrays_of_parameters_are_copied_and_cannot_be_written() -> None:
    values = np.array([1, 2])
    system = Kepler(mu=values)
    values[0] = 7
    assert system.mu.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        system.mu[0] = 3.0


def test_exact_fractions_stay_exact() -> None:
    system = Lorenz63(sigma=Fraction(10), rho=Fraction(28), beta=Fraction(8, 3))
    rates = system(0, [Fraction(1, 3), Fraction(1, 7), Fraction(2)])
    assert list(rates) == [Fraction(-40, 21), Fraction(26, 3) - Fraction(1, 7), Fraction(1, 21) - Fraction(16, 3)]


def test_copies_are_equal() -> None:
    system = DoublePendulum(mass_1=2.0).about("inverted")
    assert copy.copy(system) == copy.deepcopy(system) == system
    assert eval(repr(system)) == system


def test_half_turns_are_shown_only_when_used() -> None:
    assert repr(Pendulum()).endswith("drive_frequency=1.0)")
    assert repr(Pendulum().about("inverted")).endswith("drive_frequency=1.0, half_turns=(1,))")


@pytest.mark.parametrize(
    ("bad", "kind"), [((1,), ArgumentError), ((0.5, 1), KindError), (1, KindError), ("ab", KindError)]
)
def test_half_turns_must_be_one_integer_an_angle(bad: object, kind: type[Exception]) -> None:
    with pytest.raises(
        kind, match=r"^DoublePendulum: half_turns must be 2 integers, one for each angle; got half_turns="
    ):
        DoublePendulum(half_turns=bad)


def test_unknown_equilibrium_and_component_are_answered_with_the_nearest() -> None:
    with pytest.raises(ArgumentError, match=r"unknown equilibrium 'invrted'.*Did you mean 'inverted'"):
        DoublePendulum().about("invrted")
    with pytest.raises(ArgumentError, match=r"unknown state component 'teta_1'.*Did you mean 'theta_1'"):
        DoublePendulum().index("teta_1")
    assert DoublePendulum().index("p_1") == 2


# --- calls -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [[1.0] * 3, [1.0] * 5, (), np.zeros(3), np.zeros((3, 7)), 1.0, None])
def test_a_state_of_the_wrong_length_is_refused(bad: object) -> None:
    with pytest.raises(
        ArgumentError, match=r"^Kepler: state must have 4 components \(x, y, v_x, v_y\) on its first axis"
    ):
        Kepler()(0.0, bad)


def test_a_batch_the_wrong_way_round_is_told_how_to_turn() -> None:
    with pytest.raises(ArgumentError, match=r"got state=\(7, 4\). The component comes first: use state.T"):
        Kepler()(0.0, np.zeros((7, 4)))


def test_conversions_refuse_a_wrong_length_too() -> None:
    with pytest.raises(ArgumentError, match="state must have 4 components"):
        DoublePendulum().from_absolute([1.0, 2.0])


def test_plain_gives_plain_value_gives_value() -> None:
    system = Lorenz63()
    assert type(system(0.0, [1, 2, 3])) is np.ndarray
    assert system(0.0, [1, 2, 3]).dtype == np.float64
    assert isinstance(system(0.0, [Value(1.0), 2.0, 3.0]), Value)
    assert isinstance(system(0.0, Value(np.ones((3, 5)))), Value)
    assert system(0.0, Value(np.ones((3, 5)))).shape == (3, 5)
    assert isinstance(system.replace(rho=Value(28.0))(0.0, [1.0, 2.0, 3.0]), Value)
    assert not isinstance(system(0.0, [1, 2, 3]), Dual)


# --- a system of one's own -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decay(System):
    rate: float = 2.0
    state_names = ("amount",)

    def rates(self, t: Any, state: Any) -> Any:
        (amount,) = state
        return (-self.rate * amount,)


def test_the_shortest_system_of_ones_own_works() -> None:
    system = Decay(rate=3)
    assert system(0.0, [2.0]).tolist() == [-6.0]
    assert system.parameters == {"rate": 3.0}
    assert (system.dimension, system.drawable, system.has_energy) == (1, False, False)
    assert (system.canonical, system.separable, system.invariants, system.equilibria) == (False, False, {}, {})


def test_a_system_may_write_call_itself() -> None:
    @dataclass(frozen=True)
    class Growth(System):
        rate: float = 2.0
        state_names = ("amount",)

        def __call__(self, t: Any, state: Any) -> Any:
            return self.rate * np.asarray(state)

    assert Growth()(0.0, [2.0]).tolist() == [4.0]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda s: s.energy([1.0]), "Decay: has no energy"),
        (lambda s: s.positions([1.0]), "Decay: has no positions"),
        (lambda s: s.default_state, "Decay: has no default_state. Give an initial state."),
    ],
)
def test_what_a_system_lacks_is_said(ask: Any, message: str) -> None:
    with pytest.raises(KindError, match=message):
        ask(Decay())


def test_a_forgotten_decorator_is_told() -> None:
    class Bare(System):
        state_names = ("x",)
        rate: float = 2.0

    with pytest.raises(KindError, match=r"^Bare: rate would not become parameters; decorate the class with @dataclass"):
        Bare()


def test_forgotten_state_names_and_equations_are_told() -> None:
    @dataclass(frozen=True)
    class Nameless(System):
        rate: float = 2.0

    @dataclass(frozen=True)
    class Idle(System):
        state_names = ("x",)

    with pytest.raises(KindError, match=r"^Nameless: must declare its state"):
        Nameless()
    with pytest.raises(KindError, match=r"^Idle: has no rates. Write the equations as rates\(self, t, state\)"):
        Idle()(0.0, [1.0])


@pytest.mark.parametrize(
    ("answer", "got"),
    [(None, r"None \(a missing return\?\)"), ((1.0, 2.0), "2 of them"), ([], "0 of them"), (3.0, "3.0")],
)
def test_equations_that_return_the_wrong_number_of_derivatives_are_told(answer: Any, got: str) -> None:
    @dataclass(frozen=True)
    class Wrong(System):
        state_names = ("x",)

        def rates(self, t: Any, state: Any) -> Any:
            return answer

    with pytest.raises(KindError, match=rf"^Wrong: rates must return 1 derivatives, one for each of x; got {got}"):
        Wrong()(0.0, np.array([1.0]))


def test_equations_may_return_a_list_or_an_array() -> None:
    @dataclass(frozen=True)
    class Listed(System):
        state_names = ("x", "y")

        def rates(self, t: Any, state: Any) -> Any:
            return [state[1], -state[0]]

    @dataclass(frozen=True)
    class Arrayed(Listed):
        def rates(self, t: Any, state: Any) -> Any:
            return np.array([state[1], -state[0]])

    for system in (Listed(), Arrayed()):
        assert system(0.0, np.array([1.0, 2.0])).tolist() == [2.0, -1.0]
        assert system(0.0, np.ones((2, 3))).tolist() == [[1.0] * 3, [-1.0] * 3]
        assert isinstance(system(0.0, Value(np.array([1.0, 2.0]))), Value)
