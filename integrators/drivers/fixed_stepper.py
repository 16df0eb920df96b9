"""Fixed steps for the loop that shows each step to others: the nodes of a grid, each step with its interpolant."""

from __future__ import annotations

from collections import deque
from typing import Any, final

import numpy as np

from diffsim.number import Number, raw
from integrators._integrator import Integrator
from integrators.drivers.copies import Copies
from integrators.drivers.endings import KEPT, Ending, Fall, not_finite, out_of_fixed_steps, too_small
from integrators.drivers.grid import Grid
from integrators.drivers.guard import Guard
from integrators.drivers.right_hand_side import RightHandSide, first_value
from integrators.drivers.segment import Segment

__all__: list[str] = []


@final
class FixedStepper:
    """Steps from node to node of a grid; see `walk`.

    Parameters
    ----------
    method : Integrator
    f : RightHandSide
    y0 : array or recording number, shape (n,)
    grid : Grid
    names : tuple of str
        Names of the components, for messages.
    max_steps : int or None
        Budget of steps.
    strict : bool
        Whether a start at which `f` is not finite is an error.
    guard : Guard
    """

    def __init__(
        self,
        method: Integrator,
        f: RightHandSide,
        y0: Any,
        grid: Grid,
        names: tuple[str, ...],
        max_steps: int | None,
        strict: bool,
        guard: Guard,
    ) -> None:
        self._method, self._f, self._grid, self._names = method, f, grid, names
        self._guard, self._limit, self._made = guard, max_steps, 0
        self._node, self._beside = 0, False
        self._t, self._y, self._t_raw = grid.t0, y0, float(raw(grid.t0))
        self._steps: deque[float] = deque(maxlen=KEPT)
        self._carry, self._copies = None, Copies(y0)
        if grid.n_steps:
            self._carry = method.begin(f, grid.t0, y0, first_value(f, grid.t0, y0, names, strict))

    @property
    def finished(self) -> bool:
        """Whether the last node is reached."""
        return self._node == self._grid.n_steps

    @property
    def t(self) -> float:
        """Where the solve stands."""
        return self._t_raw

    @property
    def apart(self) -> float:
        """How far the copies of a method that moves several came apart; 0 for others."""
        return self._copies.apart if self._method.n_copies > 1 else 0.0

    def restart(self, t: Any, y: Any, t_plain: float) -> None:
        """Go on from another state, at a time within the last step: first to the end of that step."""
        end = float(raw(self._grid.time(self._node)))
        self._t, self._y, self._t_raw, self._carry = t, y, t_plain, None
        self._beside = t_plain != end or isinstance(t, Number)
        self._node -= t_plain != end

    def attempt(self) -> tuple[Segment | None, str]:
        """Make the step to the next node and return it, or None and the reason why there is none."""
        grid = self._grid
        over: Ending | None = self._guard.over(self._t_raw)
        if over is None and self._limit is not None and self._made >= self._limit:
            over = out_of_fixed_steps(self._limit, self._t_raw, grid.n_steps)
        t_new = grid.time(self._node + 1)
        h = t_new - self._t if self._beside else grid.step(self._node)
        if over is not None:
            over.fall = self._fall(h)
            return None, over
        step = self._method.advance(self._f, self._t, self._y, h, self._carry)
        if self._method.n_copies > 1:
            self._copies.see(step.y, step.carry)
        sound = np.isfinite(raw(step.y))
        if not step.ok:
            return None, too_small(0, self._names, self._t_raw, self._fall(h), newton=True)
        if not sound.all():
            return None, not_finite(int(np.argmin(sound)), self._names, float(raw(t_new)), self._fall(h))
        old, begun = (self._t, self._y, self._t_raw), self._carry if self._method.n_copies > 1 else None
        self._steps.append(abs(float(raw(h))))
        self._node, self._beside, self._made = self._node + 1, False, self._made + 1
        self._t, self._y, self._t_raw, self._carry = t_new, step.y, float(raw(t_new)), step.carry
        return Segment(self._method, self._f, old, (t_new, step.y, self._t_raw), h, step, carry=begun), ""

    def _fall(self, h: Any) -> Fall:
        """Return where the trajectory stands."""
        return Fall(self._t_raw, np.array(raw(self._y)), float(raw(h)), tuple(self._steps))
