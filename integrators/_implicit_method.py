"""`ImplicitMethod`: what methods that solve equations at each step have in common."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from typing import Any, final

import numpy as np

from diffsim import array_ops, replay
from diffsim.errors import TraceError
from diffsim.number import Number, raw, shape_of
from diffsim.tracer import Tracer
from integrators import _implicit
from integrators._combination import State, needs_exact
from integrators._field import Field
from integrators._implicit import Root
from integrators._integrator import Integrator, RightHandSide, Step
from integrators._linear_systems import Factors, factorise, identity_minus, stacked
from integrators.drivers.right_hand_side import RightHandSide as Counted

__all__: list[str] = []


class ImplicitMethod(Integrator):
    """A method whose stages are roots of equations: Newton's iterations in plain numbers, exact derivatives.

    A subclass writes `_advance` for one state of shape (n,); `step` takes all other forms.  Trajectories of a batch are
    integrated one by one, since each has its own Jacobian and its own iterations.

    Notes
    -----
    In an adaptive solve without derivatives the equations are solved as far as the tolerance asks.  With derivatives,
    with fixed steps, and where differences repeat the steps of a solve, they are solved to rounding.
    """

    _tolerances: tuple[Any, Any] | None = None

    @property
    def by_lane(self) -> bool:
        return True

    @property
    def implicit(self) -> bool:
        return True

    @property
    def traceable(self) -> bool:
        return False

    def tuned(self, rtol: Any, atol: Any) -> Integrator:
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._tolerances = (rtol, atol)
        return twin

    @abc.abstractmethod
    def _advance(self, field: Field, t: Any, y: Any, h: Any, carry: Any) -> Step:
        """Return the whole step of a state of shape (n,)."""

    @final
    def advance(self, f: RightHandSide, t: Any, y: State, h: Any, carry: State | None = None) -> Step:
        if not self.traceable and is_traced(y):
            raise TraceError(
                f"{type(self).__name__}: its stages are found by iterations, which cannot be traced. Rodas5P can be."
            )
        if isinstance(f, Counted):
            return self._advance(f.field, t, y, h, carry)
        shape = shape_of(y)
        if len(shape) == 1 and y.__class__ is not list and y.__class__ is not tuple:
            return self._advance(Field(lambda t, z: array_ops.array(f(t, z))), t, _floats(y), h, carry)
        if len(shape) > 1:
            return self._columns(f, t, y, h, shape)
        return self._listed(f, t, y, h)

    @final
    def propagate(self, f: RightHandSide, t: Any, y: State, h: Any, carry: State | None = None) -> State:
        step = self.advance(f, t, y, h, carry)
        if step.ok:
            return step.y
        # NOTE: no state: a solve with fixed steps ends there
        return [x * math.nan for x in step.y] if step.y.__class__ is list else step.y * math.nan

    def _listed(self, f: RightHandSide, t: Any, y: State, h: Any) -> Step:
        """Advance a list, or a single number."""
        many = y.__class__ is list or y.__class__ is tuple
        n = len(y) if many else 1
        numbers = list(y) if many else [y]
        if needs_exact(h, y):
            z: Any = np.empty(n, dtype=object)
            z[:] = numbers
        else:
            z = _floats(array_ops.array(numbers))

        def flat(t: Any, x: Any) -> Any:
            parts = [_number(x[i]) for i in range(n)]
            return array_ops.array(f(t, parts) if many else [f(t, parts[0])])

        step = self._advance(Field(flat), t, z, h, None)

        def back(x: Any) -> Any:
            parts = [_number(x[i]) for i in range(n)]
            return parts if many else parts[0]

        return Step(back(step.y), None if step.error is None else back(step.error), None, step.stages, step.ok)

    def _columns(self, f: RightHandSide, t: Any, y: State, h: Any, shape: tuple[int, ...]) -> Step:
        """Advance a block of states (n, *batch) one by one."""
        field = Field(lambda t, z: array_ops.array(f(t, z)))
        steps = [self._advance(field, t, y[(slice(None), *spot)], h, None) for spot in np.ndindex(*shape[1:])]

        def joined(columns: list[Any]) -> Any:
            return array_ops.reshape(array_ops.stack(columns, axis=1), shape)

        stages = [joined(list(column)) for column in zip(*(step.stages for step in steps), strict=True)]
        error = None if steps[0].error is None else joined([step.error for step in steps])
        return Step(joined([step.y for step in steps]), error, None, stages, all(step.ok for step in steps))

    # --- stages ------------------------------------------------------------------------------------------------------

    def _stage(self, field: Field, t: Any, base: Any, c: Any, start: Any, factors: Factors | None) -> tuple[Any, Root]:
        """Solve ``z = base + c f(t, z)``: the stage of a diagonally implicit method.

        Parameters
        ----------
        field : Field
        t, base, c
            Numbers of any kind; base of shape (n,).
        start : array, shape (n,)
            Where the iterations start, plain.
        factors : Factors or None
            Of ``I - c J`` near there; None makes them.

        Returns
        -------
        z : state, shape (n,)
            With its derivatives.
        root : Root
            How it was found; z means nothing unless it is ok.
        """
        t_raw, base_raw, c_raw = raw(t), raw(base), raw(c)

        def residual(z: Any) -> Any:
            return z - base_raw - c_raw * field.value(t_raw, z)

        recording = field.recording or any(isinstance(x, Number) for x in (t, base, c))

        def matrix(z: Any) -> Any:
            field.nlu += 1
            return identity_minus(c_raw, field.jacobian(t_raw, z, exact=recording))

        if recording or self._tolerances is None or replay.is_active():
            root = _implicit.settle(residual, matrix, start, sizes(start), factors)
            recording = recording or field.recording
            if not root.ok or not recording:
                return root.z, root
            m = identity_minus(c_raw, field.jacobian(t_raw, root.z, exact=True))
            name = type(self).__name__
            return _implicit.recorded(name, lambda z: z - base - c * field(t, z), root.z, m), root
        scale, tolerance = self._newton_scale(start)
        root = _implicit.newton(residual, start, factors or factorise(matrix(start)), scale, tolerance)
        return root.z, root

    def _newton_scale(self, y: Any) -> tuple[Any, float]:
        """Return the units and the tolerance of Newton's iterations in an adaptive solve; SciPy's."""
        rtol, atol = self._tolerances or (1e-3, 1e-6)
        least = float(np.min(rtol))
        return atol + rtol * np.abs(y), _implicit.newton_tolerance(least)


def stage_increments(
    who: str, field: Field, t: Any, y: Any, h: Any, a: Sequence[Sequence[Any]], c: Sequence[Any], start: Any
) -> list[Any] | None:
    """Solve ``z_i = h sum_j a_ij f(t + c_j h, y + z_j)``, the equations of all stages together, to rounding.

    Parameters
    ----------
    who : str
        The method, for messages.
    field : Field
    t, y, h
        Numbers of any kind; y of shape (n,).
    a, c : sequences of number, shapes (s, s) and (s,)
        Of the tableau, in the precision of y.
    start : array, shape (s n,)
        Plain increments to start from.

    Returns
    -------
    list of s states (n,), or None
        With their derivatives; None where the equations have not been solved.

    References
    ----------
    Hairer, Wanner, "Solving Ordinary Differential Equations II", equation (IV.8.2).
    """
    s, n, plain, t_raw, h_raw = len(c), len(raw(y)), raw(y), raw(t), raw(h)

    def equations(f: Any, t: Any, y: Any, h: Any, z: Any) -> Any:
        slopes = [f(t + c[j] * h, y + z[j * n : (j + 1) * n]) for j in range(s)]
        rows = [weighted(row, slopes) for row in a]
        return z - h * (array_ops.concatenate(rows) if isinstance(rows[0], Number) else np.concatenate(rows))

    recording = field.recording or any(isinstance(x, Number) for x in (t, y, h))

    def matrix(z: Any) -> Any:
        field.nlu += 1
        slopes = [
            field.jacobian(t_raw + c[j] * h_raw, plain + z[j * n : (j + 1) * n], exact=recording) for j in range(s)
        ]
        return stacked(h_raw, a, slopes)

    root = _implicit.settle(
        lambda z: equations(field.value, t_raw, plain, h_raw, z), matrix, start, np.concatenate([sizes(plain)] * s)
    )
    if not root.ok:
        return None
    z = root.z
    recording = recording or field.recording
    if recording:
        z = _implicit.recorded(who, lambda z: equations(field, t, y, h, z), z, matrix(z))
    return [z[j * n : (j + 1) * n] for j in range(s)]


def weighted(weights: Sequence[Any], terms: Sequence[Any]) -> Any:
    """Return ``weights[0] * terms[0] + weights[1] * terms[1] + ...``, from the left."""
    total = weights[0] * terms[0]
    for weight, term in zip(weights[1:], terms[1:], strict=True):
        total = total + weight * term
    return total


def sizes(y: Any) -> Any:
    """Return typical sizes of the components of a state, > 0: a small one counts as a part of the largest."""
    size = np.abs(y)
    largest = max(size.tolist()) if size.dtype == object else float(size.max())
    if not largest > 0:
        return np.ones(len(y))
    if size.dtype == object:
        return np.array([largest] * len(y), dtype=object)
    return np.maximum(size, 1e-8 * largest)


def is_traced(y: Any) -> bool:
    numbers = y.flat if isinstance(y, np.ndarray) and y.dtype == object else y if isinstance(y, list | tuple) else (y,)
    return any(isinstance(x, Tracer) for x in numbers)


def _floats(y: Any) -> Any:
    """Return whole numbers as floats."""
    return y.astype(np.float64) if isinstance(y, np.ndarray) and y.dtype.kind in "iub" else y


def _number(x: Any) -> Any:
    return float(x) if x.__class__ is np.float64 else x
