"""`Flight`: the forward loop for one trajectory, made ready, so that a call is little more than the machine code.

`machine.fly` serves any number of lanes, slices and threads.  One short trajectory needs none of that, and a loop over
many of them is where the rest of a call counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from diffsim.compiler.kernel import Call, address
from integrators.compiled.carried import tangents_of
from integrators.compiled.directions import are_apart
from integrators.compiled.kernel_forward import SOUND
from integrators.compiled.machine import Machine, forward_machine
from integrators.compiled.plan import Plan
from integrators.compiled.program import Program
from integrators.compiled.route import Route
from integrators.compiled.stats import Stats
from integrators.drivers.endings import REACHED
from integrators.drivers.run import Run
from integrators.drivers.sensitivity import Selection

__all__: list[str] = []

_LARGEST = 1_000_000
"""Numbers that a flight keeps room for in one piece."""


@final
class Flight:
    """The forward loop for one trajectory.

    Parameters
    ----------
    program : Program
    machine : Machine
        One lane wide.
    seeds : array, shape (n * n_directions,)
        Tangents at the start.
    plan : Plan
        Whose steps take one call.
    nfev : int
        Evaluations of the right-hand side that its steps are.
    way : Stats
    """

    def __init__(
        self, program: Program, machine: Machine, seeds: NDArray[np.float64], plan: Plan, nfev: int, way: Stats
    ) -> None:
        n, width = program.n, program.n + seeds.size
        self._n, self._seeds, self._nfev, self._way, self._plan = n, seeds, nfev, way, plan
        self._entries = plan.entries(machine.slice_steps)  # kept: the kernel reads them where they are
        self._kernel = machine.kernel
        ends = np.cumsum([width, max(program.n_parameters, 1), plan.n_saves * width, 1, n]).tolist()
        self._given, self._out, self._failed, self._snapshot, self._size = ends
        self._shape = (plan.n_saves, width)
        self._constant = (len(self._entries.counts), 0, plan.k_last, 1), (plan.t0, plan.h, plan.h_last)

    @staticmethod
    def of(route: Route, selection: Selection, plan: Plan, nfev: int, way: Stats) -> Flight | None:
        """Return the flight of a plan; None where its steps are too many for one call, or its numbers for one piece."""
        program, tangents, seeds = route.program, None, np.zeros(0)
        if selection:
            if are_apart(program, selection.n_directions):
                return None
            tangents, seeds = tangents_of(route, selection, np.zeros((program.n, 1)))
        machine = forward_machine(program, 1, 1, tangents, plan.has_aside, False)
        if plan.n_steps > machine.slice_steps or plan.n_saves * (program.n + seeds.size) > _LARGEST:
            return None
        return Flight(program, machine, seeds.ravel(), plan, nfev, way)

    def __call__(self, y0: NDArray[np.float64], values: Sequence[float]) -> Run | None:
        """Integrate from a start; None where a number is not finite, which `run_compiled` knows how to tell.

        Parameters
        ----------
        y0 : array, shape (n,)
        values : sequence of float
            The parameters.
        """
        n, plan, room = self._n, self._plan, np.empty(self._size)
        room[:n] = y0
        room[n : self._given] = self._seeds
        if values:
            room[self._given : self._given + len(values)] = values
        room[self._failed : self._failed + 1].view(np.int64)[0] = SOUND
        at = address(room)
        counts, deltas, kinds = self._entries.addresses
        pointers = (
            at,
            at + 8 * self._given,
            at + 8 * self._out,
            counts,
            deltas,
            kinds,
            at + 8 * self._failed,
            at + 8 * self._snapshot,
            at,  # no state is stored
        )
        self._kernel(Call(pointers, *self._constant), 0, 1)
        out = room[self._out : self._failed]
        if room[self._failed : self._failed + 1].view(np.int64)[0] != SOUND or not np.isfinite(out).all():
            return None
        out = out.reshape(self._shape)
        dy = None
        if self._seeds.size:
            dy = out[:, n:].reshape(len(out), n, self._seeds.size // n).transpose(1, 2, 0)
        return Run(plan.times, out[:, :n].T, 0, REACHED, self._nfev, plan.n_saves, dy, self._way)
