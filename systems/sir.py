"""Kermack and McKendrick's epidemic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from diffsim import ops
from systems._base import System

__all__ = ["SIR"]


@final
@dataclass(frozen=True)
class SIR(System):
    """An epidemic in a closed population: susceptible people are infected, infected people recover.

        s' = -beta s i
        i' =  beta s i - gamma i
        r' =  gamma i

    State

    ======  ===================================  ====
    symbol  meaning                              unit
    ======  ===================================  ====
    s       susceptible part of the people       1
    i       infected part of the people          1
    r       removed part: immune, or dead        1
    ======  ===================================  ====

    Parameters (the defaults are those of an influenza in a boarding school of 763 boys, 1978)

    ======  =======  =====  ==============================================
    symbol  default  unit   meaning
    ======  =======  =====  ==============================================
    beta    1.66     1/day  contacts a day that infect, while all are healthy
    gamma   0.44     1/day  recoveries a day
    ======  =======  =====  ==============================================

    Invariants: the total s + i + r, and gamma log(s) + beta r.

    Equilibria: healthy (1, 0, 0); so is every state without infected people.

    Chaotic nowhere.  The epidemic grows while s > gamma / beta; in the end the part z of an all but healthy population
    has been infected, with 1 - z = exp(-z beta / gamma).

    References
    ----------
    Kermack and McKendrick, "A contribution to the mathematical theory of epidemics", Proceedings of the Royal Society A
    115 (1927) 700; Murray, Mathematical Biology I, section 10.2, with the school's epidemic: beta is r N = 2.18e-3 763,
    gamma is rho r = 202 2.18e-3 a day.

    Examples
    --------
    >>> SIR(beta=2.0, gamma=0.5)(0.0, [0.5, 0.25, 0.25])
    array([-0.25 ,  0.125,  0.125])
    """

    state_names: ClassVar[tuple[str, ...]] = ("s", "i", "r")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"beta": "1/day", "gamma": "1/day"}
    positive: ClassVar[frozenset[str]] = frozenset({"beta", "gamma"})
    default_time: ClassVar[float] = 15.0

    beta: float = 1.66
    gamma: float = 0.44

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        s, i, _ = state
        infections, recoveries = self.beta * s * i, self.gamma * i
        return -infections, infections - recoveries, recoveries

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"total": self._total, "final size": self._final_size}

    def _total(self, state: Any) -> Any:
        """Return all people in ``state`` (3, *batch), of shape (*batch)."""
        return state[0] + state[1] + state[2]

    def _final_size(self, state: Any) -> Any:
        """Return gamma log(s) + beta r of ``state`` (3, *batch), of shape (*batch)."""
        return self.gamma * ops.log(abs(state[0])) + self.beta * state[2]

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"healthy": (1.0, 0.0, 0.0)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """One boy of 763 comes back ill."""
        return (762.0 / 763.0, 1.0 / 763.0, 0.0)
