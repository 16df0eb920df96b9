"""`AngularSystem`: systems with angles, which may be measured from any equilibrium without losing digits."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from diffsim import array_ops
from diffsim.errors import KindError, must, unknown_name
from systems._base import System

__all__ = ["AngularSystem"]

# pi = math.pi + _PI_REST to 33 digits; SOURCE: OEIS A000796.
_PI_REST = 1.2246467991473532e-16


@dataclass(frozen=True, repr=False)
class AngularSystem(System):
    """A `System` that rests where its angles are whole half turns, and can measure its angles from there.

    Near the inverted equilibrium theta = pi an angle stored as a double has steps of 4e-16, so a deviation below that
    does not exist and ``sin(theta)`` is wrong by 1.2e-16 even at the point itself.  ``system.about("inverted")`` is
    the same system whose state holds x = theta - pi instead, by the exact sin(pi + x) = -sin x.  Everything of it
    (`rates`, `energy`, `positions`, `equilibria`, `default_state`) then speaks in x, at no cost.

    Parameters
    ----------
    half_turns : tuple of int, by name only
        For each of `angles`, where its zero lies, in half turns from hanging; zeros by default.  No parameter of
        physics: it is not differentiated.

    Attributes
    ----------
    resting : mapping of str to tuple of int
        The equilibria, by name: half turns of each angle, all else zero.

    Raises
    ------
    ArgumentError
        `half_turns` has not one entry an angle, or `about` got an unknown name.
    KindError
        A half turn that is not an integer.

    Examples
    --------
    >>> from systems import DoublePendulum
    >>> upright = DoublePendulum().about("inverted")
    >>> upright(0.0, [0.0, 0.0, 0.0, 0.0])  # exactly at rest; in absolute angles 1.8e-15 remains
    array([0., 0., 0., 0.])
    >>> upright(0.0, [1e-30, 0.0, 0.0, 0.0])  # and 1e-30 rad beside it is felt
    array([0.00e+00, 0.00e+00, 1.47e-29, 0.00e+00])
    """

    resting: ClassVar[Mapping[str, tuple[int, ...]]] = {}

    half_turns: tuple[int, ...] = field(default=(), kw_only=True, metadata={"parameter": False})

    def __post_init__(self) -> None:
        super().__post_init__()
        who, rule = type(self).__name__, f"must be {len(self.angles)} integers, one for each angle"
        try:
            turns = tuple(operator.index(k) for k in self.half_turns) or (0,) * len(self.angles)
        except TypeError:
            raise KindError(f"{who}: half_turns {rule}; got half_turns={self.half_turns!r}.") from None
        if len(turns) != len(self.angles):
            raise must(who, "half_turns", rule, self.half_turns)
        object.__setattr__(self, "half_turns", turns)

    def __repr__(self) -> str:
        shown: dict[str, Any] = self.parameters
        if any(self.half_turns):
            shown |= {"half_turns": self.half_turns}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def about(self, equilibrium: str) -> Self:
        """Return this system with its angles measured from the equilibrium of that name."""
        if equilibrium not in self.resting:
            raise unknown_name(type(self).__name__, "equilibrium", equilibrium, self.resting)
        return self.replace(half_turns=self.resting[equilibrium])

    def to_absolute(self, state: Any) -> Any:
        """Return ``state`` (n, *batch) of this system with its angles measured from hanging."""
        return self._moved(state, 1)

    def from_absolute(self, state: Any) -> Any:
        """Return a ``state`` (n, *batch) with angles from hanging in this system's coordinates.

        Half a turn is subtracted to twice the precision of a double, so that no digit of ``state`` is lost.
        """
        return self._moved(state, -1)

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        """States at rest, by name, in this system's coordinates."""
        return {name: self._at(turns) for name, turns in self.resting.items()}

    @property
    def signs(self) -> tuple[int, ...]:
        """cos(pi k) of each angle's half turns k: the sign that sin and cos of that angle take."""
        return tuple([1 - 2 * (k & 1) for k in self.half_turns])

    def _at(self, turns: tuple[int, ...]) -> tuple[float, ...]:
        """Return the state at rest whose angles are ``turns`` half turns from hanging."""
        state = [0.0] * self.dimension
        for i, there, here in zip(self.angles, turns, self.half_turns, strict=True):
            state[i] = (there - here) * math.pi
        return tuple(state)

    def _moved(self, state: Any, direction: int) -> Any:
        if len(state) != self.dimension:
            raise self._misfit(state)
        components = list(state)
        for i, k in zip(self.angles, self.half_turns, strict=True):
            if k:
                components[i] = (components[i] + direction * k * math.pi) + direction * k * _PI_REST
        return array_ops.stack(components)
