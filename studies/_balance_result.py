"""`Balance`: what `balance` found, to be read, drawn and written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studies._balance_refine import BalanceStep
from studies._checks import Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Balance"]


@dataclass(frozen=True, eq=False)
class Balance:
    """What `balance` found.  Times in s from the start; everything else in the units of the System.

    Attributes
    ----------
    system, target : System, str
        What was balanced, on which of its equilibria.
    angles : ndarray (n_angles,)
        Initial angles, in rad.
    free : tuple of str
        Names of the components that were searched for.
    momenta : ndarray (n_free,)
        Their initial values: doubles, to be used to the last digit.
    stay, entry, exit : float
        From ``entry`` to ``exit = entry + stay`` every angle is within ``tolerance`` of the target, mod 2 pi.
    tolerance : float
        In rad.
    solution : Solution
        The checking run: one forward integration in doubles from ``momenta``; its ``y`` (n, n_times) is in the
        coordinates of ``system``.
    deviation : ndarray (n, n_times)
        The same run measured from the target, as it was integrated.
    residual : float
        Distance of the start from the stable manifold: the norm of L x, carried back to the arrival.
    energy_error : float
        Energy of the start minus that of the target, in J; NaN where the System conserves none.
    history : tuple of BalanceStep
        The rounds of the refinement.
    alternatives : ndarray (k, n_free)
        Other starts that the search found, not refined.
    n_seeds, rng : int
        How many starts were tried, and the seed that drew them.
    """

    system: Any
    target: str
    angles: Floats
    free: tuple[str, ...]
    momenta: Floats
    stay: float
    entry: float
    exit: float
    tolerance: float
    solution: Any
    deviation: Floats
    residual: float
    energy_error: float
    history: tuple[BalanceStep, ...]
    alternatives: Floats
    n_seeds: int
    rng: int

    @property
    def t(self) -> Floats:
        """Times of the checking run (n_times,), in s."""
        return np.asarray(self.solution.t)

    @property
    def y(self) -> Floats:
        """States of the checking run (n, n_times), in the coordinates of ``system``."""
        return np.asarray(self.solution.y)

    @property
    def y0(self) -> Floats:
        """The start: the given angles with the momenta found, shape (n,)."""
        start = np.zeros(len(self.system.state_names))
        start[list(self.system.angles)] = self.angles
        start[[self.system.state_names.index(name) for name in self.free]] = self.momenta
        return start

    def plot(self) -> Figure:
        """Return a figure: deviation from the target, angles and energy against time, and the path in the plane."""
        from studies._balance_plot import draw

        return draw(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure (.png, .svg, .pdf) or the numbers (.npz), whole or not at all."""
        from studies._output import write

        return write("balance", path, self.plot, self._arrays)

    def _arrays(self) -> dict[str, Any]:
        from studies._output import describe

        return {
            "system": np.array(describe(self.system)),
            "target": np.array(self.target),
            "state_names": np.array(self.system.state_names),
            "free": np.array(self.free),
            "history": np.array([step[:3] for step in self.history]),
            **{name: getattr(self, name) for name in ("angles", "momenta", "stay", "entry", "exit", "tolerance")},
            **{name: getattr(self, name) for name in ("t", "y", "deviation", "residual", "energy_error")},
            **{name: getattr(self, name) for name in ("alternatives", "n_seeds", "rng")},
        }

    def __repr__(self) -> str:
        start = ", ".join(f"{name}={value!r}" for name, value in zip(self.free, self.momenta.tolist(), strict=True))
        angles = ", ".join(f"{value:g}" for value in self.angles)
        return (
            f"Balance({type(self.system).__name__} on {self.target!r} from angles ({angles}): {start}; "
            f"within {self.tolerance:g} rad for {self.stay:.2f} s, from {self.entry:.2f} s to {self.exit:.2f} s)"
        )
