"""`Balance`: what `balance` found, to be read, drawn, written and made again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from integrators._solution import Solution
from studies._balance_refine import BalanceStep
from studies._checks import Floats
from studies._record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Balance", "BalanceSolution"]


class BalanceSolution(NamedTuple):
    """A row of `Balance.solutions`.

    ``momenta``: Gauss-Newton's, in doubles; ``arrival``: when it comes within the tolerance (s); ``winding``: full
    turns of each angle between the target as it is declared and the copy of it that is reached; ``residual``: distance
    from the stable manifold there; ``stay``: of a run in doubles (s); ``ceiling``: what the lattice of doubles promises
    under the exact flow (s); ``lattice_momenta``, ``lattice_stay``: the pair found and its stay; NaN if not asked for.
    """

    momenta: tuple[float, ...]
    arrival: float
    winding: tuple[int, ...]
    residual: float
    stay: float
    ceiling: float
    lattice_momenta: tuple[float, ...]
    lattice_stay: float


@dataclass(frozen=True, eq=False, repr=False)
class Balance(Record):
    """What `balance` found.  Times in s from the start; everything else in the units of the System.

    Attributes
    ----------
    system : System
        What was balanced.
    call : mapping
        The arguments of the call that made it.
    target : str
        On which of its equilibria.
    angles : ndarray (n_angles,)
        Initial angles, in rad.
    free : tuple of str
        Names of the components that were searched for.
    momenta : ndarray (n_free,)
        Their initial values: doubles, to be used to the last digit.
    momenta_text : tuple of str (n_free,)
        The same in decimal digits; with ``digits=50`` these are more than a double holds.
    digits : int
        How many; 17 for doubles.
    stay, entry, exit : float
        From ``entry`` to ``exit = entry + stay`` every angle is within ``tolerance`` of the target, mod 2 pi, when
        ``momenta`` are run in doubles.
    second, stay_second : str, float
        Another method, and how long that run in doubles stays.
    stay_exact : float
        How long ``momenta_exact`` stays under the exact flow, by Taylor series of many digits.
    stay_refereed : float
        The same by the referee: extrapolation in mpmath's arithmetic; NaN without ``lattice`` and ``digits``.
    ceiling : float
        How long doubles near this solution may be expected to stay under the exact flow.
    tolerance : float
        In rad.
    t, y : ndarray (n_times,), (n, n_times)
        The checking run in doubles, in the coordinates of ``system``.
    deviation : ndarray (n, n_times)
        The same run measured from the target, as it was integrated.
    exact_t, exact_deviation : ndarray (k,), (n, k)
        The run of ``momenta_exact`` under the exact flow, measured from the exact target.
    residual : float
        Distance of ``momenta`` from the stable manifold: the norm of L x, carried back to the arrival.
    energy_error : float
        Energy of the start minus that of the target, in J; NaN where the System conserves none.
    eigenvalues : ndarray (n,)
        Of the linear flow at the target, in 1/s.
    rounds : ndarray (k, 3 + n_free)
        The rounds of the refinement, see `history`.
    growth : ndarray (2, k)
        Times, and by how much the worst small change of ``momenta`` has grown by then.
    all_momenta, all_arrivals, all_windings, all_residuals, all_stays, all_ceilings : ndarray (k, ...)
        The columns of `solutions`.
    all_energy_errors : ndarray (k,)
        As `energy_error`, of each.
    lattice_momenta, lattice_stays : ndarray (k, n_free), (k,)
        The doubles that stay longest, where they were asked for.
    descent : ndarray (k, 4 + n_free)
        The path of ``route="descent"``: horizon, loss, norm of its gradient, stay, free components.
    n_orbits : int
        How many orbits were searched.
    complete : bool
        Whether no solution up to the travel time can have been missed (but for two that are about to merge).
    rng : int
        The seed that placed the starts on the energy level.
    """

    study: ClassVar[str] = "balance"

    target: str
    angles: Floats
    free: tuple[str, ...]
    momenta: Floats
    momenta_text: tuple[str, ...]
    digits: int
    stay: float
    entry: float
    exit: float
    second: str
    stay_second: float
    stay_exact: float
    stay_refereed: float
    ceiling: float
    tolerance: float
    t: Floats
    y: Floats
    deviation: Floats
    exact_t: Floats
    exact_deviation: Floats
    residual: float
    energy_error: float
    eigenvalues: NDArray[np.complex128]
    rounds: Floats
    growth: Floats
    all_momenta: Floats
    all_arrivals: Floats
    all_windings: NDArray[np.int64]
    all_residuals: Floats
    all_stays: Floats
    all_ceilings: Floats
    all_energy_errors: Floats
    lattice_momenta: Floats
    lattice_stays: Floats
    descent: Floats
    n_orbits: int
    complete: bool
    rng: int

    @property
    def solution(self) -> Solution:
        """The checking run as a `Solution`, for `animate` and the like."""
        names = tuple(self.system.state_names)
        return Solution(self.t, self.y, 0, 0, "the checking run of balance", len(self.t), state_names=names)

    @property
    def y0(self) -> Floats:
        """The start: the given angles with the momenta found, shape (n,)."""
        start = np.zeros(len(self.system.state_names))
        start[list(self.system.angles)] = self.angles
        start[[self.system.state_names.index(name) for name in self.free]] = self.momenta
        return start

    @property
    def momenta_exact(self) -> tuple[Any, ...]:
        """The momenta as mpmath's numbers: what `stay_exact` is about.

        NOTE: for doubles not `momenta_text` read as decimals: the shortest text of a double is not its value.
        """
        import mpmath

        if self.call.get("digits") is None:
            return tuple(mpmath.mpf(value) for value in self.momenta.tolist())
        with mpmath.workdps(self.digits + 5):
            return tuple(mpmath.mpf(text) for text in self.momenta_text)

    @property
    def solutions(self) -> tuple[BalanceSolution, ...]:
        """All solutions, the one that is reported first."""
        return tuple(
            BalanceSolution(tuple(p), a, tuple(w), r, s, c, tuple(q), e)
            for p, a, w, r, s, c, q, e in zip(
                self.all_momenta.tolist(),
                self.all_arrivals.tolist(),
                self.all_windings.tolist(),
                self.all_residuals.tolist(),
                self.all_stays.tolist(),
                self.all_ceilings.tolist(),
                self.lattice_momenta.tolist(),
                self.lattice_stays.tolist(),
                strict=True,
            )
        )

    @property
    def history(self) -> tuple[BalanceStep, ...]:
        """The rounds in which the doubles were tuned to the run that checks them."""
        return tuple(BalanceStep(row[0], row[1], row[2], tuple(row[3:])) for row in self.rounds.tolist())

    @property
    def alternatives(self) -> Floats:
        """Momenta of the other solutions, shape (k, n_free)."""
        return self.all_momenta[1:]

    @property
    def why_not_descent(self) -> str:
        """Why descent on the momenta does not get there, with the numbers of this solution."""
        k = int(np.searchsorted(self.growth[0], self.entry))
        k = min(k, self.growth.shape[1] - 1)
        fastest = float(self.eigenvalues.real.max())
        return (
            f"By its arrival at {self.entry:.2f} s a change of the momenta has grown {self.growth[1, k]:.3g} times, "
            f"and by its fall in doubles at {self.exit:.2f} s {self.growth[1, -1]:.3g} times; from there on by "
            f"exp({fastest:.3f} t), one decimal digit every {np.log(10.0) / fastest:.2f} s. A loss at a late horizon "
            f"is that much steeper across the stable manifold than along it."
        )

    def table(self, count: int = 20) -> str:
        """Return the first ``count`` solutions as a table."""
        names = "  ".join(f"{name:>22s}" for name in self.free)
        turns = " ".join(f"{self.system.state_names[i]:>7s}" for i in self.system.angles)
        lines = [f"{names}  arrival  {turns}  residual  in doubles  ceiling  lattice"]
        for row in self.solutions[:count]:
            values = "  ".join(f"{v!r:>22s}" for v in row.momenta)
            winding = " ".join(f"{v:>7d}" for v in row.winding)
            lattice = "       " if np.isnan(row.lattice_stay) else f"{row.lattice_stay:5.2f} s"
            lines.append(
                f"{values}  {row.arrival:5.2f} s  {winding}  {row.residual:8.1e}  {row.stay:8.2f} s  "
                f"{row.ceiling:5.2f} s  {lattice}".rstrip()
            )
        if len(self.all_arrivals) > count:
            lines.append(f"... and {len(self.all_arrivals) - count} more")
        return "\n".join(lines)

    def plot(self) -> Figure:
        """Return a figure: deviation from the target, angles and energy against time, and the path in the plane."""
        from studies._balance_plot import draw

        return draw(self)

    def __repr__(self) -> str:
        start = ", ".join(f"{name}={text}" for name, text in zip(self.free, self.momenta_text, strict=True))
        angles = ", ".join(f"{value:g}" for value in self.angles)
        return (
            f"Balance({type(self.system).__name__} on {self.target!r} from angles ({angles}): {start}; within "
            f"{self.tolerance:g} rad for {self.stay:.2f} s in doubles, from {self.entry:.2f} s to {self.exit:.2f} s, "
            f"and for {self.stay_exact:.2f} s under the exact flow; the best of {len(self.all_arrivals)} solutions)"
        )
