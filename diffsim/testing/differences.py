"""High-accuracy finite differences: the step is chosen, the error is estimated, kinks are seen.

The derivative of ``s -> f(x + s v)`` at 0 by central differences on a ladder of shrinking steps, extrapolated to
step zero (Richardson 1911, Romberg's table; to choose the entry with the least error estimate is due to Ridders,
"Accurate computation of F'(x) and F'(x)F''(x)", Adv. Eng. Software 4, 1982, 75-76).  Three things are added:

* The rounding noise of f is *measured*, from the difference table of some values close together (More and Wild,
  "Estimating computational noise", SIAM J. Sci. Comput. 33, 2011, 1292-1314, eq. (2.1)), and enters the
  bound of each entry as noise / step.
* An entry that finer ones contradict is dropped, however small its own estimate: two garbage entries far outside
  the region where f is a polynomial may agree by accident.
* The slopes on both sides are compared.  Where they differ however small the step, x lies on a kink (``abs`` at 0):
  the half of their difference goes into the bound, so that each subgradient between them agrees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Slope", "slope"]

Array: TypeAlias = NDArray[np.float64]

_RATIO = 1.9  # between steps; NOTE: at 2, periodic functions alias on the whole ladder (cos 100 x at h = 1, 1/2, ...)
_N_STEPS = 60  # at most
_N_BEYOND = 3  # steps that must be finer than the one that is chosen, to contradict it
_N_COLUMNS = 6  # error terms that the extrapolation removes
_SAFETY = 8.0  # on the difference between neighbouring entries of the table
_N_NOISE = 10  # values for the noise
_LOST = 64.0  # units in the last place of x: no step is shorter
_STUCK = 1e-6  # of the range of f: a last change below it is rounding noise
_EPS = float(np.finfo(np.float64).eps)
_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Slope:
    """A derivative by differences, component by component of the result of f.

    Attributes
    ----------
    value : ndarray, shape (n,)
        The derivative; nan where no difference could be formed.
    error : ndarray, shape (n,)
        Bound of its error, kinks included; inf where nothing is known.
    jump : ndarray, shape (n,)
        Slope to the right minus slope to the left where they differ significantly, else 0.
    step : ndarray, shape (n,)
        Smallest step behind each entry, in units of the direction.
    n_evaluations : int
        Calls of f.
    """

    value: Array
    error: Array
    jump: Array
    step: Array
    n_evaluations: int


def slope(
    f: Callable[[float], Array], at: Array, size: float, largest_step: float, resolution: float | Array = _EPS
) -> Slope:
    """Differentiate a function of one number at 0.

    Parameters
    ----------
    f : callable
        ``f(s)``, shape (n,); nan or inf where it is not defined.
    at : ndarray, shape (n,)
        ``f(0)``.
    size : float
        Magnitude of the point in units of s (0 at the origin): an s far below it is lost in rounding, and the
        domain of f may end at a distance of `size`.
    largest_step : float
        Where the ladder of steps begins.
    resolution : float or ndarray, shape (n,)
        Spacing of the numbers that f computes with, relative to them.

    Returns
    -------
    Slope
        Derivative, bound of its error, jump of the slope.  Costs 30 to 60 calls of f for a smooth function.

    Examples
    --------
    >>> import numpy as np
    >>> s = slope(lambda s: np.array([np.sin(1 + s), abs(s)]), np.array([np.sin(1), 0.0]), 1.0, 0.25)
    >>> bool(abs(s.value[0] - np.cos(1)) <= s.error[0] < 1e-11)
    True
    >>> float(s.value[1]), round(float(s.error[1]), 12), float(s.jump[1])
    (0.0, 1.0, 2.0)
    """
    ladder = _Ladder(at, size, np.broadcast_to(0.5 * np.asarray(resolution), at.shape))
    h, finest = largest_step, 0
    # NOTE: a step near the spacing of the numbers around x is itself wrong by more than its extrapolation can tell.
    while len(ladder.steps) < _N_STEPS and not (ladder.steps and h < _LOST * _EPS * size):
        up, down = f(h), f(-h)
        ladder.n_calls += 2
        defined = np.isfinite(up) & np.isfinite(down)
        ladder.climb(h, np.where(defined, up, np.nan), np.where(defined, down, np.nan))
        if not defined.any() and 0.0 < size < h:
            h = size  # beyond a border of the domain: go on from the distance at which it may lie
        h /= _RATIO
        if not ladder.noise_known and ladder.converging():
            ladder.measure_noise(f, ladder.steps[-1])
        finest = finest + 1 if ladder.noise_known and ladder.enough(h) else 0
        if finest > _N_BEYOND:
            break
    for h in ladder.steps_without_noise():
        ladder.measure_noise(f, h)
    return ladder.answer()


class _Ladder:
    """The values of f at all steps so far, and the two tables made of them."""

    def __init__(self, at: Array, size: float, half_ulp: Array) -> None:
        self.at, self.size, self.half_ulp = at, size, half_ulp
        self.steps: list[float] = []
        self.values: list[tuple[Array, Array]] = []
        self.sigma, self.noise_known, self.noise_step, self.n_calls = np.zeros_like(at), False, np.inf, 0
        self.change, self.range = np.zeros_like(at), np.zeros_like(at)
        self._begin()

    def _begin(self) -> None:
        self.central, self.sided = _Table(len(self.at), first=2), _Table(len(self.at), first=1)
        for step, (up, down) in zip(self.steps, self.values, strict=True):
            self._tabulate(step, up, down)

    def climb(self, h: float, up: Array, down: Array) -> None:
        """Add the values at x + h v and x - h v, nan where one of them is undefined."""
        self.steps.append(h)
        self.values.append((up, down))
        with np.errstate(invalid="ignore"):
            change = np.fmax(np.abs(up - self.at), np.abs(down - self.at))
        # A function that died away gradually and then stands still does so for its rounding (1 - cos h at 1e-9).
        stuck = (change == 0.0) & (self.sigma < self.change) & (self.change < _STUCK * self.range)
        if stuck.any():
            self.sigma = np.where(stuck, self.change, self.sigma)
            self._begin()
        else:
            self._tabulate(h, up, down)
        self.change = np.where(change > 0.0, change, self.change)
        self.range = np.fmax(self.range, change)

    def _tabulate(self, h: float, up: Array, down: Array) -> None:
        with np.errstate(all="ignore"):
            noise = self._noise(np.fmax(np.abs(up), np.abs(down)))
            self.central.add((up - down) / (2 * h), h, noise, self.size)
            self.sided.add(((up - self.at) - (self.at - down)) / h, h, 2 * noise, self.size)

    def _noise(self, magnitude: Array) -> Array:
        return self.sigma + self.half_ulp * np.fmax(np.abs(self.at), magnitude) + _TINY

    def converging(self) -> bool:
        """Whether the ladder has reached the region where the noise can be measured."""
        floor = 1000 * self._noise(np.abs(self.at)) / self.steps[-1]
        settled = self.central.error <= np.fmax(1e-4 * np.abs(self.central.value), floor)
        return bool(settled.all()) or len(self.steps) == _N_STEPS // 2

    def enough(self, h: float) -> bool:
        """Whether smaller steps than h cannot do better for any component."""
        limit = np.fmax(4 * _EPS * np.abs(self.central.value), 4 * self._noise(np.abs(self.at)) / h)
        return bool((self.central.error <= limit).all())

    def steps_without_noise(self) -> list[float]:
        """The smallest and largest chosen step, where they lie far from the one at which the noise was measured."""
        chosen = self.central.step[np.isfinite(self.central.step)]
        ends = {float(chosen.min()), float(chosen.max())} if chosen.size else set()
        return sorted(h for h in ends if not self.noise_step / 64 < h < 64 * self.noise_step)

    def measure_noise(self, f: Callable[[float], Array], h: float) -> None:
        """Estimate the noise of f near x + h v, then choose again."""
        table = np.array([f(h * (1 - k / 1024)) for k in range(_N_NOISE)])
        self.n_calls += _N_NOISE
        gamma = 1.0
        with np.errstate(all="ignore"):
            for k in range(1, 7):
                table = table[1:] - table[:-1]
                gamma *= k / (4.0 * k - 2.0)  # (k!)**2 / (2 k)!
                if k >= 5:  # below, the differences still hold the smooth part of f
                    sigma = np.sqrt(gamma * np.mean(table**2, axis=0))
                    self.sigma = np.fmax(self.sigma, np.where(np.isfinite(sigma), 4.0 * sigma, 0.0))
        self.noise_known, self.noise_step = True, h
        self._begin()

    def answer(self) -> Slope:
        """Read the two tables."""
        central, sided = self.central, self.sided
        known = np.isfinite(central.error)
        jump = np.where(np.abs(sided.value) > 2 * sided.error, sided.value, 0.0)
        error = np.where(known, central.error + np.abs(jump) / 2, np.inf)
        return Slope(np.where(known, central.value, np.nan), error, jump, central.step, self.n_calls)


class _Table:
    """Extrapolation of a quantity with error terms h**p, p = first, first + 2, ...: keeps the best entry so far."""

    def __init__(self, n: int, first: int) -> None:
        self.factors = [_RATIO ** (first + 2 * j) for j in range(_N_COLUMNS)]
        self.row: list[Array] = []
        self.value, self.error, self.step = np.full(n, np.nan), np.full(n, np.inf), np.full(n, np.nan)

    def add(self, entry: Array, h: float, noise: Array, size: float) -> None:
        """Add the entry of the next, smaller step."""
        row, n = [entry], len(entry)
        value, error = np.full(n, np.nan), np.full(n, np.inf)
        for j, above in enumerate(self.row[:_N_COLUMNS]):
            better = row[j] + (row[j] - above) / (self.factors[j] - 1)
            spread = np.fmax(np.abs(better - row[j]), np.abs(better - above))
            estimate = _SAFETY * spread + 2 * noise / h + _EPS * (size / h + 1) * np.abs(better)
            # NOTE: written so that a nan (an undefined entry) is never the best.
            best = estimate < error
            value, error = np.where(best, better, value), np.where(best, estimate, error)
            row.append(better)
        contradicted = np.abs(value - self.value) > error + self.error
        new = (error < self.error) | (contradicted & (error < np.abs(value)))
        self.value, self.error = np.where(new, value, self.value), np.where(new, error, self.error)
        self.step = np.where(new, h, self.step)
        self.row = row
