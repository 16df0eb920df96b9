"""The record cut into windows, each with a start of its own: residuals, defects, and the exact derivatives of both.

All windows are one batch of solves with tangents, so that one evaluation of the whole problem is one call of machine
code.  One window is single shooting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim.errors import RunError
from diffsim.protocols import is_discrete, with_parameters
from integrators._solve import solve_ivp
from studies._checks import Floats
from studies._fit_channels import observed, observed_tangents
from studies._fit_data import Measured
from studies._solver import solved_beyond

__all__: list[str] = []

_FEW = 8  # windows that are not worth the start of a thread


@final
@dataclass(frozen=True, eq=False)
class Piece:
    """What one window contributes: residuals (m,), and their derivatives by parameters (m, p) and start (m, n)."""

    residuals: Floats
    by_parameter: Floats
    by_start: Floats


@final
@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything at one point: one Piece a window; ends (n, W) of the windows and their derivatives.

    Attributes
    ----------
    pieces : tuple of Piece
    ends : ndarray (n, W)
    flow : ndarray (W, n, n)
        Derivative of the end of a window by its start.
    drift : ndarray (W, n, p)
        And by the parameters.
    good : ndarray of bool (W,)
        Whether all of a window is finite.
    """

    pieces: tuple[Piece, ...]
    ends: Floats
    flow: Floats
    drift: Floats
    good: Any

    @property
    def chi2(self) -> float:
        """Sum of the squares of all residuals."""
        return float(sum(piece.residuals @ piece.residuals for piece in self.pieces))


@final
@dataclass(frozen=True, eq=False)
class Windows:
    """The record, cut at `nodes`.

    Attributes
    ----------
    who : str
    system : System
    names : tuple of str
        Free parameters.
    data : Measured
    nodes : ndarray (W + 1,)
        From the time of the start to that of the last measurement.
    solver : mapping
        Keyword arguments of `solve_ivp`.
    """

    who: str
    system: Any
    names: tuple[str, ...]
    data: Measured
    nodes: Floats
    solver: Mapping[str, Any]

    @property
    def count(self) -> int:
        """Number W of windows."""
        return len(self.nodes) - 1

    @property
    def span(self) -> tuple[float, float]:
        """First and last time."""
        return float(self.nodes[0]), float(self.nodes[-1])

    def columns(self, w: int) -> slice:
        """Return which measurements lie in window w; one at a node belongs to the later window."""
        low = int(np.searchsorted(self.data.t, self.nodes[w]))
        high = len(self.data.t) if w == self.count - 1 else int(np.searchsorted(self.data.t, self.nodes[w + 1]))
        return slice(low, high)

    def numbers(self, w: int) -> int:
        """Return how many numbers were measured in window w."""
        return int(self.data.there[:, self.columns(w)].sum())

    def moved(self, parameters: Floats) -> Any:
        """Return the System with the free parameters at their values."""
        changes = dict(zip(self.names, parameters.tolist(), strict=True))
        return with_parameters(self.system, changes) if changes else self.system

    def evaluate(self, parameters: Floats, starts: Floats, which: Sequence[int] | None = None) -> Evaluation:
        """Return residuals, ends and derivatives at free parameters (p,) and starts (n, W); of some windows only.

        A window whose trajectory fails has NaN in it; see `Evaluation.good`.
        """
        chosen = list(range(self.count)) if which is None else list(which)
        system = self.moved(parameters)
        slices = [self.columns(w) for w in chosen]
        times = [np.union1d(self.data.t[cut], [self.nodes[w + 1]]) for w, cut in zip(chosen, slices, strict=True)]
        run = self._solve(system, chosen, starts, times)
        n, tangents = len(starts), run.dy_dy0
        if self.names:
            # in the order of `names`, whatever that of the solve
            order = [run.param_names.index(name) for name in self.names]
            tangents = np.concatenate([tangents, run.dy_dparams[:, order]], axis=1)
        tangents = tangents.reshape(n, n + len(self.names), len(chosen), -1)
        states = run.y.reshape(n, len(chosen), -1)
        places = [np.searchsorted(known, self.data.t[cut]) for known, cut in zip(times, slices, strict=True)]
        lasts = [len(known) - 1 for known in times]
        lanes = np.arange(len(chosen))
        pieces = self._pieces(
            system,
            slices,
            np.concatenate([states[:, i, at] for i, at in enumerate(places)], axis=1),
            np.concatenate([tangents[:, :, i, at] for i, at in enumerate(places)], axis=2),
        )
        ends, maps = states[:, lanes, lasts], np.moveaxis(tangents[:, :, lanes, lasts], 2, 0)
        good = [bool(np.isfinite(ends[:, i]).all() and np.isfinite(p.residuals).all()) for i, p in enumerate(pieces)]
        return Evaluation(pieces, ends, maps[:, :, :n], maps[:, :, n:], np.array(good))

    def _pieces(self, system: Any, cuts: list[slice], states: Floats, tangents: Floats) -> tuple[Piece, ...]:
        """Return what each window contributes, of states (n, m) and tangents (n, k, m) at the times of all of them."""
        n, p = len(states), len(self.names)
        there = np.concatenate([self.data.there[:, cut] for cut in cuts], axis=1)
        if not there.any():
            return tuple(Piece(np.zeros(0), np.zeros((0, p)), np.zeros((0, n))) for _ in cuts)
        t = np.concatenate([self.data.t[cut] for cut in cuts])
        sigma = np.concatenate([self.data.sigma[:, cut] for cut in cuts], axis=1)
        values = np.concatenate([self.data.values[:, cut] for cut in cuts], axis=1)
        directions = np.ascontiguousarray(np.moveaxis(tangents, 1, 0))
        with np.errstate(all="ignore"):
            model, slopes = observed_tangents(self.data.observables, system, self.names, t, states, directions)
        residuals, slopes = (model - values) / sigma, slopes / sigma
        pieces, first = [], 0
        for cut in cuts:
            here = slice(first, first + cut.stop - cut.start)
            known = there[:, here]
            jacobian = slopes[:, :, here][:, known].T
            pieces.append(Piece(residuals[:, here][known], jacobian[:, n:], jacobian[:, :n]))
            first = here.stop
        return tuple(pieces)

    def _solve(self, system: Any, chosen: list[int], starts: Floats, times: list[Floats]) -> Any:
        """Return the batch of solves with all tangents, at the times of each window."""
        low, high = self.nodes[:-1][chosen], self.nodes[1:][chosen]
        wanted = ("y0", *self.names)
        solver = {"threads": 1, **self.solver} if len(chosen) <= _FEW else self.solver
        if len(chosen) == 1:  # still a batch, of one: a trajectory that fails is NaN to its end
            return solved_beyond(system, (low[0], high[0]), starts, t_eval=times[0], sensitivities=wanted, **solver)
        longest = max(map(len, times))
        at = np.stack([np.append(t, np.full(longest - len(t), np.nan)) for t in times])
        return solved_beyond(system, (low, high), starts, t_eval=at, sensitivities=wanted, **solver)

    def trajectory(self, parameters: Floats, starts: Floats, points: int) -> tuple[Floats, Floats, Floats]:
        """Return times (k,) and states (n, k) along all windows, and the model (C, N) at the times of the data.

        Raises
        ------
        RunError
            A trajectory does not reach the end of its window.
        """
        system, n = self.moved(parameters), len(starts)
        per = max(2, points // self.count)
        all_t, all_y, model = [], [], []
        for w in range(self.count):
            cut = self.columns(w)
            fine = np.linspace(self.nodes[w], self.nodes[w + 1], per + 1)
            if is_discrete(self.system):
                fine = np.unique(np.round(fine))
            shown = fine if w == self.count - 1 else fine[:-1]
            known = np.union1d(self.data.t[cut], fine)
            run = solve_ivp(system, tuple(self.nodes[w : w + 2]), starts[:, w], t_eval=known, **self.solver)
            if run.status != 0:
                raise RunError(f"{self.who}: the trajectory that was found does not reach its end. {run.message}")
            y = run.y.reshape(n, -1)
            all_t.append(shown)
            all_y.append(y[:, np.searchsorted(known, shown)])
            places = np.searchsorted(known, self.data.t[cut])
            if len(places):
                model.append(observed(self.data.observables, system, self.data.t[cut], y[:, places]))
        return np.concatenate(all_t), np.concatenate(all_y, axis=1), np.concatenate(model, axis=1)
