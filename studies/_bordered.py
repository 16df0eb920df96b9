"""Newton's steps on windows that are joined by constraints: one sparse system, bordered by the joints.

With a model of the loss, gradient g and Hessian H, and joints c + C dz = 0 to which the windows are held, each step is

    minimise g dz + dz H dz / 2 + mu |D dz|**2 / 2    such that    c + C dz = 0,

and is shortened until the merit, loss plus a price for what the joints miss, falls.  Nothing is multiplied over
windows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np

from studies._checks import Floats

__all__: list[str] = []

ENOUGH = 1e-9
"""Gain, as a part of the loss, and change, in units of the unknowns' sizes, below which a search has arrived."""
JOINED = 1e-8
"""What the joints may miss, in units of the motion's range."""
_HALVINGS = 6
_STUCK = 1e6  # damping, in units of the Hessian's diagonal, at which no step is worth the name


@final
@dataclass(frozen=True, eq=False)
class Linear:
    """The problem, linearised at z, in scaled unknowns and scaled defects.

    Attributes
    ----------
    hessian : sparse (k, k)
        J^T J, with the priors.
    gradient : ndarray (k,)
    joints : sparse (n (W - 1), k)
        C.
    defects : ndarray (n (W - 1),)
    chi2 : float
        Twice the loss: a sum of squares, for a fit.
    """

    hessian: Any
    gradient: Floats
    joints: Any
    defects: Floats
    chi2: float


class Chained(Protocol):
    """Windows as one vector z of unknowns, each with its size; the first q are what is looked for."""

    q: int
    sizes: Floats
    low: Floats
    high: Floats

    def evaluate(self, z: Floats) -> Any:
        """Return everything at z."""

    def linear(self, z: Floats, found: Any) -> Linear:
        """Return the model at z."""

    def chi2(self, z: Floats, found: Any) -> float:
        """Return twice the loss; infinite where a trajectory fails."""

    def defects(self, z: Floats, found: Any) -> Floats:
        """Return what the joints miss, scaled."""


def step_down(
    chain: Chained, z: Floats, with_joints: bool, budget: int, enough: float, after: Callable[[], object]
) -> tuple[Floats, str]:
    """Step down the merit ``chi2 / 2 + nu |c|_1``; return where it ends and why."""
    damping, price = 1e-3, 0.0
    found = chain.evaluate(z)
    for _ in range(budget):
        linear = chain.linear(z, found)
        for _ in range(_HALVINGS * 4):
            step, multipliers = _step(chain, linear, z, damping, with_joints)
            if with_joints:
                price = max(price, 1.5 * float(np.abs(multipliers).max(initial=0.0)))
            moved, better, length = _along(chain, linear, z, step, price)
            if better is not None:
                break
            damping *= 10.0
            if damping > _STUCK:
                return z, "stopped: no step goes down any more"
        else:
            return z, "stopped: no step goes down any more"
        change, defect = np.abs(length * step).max(), float(np.abs(linear.defects).max(initial=0.0))
        gain = linear.chi2 - chain.chi2(moved, better)
        z, found = moved, better
        damping = damping / 10.0 if length == 1.0 else damping * 2.0
        after()
        joined = not with_joints or defect < JOINED
        if joined and (abs(gain) <= enough * (abs(linear.chi2) + 1e-300) or change < ENOUGH):
            return z, "converged"
    return z, f"stopped after {budget} steps"


def _along(chain: Chained, linear: Linear, z: Floats, step: Floats, price: float) -> tuple[Floats, Any, float]:
    """Return the first point on the way that lowers the merit enough, with what is there; None where there is none."""
    defects = np.abs(linear.defects).sum()
    merit = 0.5 * linear.chi2 + price * defects
    slope = float(linear.gradient @ step) - price * defects
    curved = 0.5 * float(step @ (linear.hessian @ step))
    noise = 1e-12 * abs(merit)
    length = 1.0
    for _ in range(_HALVINGS):
        trial = np.clip(z + length * step * chain.sizes, chain.low, chain.high)
        found = chain.evaluate(trial)
        here = 0.5 * chain.chi2(trial, found)
        if np.isfinite(here):
            if price:
                here += price * np.abs(chain.defects(trial, found)).sum()
            predicted = -(length * slope + length * length * curved)
            if merit - here >= 1e-3 * predicted - noise:
                return trial, found, length
        length *= 0.4
    return z, None, 0.0


def _step(chain: Chained, linear: Linear, z: Floats, damping: float, with_joints: bool) -> tuple[Floats, Floats]:
    """Return the scaled step (k,) and the multipliers of the joints; unknowns at a bound that pull outwards stay."""
    low, high = (chain.low - z) / chain.sizes, (chain.high - z) / chain.sizes
    fixed = np.full(len(z), np.nan)
    for _ in range(chain.q + 1):
        step, multipliers = _solved(linear, fixed, damping, with_joints)
        outside = np.isnan(fixed) & ((step < low) | (step > high))
        if not outside.any():
            break
        # NOTE: half the way to a bound at most, so that masses and lengths stay positive
        fixed[outside] = 0.5 * np.where(step < low, low, high)[outside]
    return step, multipliers


def _solved(linear: Linear, fixed: Floats, damping: float, with_joints: bool) -> tuple[Floats, Floats]:
    """Solve the bordered system for the unknowns that are not fixed."""
    from scipy.sparse import block_array, diags_array
    from scipy.sparse.linalg import splu

    free = np.flatnonzero(np.isnan(fixed))
    given = np.where(np.isnan(fixed), 0.0, fixed)
    diagonal = linear.hessian.diagonal()
    size = float(diagonal.max()) or 1.0
    floor = np.maximum(diagonal, 1e-10 * size)
    gradient = (linear.gradient + linear.hessian @ given)[free] / size
    normal = (linear.hessian + diags_array(damping * floor))[free][:, free] / size
    step = given.copy()
    if not with_joints:
        step[free] += splu(normal.tocsc()).solve(-gradient)
        return step, np.zeros(0)
    joints = linear.joints[:, free]
    bordered = block_array([[normal, joints.T], [joints, None]], format="csc")
    right = -np.concatenate([gradient, linear.defects + linear.joints @ given])
    solution = splu(bordered).solve(right)
    step[free] += solution[: len(free)]
    return step, solution[len(free) :] * size
