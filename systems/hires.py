"""HIRES: how light makes a seedling grow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from systems._base import System

__all__ = ["HIRES"]


@final
@dataclass(frozen=True)
class HIRES(System):
    """The high irradiance response: phytochrome between its red and far-red forms, bound to two receptors.

        P_r'      = -k_1 P_r + k_2 P_fr + k_6 P_rX + source
        P_fr'     =  k_1 P_r - (k_2 + k_3) P_fr
        P_rX'     = -(k_1 + k_6) P_rX + k_2 P_frX + k_5 P_rY
        P_frX'    =  k_3 P_fr + k_1 P_rX - (k_2 + k_4) P_frX
        P_rY'     = -(k_1 + k_5) P_rY + k_2 (P_frY + P_frYE)
        P_frY'    = -k_plus P_frY E + k_4 P_frX + k_1 P_rY - k_2 P_frY + k_minus P_frYE
        P_frYE'   =  k_plus P_frY E - (k_2 + k_minus + k_star) P_frYE
        E'        = -P_frYE'

    State (concentrations over that of the phytochrome at the start; time over an arbitrary unit)

    ======  ===============================================  ====
    symbol  meaning                                          unit
    ======  ===============================================  ====
    P_r     phytochrome, red-absorbing form                  1
    P_fr    phytochrome, far-red-absorbing form              1
    P_rX    red form bound to the first receptor             1
    P_frX   far-red form bound to the first receptor         1
    P_rY    red form bound to the second receptor            1
    P_frY   far-red form bound to the second receptor        1
    P_frYE  far-red form, second receptor and enzyme         1
    E       free enzyme                                      1
    ======  ===============================================  ====

    Parameters

    =======  =======  ====  ====================================================
    symbol   default  unit  meaning
    =======  =======  ====  ====================================================
    k_1      1.71     1     rate by which light turns red into far-red forms
    k_2      0.43     1     rate by which light turns far-red into red forms
    k_3      8.32     1     binding of P_fr to the first receptor
    k_4      0.69     1     exchange of the first receptor for the second
    k_5      0.035    1     exchange of the second receptor for the first
    k_6      8.32     1     release of P_r from the first receptor
    k_plus   280.0    1     binding of the enzyme
    k_minus  0.69     1     release of the enzyme
    k_star   0.69     1     decay of the bound far-red form, frees the enzyme
    source   0.0007   1     production of P_r
    =======  =======  ====  ====================================================

    Invariants: the enzyme, P_frYE + E.

    Equilibria: one, which has no closed form.

    Chaotic nowhere.  Stiff.

    References
    ----------
    Schaefer, "A new approach to explain the high irradiance responses of photomorphogenesis on the basis of
    phytochrome", Journal of Mathematical Biology 2 (1975) 41; Hairer and Wanner, Solving Ordinary Differential
    Equations II, equation (IV.10.4); Mazzia and Magherini, Test Set for IVP Solvers (2008), problem HIRES.

    Examples
    --------
    >>> HIRES()(0.0, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057])
    array([-1.7093,  1.71  ,  0.    ,  0.    ,  0.    ,  0.    ,  0.    , -0.    ])
    """

    state_names: ClassVar[tuple[str, ...]] = ("P_r", "P_fr", "P_rX", "P_frX", "P_rY", "P_frY", "P_frYE", "E")
    state_units: ClassVar[tuple[str, ...]] = ("1",) * 8
    parameter_units: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("k_1", "k_2", "k_3", "k_4", "k_5", "k_6", "k_plus", "k_minus", "k_star", "source"), "1"
    )
    positive: ClassVar[frozenset[str]] = frozenset(parameter_units) - {"source"}
    non_negative: ClassVar[frozenset[str]] = frozenset({"source"})
    default_time: ClassVar[float] = 321.8122
    stiff: ClassVar[bool] = True

    k_1: float = 1.71
    k_2: float = 0.43
    k_3: float = 8.32
    k_4: float = 0.69
    k_5: float = 0.035
    k_6: float = 8.32
    k_plus: float = 280.0
    k_minus: float = 0.69
    k_star: float = 0.69
    source: float = 0.0007

    def rates(self, t: Any, state: Any) -> tuple[Any, ...]:
        r, fr, r_x, fr_x, r_y, fr_y, bound, free = state
        k_1, k_2, k_4 = self.k_1, self.k_2, self.k_4
        binding = self.k_plus * fr_y * free - (k_2 + self.k_minus + self.k_star) * bound
        return (
            -k_1 * r + k_2 * fr + self.k_6 * r_x + self.source,
            k_1 * r - (k_2 + self.k_3) * fr,
            -(k_1 + self.k_6) * r_x + k_2 * fr_x + self.k_5 * r_y,
            self.k_3 * fr + k_1 * r_x - (k_2 + k_4) * fr_x,
            -(k_1 + self.k_5) * r_y + k_2 * (fr_y + bound),
            -self.k_plus * fr_y * free + k_4 * fr_x + k_1 * r_y - k_2 * fr_y + self.k_minus * bound,
            binding,
            -binding,
        )

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"enzyme": self._enzyme}

    def _enzyme(self, state: Any) -> Any:
        """Return all enzyme in ``state`` (8, *batch), of shape (*batch)."""
        return state[6] + state[7]

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Light on."""
        return (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057)
