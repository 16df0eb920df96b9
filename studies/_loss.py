"""A loss of a trajectory, with constraints, as functions of free starts and parameters, with exact derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim import array_ops
from diffsim.derivatives import pushforward, value_and_grad
from diffsim.errors import KindError, RunError, must
from diffsim.number import raw
from diffsim.protocols import with_parameters
from studies._checks import Floats
from studies._constraints import Condition
from studies._solver import solved_beyond

__all__: list[str] = []


@final
@dataclass(frozen=True, eq=False)
class Seen:
    """Loss and constraints at one point.

    Attributes
    ----------
    value : float
    gradient : ndarray (n_free,)
    values : tuple of ndarray (r,)
        Of the constraints, flat.
    slopes : tuple of ndarray (r, n_free)
    """

    value: float
    gradient: Floats
    values: tuple[Floats, ...] = ()
    slopes: tuple[Floats, ...] = ()


@final
@dataclass(frozen=True, eq=False)
class Loss:
    """``loss(y(t_1))`` or ``loss(t, y)`` as a function of x, the values of the ``free`` components and parameters.

    Attributes
    ----------
    who : str
        Who asks; begins the messages.
    system : System
    loss : callable
    with_time : bool
        Whether the loss takes ``(t, y)`` rather than the final state.
    start : ndarray (n,)
        What is not free stays as it is here.
    free : tuple of str
        Names of components and parameters.
    t_span, t_eval, solver
        Of `solve_ivp`.
    forward : bool
        Forward sensitivities, or the reverse mode through the solve; constraints take the former.
    conditions : tuple of Condition
        Constraints.
    """

    who: str
    system: Any
    loss: Callable[..., Any]
    with_time: bool
    start: Floats
    free: tuple[str, ...]
    t_span: Any
    t_eval: Any
    forward: bool
    solver: Mapping[str, Any]
    conditions: tuple[Condition, ...] = ()

    @property
    def x0(self) -> Floats:
        """The values of what is free, at the start (n_free,)."""
        known = dict(zip(self.system.state_names, self.start.tolist(), strict=True))
        return np.array([known[name] if name in known else float(self.system.parameters[name]) for name in self.free])

    def placed(self, x: Any) -> tuple[Any, Any]:
        """Return the System and the start (n,) at x, which may be recording numbers."""
        given = {name: x[i] for i, name in enumerate(self.free)}
        changes = {name: value for name, value in given.items() if name not in self.system.state_names}
        system = with_parameters(self.system, changes) if changes else self.system
        names = self.system.state_names
        start = [given.get(name, value) for name, value in zip(names, self.start.tolist(), strict=True)]
        return system, array_ops.stack(start)

    @property
    def span(self) -> tuple[float, float]:
        """First and last time, as plain numbers."""
        low, high = self.t_span
        return float(low), float(high)

    def system_at(self, x: Floats) -> Any:
        """Return the System at x."""
        return self.placed(x)[0]

    def start_at(self, x: Floats) -> Floats:
        """Return the start (n,) at x."""
        return np.asarray(self.placed(x)[1], dtype=np.float64)

    def solve(self, x: Any, sensitivities: tuple[str, ...] = ()) -> Any:
        """Return the Solution at x; RunError where it does not reach the end."""
        system, start = self.placed(x)
        t_eval = self._times() if sensitivities else self.t_eval if self.by_times else None
        arguments = {"t_eval": t_eval, "sensitivities": sensitivities, **self.solver}
        solution = solved_beyond(system, self.t_span, start, **arguments)
        if solution.status < 0:
            raise self._fallen(x, solution.message)
        return solution

    @property
    def by_times(self) -> bool:
        """Whether the loss or a constraint asks for the trajectory, rather than for the final state."""
        return self.with_time or any(one.with_time for one in self.conditions)

    def _times(self) -> Any:
        """Return the times at which tangents are wanted: the end alone, where that is all that is looked at."""
        return self.t_eval if self.by_times else [self.span[1]]

    def _fallen(self, x: Any, message: str) -> RunError:
        return RunError(f"{self.who}: the solve fails at {self._where(x)}. {message} Bounds may keep away.")

    def of(self, t: Any, y: Any) -> Any:
        """Return the loss of a trajectory y (n, n_times); what is not finite is reported by the callers."""
        with np.errstate(all="ignore"):
            return self.loss(t, y) if self.with_time else self.loss(y[:, -1])

    def check(self, x: Floats) -> Any:
        """Return the Solution at the start after checking that the loss gives one finite number there.

        Raises
        ------
        KindError
            The loss returns None, text, or anything but a number.
        ArgumentError
            It returns an array, NaN or infinity.
        """
        solution = self.solve(x)
        value = self.of(solution.t, solution.y)
        plain = np.asarray(raw(value)) if value is not None else np.asarray(None)
        if plain.dtype.kind not in "iuf":
            raise KindError(
                f"{self.who}: loss must return a real number; got {value!r} of type {type(value).__name__}."
            )
        if plain.shape != ():
            mend = "Sum it, or take one entry."
            raise must(
                self.who, "loss", "must return one number, not an array of shape " + str(plain.shape), value, mend
            )
        if not np.isfinite(plain):
            raise must(self.who, "loss", f"must be finite at the start, {self._where(x)}", float(plain))
        return solution

    def __call__(self, x: Floats) -> tuple[float, Floats]:
        """Return the loss at x and its gradient (n_free,)."""
        seen = self.seen(x)
        return seen.value, seen.gradient

    def seen(self, x: Floats) -> Seen:
        """Return the loss, the constraints and their derivatives at x.

        Raises
        ------
        RunError
            The solve fails, or something is not finite; the message says where.
        """
        if not self.forward and not self.conditions:
            return self.checked(x, Seen(*self._reverse(x)))
        solution = self.solve(x, self.free)
        return self.checked(x, self.along(solution.t, solution.y, self._columns(solution)))

    def many(self, points: Floats) -> list[Seen | RunError]:
        """Return what is seen at each of m points (n_free, m), of one batch of solves; what befalls one is its own."""
        m = points.shape[1]
        system, start = self.placed(points)
        t_eval = self._times()
        start = np.stack([np.broadcast_to(row, (m,)) for row in start])
        run = solved_beyond(system, self.t_span, start, t_eval=t_eval, sensitivities=self.free, **self.solver)
        columns = self._columns(run)
        found: list[Seen | RunError] = []
        for j, (status, message, count) in enumerate(
            zip(np.ravel(run.status), np.ravel(run.message), np.ravel(run.n_times), strict=True)
        ):
            x = points[:, j]
            t = run.t[j, :count] if run.t.ndim == 2 else run.t[:count]
            try:
                if status < 0:
                    raise self._fallen(x, str(message))
                found.append(self.checked(x, self.along(t, run.y[:, j, :count], columns[:, :, j, :count])))
            except RunError as error:
                found.append(error)
        return found

    def _columns(self, solution: Any) -> Floats:
        """Return the derivatives (n_free, n, ...) of a solution by what is free."""
        columns = []
        for name in self.free:
            by_start = name in self.system.state_names
            known = solution.y0_names if by_start else solution.param_names
            derivative = solution.dy_dy0 if by_start else solution.dy_dparams
            columns.append(derivative[:, known.index(name)])
        return np.stack(columns)

    def along(self, t: Floats, y: Floats, tangents: Floats) -> Seen:
        """Return what is seen of a trajectory (n, n_times) with tangents (k, n, n_times)."""

        def every(states: Any) -> Any:
            values = [self.of(t, states)]
            with np.errstate(all="ignore"):
                values += [one.function(t, states) if one.with_time else one.function(states[:, -1])
                           for one in self.conditions]  # fmt: skip
            return values

        (value, *values), (gradient, *slopes) = pushforward(every, (y,), (tangents,))
        k = len(tangents)
        return Seen(
            float(value),
            np.asarray(gradient, dtype=np.float64),
            tuple(np.ravel(np.asarray(x, dtype=np.float64)) for x in values),
            tuple(np.asarray(slope, dtype=np.float64).reshape(k, -1).T for slope in slopes),
        )

    def checked(self, x: Floats, seen: Seen) -> Seen:
        """Return what was seen; RunError where it is not finite."""
        if not np.isfinite(seen.value) or not np.isfinite(seen.gradient).all():
            raise RunError(
                f"{self.who}: the loss or its gradient is not finite at {self._where(x)}: "
                f"loss={seen.value!r}, gradient={seen.gradient.tolist()}. Bounds may keep away."
            )
        for one, values, slopes in zip(self.conditions, seen.values, seen.slopes, strict=True):
            if not np.isfinite(values).all() or not np.isfinite(slopes).all():
                raise RunError(
                    f"{self.who}: {one.name} or its derivative is not finite at {self._where(x)}: "
                    f"{values.tolist()}. Bounds may keep away."
                )
        return seen

    def _reverse(self, x: Floats) -> tuple[float, Floats]:
        """One solve that records itself, and one pass back."""

        def of_free(values: Any) -> Any:
            solution = self.solve(values)
            return self.of(solution.t, solution.y)

        value, gradient = value_and_grad(of_free)(x)
        return float(value), np.asarray(gradient, dtype=np.float64)

    def _where(self, x: Any) -> str:
        """``p_1=1.0, p_2=4.0``."""
        return ", ".join(f"{name}={float(raw(x[i]))!r}" for i, name in enumerate(self.free))
