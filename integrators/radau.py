"""Radau IIA of order 5, with SciPy's choice of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from diffsim import ops, replay
from diffsim.errors import KindError
from diffsim.number import Number, raw
from integrators._combination import State
from integrators._field import Field
from integrators._frozen_newton import STIFF, collocation_stages, excess, where_sound
from integrators._implicit_method import stage_increments
from integrators._integrator import RightHandSide, Step
from integrators._linear_systems import Factors, shifted
from integrators._norm import rms
from integrators._pilot import Pilot
from integrators._radau_tableau import RadauTableau
from integrators._traced_method import TracedMethod

__all__ = ["Radau"]

_S6 = 6**0.5
_C = np.array([(4 - _S6) / 10, (4 + _S6) / 10, 1.0])
_E = np.array([-13 - 7 * _S6, -13 + 7 * _S6, -1]) / 3
# SOURCE: Hairer, Wanner, "Solving Ordinary Differential Equations II", section IV.8, and SciPy's _ivp/radau.py: the
# eigenvalues of the inverse of A, and the matrices T and T**-1 that bring it to (block) diagonal form.
_MU_REAL = 3 + 3 ** (2 / 3) - 3 ** (1 / 3)
_MU_COMPLEX = (3 + 0.5 * (3 ** (1 / 3) - 3 ** (2 / 3))) - 0.5j * (3 ** (5 / 6) + 3 ** (7 / 6))
_T = np.array(
    [
        [0.09443876248897524, -0.14125529502095421, 0.03002919410514742],
        [0.25021312296533332, 0.20412935229379994, -0.38294211275726192],
        [1.0, 1.0, 0.0],
    ]
)
_TI = np.array(
    [
        [4.17871859155190428, 0.32768282076106237, 0.52337644549944951],
        [-4.17871859155190428, -0.32768282076106237, 0.47662355450055044],
        [0.50287263494578682, -2.57192694985560522, 0.59603920482822492],
    ]
)
_TI_REAL, _TI_COMPLEX = _TI[0], _TI[1] + 1j * _TI[2]
_P = np.array(
    [
        [13 / 3 + 7 * _S6 / 3, -23 / 3 - 22 * _S6 / 3, 10 / 3 + 5 * _S6],
        [13 / 3 - 7 * _S6 / 3, -23 / 3 + 22 * _S6 / 3, 10 / 3 - 5 * _S6],
        [1 / 3, -8 / 3, 10 / 3],
    ]
)
_ITERATIONS = 6
_MIN_FACTOR, _MAX_FACTOR = 0.2, 10.0


def _coefficients(s: Any) -> tuple[list[list[Any]], list[Any]]:
    """Return the tableau's A and c, from the square root of 6 in the precision that is wanted."""
    a = [
        [(88 - 7 * s) / 360, (296 - 169 * s) / 1800, (-2 + 3 * s) / 225],
        [(296 + 169 * s) / 1800, (88 + 7 * s) / 360, (-2 - 3 * s) / 225],
        [(16 - s) / 36, (16 + s) / 36, (s - s + 1) / 9],
    ]
    return a, [(4 - s) / 10, (4 + s) / 10, 1]


_TABLEAU = RadauTableau(
    a=tuple(tuple(map(float, row)) for row in _coefficients(_S6)[0]),
    nodes=tuple(_C.tolist()),
    weights=tuple(_E.tolist()),
    mu_real=_MU_REAL,
    mu_complex=(_MU_COMPLEX.real, _MU_COMPLEX.imag),
    t=tuple(map(tuple, _T.tolist())),
    t_inverse=tuple(map(tuple, _TI.tolist())),
    dense=tuple(map(tuple, _P.tolist())),
    order=3,
)


@final
class Radau(TracedMethod):
    """Radau IIA with three stages, order 5, L-stable and stiffly accurate: for stiff problems and high accuracy.

    Steps are chosen as in SciPy: the error is estimated by an embedded formula of order 3, the step by a controller
    that looks two steps back, Jacobians and factorised matrices are kept as long as they serve.  The interpolant is the
    cubic collocation polynomial.

    Parameters
    ----------
    step : float, optional
        Step size, > 0, for fixed steps.  Without it the step is chosen by ``rtol`` and ``atol``.

    Notes
    -----
    The 3 n equations of a step are solved by simplified Newton iterations, split into a real and a complex system of n
    equations each.  Where derivatives are asked for, the stages of accepted steps are then found to rounding, with the
    exact Jacobian at each of them, and differentiated by the implicit function theorem.

    References
    ----------
    Hairer, Wanner, "Solving Ordinary Differential Equations II", section IV.8.

    Examples
    --------
    >>> from integrators import solve_ivp
    >>> sol = solve_ivp(lambda t, y: -1e6 * (y - t), (0.0, 1.0), [1.0], method="Radau")
    >>> bool(abs(sol.y[0, -1] - (1.0 - 1e-6)) < 1e-6), sol.nfev < 200
    (True, True)
    """

    @property
    def formula(self) -> RadauTableau:
        return _TABLEAU

    @property
    def n_solved(self) -> int:
        return _TABLEAU.n_stages

    @property
    def largest_traced(self) -> int:
        return 4

    @property
    def order(self) -> int:
        return 5

    @property
    def error_order(self) -> int:
        return _TABLEAU.order

    @property
    def dense_order(self) -> int:
        return 3

    @property
    def piloted(self) -> bool:
        return True

    def pilot(self, f: Any, control: Any) -> Pilot:
        return _RadauPilot(f.field, control.rtol, control.atol)

    def _advance(self, field: Field, t: Any, y: Any, h: Any, carry: Any) -> Step:
        if self._traces(y):
            return Step(_traced_step(field, t, y, h))
        plain = raw(y)
        found = _stages(field, t, y, h, np.zeros(3 * len(plain), dtype=plain.dtype) * raw(h))
        if found is None:
            return Step(y, None, None, (), False)
        z = found
        before = raw(carry)[: len(plain)] if carry is not None else field.value(raw(t), plain)
        return Step(y + z[2], _error(field, raw(t), plain, raw(h), [raw(x) for x in z], before), None, tuple(z))

    def dense(self, f: RightHandSide, t: Any, y: State, h: Any, step: Step) -> Sequence[State]:
        z = step.stages
        return [sum((float(_P[i, k]) * z[i] for i in range(1, 3)), float(_P[0, k]) * z[0]) for k in range(3)]


def _error(field: Field, t: Any, y: Any, h: Any, z: Sequence[Any], slope: Any) -> Any:
    """Return the error estimate of order 3, behind the filter of the real matrix: equations (8.19) and (8.20)."""
    if y.dtype == object:
        s = _root_of_six(y)
        weights, mu = [(-13 - 7 * s) / 3, (-13 + 7 * s) / 3, (s - s - 1) / 3], s - s + _MU_REAL
    else:
        weights, mu = list(_E), _MU_REAL
    defect = sum((w * x for w, x in zip(weights[1:], z[1:], strict=True)), weights[0] * z[0]) / h
    return field.factorise(shifted(mu / h, field.jacobian(t, y))).solve(slope + defect)


def _root_of_six(y: Any) -> Any:
    """Return the square root of 6 in the precision of a state."""
    return (y[0] * 0 + 6) ** 0.5 if y.dtype == object else _S6


def _stages(field: Field, t: Any, y: Any, h: Any, start: Any) -> list[Any] | None:
    """Return the stages' increments of a step, see `stage_increments`."""
    a, c = _coefficients(_root_of_six(raw(y)))
    return stage_increments("Radau", field, t, y, h, a, c, start)


def _traced_step(field: Field, t: Any, y: Any, h: Any) -> Any:
    """Return the state after a step of numbers that stand for others, as straight-line arithmetic."""
    n, (a, c) = len(y), _coefficients(_S6)
    z, step = collocation_stages(field, t, y, h, a, c, np.zeros(3 * n), STIFF)
    there = [ops.abs(x) + ops.abs(z[i]) for i, x in enumerate([*y, *y, *y])]
    return where_sound(ops.less_equal(excess(step, there), 0.0), y + z[2 * n :])


@final
class _RadauPilot(Pilot):
    """Jacobian, factorised matrices and the last stages of one solve; the choice of steps of SciPy's Radau."""

    def __init__(self, field: Field, rtol: Any, atol: Any) -> None:
        self._field, self._rtol, self._atol = field, rtol, atol
        least = float(np.min(rtol))
        self._tolerance = max(10 * np.finfo(np.float64).eps / least, min(0.03, least**0.5))
        self._before: tuple[float, float] | None = None
        self._real: Factors | None = None
        self._complex: Factors | None = None
        self._current = True
        self._last: tuple[float, Any, float, Any] | None = None  # size, increments, time and state of the last step
        self._proposed, self._t_new = 0.0, 0.0
        self._rate: float | None = None
        self._n_iterations = 0

    def start(self, t: Any, y: Any, slope: Any, h: float) -> None:
        if raw(y).dtype.kind == "c":
            raise KindError("Radau: y0 must be real; got complex numbers. BDF takes them, and the explicit methods.")
        self._slope, self._proposed = raw(slope), abs(h)
        self._jacobian = self._field.jacobian(float(raw(t)), raw(y))

    def resize(self, factor: float, kind: str) -> None:
        if kind == "limit":
            self._before = None
        if kind in ("newton", "error"):
            self._real = self._complex = None

    def attempt(self, t: float, y: Any, h: float, t_new: float, rejected: bool) -> tuple[Any, Any, float] | None:
        self._t_new = t_new
        start = np.zeros((3, len(y))) if self._last is None else self._extrapolated(t, y, h)
        scale = self._atol + np.abs(y) * self._rtol
        while True:
            if self._real is None or self._complex is None:
                self._real = self._field.factorise(shifted(_MU_REAL / h, self._jacobian))
                self._complex = self._field.factorise(shifted(_MU_COMPLEX / h, self._jacobian))
            converged = self._solve(t, y, h, start, scale)
            if converged:
                break
            if self._current:
                return None
            self._jacobian, self._current = self._field.jacobian(t, y), True
            self._real = self._complex = None
        z = self._z
        y_new = y + z[-1]
        defect = z.T.dot(_E) / h
        error = self._real.solve(self._slope + defect)
        scale = self._atol + np.maximum(np.abs(y), np.abs(y_new)) * self._rtol
        norm = float(rms(error / scale))
        if rejected and norm > 1:
            error = self._real.solve(self._field.value(t, y + error) + defect)
            norm = float(rms(error / scale))
        return y_new, error, norm

    def _extrapolated(self, t: float, y: Any, h: float) -> Any:
        """Return the increments that the polynomial of the last step foretells."""
        size, z, t_old, y_old = self._last  # type: ignore[misc]  # asked for after a step
        x = (t + h * _C - t_old) / size
        powers = np.cumprod(np.tile(x, (3, 1)), axis=0)
        return (np.dot(np.dot(z.T, _P), powers) + y_old[:, None]).T - y

    def _solve(self, t: float, y: Any, h: float, start: Any, scale: Any) -> bool:
        """Find the stages by simplified Newton iterations in the transformed variables."""
        shift_real, shift_complex = _MU_REAL / h, _MU_COMPLEX / h
        w, z, field = _TI.dot(start), start, self._field
        old, rate, dw = None, None, np.empty((3, len(y)))
        converged = False
        for k in range(_ITERATIONS):
            slopes = np.array([field.value(t + h * c, y + z[i]) for i, c in enumerate(_C)])
            self._n_iterations = k + 1
            if not np.isfinite(slopes).all():
                break
            right = slopes.T.dot(_TI_REAL) - shift_real * w[0]
            pair = slopes.T.dot(_TI_COMPLEX) - shift_complex * (w[1] + 1j * w[2])
            dw[0] = self._real.solve(right)  # type: ignore[union-attr]  # made before
            moved = self._complex.solve(pair)  # type: ignore[union-attr]
            dw[1], dw[2] = moved.real, moved.imag
            norm = float(rms((dw / scale).ravel()))
            if old is not None:
                rate = norm / old
            if not np.isfinite(norm) or (
                rate is not None and (rate >= 1 or rate ** (_ITERATIONS - k) / (1 - rate) * norm > self._tolerance)
            ):
                break
            w = w + dw
            z = _T.dot(w)
            if norm == 0 or (rate is not None and rate / (1 - rate) * norm < self._tolerance):
                converged = True
                break
            old = norm
        self._z, self._rate = z, rate
        return converged

    @property
    def _safety(self) -> float:
        return 0.9 * (2 * _ITERATIONS + 1) / (2 * _ITERATIONS + self._n_iterations)

    def _predicted(self, h: float, norm: float) -> float:
        """Return the factor of Gustafsson's predictive controller."""
        if norm == 0.0:
            return np.inf
        multiplier = 1.0
        if self._before is not None:
            multiplier = abs(h) / self._before[0] * (self._before[1] / norm) ** 0.25
        return float(min(1.0, multiplier) * norm**-0.25)

    def shrunk(self, h: float, norm: float) -> float:
        return max(_MIN_FACTOR, self._safety * self._predicted(h, norm))

    def accept(self, t: Any, y: Any, h: Any) -> Step | None:
        if not (self._field.recording or any(isinstance(x, Number) for x in (t, y, h)) or replay.is_active()):
            z: Any = list(self._z)
        else:
            z = _stages(self._field, t, y, h, self._z.ravel())
            if z is None:
                return None
            self._z = np.array([raw(x) for x in z])
        self._step = (raw(h), self._z, float(raw(t)), raw(y))
        y_new = y + z[2]
        self._slope = self._field.value(self._t_new, raw(y_new))
        return Step(y_new, None, self._slope, tuple(z))

    def repeat(self, choice: object, t: Any, y: Any, h: Any, t_new: float) -> Step | None:
        self._z, self._t_new = np.zeros((3, len(raw(y)))), t_new
        return self.accept(t, y, h)

    def grown(self, h: float, norm: float, t: Any, y: Any) -> float:
        renew = not self._field.constant and self._n_iterations > 2 and (self._rate or 0.0) > 1e-3
        factor = min(_MAX_FACTOR, self._safety * self._predicted(h, norm))
        if not renew and factor < 1.2:
            factor = 1.0
        else:
            self._real = self._complex = None
        if renew:
            self._jacobian, self._current = self._field.jacobian(float(raw(t)), raw(y)), True
        elif not self._field.constant:
            self._current = False
        # NOTE: the size that was proposed, which rejections have shortened, as in SciPy
        self._before = (self._proposed, norm)
        self._last = self._step
        self._proposed = abs(h) * factor
        return self._proposed
