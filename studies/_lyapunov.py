"""`lyapunov_spectrum`: how fast small changes of a trajectory grow and shrink, in all directions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from diffsim.errors import must
from diffsim.progress import progress_bar
from studies import _checks
from studies._frames import carried, growth_of, random_frame
from studies._lyapunov_result import LyapunovSpectrum
from studies._motion import Divergence
from studies._plan import Plan, plan_of, start_of
from studies._tangents import Stretch

__all__ = ["lyapunov_spectrum"]

_WHO = "lyapunov_spectrum"
_GAP = 3e-4  # between the sum of the exponents and the mean divergence, beyond which a warning is given
_POINTS = 16  # of Gauss' quadrature of the divergence in an interval


def lyapunov_spectrum(
    system: Any,
    y0: Any = None,
    *,
    t_transient: float,
    t_total: float,
    t_renorm: float,
    k: int | None = None,
    method: Any = None,
    rng: int = 0,
    progress: bool = False,
    **options: Any,
) -> LyapunovSpectrum:
    """Return the Lyapunov exponents of a system, with error bars, from exact tangents of the discrete solution.

    A frame of k tangent vectors is carried along the trajectory; every `t_renorm` it is made orthonormal again by a QR
    decomposition, ``D_j Q_j = Q_(j+1) R_j``.  Exponent i is the average of ``ln R_j[i, i] / t_renorm``.

    Parameters
    ----------
    system : System or callable
        A System, a map (its time counts iterations), or a plain function ``f(t, y)``.
    y0 : array_like (n,) or (n, m), optional
        Start, or m starts side by side, whose averages are taken together.  By default the System's own.
    t_transient : float
        Time to forget the start, in s, before anything is averaged.  In its second half the frame is carried along, so
        that it forgets its own start too.
    t_total : float
        Time over which is averaged, in s, for each start; a whole number of `t_renorm`.
    t_renorm : float
        Time between two decompositions, in s.  In that time the fastest direction should not outgrow the slowest by
        more than some 1e10; with a fixed step it is a multiple of the step.
    k : int, optional
        Number of exponents, the largest first; all n by default.
    method : str or Integrator, optional
        As for `solve_ivp`; by default DOP853 (Radau for stiff systems) with rtol = atol = 1e-10.  For a Hamiltonian
        system over long times take a symplectic one, such as ``method="GaussLegendre4", step=0.01``.
    rng : int
        Seed of the frame at the start.
    progress : bool
        Show a progress bar.
    **options
        For `solve_ivp`: ``step``, ``rtol``, ``atol``, ``threads``, ...

    Returns
    -------
    LyapunovSpectrum
        ``.exponents`` (k,), also by ``numpy.asarray``; ``.error``, ``.interval(0.95)``, ``.kaplan_yorke``, ``.plot()``.

    Raises
    ------
    ArgumentError
        A time that is not > 0, a `t_total` that is no multiple of `t_renorm`, k out of range, a wrong start.
    KindError
        ``system`` is neither a System nor a function.
    RunError
        A trajectory ends early, or its tangents overflow within `t_renorm`.

    Warns
    -----
    UserWarning
        All exponents together are not the mean divergence: the contraction within `t_renorm` is lost in the errors of
        the tangents.

    Notes
    -----
    The trajectory is integrated once without tangents; then all intervals at once with them, in SIMD lanes and threads:
    the tangents are parallel in time.  Only the decompositions follow one another.  Memory is flat but for the growth
    of each interval, which is kept (8 k bytes).

    Derivatives of an exponent by parameters are not offered: for long times those of a finite-time exponent diverge,
    and the exponent itself need not be smooth.  Over a short time see `finite_time_exponent`, for derivatives of
    averages `shadowing_gradient`.

    References
    ----------
    Benettin, Galgani, Giorgilli and Strelcyn, "Lyapunov characteristic exponents for smooth dynamical systems and for
    Hamiltonian systems", Meccanica 15 (1980) 9.  Geist, Parlitz and Lauterborn, "Comparison of different methods for
    computing Lyapunov exponents", Prog. Theor. Phys. 83 (1990) 875.

    Examples
    --------
    >>> from systems import HarmonicOscillator
    >>> result = lyapunov_spectrum(HarmonicOscillator(), t_transient=10, t_total=200, t_renorm=1)
    >>> bool(abs(result.exponents).max() < 0.01)
    True
    """
    plan = plan_of(_WHO, system, y0, (t_transient, t_total, t_renorm), method, options)
    n, m = plan.starts.shape
    k = n if k is None else _checks.count(_WHO, "k", k)
    if k > n:
        raise must(_WHO, "k", f"must be at most {n}, the number of components", k)
    frame = random_frame(n, k, m, _checks.count(_WHO, "rng", rng, least=0))
    volume, growth, defect = _Volume(plan), np.empty((k, m, plan.count)), 0.0
    with progress_bar((plan.n_first + plan.count) * m, _WHO, progress, unit="intervals") as bar:
        for part in plan.parts(volume.inner):
            frame, factors = carried(part.maps, frame)
            defect = max(defect, part.defect)
            low = max(0, plan.n_first - part.first)
            if low < len(factors):
                at = part.first + low - plan.n_first
                growth[:, :, at : at + len(factors) - low] = growth_of(factors[low:])
                volume.add(part, low)
            bar.update(len(factors) * m)
    time = {"t_transient": t_transient, "t_total": t_total, "t_renorm": t_renorm}
    result = LyapunovSpectrum(
        system=system,
        call={"y0": start_of(plan, y0), **time, "k": k, "method": method, "rng": rng, **options},
        growth=growth,
        divergence=volume.mean,
        defect=defect,
        method=plan.method,
        canonical=plan.motion.canonical,
        title=plan.motion.title,
        time_unit=plan.motion.time_unit,
        dimension=n,
    )
    if not plan.motion.jumps:  # a jump changes volumes too
        _warn_of_volume(result)
    return result


def _warn_of_volume(result: LyapunovSpectrum) -> None:
    """Warn where the sum of all exponents is not the mean divergence."""
    if len(result.exponents) < result.dimension:
        return
    gap = abs(result.total - result.divergence)
    if gap > _GAP * max(1.0, abs(result.divergence)):
        warnings.warn(
            f"{_WHO}: the exponents add up to {result.total:.6g}, but volumes grow by {result.divergence:.6g} on the "
            f"average: within t_renorm={result.t_renorm:g} the flow contracts by more than the tangents are accurate "
            "to. Take a shorter t_renorm, a smaller rtol and atol, or a fixed step.",
            stacklevel=3,
        )


class _Volume:
    """The mean divergence along the trajectories, by quadrature in each interval."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._of, self._sum, self._count = plan, Divergence(plan.motion), 0.0, 0
        length = plan.length
        if plan.motion.discrete:
            self.inner, self._weights = np.arange(1.0, length), np.full(round(length), 1.0 / length)
        elif self._of.constant or plan.motion.canonical:
            self.inner, self._weights = np.empty(0), np.ones(1)
        else:
            points, weights = np.polynomial.legendre.leggauss(_POINTS)
            self.inner, self._weights = 0.5 * length * (1.0 + points), np.append(0.0, 0.5 * weights)

    def add(self, part: Stretch, low: int) -> None:
        """Take in the intervals of a stretch, from `low` on."""
        points = np.concatenate([part.states[:, :, low:-1, None], part.inner[:, :, low:]], axis=3)
        n, m, k, q = points.shape
        begins = self._plan.rest + (part.first + low + np.arange(k)[:, None]) * self._plan.length
        times = np.broadcast_to(begins + np.append(0.0, self.inner), (m, k, q))
        found = self._of(times.ravel(), points.reshape(n, -1)).reshape(m, k, q)
        self._sum += float((found @ self._weights).sum())
        self._count += m * k

    @property
    def mean(self) -> float:
        """Mean over all intervals so far, per unit of time."""
        return self._sum / self._count
