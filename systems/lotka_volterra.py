"""Lotka and Volterra's predators and prey."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from diffsim import ops
from systems._base import System

__all__ = ["LotkaVolterra"]


@final
@dataclass(frozen=True)
class LotkaVolterra(System):
    """Hares that multiply, lynxes that eat them: both numbers oscillate for ever.

        hares'  = alpha hares - beta hares lynxes
        lynxes' = delta hares lynxes - gamma lynxes

    State

    ======  ===============================  =========
    symbol  meaning                          unit
    ======  ===============================  =========
    hares   number of the prey               thousands
    lynxes  number of the predators          thousands
    ======  ===============================  =========

    Parameters (the defaults are fitted to the pelts of the Hudson's Bay Company, 1900 to 1920)

    ======  =======  ==================  =============================================
    symbol  default  unit                meaning
    ======  =======  ==================  =============================================
    alpha   0.545    1/year              growth of the prey alone
    beta    0.028    1/(thousand year)   share of the prey that each predator takes
    gamma   0.803    1/year              decline of the predators alone
    delta   0.024    1/(thousand year)   growth of the predators by each prey
    ======  =======  ==================  =============================================

    Invariants: delta hares - gamma log(hares) + beta lynxes - alpha log(lynxes).

    Equilibria: extinct (0, 0), a saddle; coexistence (gamma / delta, alpha / beta), a centre.

    Chaotic nowhere.  The means over a period are the numbers of the equilibrium (Volterra's second law), and small
    oscillations have the period 2 pi / sqrt(alpha gamma).

    References
    ----------
    Volterra, "Variazioni e fluttuazioni del numero d'individui in specie animali conviventi", Memorie della R.
    Accademia Nazionale dei Lincei (6) 2 (1926) 31; the fit: Carpenter, "Predator-Prey Population Dynamics: the
    Lotka-Volterra model in Stan" (2018).

    Examples
    --------
    >>> LotkaVolterra(alpha=1.0, beta=0.5, gamma=0.75, delta=0.25)(0.0, [2.0, 1.0])
    array([ 1.  , -0.25])
    """

    state_names: ClassVar[tuple[str, ...]] = ("hares", "lynxes")
    state_units: ClassVar[tuple[str, ...]] = ("thousands", "thousands")
    parameter_units: ClassVar[Mapping[str, str]] = {
        "alpha": "1/year",
        "beta": "1/(thousand year)",
        "gamma": "1/year",
        "delta": "1/(thousand year)",
    }
    positive: ClassVar[frozenset[str]] = frozenset({"alpha", "beta", "gamma", "delta"})
    default_time: ClassVar[float] = 40.0

    alpha: float = 0.545
    beta: float = 0.028
    gamma: float = 0.803
    delta: float = 0.024

    def rates(self, t: Any, state: Any) -> tuple[Any, Any]:
        prey, predators = state
        return prey * (self.alpha - self.beta * predators), predators * (self.delta * prey - self.gamma)

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"Volterra's function": self._conserved}

    def _conserved(self, state: Any) -> Any:
        """Return what is constant along a solution of ``state`` (2, *batch), of shape (*batch); numbers below 0, which
        no population has, take their size."""
        prey, predators = state
        logs = self.gamma * ops.log(abs(prey)) + self.alpha * ops.log(abs(predators))
        return self.delta * prey + self.beta * predators - logs

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"extinct": (0.0, 0.0), "coexistence": (self.gamma / self.delta, self.alpha / self.beta)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """The pelts of 1900."""
        return (30.0, 4.0)
