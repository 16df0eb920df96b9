"""FitzHugh's and Nagumo's caricature of a nerve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from systems._base import System
from systems._cubic import cubic_roots

__all__ = ["FitzHughNagumo"]


@final
@dataclass(frozen=True)
class FitzHughNagumo(System):
    """A fast voltage and a slow recovery: a nerve that rests, fires once, or fires again and again.

        v' = v - v^3 / 3 - w + I
        w' = (v + a - b w) / tau

    Also known as the Bonhoeffer-van der Pol oscillator.  FitzHugh's own x is -v, his y is w and his z is -I; his unit
    of time is c = 3 of these, and his tau is c^2.

    State (everything is dimensionless; time too)

    ======  ===========================  ====
    symbol  meaning                      unit
    ======  ===========================  ====
    v       voltage of the membrane      1
    w       recovery of the membrane     1
    ======  ===========================  ====

    Parameters

    =======  =======  ====  =======================================
    symbol   default  unit  meaning
    =======  =======  ====  =======================================
    a        0.7      1     offset of the recovery
    b        0.8      1     decay of the recovery
    tau      12.5     1     slowness of the recovery
    current  0.5      1     stimulating current I
    =======  =======  ====  =======================================

    Invariants: none.

    Equilibria: the roots of v - v^3 / 3 - (v + a) / b + I = 0 with w = (v + a) / b: rest, or rest_1 to rest_3 with
    growing v.

    Chaotic nowhere; at the defaults all starts but the equilibrium end in a limit cycle, without current they rest.

    References
    ----------
    FitzHugh, "Impulses and physiological states in theoretical models of nerve membrane", Biophysical Journal 1 (1961)
    445, equations (1) and (2); Nagumo, Arimoto and Yoshizawa, Proceedings of the IRE 50 (1962) 2061.

    Examples
    --------
    >>> FitzHughNagumo(tau=2.0)(0.0, [3.0, 1.0])
    array([-6.5 ,  1.45])
    """

    state_names: ClassVar[tuple[str, ...]] = ("v", "w")
    state_units: ClassVar[tuple[str, ...]] = ("1", "1")
    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1", "b": "1", "tau": "1", "current": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"b", "tau"})
    default_time: ClassVar[float] = 200.0

    a: float = 0.7
    b: float = 0.8
    tau: float = 12.5
    current: float = 0.5

    def rates(self, t: Any, state: Any) -> tuple[Any, Any]:
        v, w = state
        return v - v * v * v / 3.0 - w + self.current, (v + self.a - self.b * w) / self.tau

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        """States at rest; they carry the derivatives of the parameters."""
        roots = cubic_roots(1.0, 0.0, 3.0 / self.b - 3.0, 3.0 * (self.a / self.b - self.current))
        names = ("rest",) if len(roots) == 1 else ("rest_1", "rest_2", "rest_3")
        return {name: (v, (v + self.a) / self.b) for name, v in zip(names, roots, strict=False)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Where it rests without the current."""
        return (-1.2, -0.625)
