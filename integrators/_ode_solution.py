"""`OdeSolution`: a solution as a function of time, from the polynomials of its steps."""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.errors import KindError, must
from diffsim.number import Number, raw, shape_of
from integrators._interpolant import evaluate
from integrators.drivers.pieces import Pieces

__all__ = ["OdeSolution"]


@final
class OdeSolution:
    """A solution as a function of time: `sol` of what `solve_ivp` returns with ``dense_output=True``.

    Within a step it is the method's own interpolant, of its own order.  It is continuous from the right (in the
    direction of integration): at the time of a reset it has the state behind the jump.  Beyond its ends the first and
    the last polynomial are continued, as in SciPy; `t_min` and `t_max` say where they are.

    It is differentiable in t, and in all that the solve was differentiated by: its values are recording numbers where
    t or the arguments of the solve were.

    Parameters
    ----------
    pieces : Pieces
        Of all trajectories.
    batch : tuple of int
        Shape of the batch; ``()`` for a single trajectory.

    Notes
    -----
    The derivative with respect to t is that of the polynomial: at a step's end, where two of them meet, that of the
    later one.  Cost: one polynomial for each time and trajectory, all of them in a few array operations.

    References
    ----------
    Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", section II.6.

    Examples
    --------
    >>> from integrators import solve_ivp
    >>> from diffsim import grad
    >>> sol = solve_ivp(lambda t, y: -y, (0.0, 2.0), [1.0], dense_output=True, rtol=1e-8, atol=1e-8).sol
    >>> sol(0.5).round(6), sol([0.5, 1.0]).shape
    (array([0.606531]), (1, 2))
    >>> round(grad(lambda t: sol(t)[0])(0.5), 6)
    -0.606531
    """

    def __init__(self, pieces: Pieces, batch: tuple[int, ...] = ()) -> None:
        self._pieces, self._batch = pieces, batch

    @property
    def n_segments(self) -> Any:
        """Number of polynomials: an int, or an array of shape batch."""
        counts = np.array([_count(ts) for ts in self._pieces.ts], dtype=np.intp)
        return counts.reshape(self._batch) if self._batch else int(counts[0])

    @property
    def ts(self) -> NDArray[np.float64]:
        """Times between the polynomials, shape (n_segments + 1,); (*batch, n_times), padded with NaN, in a batch."""
        own = self._pieces.ts
        if not self._batch:
            return own[0]
        longest = max((len(ts) for ts in own), default=0)
        padded = [np.append(ts, np.full(longest - len(ts), np.nan)) for ts in own]
        return np.reshape(padded, (*self._batch, longest))

    @property
    def t_min(self) -> Any:
        """The earliest time that a step covers: a float, or an array of shape batch."""
        return self._per_lane([float(min(ts[0], ts[-1])) for ts in self._pieces.ts])

    @property
    def t_max(self) -> Any:
        """The latest time that a step covers: a float, or an array of shape batch."""
        return self._per_lane([float(max(ts[0], ts[-1])) for ts in self._pieces.ts])

    def _per_lane(self, numbers: list[float]) -> Any:
        return np.reshape(numbers, self._batch) if self._batch else numbers[0]

    def __call__(self, t: Any) -> Any:
        """Return the state at a time, or at many.

        Parameters
        ----------
        t : number, or array_like of shape (k,)
            Of any kind; in any order.

        Returns
        -------
        array or recording number, shape (n, *batch) or (n, *batch, k)

        Raises
        ------
        ArgumentError
            t has more than one axis.
        KindError
            t is not real.
        """
        times = _checked(t)
        where = self._where(np.asarray(raw(times), dtype=np.float64))
        begins, sizes, starts, *coefficients = (x[..., where] for x in self._pieces.numbers)
        return evaluate(starts, coefficients, (times - begins) / sizes)

    def _where(self, times: NDArray[np.float64]) -> Any:
        """Return the numbers of the pieces that hold, of shape (*batch, *times.shape)."""
        first, found = 0, []
        for ts in self._pieces.ts:
            sign = math.copysign(1.0, ts[-1] - ts[0])
            piece = np.searchsorted(sign * ts, sign * times, side="right") - 1
            found.append(first + np.clip(piece, 0, _count(ts) - 1))
            first += _count(ts)
        if not self._batch:
            return found[0] if times.ndim else int(found[0])
        return np.reshape(np.array(found, dtype=np.intp), (*self._batch, *times.shape))

    def __repr__(self) -> str:
        if self._batch:
            return f"OdeSolution(batch {self._batch})"
        return f"OdeSolution({self.n_segments} polynomials from t={float(self.ts[0])!r} to {float(self.ts[-1])!r})"


def _checked(t: Any) -> Any:
    """Return times as a number of shape () or (k,)."""
    try:
        times = array_ops.array(t)
    except ValueError:
        times = np.zeros((0, 0))
    if isinstance(raw(times), Number):
        raise KindError(
            f"OdeSolution: t must be a number that is known; got {type(t).__name__}. Which polynomial holds is chosen "
            "by its value, so sol(t) cannot be traced."
        )
    if len(shape_of(times)) > 1:
        raise must("OdeSolution", "t", "must be a number or have one axis", shape_of(times))
    if not isinstance(times, Number):
        if np.asarray(times).dtype.kind not in "fiu":
            raise KindError(f"OdeSolution: t must be real; got {t!r}.")
        return np.asarray(times, dtype=np.float64)
    return times


def _count(ts: NDArray[np.float64]) -> int:
    """Return the number of pieces between some times."""
    return max(len(ts) - 1, 1)
