"""Backward differentiation formulas of variable order, with SciPy's choice of steps and orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from diffsim import array_ops, replay
from diffsim.errors import ArgumentError
from diffsim.linear_algebra import matmul
from diffsim.number import Number, raw
from integrators import _implicit
from integrators._bdf_tableau import BdfTableau
from integrators._combination import State
from integrators._field import Field
from integrators._implicit_method import ImplicitMethod, sizes
from integrators._integrator import Integrator, RightHandSide, Step
from integrators._linear_systems import Factors, identity_minus
from integrators._norm import rms
from integrators._pilot import Pilot

__all__ = ["BDF"]

_ORDERS = 5
_ITERATIONS = 4
_MIN_FACTOR, _MAX_FACTOR = 0.2, 10.0
# SOURCE: L. F. Shampine, M. W. Reichelt, "The MATLAB ODE Suite", SIAM J. Sci. Comput. 18 (1997), table 1, as in SciPy.
_KAPPA = np.array([0, -0.1850, -1 / 9, -0.0823, -0.0415, 0])
_GAMMA = np.hstack((0, np.cumsum(1 / np.arange(1, _ORDERS + 1))))
_ALPHA = (1 - _KAPPA) * _GAMMA
_ERROR = _KAPPA * _GAMMA + 1 / np.arange(1, _ORDERS + 2)


@final
class BDF(ImplicitMethod):
    """Backward differentiation formulas of orders 1 to 5, with quasi-constant steps: cheap steps for stiff problems.

    One system of n equations a step, whatever the order.  Steps and orders are chosen as in SciPy: the formulas are
    the numerical differentiation formulas (NDF) that stay stable at larger angles; the history is kept as backward
    differences on an equidistant grid, and is interpolated to another one where the step changes.  The interpolant is
    the polynomial of the formula.  Orders 3 to 5 are stable in a sector only: on problems that oscillate fast without
    damping (eigenvalues near the imaginary axis) `Radau` is the better choice.

    Notes
    -----
    Takes no fixed `step`: the method needs a past, and begins with order 1 and a small step.  Derivatives go through
    the whole history, with the steps and orders that the solve has chosen.

    References
    ----------
    L. F. Shampine, M. W. Reichelt, "The MATLAB ODE Suite", SIAM J. Sci. Comput. 18 (1997), 1-22; G. D. Byrne, A. C.
    Hindmarsh, "A polyalgorithm for the numerical solution of ordinary differential equations", ACM TOMS 1 (1975),
    71-96.

    Examples
    --------
    >>> from integrators import solve_ivp
    >>> sol = solve_ivp(lambda t, y: -1e6 * (y - t), (0.0, 1.0), [1.0], method="BDF")
    >>> bool(abs(sol.y[0, -1] - (1.0 - 1e-6)) < 1e-4)
    True
    """

    def __init__(self, step: float | None = None) -> None:
        if step is not None:
            raise ArgumentError(
                f"BDF: step must be left out, since the method begins with small steps of order 1 and chooses both; "
                f"got step={step!r}. ImplicitEuler, Trapezoid, Kvaerno5 and Radau take fixed steps."
            )
        super().__init__(None)

    @property
    def formula(self) -> BdfTableau:
        return _TABLEAU

    @property
    def order(self) -> int:
        return 1

    @property
    def error_order(self) -> int:
        return 1

    @property
    def one_step(self) -> bool:
        return False

    @property
    def piloted(self) -> bool:
        return True

    def pilot(self, f: Any, control: Any) -> Pilot:
        return _BdfPilot(f.field, control.rtol, control.atol)

    def with_step(self, step: float) -> Integrator:
        return type(self)(step)

    def _advance(self, field: Field, t: Any, y: Any, h: Any, carry: Any) -> Step:
        """Without a past: the formula of order 1, from the prediction of Euler's method."""
        slope = field(t, y) if carry is None else carry
        pilot = _BdfPilot(field, 1e-13, 0.0)
        pilot.start(t, y, slope, float(raw(h)) if raw(y).dtype != object else raw(h))
        root = pilot.refined(t + h, h)
        if root is None:
            return Step(y, None, None, (), False)
        return Step(root, raw(root - y - h * slope) * float(_ERROR[1]), None, (root - y,))

    def dense(self, f: RightHandSide, t: Any, y: State, h: Any, step: Step) -> Sequence[State]:
        order = len(step.stages)
        weights = _dense_weights(order)
        return [
            sum((float(w) * d for w, d in zip(row[1:], step.stages[1:], strict=True)), float(row[0]) * step.stages[0])
            for row in weights
        ]


def _dense_weights(order: int) -> Any:
    """Return the powers of x, row by row, in the products ``(x - 1) x (x + 1) .. (x + j - 2) / j!`` of column j.

    With them the interpolant ``y_1 + sum_j D_j (..)`` becomes a polynomial in x from the start of the step; its
    constant is ``y_1 - D_1``, the state there.
    """
    columns, product = [], np.poly1d([1.0])
    for j in range(order):
        product = product * np.poly1d([1.0, j - 1.0]) / (j + 1.0)
        columns.append([product[k] for k in range(1, order + 1)])
    return np.array(columns).T


_TABLEAU = BdfTableau(
    gamma=tuple(_GAMMA.tolist()),
    alpha=tuple(_ALPHA.tolist()),
    errors=tuple(_ERROR.tolist()),
    dense=tuple(map(tuple, _dense_weights(_ORDERS).tolist())),
    order=1,
)


def _rescaling(order: int, factor: Any) -> Any:
    """Return the matrix that brings backward differences to a grid of another step, shape (order + 1, order + 1).

    A recording factor gives a recording matrix.

    References
    ----------
    Shampine, Reichelt, section 2; SciPy's ``change_D``.
    """

    def at(factor: Any) -> Any:
        rows: list[list[Any]] = [[1.0] * (order + 1)]
        for i in range(1, order + 1):
            rows.append([0.0 if j == 0 else rows[-1][j] * ((i - 1 - factor * j) / i) for j in range(order + 1)])
        return rows

    if isinstance(factor, Number):
        numbers = [x for row in at(factor) for x in row]
        recorded = array_ops.reshape(array_ops.stack(numbers), (order + 1, order + 1))
        return matmul(recorded, np.array(at(1.0)))
    return np.array(at(factor)).dot(np.array(at(1.0)))


@final
class _BdfPilot(Pilot):
    """The backward differences of one solve, in plain numbers and with derivatives; SciPy's choice of steps and orders.

    The plain differences follow every change of the step.  The recording ones are those of the last accepted step, and
    are brought to the grid of the next one when that is accepted: ``_grid`` is the step they belong to.
    """

    def __init__(self, field: Field, rtol: Any, atol: Any) -> None:
        self._field, self._rtol, self._atol = field, rtol, atol
        least = float(np.min(rtol))
        self._tolerance = max(10 * np.finfo(np.float64).eps / least, min(0.03, least**0.5))
        self._factors: Factors | None = None
        self._order, self._n_equal = 1, 0

    def start(self, t: Any, y: Any, slope: Any, h: float) -> None:
        plain = raw(y)
        self._d = np.zeros((_ORDERS + 3, len(plain)), dtype=plain.dtype)
        self._d[0], self._d[1] = plain, raw(slope) * h
        # NOTE: the first step is a plain number, whatever the ends of the span are
        self._recorded: list[Any] | None = (
            [y, slope * h] if isinstance(y, Number) or isinstance(slope, Number) else None
        )
        self._grid: Any = h
        self._size = h
        self._jacobian = self._field.jacobian(float(raw(t)), plain) if plain.dtype != object else None

    def resize(self, factor: float, kind: str) -> None:
        self._rescale(factor)
        if kind in ("newton", "end"):
            self._factors = None

    def _rescale(self, factor: float) -> None:
        p = self._order
        self._size *= factor
        self._d[: p + 1] = np.dot(_rescaling(p, factor).T, self._d[: p + 1])
        self._n_equal = 0

    def attempt(self, t: float, y: Any, h: float, t_new: float, rejected: bool) -> tuple[Any, Any, float] | None:
        p, d, field = self._order, self._d, self._field
        predicted = np.sum(d[: p + 1], axis=0)
        scale = self._atol + self._rtol * np.abs(predicted)
        psi = np.dot(d[1 : p + 1].T, _GAMMA[1 : p + 1]) / _ALPHA[p]
        c = h / _ALPHA[p]
        current = field.constant
        while True:
            if self._factors is None:
                self._factors = field.factorise(identity_minus(c, self._jacobian))
            found = self._solve(t_new, predicted, c, psi, scale)
            if found is not None:
                break
            if current:
                return None
            self._jacobian, current = field.jacobian(t_new, predicted), True
            self._factors = None
        y_new, self._change = found
        self._scale = self._atol + self._rtol * np.abs(y_new)
        error = _ERROR[p] * self._change
        self._t_new = t_new
        return y_new, error, float(rms(np.abs(error) / self._scale))

    def _solve(self, t: float, predicted: Any, c: float, psi: Any, scale: Any) -> tuple[Any, Any] | None:
        """Solve the formula by simplified Newton iterations; return the state and its distance from the prediction."""
        d, y, old = 0.0, predicted.copy(), None
        for k in range(_ITERATIONS):
            slope = self._field.value(t, y)
            self._n_iterations = k + 1
            if not np.isfinite(slope).all():
                return None
            dy = self._factors.solve(c * slope - psi - d)  # type: ignore[union-attr]  # made before
            norm = float(rms(np.abs(dy) / scale))
            rate = None if old is None else norm / old
            if not np.isfinite(norm) or (
                rate is not None and (rate >= 1 or rate ** (_ITERATIONS - k) / (1 - rate) * norm > self._tolerance)
            ):
                return None
            y = y + dy
            d = d + dy
            if norm == 0 or (rate is not None and rate / (1 - rate) * norm < self._tolerance):
                return y, d
            old = norm
        return None

    @property
    def _safety(self) -> float:
        return 0.9 * (2 * _ITERATIONS + 1) / (2 * _ITERATIONS + self._n_iterations)

    def shrunk(self, h: float, norm: float) -> float:
        return float(max(_MIN_FACTOR, self._safety * norm ** (-1 / (self._order + 1))))

    # --- the accepted step -------------------------------------------------------------------------------------------

    def accept(self, t: Any, y: Any, h: Any) -> Step | None:
        p, d = self._order, self._d
        made: Any = None
        if self._field.recording or any(isinstance(x, Number) for x in (t, y, h)) or replay.is_active():
            made = self.refined(t + h if isinstance(t, Number) or isinstance(h, Number) else self._t_new, h)
            if made is None:
                return None
            self._change = raw(made) - np.sum(d[: p + 1], axis=0)
        # NOTE: D_{j + 1} y_n = D_j y_n - D_j y_{n - 1}, and the distance from the prediction is D_{p + 1} y_n
        d[p + 2] = self._change - d[p + 1]
        d[p + 1] = self._change
        for i in reversed(range(p + 1)):
            d[i] += d[i + 1]
        self._n_equal += 1
        if isinstance(made, Number):
            self._recorded = self._moved(made)
            return Step(made, None, raw(y), tuple(self._recorded[1 : p + 1]))
        return Step(d[0].copy(), None, raw(y), tuple(d[1 : p + 1].copy()))

    def _moved(self, made: Any) -> list[Any]:
        """Return the recording differences at the new state."""
        p = self._order
        # NOTE: what is above D_{p + 1} serves the choice of the order alone, which is made in plain numbers
        rows = [*(self._recorded or [])[: p + 1], made - self._predicted]
        for i in reversed(range(p + 1)):
            rows[i] = rows[i] + rows[i + 1]
        rows[0] = made
        return rows

    @property
    def choice(self) -> object:
        return self._order

    def repeat(self, choice: object, t: Any, y: Any, h: Any, t_new: float) -> Step | None:
        self._order, self._t_new = int(choice), t_new  # type: ignore[call-overload]  # an order, as it was noted
        self._rescale(float(raw(h)) / self._size)
        return self.accept(t, y, h)

    def refined(self, t_new: Any, h: Any) -> Any:
        """Solve the formula to rounding, from the recording differences on the step's grid; return the state."""
        p, field = self._order, self._field
        recording = field.recording or any(isinstance(x, Number) for x in (t_new, h))
        if self._recorded is None and recording:  # the past has begun in plain numbers, on this grid
            self._recorded, self._grid = [*self._d[: p + 2].copy()], raw(h)
        rows: Any = self._d[: p + 1] if self._recorded is None else self._on_grid(h)[: p + 1]
        predicted = _sum(rows)
        weights = [float(g / _ALPHA[p]) for g in _GAMMA[1 : p + 1]]
        psi = sum((w * rows[j + 2] for j, w in enumerate(weights[1:])), weights[0] * rows[1])
        c = h / float(_ALPHA[p])
        t_raw, c_raw, start, drift = raw(t_new), raw(c), raw(predicted), raw(psi)

        def matrix(z: Any) -> Any:
            field.nlu += 1
            return identity_minus(c_raw, field.jacobian(t_raw, z, exact=True))

        root = _implicit.settle(
            lambda z: z - start + drift - c_raw * field.value(t_raw, z), matrix, start, sizes(start)
        )
        if not root.ok:
            return None
        self._predicted = predicted
        if not (recording or field.recording or isinstance(predicted, Number)):
            return root.z
        return _implicit.recorded("BDF", lambda z: z - predicted + psi - c * field(t_new, z), root.z, matrix(root.z))

    def _on_grid(self, h: Any) -> list[Any]:
        """Bring the recording differences to the grid of a step."""
        p, rows = self._order, self._recorded or []
        factor = h / self._grid
        if isinstance(factor, Number) or factor != 1.0:
            whole = array_ops.stack([_like(row, rows) for row in rows[: p + 1]])
            moved = matmul(array_ops.transpose(_rescaling(p, factor), (1, 0)), whole)
            rows = [*(moved[j] for j in range(p + 1)), *rows[p + 1 :]]
        self._recorded, self._grid = rows, h
        return rows

    def grown(self, h: float, norm: float, t: Any, y: Any) -> float:
        p, d, scale = self._order, self._d, self._scale
        if self._n_equal < p + 1:
            return abs(h)
        below = float(rms(np.abs(_ERROR[p - 1] * d[p]) / scale)) if p > 1 else np.inf
        above = float(rms(np.abs(_ERROR[p + 1] * d[p + 2]) / scale)) if p < _ORDERS else np.inf
        with np.errstate(divide="ignore"):
            factors = np.array([below, norm, above]) ** (-1 / np.arange(p, p + 3))
        self._order = p + int(np.argmax(factors)) - 1
        factor = min(_MAX_FACTOR, self._safety * float(np.max(factors)))
        self._rescale(factor)
        self._factors = None
        return abs(h) * factor


def _sum(rows: Sequence[Any]) -> Any:
    total = rows[0]
    for row in rows[1:]:
        total = total + row
    return total


def _like(row: Any, rows: Sequence[Any]) -> Any:
    """Return a plain row as a recording number beside recording ones."""
    if isinstance(row, Number):
        return row
    other: Any = next((x for x in rows if isinstance(x, Number)), None)
    return row if other is None else row + 0.0 * other
