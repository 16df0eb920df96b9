"""E5: a pyrolysis with rates over 19 orders of magnitude."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from systems._base import System

__all__ = ["E5"]


@final
@dataclass(frozen=True)
class E5(System):
    """A chemical pyrolysis: the last and hardest of the stiff problems of Enright, Hull and Lindberg.

        y_1' = -a y_1 - b y_1 y_3
        y_2' =  a y_1 - d y_2 y_3
        y_3' =  y_2' - y_4'
        y_4' =  b y_1 y_3 - c y_4

    State

    ======  ==========================  =====
    symbol  meaning                     unit
    ======  ==========================  =====
    y_1     reactant                    mol/l
    y_2     first product               mol/l
    y_3     second product              mol/l
    y_4     intermediate substance      mol/l
    ======  ==========================  =====

    Parameters

    ======  ========  ==========  ===============================
    symbol  default   unit        meaning
    ======  ========  ==========  ===============================
    a       7.89e-10  1/s         decay of the reactant
    b       1.1e7     l/(mol s)   reactant with second product
    c       1.13e3    1/s         decay of the intermediate
    d       1.13e9    l/(mol s)   both products with each other
    ======  ========  ==========  ===============================

    Invariants: the balance y_2 - y_3 - y_4.

    Equilibria: spent, the origin, and all states in which only y_2 or only y_3 is left.

    Chaotic nowhere.  Stiff, with tiny components: an absolute tolerance of 1e-24 is needed, and up to 1e13 s.

    References
    ----------
    Enright, Hull and Lindberg, "Comparing numerical methods for stiff systems of O.D.E.s", BIT 15 (1975) 10, problem
    E5; Hairer and Wanner, Solving Ordinary Differential Equations II, equation (IV.10.8).

    Examples
    --------
    >>> E5(a=1.0)(0.0, [1.0, 0.0, 1e-6, 0.0])
    array([-12.,   1., -10.,  11.])
    """

    state_names: ClassVar[tuple[str, ...]] = ("y_1", "y_2", "y_3", "y_4")
    state_units: ClassVar[tuple[str, ...]] = ("mol/l",) * 4
    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1/s", "b": "l/(mol s)", "c": "1/s", "d": "l/(mol s)"}
    positive: ClassVar[frozenset[str]] = frozenset({"a", "b", "c", "d"})
    default_time: ClassVar[float] = 1000.0
    stiff: ClassVar[bool] = True

    a: float = 7.89e-10
    b: float = 1.1e7
    c: float = 1.13e3
    d: float = 1.13e9

    def rates(self, t: Any, state: Any) -> tuple[Any, ...]:
        y_1, y_2, y_3, y_4 = state
        decay, meeting = self.a * y_1, self.b * y_1 * y_3
        second = decay - self.d * y_2 * y_3
        fourth = meeting - self.c * y_4
        return -decay - meeting, second, second - fourth, fourth

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"balance": self._balance}

    def _balance(self, state: Any) -> Any:
        """Return y_2 - y_3 - y_4 of ``state`` (4, *batch), of shape (*batch)."""
        return state[1] - state[2] - state[3]

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"spent": (0.0, 0.0, 0.0, 0.0)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Reactant alone."""
        return (1.76e-3, 0.0, 0.0, 0.0)
