"""Multiple shooting for any loss: windows with free starts, joined by constraints.

The unknowns are what is free and the starts of all windows but the first; the constraints are that each window ends
where the next begins.  With Y the derivatives of the trajectory by the unknowns, the loss L of the trajectory has the
model

    gradient = Y^T dL/dy,    Hessian = Y^T (d2L/dy2) Y,

in which only the curvature of the flow within a window is left out.  Nothing grows over more than a window, so that the
model means something however chaotic the whole time is.  What is found is handed to one shot, which ends in the
nearest minimum, and holds constraints exactly; the windows hold them by a price.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim.derivatives import grad, pushforward
from integrators._solve import solve_ivp
from studies._bordered import ENOUGH, Linear, step_down
from studies._checks import Floats
from studies._descent import Way
from studies._growth import Growth
from studies._loss import Loss, Seen
from studies._solver import solved_beyond

__all__: list[str] = []

_WITHIN = 3.0  # growth within a window
_POINTS = 50  # times a window, where the loss sees the trajectory and no times were given
_PRICE = 100.0  # of what constraints miss, squared, in units of the loss where the search begins
_LOOSE, _NEAR = 30, 1e-3  # steps without the joints, and the gain below which they are enough
_MISSED = 1e-6
_ROUNDS = 2  # windows may be halved once


@final
@dataclass(frozen=True, eq=False)
class Shot:
    """All windows at one point: the trajectory (n, N) that the loss sees, its tangents (k, n, N), ends and theirs."""

    y: Floats
    tangents: Floats
    ends: Floats
    by_end: Floats
    seen: Seen | None


@final
class Joined:
    """The loss of windows as a function of z: what is free, then the starts of the later windows, each in its size."""

    def __init__(self, problem: Loss, growth: Growth, count: int, bounds: Any) -> None:
        self._problem, self._scale, self.count = problem, growth.scale, count
        self.n_seen, self.price = 0, 0.0
        self._nodes = np.linspace(*problem.span, count + 1)
        self._times = self._where()
        self._window = self._windows_of_times()
        names = problem.system.state_names
        self._parameters = [name for name in problem.free if name not in names]
        x = np.abs(problem.x0)
        own = np.array([self._scale[names.index(name)] if name in names else 0.0 for name in problem.free])
        self.q, n = len(problem.free), len(self._scale)
        self.sizes = np.concatenate(
            [np.where(own > 0.0, own, np.where(x > 0.0, x, 1.0)), np.tile(self._scale, count - 1)]
        )
        self.low, self.high = np.full(len(self.sizes), -np.inf), np.full(len(self.sizes), np.inf)
        for i, (low, high) in enumerate(bounds or ()):
            self.low[i] = -np.inf if low is None else low
            self.high[i] = np.inf if high is None else high
        self._later = n * (count - 1)

    def _where(self) -> Floats:
        """Return the times at which the loss sees the trajectory."""
        if not self._problem.by_times:
            return self._nodes[-1:]
        if self._problem.t_eval is not None:
            return np.asarray(self._problem.t_eval, dtype=np.float64)
        return np.linspace(self._nodes[0], self._nodes[-1], _POINTS * self.count + 1)

    def _windows_of_times(self) -> Any:
        """Return in which window each time lies; one at a node in the earlier."""
        sign = -1.0 if self._nodes[-1] < self._nodes[0] else 1.0
        return np.clip(np.searchsorted(sign * self._nodes, sign * self._times) - 1, 0, self.count - 1)

    def begin(self, x: Floats) -> Floats:
        """Return z of the trajectory from x: its windows are joined."""
        system, start = self._problem.placed(x)
        run = solve_ivp(system, self._problem.t_span, start, t_eval=self._nodes, **self._problem.solver)
        states = np.full((len(self._scale), self.count + 1), np.nan)
        states[:, : run.y.shape[1]] = run.y
        for w in range(1, self.count):  # a guess that falls stays where it was last
            states[:, w] = np.where(np.isfinite(states[:, w]), states[:, w], states[:, w - 1])
        return np.concatenate([x, states[:, 1:-1].T.ravel()])

    def _starts(self, z: Floats) -> tuple[Any, Floats]:
        """Return the System and the starts (n, W) at z."""
        system, start = self._problem.placed(z[: self.q])
        later = z[self.q :].reshape(-1, len(self._scale)).T
        return system, np.concatenate([np.asarray(start, dtype=np.float64)[:, None], later], axis=1)

    def evaluate(self, z: Floats) -> Shot:
        """Return everything at z: one batch of solves."""
        self.n_seen += 1
        system, starts = self._starts(z)
        per = [self._times[self._window == w] for w in range(self.count)]
        known = [np.append(t[t != end], end) for t, end in zip(per, self._nodes[1:], strict=True)]
        longest = max(map(len, known))
        at = np.stack([np.append(t, np.full(longest - len(t), np.nan)) for t in known])
        run = solved_beyond(
            system, (self._nodes[:-1], self._nodes[1:]), starts, t_eval=at,
            sensitivities=("y0", *self._parameters), **self._problem.solver,
        )  # fmt: skip
        tangents, lanes, last = self._tangents(run), np.arange(self.count), [len(t) - 1 for t in known]
        y = np.concatenate([run.y[:, w, : len(per[w])] for w in lanes], axis=1)
        slopes = np.concatenate([tangents[:, :, w, : len(per[w])] for w in lanes], axis=2)
        ends, by_end = run.y[:, lanes, last], tangents[:, :, lanes, last]
        good = np.isfinite(y).all() and np.isfinite(slopes).all() and np.isfinite(ends).all()
        return Shot(y, slopes, ends, by_end, self._problem.along(self._times, y, slopes) if good else None)

    def _tangents(self, run: Any) -> Floats:
        """Return the derivatives (k, n, W, n_times) of all states by all unknowns, these in their sizes."""
        names, n = self._problem.system.state_names, len(self._scale)
        found = np.zeros((len(self.sizes), *run.y.shape))
        for i, name in enumerate(self._problem.free):
            if name in names:
                found[i, :, 0] = run.dy_dy0[:, names.index(name), 0]
            else:
                found[i] = run.dy_dparams[:, run.param_names.index(name)]
        for w in range(1, self.count):
            for c in range(n):
                found[self.q + n * (w - 1) + c, :, w] = run.dy_dy0[:, c, w]
        return np.asarray(found * self.sizes[:, None, None, None])

    def chi2(self, z: Floats, found: Shot) -> float:
        """Return twice the loss, with the price of the constraints; infinite where it is not finite."""
        if found.seen is None or not np.isfinite(found.seen.value) or not np.isfinite(found.seen.gradient).all():
            return np.inf
        missed = sum(float(values @ values) for values, _ in self._missed(found.seen))
        return 2.0 * found.seen.value + self.price * missed

    def _missed(self, seen: Seen) -> list[tuple[Floats, Floats]]:
        """Return what each constraint misses (r,), and its derivatives (r, k)."""
        pairs = []
        for one, values, slopes in zip(self._problem.conditions, seen.values, seen.slopes, strict=True):
            missed = np.ones(len(values), dtype=bool) if one.equal else values < 0.0
            pairs.append((values[missed], slopes[missed]))
        return pairs

    def defects(self, z: Floats, found: Shot) -> Floats:
        """Return what the joints miss, in units of the motion's range."""
        _, starts = self._starts(z)
        return np.asarray((found.ends[:, :-1] - starts[:, 1:]) / self._scale[:, None]).T.ravel()

    def linear(self, z: Floats, found: Shot) -> Linear:
        """Return the model at z."""
        from scipy.sparse import csc_array

        if found.seen is None:  # the search goes to no such point
            raise AssertionError("a model was asked for where the trajectory fails")
        hessian, gradient = self._curvature(found), found.seen.gradient.copy()
        for values, slopes in self._missed(found.seen):
            gradient += self.price * (values @ slopes)
            hessian += self.price * (slopes.T @ slopes)
        joints = (found.by_end[:, :, :-1] / self._scale[:, None]).transpose(2, 1, 0).reshape(self._later, -1)
        joints[:, self.q :] -= np.eye(self._later)
        return Linear(csc_array(hessian), gradient, csc_array(joints), self.defects(z, found), self.chi2(z, found))

    def _curvature(self, found: Shot) -> Floats:
        """Return ``Y^T (d2L/dy2) Y`` without its directions of negative curvature."""
        slope = grad(lambda y: self._problem.of(self._times, y))
        _, along = pushforward(lambda y: slope(y), (found.y,), (found.tangents,))
        k = len(found.tangents)
        full = found.tangents.reshape(k, -1) @ np.asarray(along, dtype=np.float64).reshape(k, -1).T
        values, vectors = np.linalg.eigh(0.5 * (full + full.T))
        return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)


def by_windows(
    problem: Loss, x: Floats, growth: Growth, way: Way, after: Callable[[], object]
) -> tuple[Floats, int, str]:
    """Return where the joined windows end (n_free,), the number of evaluations, and what was done, in words.

    Parameters
    ----------
    problem : Loss
    x : ndarray (n_free,)
        Where to begin.
    growth : Growth
        Of the trajectory from there.
    way : Way
        Budget and bounds.
    after : callable
        Called after each step.
    """
    rate = math.log(growth.largest) if math.isfinite(growth.largest) else growth.rate * growth.span
    count, spent, best = max(2, math.ceil(rate / math.log(_WITHIN))), 0, None
    for _ in range(_ROUNDS):
        joined = Joined(problem, growth, count, way.bounds)
        z = joined.begin(x)
        found = joined.evaluate(z)
        if problem.conditions and found.seen is not None:
            joined.price = _PRICE * max(abs(found.seen.value), 1e-300)
        if problem.with_time:  # the loss pulls at all windows, and not at the last alone
            z, _ = step_down(joined, z, False, min(way.budget, _LOOSE), _NEAR, after)
        z, _ = step_down(joined, z, True, way.budget, ENOUGH, after)
        found = joined.evaluate(z)
        spent += joined.n_seen
        apart = float(np.abs(joined.defects(z, found)).max())
        value = 0.5 * joined.chi2(z, found)
        if best is None or (apart > _MISSED, value) < best[:2]:
            best = (apart > _MISSED, value, z[: joined.q], count, apart)
        if not best[0]:
            break
        count *= 2
    if best is None:  # there is at least one round
        raise AssertionError("no round of windows")
    _, value, end, count, apart = best
    text = f"{count} windows of {growth.span / count:.3g} s came to a loss of {value:.3g}"
    if apart > _MISSED:
        text += f", not yet joined (they miss by {apart:.1g} of the motion's range)"
    return end, spent, text
