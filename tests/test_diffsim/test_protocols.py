"""What the core asks of a System, tried on a System that does not come from the package `systems`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from diffsim import protocols
from diffsim.errors import ArgumentError, KindError


@dataclass(frozen=True)
class Stranger:
    """Fulfils the protocol without inheriting from anything."""

    rate: float = 1.0
    shift: float = 0.0
    option: tuple[int, ...] = field(default=(7,), metadata={"parameter": False})

    state_names: ClassVar[tuple[str, ...]] = ("x",)
    angles: ClassVar[tuple[int, ...]] = ()
    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.rate > 0:
            raise ValueError("rate must be > 0")

    def __call__(self, t: Any, state: Any) -> Any:
        return [self.shift - self.rate * state[0]]


def plain(t: float, y: Any) -> Any:
    return -y


def test_is_system_holds_for_whoever_has_the_attributes() -> None:
    assert protocols.is_system(Stranger())


@pytest.mark.parametrize("other", [plain, Stranger, lambda t, y: y, 3.0, None, "DoublePendulum"])
def test_is_system_fails_for_functions_classes_and_other_things(other: object) -> None:
    assert not protocols.is_system(other)
    assert not protocols.is_elementwise(other)
    assert protocols.parameter_names(other) == ()
    assert protocols.parameter_values(other) == ()
    assert protocols.state_names(other) == ()


def test_names_and_values_come_in_order_and_leave_options_out() -> None:
    system = Stranger(rate=2.0)
    assert protocols.parameter_names(system) == ("rate", "shift")
    assert protocols.parameter_values(system) == (2.0, 0.0)
    assert protocols.state_names(system) == ("x",)


def test_is_elementwise_is_what_the_system_says() -> None:
    @dataclass(frozen=True)
    class Mixing(Stranger):
        elementwise: ClassVar[bool] = False

    assert protocols.is_elementwise(Stranger())
    assert not protocols.is_elementwise(Mixing())


def test_with_parameters_runs_no_checks_and_keeps_the_rest() -> None:
    system = Stranger(rate=2.0, shift=5.0, option=(1, 2))
    anything = object()
    twin = protocols.with_parameters(system, {"rate": anything})
    assert twin.rate is anything
    assert (twin.shift, twin.option) == (5.0, (1, 2))
    assert type(twin) is Stranger
    assert system.rate == 2.0


def test_with_parameters_takes_a_sequence_in_order() -> None:
    twin = protocols.with_parameters(Stranger(), [-1.0, -2.0])
    assert protocols.parameter_values(twin) == (-1.0, -2.0)


def test_with_parameters_refuses_an_unknown_name_and_names_the_nearest() -> None:
    with pytest.raises(ArgumentError, match=r"unknown parameter 'raet'.*Did you mean 'rate'"):
        protocols.with_parameters(Stranger(), {"raet": 1.0})


def test_with_parameters_refuses_an_option_as_a_parameter() -> None:
    with pytest.raises(ArgumentError, match="unknown parameter 'option'"):
        protocols.with_parameters(Stranger(), {"option": 1.0})


def test_with_parameters_refuses_a_sequence_of_the_wrong_length() -> None:
    with pytest.raises(ArgumentError, match=r"values must have 2 entries \(rate, shift\); got values=3"):
        protocols.with_parameters(Stranger(), [1.0, 2.0, 3.0])


def test_with_parameters_refuses_a_plain_function() -> None:
    with pytest.raises(KindError, match="f must be a System; got function"):
        protocols.with_parameters(plain, {})  # type: ignore[type-var]  # the wrong kind is the point
