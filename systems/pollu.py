"""POLLU: the chemistry of polluted air."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from systems._base import System

__all__ = ["POLLU"]


@final
@dataclass(frozen=True)
class POLLU(System):
    """Twenty substances in 25 reactions: the chemical part of a model of air pollution.

    Each reaction takes away its substances and makes its products at the rate k_i times the concentrations of the
    former, for example ``r_2 = k_2 NO O3``; the products that are not among the twenty do not react any more.

    State

    ======  ================================  ====
    symbol  meaning                           unit
    ======  ================================  ====
    NO2     nitrogen dioxide                  ppm
    NO      nitrogen monoxide                 ppm
    O3P     atomic oxygen, ground state       ppm
    O3      ozone                             ppm
    HO2     hydroperoxyl                      ppm
    OH      hydroxyl                          ppm
    HCHO    formaldehyde                      ppm
    CO      carbon monoxide                   ppm
    ALD     higher aldehydes                  ppm
    MEO2    methylperoxy radical              ppm
    C2O3    peroxyacetyl radical              ppm
    CO2     carbon dioxide                    ppm
    PAN     peroxyacetyl nitrate              ppm
    CH3O    methoxy radical                   ppm
    HNO3    nitric acid                       ppm
    O1D     atomic oxygen, excited            ppm
    SO2     sulphur dioxide                   ppm
    SO4     sulphate                          ppm
    NO3     nitrate radical                   ppm
    N2O5    dinitrogen pentoxide              ppm
    ======  ================================  ====

    Parameters

    ======  =======  ===========  =============================
    symbol  default  unit         meaning
    ======  =======  ===========  =============================
    k_1     0.35     1/min        NO2 -> NO + O3P
    k_2     26.6     1/(ppm min)  NO + O3 -> NO2
    k_3     1.23e4   1/(ppm min)  HO2 + NO -> NO2 + OH
    k_4     8.6e-4   1/min        HCHO -> 2 HO2 + CO
    k_5     8.2e-4   1/min        HCHO -> CO
    k_6     1.5e4    1/(ppm min)  HCHO + OH -> HO2 + CO
    k_7     1.3e-4   1/min        ALD -> MEO2 + HO2 + CO
    k_8     2.4e4    1/(ppm min)  ALD + OH -> C2O3
    k_9     1.65e4   1/(ppm min)  C2O3 + NO -> NO2 + MEO2 + CO2
    k_10    9e3      1/(ppm min)  C2O3 + NO2 -> PAN
    k_11    0.022    1/min        PAN -> C2O3 + NO2
    k_12    1.2e4    1/(ppm min)  MEO2 + NO -> CH3O + NO2
    k_13    1.88     1/min        CH3O -> HCHO + HO2
    k_14    1.63e4   1/(ppm min)  NO2 + OH -> HNO3
    k_15    4.8e6    1/min        O3P -> O3
    k_16    3.5e-4   1/min        O3 -> O1D
    k_17    0.0175   1/min        O3 -> O3P
    k_18    1e8      1/min        O1D -> 2 OH
    k_19    4.44e11  1/min        O1D -> O3P
    k_20    1.24e3   1/(ppm min)  SO2 + OH -> SO4 + HO2
    k_21    2.1      1/min        NO3 -> NO
    k_22    5.78     1/min        NO3 -> NO2 + O3P
    k_23    0.0474   1/(ppm min)  NO2 + O3 -> NO3
    k_24    1.78e3   1/(ppm min)  NO3 + NO2 -> N2O5
    k_25    3.12     1/min        N2O5 -> NO3 + NO2
    ======  =======  ===========  =============================

    Invariants: the atoms of nitrogen, carbon and sulphur in the twenty substances.

    Equilibria: empty, the origin.

    Chaotic nowhere.  Stiff: lifetimes from 2e-12 to 1e4 minutes.

    References
    ----------
    Verwer, "Gauss-Seidel iteration for stiff ODEs from chemical kinetics", SIAM Journal on Scientific Computing 15
    (1994) 1243; Mazzia and Magherini, Test Set for IVP Solvers (2008), problem POLLU.

    Examples
    --------
    >>> system = POLLU()
    >>> float(system(0.0, system.default_state)[system.index("NO")].round(12))
    -0.2128
    """

    state_names: ClassVar[tuple[str, ...]] = (
        *("NO2", "NO", "O3P", "O3", "HO2", "OH", "HCHO", "CO", "ALD", "MEO2"),
        *("C2O3", "CO2", "PAN", "CH3O", "HNO3", "O1D", "SO2", "SO4", "NO3", "N2O5"),
    )
    state_units: ClassVar[tuple[str, ...]] = ("ppm",) * 20
    parameter_units: ClassVar[Mapping[str, str]] = {
        f"k_{i}": "1/(ppm min)" if i in (2, 3, 6, 8, 9, 10, 12, 14, 20, 23, 24) else "1/min" for i in range(1, 26)
    }
    positive: ClassVar[frozenset[str]] = frozenset(parameter_units)
    default_time: ClassVar[float] = 60.0
    stiff: ClassVar[bool] = True

    k_1: float = 0.35
    k_2: float = 26.6
    k_3: float = 1.23e4
    k_4: float = 8.6e-4
    k_5: float = 8.2e-4
    k_6: float = 1.5e4
    k_7: float = 1.3e-4
    k_8: float = 2.4e4
    k_9: float = 1.65e4
    k_10: float = 9e3
    k_11: float = 0.022
    k_12: float = 1.2e4
    k_13: float = 1.88
    k_14: float = 1.63e4
    k_15: float = 4.8e6
    k_16: float = 3.5e-4
    k_17: float = 0.0175
    k_18: float = 1e8
    k_19: float = 4.44e11
    k_20: float = 1.24e3
    k_21: float = 2.1
    k_22: float = 5.78
    k_23: float = 0.0474
    k_24: float = 1.78e3
    k_25: float = 3.12

    def rates(self, t: Any, state: Any) -> tuple[Any, ...]:
        r = self._reactions(state)
        return (
            r[2] + r[3] + r[9] + r[11] + r[12] + r[22] + r[25] - r[1] - r[10] - r[14] - r[23] - r[24],  # NO2
            r[1] + r[21] - r[2] - r[3] - r[9] - r[12],  # NO
            r[1] + r[17] + r[19] + r[22] - r[15],  # O3P
            r[15] - r[2] - r[16] - r[17] - r[23],  # O3
            2.0 * r[4] + r[6] + r[7] + r[13] + r[20] - r[3],  # HO2
            r[3] + 2.0 * r[18] - r[6] - r[8] - r[14] - r[20],  # OH
            r[13] - r[4] - r[5] - r[6],  # HCHO
            r[4] + r[5] + r[6] + r[7],  # CO
            -r[7] - r[8],  # ALD
            r[7] + r[9] - r[12],  # MEO2
            r[8] + r[11] - r[9] - r[10],  # C2O3
            r[9],  # CO2
            r[10] - r[11],  # PAN
            r[12] - r[13],  # CH3O
            r[14],  # HNO3
            r[16] - r[18] - r[19],  # O1D
            -r[20],  # SO2
            r[20],  # SO4
            r[23] + r[25] - r[21] - r[22] - r[24],  # NO3
            r[24] - r[25],  # N2O5
        )

    def _reactions(self, state: Any) -> tuple[Any, ...]:
        """Return the rates of the reactions in ppm/min; the first stands in place 1."""
        no2, no, o3p, o3, ho2, oh, hcho, _, ald, meo2, c2o3, _, pan, ch3o, _, o1d, so2, _, no3, n2o5 = state
        return (
            None,
            self.k_1 * no2,
            self.k_2 * no * o3,
            self.k_3 * ho2 * no,
            self.k_4 * hcho,
            self.k_5 * hcho,
            self.k_6 * hcho * oh,
            self.k_7 * ald,
            self.k_8 * ald * oh,
            self.k_9 * c2o3 * no,
            self.k_10 * c2o3 * no2,
            self.k_11 * pan,
            self.k_12 * meo2 * no,
            self.k_13 * ch3o,
            self.k_14 * no2 * oh,
            self.k_15 * o3p,
            self.k_16 * o3,
            self.k_17 * o3,
            self.k_18 * o1d,
            self.k_19 * o1d,
            self.k_20 * so2 * oh,
            self.k_21 * no3,
            self.k_22 * no3,
            self.k_23 * no2 * o3,
            self.k_24 * no3 * no2,
            self.k_25 * n2o5,
        )

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        return {"nitrogen": self._nitrogen, "carbon": self._carbon, "sulphur": self._sulphur}

    def _nitrogen(self, state: Any) -> Any:
        """Return the atoms of nitrogen in ``state`` (20, *batch), of shape (*batch)."""
        return state[0] + state[1] + state[12] + state[14] + state[18] + 2.0 * state[19]

    def _carbon(self, state: Any) -> Any:
        """Return the atoms of carbon in ``state`` (20, *batch), of shape (*batch)."""
        singles = state[6] + state[7] + state[9] + state[11] + state[13]
        return singles + 2.0 * (state[8] + state[10] + state[12])

    def _sulphur(self, state: Any) -> Any:
        """Return the atoms of sulphur in ``state`` (20, *batch), of shape (*batch)."""
        return state[16] + state[17]

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"empty": (0.0,) * 20}

    @property
    def default_state(self) -> tuple[Any, ...]:
        """Polluted air in the morning."""
        start = {"NO": 0.2, "O3": 0.04, "HCHO": 0.1, "CO": 0.3, "ALD": 0.01, "SO2": 0.007}
        return tuple(start.get(name, 0.0) for name in self.state_names)
