"""`Controller`: how an adaptive method chooses its next step from the errors of the last ones."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim.errors import KindError, must, unknown_name

__all__ = ["Controller"]


@final
@dataclass(frozen=True)
class Controller:
    """A digital filter of error ratios: the step is multiplied by ``safety * r_1**(-b_1/k) * r_2**(-b_2/k) * ...``.

    r_1 is the error of the step just accepted in units of the tolerance, r_2 that of the accepted step before, and so
    on; k is the order of the error estimate plus one.  After a rejection the step is shortened by r_1 alone.

    Parameters
    ----------
    b : tuple of float
        One to three coefficients: ``(1,)`` is elementary control (SciPy's), two make a PI, three a PID controller.
    safety : float
        In (0, 1).
    min_factor, max_factor : float
        Bounds of the factor, ``0 < min_factor < 1 < max_factor``.

    Raises
    ------
    ArgumentError
        A number is not finite or out of its bounds, or the coefficients do not add up to something > 0.
    KindError
        A field is no number.

    Notes
    -----
    Names that ``solve_ivp(..., controller=...)`` knows: ``"I"`` (the default, SciPy's, to the last bit), ``"PI"``
    (PI.4.2, for explicit methods where stability limits the step), ``"PI3040"``, ``"PI3333"``, ``"H211PI"`` (smooth
    step sizes) and ``"PID"`` (H312PID, smoother still).

    References
    ----------
    G. Soederlind, "Digital filters in adaptive time-stepping", ACM Transactions on Mathematical Software 29 (2003)
    1-26; K. Gustafsson, "Control-theoretic techniques for stepsize selection in explicit Runge-Kutta methods", ibid. 17
    (1991) 533-554.

    Examples
    --------
    >>> from integrators import solve_ivp
    >>> sol = solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0], controller=Controller((0.6, -0.2), safety=0.8))
    >>> sol.success
    True
    """

    b: tuple[float, ...] = (1.0,)
    safety: float = 0.9
    min_factor: float = 0.2
    max_factor: float = 10.0

    def __post_init__(self) -> None:
        if not isinstance(self.b, tuple | list) or not 1 <= len(self.b) <= 3:
            raise must("Controller", "b", "must be one to three numbers", self.b)
        for name in ("safety", "min_factor", "max_factor"):
            _check_number(name, getattr(self, name))
        for x in self.b:
            _check_number("b", x)
        if not sum(self.b) > 0.0:
            raise must(
                "Controller", "b", "must have a sum > 0 (a larger error must shorten the steps in the end)", self.b
            )
        if not 0.0 < self.safety < 1.0:
            raise must("Controller", "safety", "must lie between 0 and 1", self.safety)
        if not 0.0 < self.min_factor < 1.0:
            raise must("Controller", "min_factor", "must lie between 0 and 1", self.min_factor)
        if not self.max_factor > 1.0:
            raise must("Controller", "max_factor", "must be > 1", self.max_factor)
        object.__setattr__(self, "b", tuple(float(x) for x in self.b))

    @property
    def memory(self) -> int:
        """How many earlier error ratios are looked at."""
        return len(self.b) - 1

    def raw_factor(self, ratio: Any, order: int) -> Any:
        """Return ``safety * ratio**(-1/k)``: the factor that would bring the error to the tolerance."""
        # NOTE: np.power, not **: scalars and arrays take different pow functions there.
        return self.safety * np.power(ratio, -1.0 / (order + 1))

    def grown(self, ratio: Any, before: Any, order: int) -> Any:
        """Return the factor after an accepted step, at most `max_factor`; shape lanes.

        Parameters
        ----------
        ratio : float or array, shape lanes
            Error of the step in units of the tolerance, below 1.
        before : sequence of floats or arrays, shape lanes
            Error ratios of the accepted steps before, the latest first; 1 where there are none.
        order : int
            Order of the error estimate.
        """
        if len(self.b) == 1:
            exponent = -1.0 / (order + 1)
            factor = self.safety * np.power(ratio, exponent if self.b[0] == 1.0 else self.b[0] * exponent)
            return np.where(ratio == 0.0, self.max_factor, np.minimum(self.max_factor, factor))
        factor = self.safety
        for b, r in zip(self.b, (ratio, *before), strict=False):
            factor = factor * np.power(np.maximum(r, _SMALLEST), -b / (order + 1))
        return np.minimum(self.max_factor, np.maximum(self.min_factor, factor))

    def shrunk(self, ratio: Any, order: int) -> Any:
        """Return the factor after a rejected step, at least `min_factor`; shape lanes.

        NOTE: a ratio that is not a number gives the smallest factor, since NaN compares false; so does infinity.
        """
        factor = self.raw_factor(ratio, order)
        return np.where(factor > self.min_factor, factor, self.min_factor)


_SMALLEST = 1e-10
"""Least error ratio that filters see: a step without any error says nothing about the ones after the next."""

# SOURCE: Soederlind (2003), table III and section 5 (coefficients b_1, b_2, b_3, times k).
_NAMED = {
    "I": (1.0,),
    "PI": (3 / 5, -1 / 5),
    "PI4020": (3 / 5, -1 / 5),
    "PI3040": (7 / 10, -4 / 10),
    "PI3333": (2 / 3, -1 / 3),
    "H211PI": (1 / 6, 1 / 6),
    "PID": (1 / 18, 1 / 9, 1 / 18),
    "H312PID": (1 / 18, 1 / 9, 1 / 18),
}


def controller_of(asked: Any) -> Controller:
    """Return the controller that ``controller=`` of `solve_ivp` means.

    Raises
    ------
    ArgumentError
        Unknown name.
    KindError
        Neither a name nor a Controller.
    """
    if asked is None:
        return ELEMENTARY
    if isinstance(asked, Controller):
        return asked
    if not isinstance(asked, str):
        raise KindError(
            f"solve_ivp: controller must be a name ({', '.join(_NAMED)}) or a Controller; got {type(asked).__name__}."
        )
    if asked not in _NAMED:
        raise unknown_name("solve_ivp", "controller", asked, _NAMED)
    return Controller(_NAMED[asked])


def _check_number(name: str, x: Any) -> None:
    if isinstance(x, bool) or not isinstance(x, numbers.Real):
        raise KindError(f"Controller: {name} must hold real numbers; got {type(x).__name__}.")
    if not math.isfinite(x):
        raise must("Controller", name, "must be finite", x)


ELEMENTARY = Controller()
"""SciPy's."""
