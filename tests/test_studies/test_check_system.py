"""`check_system` passes every system of the zoo, and finds each planted fault and says where."""

from __future__ import annotations

import functools
import inspect
import itertools
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest

import diffsim.testing
import systems
from diffsim import ops
from diffsim.compiler.engine import available
from diffsim.errors import ArgumentError, KindError
from diffsim.number import raw
from diffsim.value import Value
from studies import SystemCheckError, SystemReport, check_system
from systems import HamiltonianSystem, System

# -- the zoo ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", systems.names())
def test_every_system_of_the_zoo_passes(name: str) -> None:
    system = systems.find(name)()
    report = check_system(system, states=2, t_end=0.2 * system.default_time, strict=True, compiled=False)
    assert report.ok
    assert report.row("the docstring").result == report.row("units").result == "ok"


@pytest.mark.slow
@pytest.mark.parametrize("name", systems.names())
def test_every_system_of_the_zoo_passes_in_depth(name: str) -> None:
    assert check_system(systems.find(name)(), states=20, seed=1, strict=True).ok


# -- planted faults ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Swing(System):
    """A pendulum of length l: theta [rad], p [kg m^2/s]; gravity [m/s^2], mass [kg], length [m]."""

    state_names: ClassVar[tuple[str, ...]] = ("theta", "p")
    state_units: ClassVar[tuple[str, ...]] = ("rad", "kg m^2/s")
    parameter_units: ClassVar[dict[str, str]] = {"gravity": "m/s^2", "mass": "kg", "length": "m"}
    angles: ClassVar[tuple[int, ...]] = (0,)
    canonical = True
    separable = True
    rods: ClassVar[tuple[tuple[int, int], ...]] = ((0, 1),)

    gravity: float = 9.8
    mass: float = 1.0
    length: float = 1.0

    @property
    def default_state(self) -> tuple[Any, ...]:
        return (1.0, 0.0)

    def rates(self, t: Any, state: Any) -> Any:
        theta, p = state
        return p / (self.mass * self.length**2), -self.mass * self.gravity * self.length * ops.sin(theta)

    def kinetic_energy(self, state: Any) -> Any:
        return 0.5 * state[1] * state[1] / (self.mass * self.length**2)

    def potential_energy(self, state: Any) -> Any:
        return -self.mass * self.gravity * self.length * ops.cos(state[0])

    def energy(self, state: Any) -> Any:
        return self.kinetic_energy(state) + self.potential_energy(state)

    @property
    def invariants(self) -> Any:
        return {"energy": self.energy}

    @property
    def equilibria(self) -> Any:
        return {"hanging": (0.0, 0.0), "inverted": (np.pi, 0.0)}

    def positions(self, state: Any) -> Any:
        x, y = self.length * ops.sin(state[0]), -self.length * ops.cos(state[0])
        return np.array([[0.0 * x, 0.0 * x], [x, y]])


def test_what_the_faults_are_planted_in_passes() -> None:
    report = check_system(Swing(), strict=True)
    assert report.ok
    assert [row.check for row in report.rows if row.result != "ok"] == [
        row.check for row in report.rows if row.check.startswith("compiled") and not available()
    ]
    assert report.row("energy is kinetic").worst == 0.0
    assert report.row("rods").worst is not None
    assert report.row("the flow map").result == report.row("eigenvalues come").result == "ok"


COUNTER = itertools.count()


class TurnedSign(Swing):
    def rates(self, t: Any, state: Any) -> Any:
        return state[1] / (self.mass * self.length**2), self.mass * self.gravity * self.length * ops.sin(state[0])


class WrongAtOtherMasses(Swing):
    def rates(self, t: Any, state: Any) -> Any:
        return state[1] / self.length**2, -self.mass * self.gravity * self.length * ops.sin(state[0])


class WrongInvariant(Swing):
    @property
    def invariants(self) -> Any:
        return {"momentum": lambda state: state[1]}


class WrongEquilibrium(Swing):
    @property
    def equilibria(self) -> Any:
        return {"level": (0.5 * np.pi, 0.0)}


class WrongAtOtherLengths(Swing):
    """Its second equilibrium is one at length 1 alone."""

    @property
    def equilibria(self) -> Any:
        return {"inverted": (np.pi * self.length, 0.0)}


class WrongSum(Swing):
    def kinetic_energy(self, state: Any) -> Any:
        return state[1] * state[1] / (self.mass * self.length**2)

    def energy(self, state: Any) -> Any:
        return 0.5 * self.kinetic_energy(state) + self.potential_energy(state)


class Branches(Swing):
    def rates(self, t: Any, state: Any) -> Any:
        theta, p = state
        if theta > 0.0:
            return p / (self.mass * self.length**2), -self.mass * self.gravity * self.length * ops.sin(theta)
        return p / (self.mass * self.length**2), -self.mass * self.gravity * self.length * ops.sin(theta)


class BranchesAlone(Branches):
    elementwise: ClassVar[bool] = False


class Mutates(Swing):
    def rates(self, t: Any, state: Any) -> Any:
        rates = Swing.rates(self, t, state)
        state[0] = state[0] + 1.0
        return rates


class SaysSeparable(Swing):
    """Damped, so that the rate of p depends on p."""

    canonical = False

    def rates(self, t: Any, state: Any) -> Any:
        rate, force = Swing.rates(self, t, state)
        return rate, force - 0.1 * state[1]

    @property
    def invariants(self) -> Any:
        return {}


class SaysCanonical(SaysSeparable):
    canonical = True
    separable = False


class VelocityInsteadOfMomentum(Swing):
    """Right as an equation of motion, but (theta, theta') are not canonical where m l^2 is not 1."""

    separable = False

    def rates(self, t: Any, state: Any) -> Any:
        return state[1] + 0.0 * self.mass, -self.gravity / self.length * ops.sin(state[0])

    def kinetic_energy(self, state: Any) -> Any:
        return 0.5 * self.mass * (self.length * state[1]) ** 2


class NotFinite(Swing):
    def rates(self, t: Any, state: Any) -> Any:
        rate, force = Swing.rates(self, t, state)
        return rate, force * np.sqrt(state[0] - 0.25) / np.sqrt(state[0] - 0.25)


class TooShort(Swing):
    def rates(self, t: Any, state: Any) -> Any:
        return Swing.rates(self, t, state)[:1]


class Impure(Swing):
    def rates(self, t: Any, state: Any) -> Any:
        rate, force = Swing.rates(self, t, state)
        return rate, force * (1.0 + 0.001 * (next(COUNTER) % 3))


@dataclass(frozen=True)
class Idle(System):
    gravity: float = 9.8
    mass: float = 1.0
    length: float = 1.0
    state_names: ClassVar[tuple[str, ...]] = ("theta", "omega")

    def rates(self, t: Any, state: Any) -> Any:
        return state[1], -self.gravity / self.length * ops.sin(state[0])


class DropsDerivative(Swing):
    def rates(self, t: Any, state: Any) -> Any:
        length = raw(self.length)
        return state[1] / (self.mass * length**2), -self.mass * self.gravity * self.length * ops.sin(state[0])


class MixesTheBatch(Swing):
    def rates(self, t: Any, state: Any) -> Any:
        rate, force = Swing.rates(self, t, state)
        return rate, force + 0.0 * rate - 0.1 * np.linalg.norm(state)


class LacksUnits(Swing):
    parameter_units: ClassVar[dict[str, str]] = {"gravity": "m/s^2", "mass": "kg"}


class ShortStart(Swing):
    @property
    def default_state(self) -> tuple[Any, ...]:
        return (1.0,)


class StretchedRod(Swing):
    def positions(self, state: Any) -> Any:
        return Swing.positions(self, state) * (1.0 + 0.01 * state[0])


class FlatPositions(Swing):
    def positions(self, state: Any) -> Any:
        return Swing.positions(self, state)[:, 0]


class BadReset(Swing):
    @property
    def events(self) -> Any:
        def floor(t: Any, state: Any) -> Any:
            return state[0]

        floor.reset = lambda t, state: state[:1]  # type: ignore[attr-defined]
        return (floor,)


FAULTS: list[tuple[type[System], str, str]] = [
    (TurnedSign, "energy is constant along the field", "its derivative along the rates is 16.4928"),
    (TurnedSign, "rates are the symplectic gradient", "the rate of p is "),
    (TurnedSign, "energy stays constant", "at t="),
    (WrongAtOtherMasses, "rates are the symplectic gradient", "the rate of theta is 1, the energy wants"),
    (WrongInvariant, "momentum is constant along the field", "its derivative along the rates is -8.24"),
    (WrongInvariant, "momentum stays constant", "it begins as 0 and is "),
    (WrongEquilibrium, "nothing moves at level", "the rate there moves p by -9.8"),
    (WrongAtOtherLengths, "nothing moves at inverted", "the rate there moves p by"),
    (WrongSum, "energy is kinetic plus potential", "kinetic 1 plus potential -"),
    (Branches, "a batch gives", "a batch raises ValueError"),
    (BranchesAlone, "traced gives", "line "),
    (Mutates, "rates are the same each time", "rates change theta in the list"),
    (SaysSeparable, "separable, as declared", "the rate of p depends on p: its derivative is 0.1"),
    (SaysCanonical, "rates are the symplectic gradient", "the rate of p is"),
    (SaysCanonical, "the flow map is symplectic", "M^T J M differs from J"),
    (SaysCanonical, "eigenvalues come in pairs", "at hanging they are -0.05"),
    (VelocityInsteadOfMomentum, "rates are the symplectic gradient", "the rate of theta is"),
    (NotFinite, "rates are finite", "the rate of p is nan"),
    (TooShort, "rates are finite", "rates must return 2 derivatives"),
    (Impure, "rates are the same each time", "the same state gives the rate"),
    (Idle, "each parameter has an effect", "nothing depends on mass"),
    (DropsDerivative, "derivatives by the parameters", "d output[0] / d args[0][2] is wrong"),
    (MixesTheBatch, "a batch gives", "they differ by"),
    (LacksUnits, "units are present", "parameter_units lacks length"),
    (ShortStart, "names and lengths", "default_state must have 2 numbers (theta, p); it has 1"),
    (StretchedRod, "rods keep their lengths", "a length changes by"),
    (FlatPositions, "positions are finite points", "positions must have the shape (n_points, 2 or 3)"),
    (BadReset, "events and resets", "floor resets to 1 numbers instead of 2"),
]


@functools.cache
def caught(cls: type[System]) -> SystemCheckError:
    with pytest.raises(SystemCheckError) as found:
        check_system(cls(), states=4, compiled=cls is BranchesAlone)
    return found.value


@pytest.mark.parametrize(("cls", "check", "words"), FAULTS, ids=lambda x: getattr(x, "__name__", None))
def test_a_planted_fault_is_found_and_placed(cls: type[System], check: str, words: str) -> None:
    error = caught(cls)
    row = error.report.row(check)
    assert row.result == "FAILED"
    assert words in row.reason
    assert row.mend
    assert f"check_system: {cls.__name__} fails " in str(error)
    assert row.story() in str(error)


def test_what_is_right_beside_a_fault_passes() -> None:
    for cls, check in ((WrongEquilibrium, "nothing moves at level"), (StretchedRod, "rods keep their lengths")):
        assert [row.check for row in caught(cls).report.failures] == [check]
    assert [row.check for row in caught(LacksUnits).report.failures] == ["units are present"]


@dataclass(frozen=True)
class PointMasses(System):
    """Two unit masses on massless unit rods; how much of a cross term is in p_1' and p_2' can be chosen.

    SOURCE: Hamilton's equations of H = (p_1^2 / 2 + p_2^2 - p_1 p_2 c) / (1 + s^2) - g (2 cos theta_1 + cos theta_2),
    c and s the cosine and sine of theta_1 - theta_2.  `dysts.flows.DoublePendulum` has half of p_1 p_2 c in p'.
    """

    gravity: float = 9.8
    share: float = field(default=1.0, metadata={"parameter": False})
    state_names: ClassVar[tuple[str, ...]] = ("theta_1", "theta_2", "p_1", "p_2")
    angles: ClassVar[tuple[int, ...]] = (0, 1)
    canonical = True

    @property
    def default_state(self) -> tuple[Any, ...]:
        return (0.4, 0.0, 1.0, 4.0)

    def rates(self, t: Any, state: Any) -> Any:
        theta_1, theta_2, p_1, p_2 = state
        c, s = ops.cos(theta_1 - theta_2), ops.sin(theta_1 - theta_2)
        divisor = 1.0 + s * s
        squares = p_1 * p_1 + 2.0 * p_2 * p_2 - self.share * 2.0 * p_1 * p_2 * c
        force = p_1 * p_2 * s / divisor - squares * s * c / (divisor * divisor)
        return (
            (p_1 - p_2 * c) / divisor,
            (2.0 * p_2 - p_1 * c) / divisor,
            -force - 2.0 * self.gravity * ops.sin(theta_1),
            force - self.gravity * ops.sin(theta_2),
        )

    def energy(self, state: Any) -> Any:
        theta_1, theta_2, p_1, p_2 = state
        c, s = ops.cos(theta_1 - theta_2), ops.sin(theta_1 - theta_2)
        kinetic = (0.5 * p_1 * p_1 + p_2 * p_2 - p_1 * p_2 * c) / (1.0 + s * s)
        return kinetic - self.gravity * (2.0 * ops.cos(theta_1) + ops.cos(theta_2))

    @property
    def invariants(self) -> Any:
        return {"energy": self.energy}


def test_the_missing_half_of_a_cross_term_is_found() -> None:
    assert check_system(PointMasses(), states=4, compiled=False).ok
    report = check_system(PointMasses(share=0.5), states=4, compiled=False, raises=False)
    assert [row.check.split(" ")[0] for row in report.failures] == ["energy", "rates", "energy", "the", "eigenvalues"]
    assert report.failures[1].reason.startswith("the rate of p_1 is ")


@dataclass(frozen=True)
class Shaken(HamiltonianSystem):
    """A spring whose stiffness goes up and down."""

    stiffness: float = 2.0
    coordinates = ("x",)
    default_state = (1.0, 0.0)

    def hamiltonian(self, q: Any, p: Any, t: Any) -> Any:
        return 0.5 * p[0] * p[0] + 0.5 * self.stiffness * (1.0 + 0.5 * ops.cos(t)) * q[0] * q[0]


def test_a_system_made_of_a_function_is_checked_like_any_other() -> None:
    def swing(t: Any, y: Any, gravity: float = 9.8) -> Any:
        return [y[1], -gravity * np.sin(y[0])]

    assert check_system(System.from_function(swing, state_names=("theta", "omega")), states=3).ok

    def branches(t: Any, y: Any, gravity: float = 9.8) -> Any:
        return [y[1], -gravity * y[0] if y[0] > 0.0 else 0.0 * y[0]]

    report = check_system(System.from_function(branches, state_names=("x", "v")), states=3, raises=False)
    assert "a branch or loop on a traced number" in report.row("traced gives").reason


def test_an_energy_that_depends_on_time_is_taken_at_that_time() -> None:
    report = check_system(Shaken(), states=3)
    assert report.row("rates are the symplectic gradient").result == "ok"
    assert report.row("the flow map").result == "ok"
    with pytest.raises(KeyError):
        report.row("energy is constant")


def test_components_that_rest_on_the_trajectory_are_moved_too() -> None:
    class Turned(systems.NewtonsCradle):  # type: ignore[misc] # final, but for this
        """The middle ball, which rests while the outer ones swing, falls upwards."""

        def rates(self, t: Any, state: Any) -> Any:
            *rates, omega_3, omega_4, omega_5 = systems.NewtonsCradle.rates(self, t, state)
            return *rates, -omega_3, omega_4, omega_5

    report = check_system(Turned(), states=2, compiled=False, raises=False)
    assert report.row("energy is constant along the field").result == "FAILED"


# -- where it fails ---------------------------------------------------------------------------------------------------


def test_the_failing_state_is_a_simple_one() -> None:
    report = caught(TurnedSign).report
    place = report.row("energy is constant along the field").place
    assert place is not None
    assert place.state == {"theta": 1.0, "p": 1.0}
    assert place.parameters == {"gravity": 9.8, "mass": 1.0, "length": 1.0}
    assert place.t == 0.0
    assert "at    state theta=1.0, p=1.0; t=0.0; TurnedSign(gravity=9.8" in str(report)


def test_a_fault_at_other_parameters_is_shown_with_them() -> None:
    report = caught(WrongAtOtherLengths).report
    place = report.row("nothing moves at inverted").place
    assert place is not None
    assert place.parameters["length"] != 1.0
    assert {**place.parameters, "length": 1.0} == Swing().parameters, "the others are innocent"
    assert len(f"{place.parameters['length']!r}") <= 4, "a short number will do"
    assert f"length={place.parameters['length']!r}" in str(report)


def test_without_hypothesis_the_state_stays_as_it_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util as finder

    find: Callable[[str], Any] = finder.find_spec
    monkeypatch.setattr(finder, "find_spec", lambda name: None if name == "hypothesis" else find(name))
    report = check_system(WrongAtOtherMasses(), compiled=False, raises=False)
    place = report.row("rates are the symplectic gradient").place
    assert place is not None
    assert place.state != {"theta": 0.0, "p": 1.0}
    assert len(repr(place.y[1].item())) > 8


def test_the_same_seed_gives_the_same_report() -> None:
    one, two = (str(check_system(StretchedRod(), states=2, seed=5, compiled=False, raises=False)) for _ in range(2))
    assert one == two


# -- what a system may lack -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bare(System):
    rate: float = 2.0
    state_names = ("amount",)

    def rates(self, t: Any, state: Any) -> Any:
        return (-self.rate * state[0],)


def test_a_bare_system_passes_and_is_told_what_it_lacks() -> None:
    report = check_system(Bare())
    assert report.ok
    assert report.row("units").result == "not applicable"
    assert "none are declared" in report.row("units").reason
    assert "none are declared" in str(report)
    assert not check_system(Bare(), strict=True, raises=False).ok


def test_a_start_is_taken_where_the_system_has_none_that_it_can_use() -> None:
    @dataclass(frozen=True)
    class Logarithm(Bare):
        def rates(self, t: Any, state: Any) -> Any:
            return (-self.rate * ops.log(state[0] - 2.0),)

    with pytest.raises(SystemCheckError, match=r"the rate of amount is nan(.|\n)*give a start y0 of its own"):
        check_system(Logarithm(), compiled=False)
    assert check_system(Logarithm(), y0=[3.5], spread=0.05, compiled=False).ok


# -- the report and the door ------------------------------------------------------------------------------------------


def test_the_report_prints_as_a_table_and_is_frozen() -> None:
    report = check_system(Bare(), compiled=False)
    lines = str(report).splitlines()
    assert lines[0] == "Bare(rate=2.0) at 10 random states (seed 0)"
    assert lines[2].split() == ["check", "result", "worst", "allowed"]
    assert all(len(line) <= 120 for line in lines)
    with pytest.raises(AttributeError):
        report.seed = 3  # type: ignore[misc]
    with pytest.raises(KeyError, match="no check begins with 'nonsense'"):
        report.row("nonsense")


def test_the_error_is_an_assertion_error_that_carries_the_report_through_pickle() -> None:
    assert isinstance(caught(WrongEquilibrium), AssertionError)
    again = pickle.loads(pickle.dumps(caught(WrongEquilibrium)))
    assert str(again) == str(caught(WrongEquilibrium))
    assert [row.check for row in again.report.failures] == ["nothing moves at level"]


def test_testing_hands_it_on_at_first_use() -> None:
    assert diffsim.testing.check_system is check_system
    assert diffsim.testing.SystemReport is SystemReport
    assert diffsim.testing.SystemCheckError is SystemCheckError
    assert set(dir(diffsim.testing)) >= {"check_system", "check_gradients"}
    with pytest.raises(AttributeError, match="no attribute 'check_sistem'"):
        _ = diffsim.testing.check_sistem  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ((Swing,), KindError, "got the class Swing. Write Swing()"),
        ((lambda t, y: y,), KindError, "check_system: system must be a System"),
        ((Swing(mass=np.array([1.0, 2.0])),), ArgumentError, "check_system: mass must be one plain number"),
        ((Swing(mass=Value(1.0)),), ArgumentError, "Check one system at a time: system.replace(...)"),
        ((Swing(), {"states": 0}), ArgumentError, "states must be at least 1"),
        ((Swing(), {"spread": 0.0}), ArgumentError, "spread must be > 0"),
        ((Swing(), {"t_end": -1.0}), ArgumentError, "t_end must be > 0"),
        ((Swing(), {"y0": [1.0]}), ArgumentError, "y0 must be 2 numbers, one for each of theta, p"),
    ],
)
def test_arguments_are_checked(arguments: tuple[Any, ...], kind: type[Exception], words: str) -> None:
    system, options = (*arguments, {})[:2]
    with pytest.raises(kind) as found:
        check_system(system, **options)
    assert words in str(found.value)


def test_import_of_testing_does_not_load_the_studies() -> None:
    import subprocess

    code = "import sys, diffsim.testing; print('studies' in sys.modules, 'hypothesis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_the_docstring_says_what_is_required() -> None:
    text = inspect.getdoc(check_system) or ""
    assert "What is required" in text
    assert "pip" in text
