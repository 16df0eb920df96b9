"""Robertson's reaction: the first stiff problem of every list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from systems._base import System

__all__ = ["Robertson"]


@final
@dataclass(frozen=True)
class Robertson(System):
    """Three substances with one slow, one fast and one very fast reaction: A -> B, 2 B -> B + C, B + C -> A + C.

        A' = -k_1 A + k_3 B C
        B' =  k_1 A - k_3 B C - k_2 B^2
        C' =                    k_2 B^2

    State

    ======  =====================  ========
    symbol  meaning                unit
    ======  =====================  ========
    A       concentration of A     mol/l
    B       concentration of B     mol/l
    C       concentration of C     mol/l
    ======  =====================  ========

    Parameters

    ======  =======  ==========  ==========================
    symbol  default  unit        meaning
    ======  =======  ==========  ==========================
    k_1     0.04     1/s         slow decay of A
    k_2     3e7      l/(mol s)   very fast reaction 2 B
    k_3     1e4      l/(mol s)   fast reaction B + C
    ======  =======  ==========  ==========================

    Invariants: the total A + B + C.

    Equilibria: spent (0, 0, 1), which all starts with the total 1 approach like 1 / t.

    Chaotic nowhere.  Stiff: B comes into balance within milliseconds, the rest takes up to 1e11 s.

    References
    ----------
    Robertson, "The solution of a set of reaction rate equations", in Numerical Analysis: an Introduction, Academic
    Press (1966) 178; Hairer and Wanner, Solving Ordinary Differential Equations II, equation (IV.1.4).

    Examples
    --------
    >>> Robertson()(0.0, [1.0, 0.0, 0.0])
    array([-0.04,  0.04,  0.  ])
    """

    state_names: ClassVar[tuple[str, ...]] = ("A", "B", "C")
    state_units: ClassVar[tuple[str, ...]] = ("mol/l", "mol/l", "mol/l")
    parameter_units: ClassVar[Mapping[str, str]] = {"k_1": "1/s", "k_2": "l/(mol s)", "k_3": "l/(mol s)"}
    positive: ClassVar[frozenset[str]] = frozenset({"k_1", "k_2", "k_3"})
    default_time: ClassVar[float] = 40.0
    stiff: ClassVar[bool] = True

    k_1: float = 0.04
    k_2: float = 3e7
    k_3: float = 1e4

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        a, b, c = state
        slow, fast, squared = self.k_1 * a, self.k_3 * b * c, self.k_2 * b * b
        return fast - slow, slow - fast - squared, squared

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"total": self._total}

    def _total(self, state: Any) -> Any:
        """Return A + B + C of ``state`` (3, *batch), of shape (*batch)."""
        return state[0] + state[1] + state[2]

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"spent": (0.0, 0.0, 1.0)}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Pure A."""
        return (1.0, 0.0, 0.0)
