"""`Solution`: what `solve_ivp` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from integrators.compiled.stats import INTERPRETED

__all__ = ["Solution"]


@dataclass(frozen=True, eq=False)
class Solution:
    """Trajectories, how they ended, and their derivatives where they were asked for.

    Attributes
    ----------
    t : array, shape (n_times,)
        Times, plain numbers: the time of an event carries its derivative in `t_events`.  A batch whose trajectories
        choose their own steps (an adaptive method without ``t_eval``) has shape ``(*batch, n_times)``: row by row the
        times of one trajectory, padded with NaN behind its own `n_times`.
    y : array or recording number, shape (n, *batch, n_times)
        States, component first, time last.  In a batch, NaN where a trajectory had ended (see `status`).
    sol : OdeSolution or None
        The solution as a function of time, with ``dense_output=True``.
    t_events, y_events : list or None
        Of each event its times, shape (k,), and its states (before a reset), shape (k, n); ``(*batch, k)`` and
        ``(*batch, k, n)`` in a batch, padded with NaN.  None where nobody asked.
    invariants : mapping
        How far what a System declares to be conserved has drifted from its value at the start, at each time: by name,
        arrays of shape (*batch, n_times); computed when it is asked for.  Empty for a plain function.
        ``invariants.trend(name)`` says whether it oscillates or drifts, see `Trend`.
    nfev : int, or array of int, shape batch
        Number of evaluations of the right-hand side.
    njev, nlu : int, or array of int, shape batch
        Evaluations of a Jacobian and LU decompositions; 0 for explicit methods.
    status : int, or array of int, shape batch
        0: the end was reached; 1: a terminal event; 2: the callback stopped the solve; -1: it failed, and `message`
        says why; -2: it was interrupted by Ctrl-C.
    message : str, or array of str, shape batch
        How the solve ended.
    success : bool, or array of bool, shape batch
        ``status >= 0``.
    n_times : int, or array of int, shape batch
        Number of valid times of a trajectory.
    dy_dy0 : array, shape (n, n_selected, *batch, n_times), or None
        Derivative of the discrete solution: first index the state component, second the initial component.
    dy_dparams : array, shape (n, n_params, *batch, n_times), or None
        The same with respect to the parameters `param_names`.
    param_names, y0_names : tuple of str
        What the second index of `dy_dparams` and `dy_dy0` counts.
    state_names : tuple of str
        Names of the components; ``()`` for a plain function.
    way : object
        What `stats` is made of.
    """

    t: NDArray[np.float64]
    y: Any
    nfev: Any
    status: Any
    message: Any
    n_times: Any
    dy_dy0: Any = None
    dy_dparams: Any = None
    param_names: tuple[str, ...] = ()
    y0_names: tuple[str, ...] = ()
    state_names: tuple[str, ...] = ()
    way: Any = None
    njev: Any = 0
    nlu: Any = 0
    sol: Any = None
    t_events: Any = None
    y_events: Any = None
    invariants: Mapping[str, Any] = field(default_factory=dict)

    @property
    def success(self) -> Any:
        """Whether nothing went wrong: a bool, or an array of bool with a batch."""
        return self.status >= 0

    @property
    def stats(self) -> Mapping[str, Any]:
        """How the solve went about it, known before it runs (``explain=True`` prints it then).

        ``compiled`` says whether it ran as machine code.  If so there are ``operations`` (of a step), and with fixed
        steps ``n_steps`` and what a gradient through it costs: ``gradient_stores`` ("all states" or "checkpoints"),
        ``gradient_bytes`` and ``gradient_forward_passes``, the number of times that the trajectory is integrated, this
        solve included.
        """
        found: Mapping[str, Any] = INTERPRETED if self.way is None else self.way.mapping()
        return found

    def __repr__(self) -> str:
        status = np.asarray(self.status)
        if status.ndim:
            ended = f"{int((status >= 0).sum())} of {status.size} trajectories reached the end"
        else:
            ended = f"status={self.status}, message={self.message!r}"
        more = "".join(
            f", {name}: shape {value.shape}"
            for name, value in (("dy_dy0", self.dy_dy0), ("dy_dparams", self.dy_dparams))
            if value is not None
        )
        return f"Solution(t: shape {self.t.shape}, y: shape {self.y.shape}{more}, {ended})"
