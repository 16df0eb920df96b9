"""Multiple shooting: windows with free starts, joined by constraints; Gauss-Newton on the bordered system.

The free quantities x, and the starts s_1, ..., s_(W-1) of all windows but the first, are the unknowns z.  Each step
solves, with residuals r and defects c = F(s_w) - s_(w+1),

    minimise |r + J dz|**2 / 2 + mu |D dz|**2 / 2    such that    c + C dz = 0,

as one sparse linear system, in which nothing is multiplied over windows: its condition is that of one window, however
chaotic the whole record is.  The covariance of x is a block of that system's inverse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np

from diffsim.errors import RunError
from studies._bordered import ENOUGH, Linear, step_down
from studies._checks import Floats
from studies._fit_single import Found
from studies._fit_unknowns import Unknowns
from studies._fit_windows import Evaluation, Windows

__all__: list[str] = []

_REGULAR = 1e-12
_NULL = 1e9
_APART, _NEAR = 30, 1e-3  # steps without the joints, and the gain below which they are enough


@final
class Chain:
    """The unknowns of all windows as one vector, and the problem at it."""

    def __init__(self, windows: Windows, unknowns: Unknowns, scale: Floats) -> None:
        self.windows, self.unknowns, self.scale = windows, unknowns, scale
        n, q = len(scale), len(unknowns.first)
        self.q, self.n, self.later = q, n, n * (windows.count - 1)
        components = list(unknowns.components)
        sizes = np.abs(unknowns.first[: unknowns.n_parameters])
        own = np.concatenate([np.where(sizes > 0.0, sizes, 1.0), scale[components]])
        self.sizes = np.concatenate([own, np.tile(scale, windows.count - 1)])
        self.low = np.concatenate([unknowns.low, np.full(self.later, -np.inf)])
        self.high = np.concatenate([unknowns.high, np.full(self.later, np.inf)])
        self.n_evaluations = 0

    def joined(self, x: Floats, starts: Floats) -> Floats:
        """Return z of the free quantities (q,) and the starts (n, W)."""
        return np.concatenate([x, starts[:, 1:].T.ravel()])

    def parted(self, z: Floats) -> tuple[Floats, Floats]:
        """Return x (q,) and the starts (n, W)."""
        x = z[: self.q]
        later = z[self.q :].reshape(-1, self.n).T
        return x, np.concatenate([self.unknowns.start_at(x)[:, None], later], axis=1)

    def evaluate(self, z: Floats) -> Evaluation:
        """Return everything at z."""
        self.n_evaluations += 1
        x, starts = self.parted(z)
        return self.windows.evaluate(x[: self.unknowns.n_parameters], starts)

    def defects(self, z: Floats, found: Evaluation) -> Floats:
        """Return the scaled defects (n (W - 1),) between the windows."""
        _, starts = self.parted(z)
        return ((found.ends[:, :-1] - starts[:, 1:]) / self.scale[:, None]).T.ravel()

    def chi2(self, z: Floats, found: Evaluation) -> float:
        """Return the sum of squares, with the priors; infinite where a trajectory fails."""
        pull = self.unknowns.pull(z[: self.q])
        return found.chi2 + float(pull @ pull) if found.good.all() else np.inf

    def linear(self, z: Floats, found: Evaluation) -> Linear:
        """Return the linearised problem at z."""
        from scipy.sparse import coo_array, csc_array

        rows, columns, values = [], [], []
        gradient = np.zeros(len(z))
        for w, piece in enumerate(found.pieces):
            places, jacobian = self._own(w, piece.by_parameter, piece.by_start)
            gradient[places] += jacobian.T @ piece.residuals
            block = jacobian.T @ jacobian
            rows.append(np.repeat(places, len(places)))
            columns.append(np.tile(places, len(places)))
            values.append(block.ravel())
        prior = np.arange(self.q)
        pull = self.unknowns.weight * self.sizes[: self.q]
        gradient[: self.q] += pull * self.unknowns.pull(z[: self.q])
        rows, columns, values = [*rows, prior], [*columns, prior], [*values, pull * pull]
        shape = (len(z), len(z))
        at = (np.concatenate(rows), np.concatenate(columns))
        hessian = csc_array(coo_array((np.concatenate(values), at), shape=shape))
        return Linear(hessian, gradient, self._joints(found), self.defects(z, found), self.chi2(z, found))

    def _own(self, w: int, by_parameter: Floats, by_start: Floats) -> tuple[Any, Floats]:
        """Return which unknowns a window depends on, and its derivatives by them, scaled."""
        p = self.unknowns.n_parameters
        if w == 0:
            places = np.arange(self.q)
            jacobian = np.concatenate([by_parameter, by_start[:, list(self.unknowns.components)]], axis=1)
        else:
            begin = self.q + self.n * (w - 1)
            places = np.concatenate([np.arange(p), np.arange(begin, begin + self.n)])
            jacobian = np.concatenate([by_parameter, by_start], axis=1)
        return places, jacobian * self.sizes[places]

    def _joints(self, found: Evaluation) -> Any:
        """Return C, sparse."""
        from scipy.sparse import coo_array, csc_array

        rows, columns, values = [], [], []
        for w in range(self.windows.count - 1):
            places, jacobian = self._own(w, found.drift[w], found.flow[w])
            here = self.n * w + np.arange(self.n)
            rows.append(np.repeat(here, len(places)))
            columns.append(np.tile(places, self.n))
            values.append((jacobian / self.scale[:, None]).ravel())
            rows.append(here)
            columns.append(self.q + here)
            values.append(-np.ones(self.n))  # -s_(w+1), in its own scale
        at = (np.concatenate(rows), np.concatenate(columns))
        return csc_array(coo_array((np.concatenate(values), at), shape=(self.later, self.q + self.later)))


def approach(chain: Chain, starts: Floats, budget: int, after: Callable[[], object]) -> Floats:
    """Return z after fitting all windows with common parameters and without the joints.

    Parameters
    ----------
    chain : Chain
    starts : ndarray (n, W)
        Of all windows, by `march`.
    budget : int
        Most steps.
    after : callable
        Called after each step.

    Raises
    ------
    RunError
        A trajectory does not reach the end of its window, for the first guess of the parameters.
    """
    unknowns = chain.unknowns
    first = unknowns.first.copy()
    first[unknowns.n_parameters :] = starts[list(unknowns.components), 0]
    z = chain.joined(unknowns.inside(first), starts)
    if not np.isfinite(chain.chi2(z, chain.evaluate(z))):
        raise RunError(
            f"{chain.windows.who}: a trajectory does not reach the end of its window. Begin elsewhere (y0=)."
        )
    return step_down(chain, z, False, min(budget, _APART), _NEAR, after)[0]


def join(chain: Chain, z: Floats, budget: int, after: Callable[[], object]) -> Found:
    """Return the least squares of all windows, joined; z is where `approach` came to."""
    z, message = step_down(chain, z, True, budget, ENOUGH, after)
    linear = chain.linear(z, chain.evaluate(z))
    x, starts = chain.parted(z)
    covariance, null, sizes = _covariance(chain, linear)
    success = message == "converged"
    return Found(x, starts, covariance, null, sizes, linear.chi2, success, message, chain.n_evaluations)


def _covariance(chain: Chain, linear: Linear) -> tuple[Floats, Floats, Floats]:
    """Return the covariance (q, q) of x, null directions (k, q) and the sizes (q,) in which these are measured."""
    from scipy.sparse import block_array, diags_array
    from scipy.sparse.linalg import splu

    diagonal = linear.hessian.diagonal()
    size = float(diagonal.max()) or 1.0
    floor = np.where(diagonal > 0.0, diagonal, size)
    normal = (linear.hessian + diags_array(_REGULAR * floor)) / size
    bordered = block_array([[normal, linear.joints.T], [linear.joints, None]], format="csc")
    right = np.zeros((bordered.shape[0], chain.q))
    right[np.arange(chain.q), np.arange(chain.q)] = 1.0
    inverse = splu(bordered).solve(right)[: chain.q] / size
    norms = np.sqrt(floor[: chain.q])
    values, vectors = np.linalg.eigh(0.5 * (inverse + inverse.T) * np.outer(norms, norms))
    known = values < _NULL
    basis = vectors[:, known] * np.sqrt(np.maximum(values[known], 0.0))
    sizes = chain.sizes[: chain.q] / norms
    return (basis @ basis.T) * np.outer(sizes, sizes), vectors[:, ~known].T, sizes
