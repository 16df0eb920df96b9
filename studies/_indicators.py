"""Numbers that tell chaotic from regular motion, from the factors R of a frame and from the states themselves."""

from __future__ import annotations

import numpy as np

from studies._checks import Floats

__all__: list[str] = []

_LN3 = float(np.log(3.0))
_FREQUENCIES = 64
_SAMPLES = 2000
_STILL = 1e-9  # a series that moves less than that is at rest, and its last digits mean nothing
_MEMORY = np.exp(-1.0)


def alignment(factors: Floats) -> tuple[Floats, Floats]:
    """Return the logarithms of SALI (j,) and of GALI_2 ... GALI_k (k - 1, j) at the ends of j intervals.

    The deviation vectors are W = Q S with S = R_j ... R_1, each column of S at length 1: GALI_k, the volume that k
    vectors span, is the product of the diagonal of S.  So it is known to full relative precision however small it is,
    where the singular values of W lose it at 1e-16.

    Parameters
    ----------
    factors : ndarray (j, k, k)
        Of a frame that is orthonormal at the start.

    References
    ----------
    Skokos, "Alignment indices: a new, simple method for determining the ordered or chaotic nature of orbits", J. Phys.
    A 34 (2001) 10029.  Skokos, Bountis and Antonopoulos, "Geometrical properties of local dynamics in Hamiltonian
    systems: the generalized alignment index (GALI) method", Physica D 231 (2007) 30, sections 2 and 3.
    """
    k = factors.shape[1]
    columns, heights = np.eye(k), np.zeros(k)
    sali, gali = np.empty(len(factors)), np.empty((k - 1, len(factors)))
    with np.errstate(divide="ignore"):
        grown = np.log(np.diagonal(factors, axis1=1, axis2=2))
    for j, factor in enumerate(factors):
        columns = factor @ columns
        norms = np.sqrt((columns**2).sum(axis=0))
        columns /= norms
        heights = heights + grown[j] - np.log(norms)
        gali[:, j] = np.cumsum(heights)[1:]
        sali[j] = heights[1] + 0.5 * np.log(2.0 / (1.0 + min(1.0, abs(columns[0, 1]))))
    return sali, gali


def mean_growth(growth: Floats, length: float) -> Floats:
    """Return MEGNO (j,): the mean exponential growth of nearby orbits, averaged over time.

    It tends to 2 for quasi-periodic motion and grows as exponent times time / 2 for chaotic motion.

    Parameters
    ----------
    growth : ndarray (j,)
        Logarithm of the growth of one vector in each interval.

    References
    ----------
    Cincotta and Simo, "Simple tools to study global dynamics in non-axisymmetric galactic potentials", Astron.
    Astrophys. Suppl. 147 (2000) 205, equations 20 and 21.
    """
    ends = length * np.arange(1, len(growth) + 1)
    moments = np.cumsum((ends - 0.5 * length) * growth)
    return np.asarray(np.cumsum(2.0 * moments / ends * length) / ends)


def zero_one(series: Floats) -> tuple[float, Floats]:
    """Return K of the 0-1 test for chaos, near 0 for regular and near 1 for chaotic motion, and its path (2, N).

    The series drives a walk in the plane, ``p(n) = sum_j x_j cos(j c)``, ``q(n) = sum_j x_j sin(j c)``: bounded for
    regular motion, like Brown's for chaotic motion.  K is the correlation of its mean square displacement with time,
    the median over 64 frequencies c.  A series that is sampled too densely looks regular; so it is taken as it is and
    thinned until it forgets itself between two samples, and the larger K counts.

    References
    ----------
    Gottwald and Melbourne, "On the implementation of the 0-1 test for chaos", SIAM J. Appl. Dyn. Syst. 8 (2009) 129,
    sections 3 and 5.
    """
    if series.std() <= _STILL * np.abs(series).max():
        return 0.0, np.zeros((2, len(series)))
    strides = sorted({1, _stride(series)})
    return max((_walked(series[::stride][-_SAMPLES:]) for stride in strides), key=lambda found: found[0])


def _walked(series: Floats) -> tuple[float, Floats]:
    """Return K of a series as it is, and the path for the last frequency."""
    n, cut = len(series), max(2, len(series) // 10)
    steps, lags = np.arange(1, n + 1), np.arange(1, cut + 1)
    x = series - series.mean()
    found, path = [], np.zeros((2, n))
    for c in np.random.default_rng(0).uniform(np.pi / 5.0, 4.0 * np.pi / 5.0, _FREQUENCIES):
        path = np.stack([np.cumsum(x * np.cos(steps * c)), np.cumsum(x * np.sin(steps * c))])
        ahead = [path[:, lag : n - cut + lag] - path[:, : n - cut] for lag in lags]
        spread = np.array([(moved**2).sum(axis=0).mean() for moved in ahead])
        found.append(_correlation(lags.astype(float), spread))
    return float(np.median(found)), path


def _correlation(lags: Floats, spread: Floats) -> float:
    """Return the correlation of a displacement with the lag; 0 for one that does not move."""
    deviation = spread - spread.mean()
    size = np.sqrt((deviation**2).sum() * ((lags - lags.mean()) ** 2).sum())
    return float((deviation * (lags - lags.mean())).sum() / size) if size > 0.0 else 0.0


def _stride(series: Floats) -> int:
    """Return the smallest distance of samples at which the series has forgotten most of itself."""
    x = series - series.mean()
    power = float((x * x).mean())
    longest = max(1, len(x) // 400)
    for stride in range(1, longest):
        if abs(float((x[:-stride] * x[stride:]).mean())) < _MEMORY * power:
            return stride
    return longest


def growth_late(log_values: Floats) -> float:
    """Return by how much a logarithm grows from the second quarter of its time to the last, by the largest of each.

    A power law of order p gives at least ``p ln 2`` (growing) or ``-p ln 3`` (falling), whatever the time.
    """
    quarter = max(1, len(log_values) // 4)
    return float(log_values[-quarter:].max() - log_values[quarter : 2 * quarter].max())


def judged(change: float, power: float) -> str:
    """Say what the growth (or fall) of a logarithm means: a power law, or an exponential.

    Beyond what a power law of order `power` gives, 3 more are left for oscillations; an exponential must stand out by 9
    to be called one.
    """
    if change < power * _LN3 + 3.0:
        return "regular"
    return "chaotic" if change > power * _LN3 + 9.0 else "undecided"
