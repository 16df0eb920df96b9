"""What a solve is going to cost, told before it runs: operations, and the memory and passes of its gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, final

from integrators.compiled.machine import widths
from integrators.compiled.machine_adjoint import FEW
from integrators.compiled.plan import Plan
from integrators.compiled.program import Program

__all__: list[str] = []


@final
@dataclass(frozen=True)
class Stats:
    """The way a compiled solve goes.

    Attributes
    ----------
    program : Program
    plan : Plan
    n_lanes : int
        Number of trajectories.
    memory : float
        Bytes that a gradient may keep states in.
    """

    program: Program
    plan: Plan
    n_lanes: int
    memory: float

    def mapping(self) -> Mapping[str, Any]:
        """Return the figures by name; see `Solution.stats`."""
        state = 8 * self.program.n * self._n_padded
        whole = (self.plan.n_steps + 1) * state
        fits = whole <= self.memory
        return MappingProxyType(
            {
                "compiled": True,
                "operations": self.program.n_operations,
                "n_steps": self.plan.n_steps,
                "gradient_stores": "all states" if fits else "checkpoints",
                "gradient_bytes": whole if fits else int(min(whole, max(self.memory, FEW * state))),
                "gradient_forward_passes": 1 if fits else 1 + _passes(self.plan.n_steps, int(self.memory // state)),
            }
        )

    @property
    def _n_padded(self) -> int:
        lanes, _ = widths(max(self.n_lanes, 1), True)
        return -(-max(self.n_lanes, 1) // lanes) * lanes

    def __str__(self) -> str:
        told = self.mapping()
        passes = told["gradient_forward_passes"]
        again = "" if passes == 1 else f" and integrate {passes} times in all"
        return (
            f"solve_ivp: machine code, {told['operations']} operations a step, {told['n_steps']} steps, "
            f"{self.n_lanes} {'trajectory' if self.n_lanes == 1 else 'trajectories'}; a gradient would keep "
            f"{told['gradient_stores']}, {told['gradient_bytes'] / 1e6:.3g} MB{again}."
        )


INTERPRETED: Mapping[str, Any] = MappingProxyType({"compiled": False})


def _passes(n_steps: int, room: int) -> int:
    """Return how often a stretch is integrated on the way back with room for so many states (see `Pullback`)."""
    if n_steps < max(room, FEW):
        return 1
    n_stretches = max(2, min(math.isqrt(n_steps) + 1, room // 2))
    return 1 + _passes(-(-n_steps // n_stretches), room - n_stretches)
