"""How a fit is sought: one shot or windows, and of which length; and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import final

import numpy as np

from diffsim.errors import RunError
from studies._checks import Floats
from studies._fit_multiple import Chain, approach, join
from studies._fit_single import Found, single
from studies._fit_starts import march
from studies._fit_unknowns import Unknowns
from studies._fit_windows import Windows
from studies._growth import LIMIT, Growth

__all__: list[str] = []

_UNEXPLAINED = 0.05  # part of the data's variance that makes one shot a miss
_FAR = 4.0  # chi2 per degree of freedom that does, where the deviations are known
_NEARER = 0.99  # of one shot's chi2: what windows must come below to be worth telling
_HARDLY = 1e-4  # part of it that is not worth a second search, whatever the deviations
_BAD = 0.01  # part of the data's variance that a window may leave before the parameters are known
_WITHIN = 5.0  # growth within a window
_SWING = 0.3  # of a row's deviation: how far it must go to either side to count as a swing
_FEWEST = 3
_TRIAL = 60  # evaluations within which one shot has to explain the data before windows are tried


@final
class Search:
    """One shot or windows: tries what is asked for, or what should work, and says why."""

    def __init__(
        self,
        whole: Windows,
        wanted: Unknowns,
        growth: Growth,
        window: float | None,
        budget: int,
        after: Callable[[], object],
        windows: bool,
    ) -> None:
        self.whole, self.wanted, self.growth, self.budget, self.after = whole, wanted, growth, budget, after
        self.window, self.windows = window, windows

    def run(self, shooting: str) -> tuple[Windows, Found, str]:
        """Return the windows, what was found, and why it was sought like that."""
        told = self.growth.told()
        if shooting == "single":
            return self.whole, self._single(), f"one shot, as asked; {told}"
        if shooting == "multiple":
            return self._multiple(f"as asked; {told}")
        if self.growth.too_large and self.windows:
            return self._multiple(f"{told}, and single shooting cannot be aimed over more than {LIMIT:g}-fold growth")
        found = self._single(_TRIAL)
        miss = self._missed(found, _HARDLY)
        if not found.success and (not miss or not self.windows):  # on a good way, but not there
            whole = single(self.whole, replace(self.wanted, first=found.x), self.budget, self.after)
            found = replace(whole, n_evaluations=whole.n_evaluations + found.n_evaluations)
            miss = self._missed(found, _HARDLY)
        if not miss or not self.windows:
            return self.whole, found, f"one shot: {told}{f'; {miss}' if miss else ''}"
        windows, other, why = self._multiple(f"one shot missed: {miss}")
        if other.chi2 < _NEARER * found.chi2:
            return windows, other, why
        return self.whole, found, f"one shot: {told}; {miss}, and windows came no nearer: is it the right system?"

    def _single(self, most: int | None = None) -> Found:
        budget = self.budget if most is None else min(most, self.budget)
        return single(self.whole, self.wanted, budget, self.after)

    def _multiple(self, reason: str) -> tuple[Windows, Found, str]:
        """Return the fit by windows: as long as they may be, shorter ones where that is too long."""
        count, most = counts(self.whole, self.growth, self.window)
        spent, best = 0, None
        while True:
            last = 2 * count > most
            nodes = np.linspace(self.whole.nodes[0], self.whole.nodes[-1], count + 1)
            windows = replace(self.whole, nodes=nodes)
            limit = np.inf if last else max(_FAR, _BAD * self.spread)
            starts, n = march(windows, self.wanted, self.growth.scale, limit)
            spent += n
            if starts is not None:
                found = self._joined(windows, starts, last)
                spent += 0 if found is None else found.n_evaluations
                if found is not None and (best is None or found.chi2 < best[1].chi2):
                    best = (windows, found)
                if found is not None and found.success and not self._missed(found, _UNEXPLAINED):
                    break
            if last:
                break
            count *= 2
        if best is None:  # cannot be: the last round sets no limits
            raise RunError(f"{self.whole.who}: no windows could be fitted.")
        text = f"{best[0].count} windows of {best[0].nodes[1] - best[0].nodes[0]:.3g} s, joined: {reason}"
        return best[0], replace(best[1], n_evaluations=spent), text

    def _joined(self, windows: Windows, starts: Floats, last: bool) -> Found | None:
        """Return the fit from starts of all windows; None where windows without joints already miss the data."""
        scale = np.maximum(np.ptp(starts, axis=1), 1e-3 * self.growth.scale)
        chain = Chain(windows, self.wanted, scale)
        z = approach(chain, starts, self.budget, self.after)
        numbers = int(windows.data.there.sum())
        if not last and chain.chi2(z, chain.evaluate(z)) > max(_FAR, _BAD * self.spread) * numbers:
            return None
        return join(chain, z, self.budget, self.after)

    @property
    def spread(self) -> float:
        """Mean square of the data about their means, in deviations."""
        data = self.whole.data
        there = data.there
        counts_ = np.maximum(there.sum(axis=1, keepdims=True), 1)
        middle = np.where(there, data.values, 0.0).sum(axis=1, keepdims=True) / counts_
        return float((((data.values - middle) / data.sigma)[there] ** 2).mean())

    def _missed(self, found: Found, part: float) -> str:
        """Say how far a fit ended from the data; an empty text where it explains them.

        Where their deviations are known it leaves more than these, and more than a part of the data's variance.
        """
        data = self.whole.data
        numbers = int(data.there.sum())
        left = found.chi2 / (self.spread * numbers) if self.spread > 0.0 else 0.0
        freedom = max(1, numbers - len(found.x))
        if left > (part if data.known else _UNEXPLAINED) and (not data.known or found.chi2 > _FAR * freedom):
            return f"{100.0 * min(left, 1.0):.2g} % of the data's variance is left"
        return ""


def counts(whole: Windows, growth: Growth, window: float | None) -> tuple[int, int]:
    """Return how many windows are tried first, and at most: each holds about a swing of the data and little growth."""
    span = float(whole.nodes[-1] - whole.nodes[0])
    if window is not None:
        count = max(1, int(np.ceil(span / window - 1e-9)))
        return count, count
    swings = max(_swings(row) for row in whole.data.values)
    wanted = int(np.ceil(max(span * growth.rate / np.log(_WITHIN), swings, 2)))
    most = int(whole.data.there.sum()) // (_FEWEST * len(whole.system.state_names) + 1)
    return max(1, min(wanted, most)), max(1, most)


def _swings(row: Floats) -> int:
    """Return how often a row of data goes from one side of its mean to the other, small wiggles not counted."""
    values = row[np.isfinite(row)]
    if len(values) < 2:
        return 0
    away = values - values.mean()
    limit = _SWING * away.std()
    sides = np.sign(away)[np.abs(away) > limit]
    return int((np.diff(sides) != 0).sum())
