"""What a search for steps is asked for: bounds and tolerances, and the times at which states are saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from integrators._implicit import newton_tolerance

__all__: list[str] = []


@final
@dataclass(frozen=True)
class Bounds:
    """What the choice of steps depends on, for n components.

    Attributes
    ----------
    tolerance : array, shape (2, n)
        rtol and atol.
    first_step : float or None
    max_step, min_step : float
    max_steps : int
        Attempts.
    factors : tuple of float
        Safety, smallest and largest factor of the controller.
    exponents : tuple of float
        One for each error ratio that it looks at; none for elementary control.
    """

    tolerance: NDArray[np.float64]
    first_step: float | None
    max_step: float
    min_step: float
    max_steps: int
    factors: tuple[float, ...]
    exponents: tuple[float, ...] = ()

    @property
    def newton(self) -> float:
        """Tolerance of Newton's iterations, in units of that of the solve."""
        return newton_tolerance(float(self.tolerance[0].min()))


@final
@dataclass(frozen=True)
class Saves:
    """Save times of m trajectories.

    Attributes
    ----------
    times : array, shape (n_all,)
    first, last : array of int, shape (m,)
        Those of a trajectory are ``times[first:last]``, in its direction.
    every : bool
        Whether all steps are wanted as well.
    bare : bool
        Whether nobody asks for the polynomials of the steps.
    """

    times: NDArray[np.float64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    every: bool = False
    bare: bool = False
