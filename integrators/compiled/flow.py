"""The compiled solve as two rows of the table of primitives, so that every kind of number may pass through it.

`FLOW` takes starts and parameters to the states at the save times.  Its tangent is the flow of the tangent program, its
transpose is `ADJOINT`, whose own derivatives are flows and adjoints of the tangent program again: with

    phi(x; v) the tangent of the flow at x in direction v,     A(x, g) the adjoint of the flow at x on a cotangent g,

the tangent of A in direction (v, w) is the x-part of the adjoint of (flow, phi(.; v)) on (w, g), and for a cotangent u
of A's value, <u, A(x, g)> = <phi(x; u), g>.  So all compositions of the two modes are made of the same two loops.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.errors import RunError
from diffsim.number import AnyNumber, Params, raw, shape_of
from diffsim.primitive import Structural, bind
from integrators.compiled.kernel_forward import SOUND
from integrators.compiled.machine import Flown, finite, fly
from integrators.compiled.machine_adjoint import Pullback
from integrators.compiled.plan import Plan
from integrators.compiled.program import Program
from integrators.drivers.run import Tick

__all__: list[str] = []


@final
@dataclass(eq=False)
class Journey:
    """One solve that carries derivatives: what is to be run, and what was kept of the run for the way back.

    Attributes
    ----------
    program : Program
    plan : Plan
    active : tuple of bool
        Which parameters need cotangents.
    memory : float
        Bytes that may be spent on stored states.
    threads : int or None
    tick : callable or None
    flown : Flown or None
        What the last run gave.
    """

    program: Program
    plan: Plan
    active: tuple[bool, ...]
    memory: float
    threads: int | None = None
    tick: Tick | None = None
    flown: Flown | None = None
    _kept: Any = None
    _last: Any = None
    _fallen: Any = ()

    @functools.cached_property
    def _active(self) -> tuple[int, ...]:
        return tuple(j for j, wanted in enumerate(self.active) if wanted)

    @functools.cached_property
    def tangent(self) -> Journey:
        """The solve of the state together with its tangent."""
        return Journey(self.program.tangent, self.plan, self.active * 2, self.memory, self.threads)

    def run(self, y0: Any, parameters: Any) -> Any:
        """Return states (n, n_lanes, n_times), or (n, n_times) for a single start, of plain numbers."""
        lanes = _lanes(y0)
        store = self._room(lanes)
        given: Any = np.asarray(parameters)
        given = given[:, None] if lanes.shape[1] == 1 and given.ndim == 1 else list(given)
        target = None if store is None else store[1:]
        self.flown = fly(
            self.program, lanes, given, self.plan, store=target, narrow=True, threads=self.threads, tick=self.tick
        )
        if store is not None:
            store[0] = lanes[:, :1] if store.shape[2] == 1 else np.pad(lanes, self._padding(lanes), mode="edge")
        self._kept = (y0, parameters, store)
        failed = self.flown.failed[: lanes.shape[1]]
        self._fallen = () if failed.min(initial=SOUND) == SOUND else np.flatnonzero(failed != SOUND)
        for j in self._fallen:
            self.flown.out[self.plan.nodes > self.flown.failed[j], :, j] = np.nan
        out = self.flown.out[:, :, : lanes.shape[1]].transpose(1, 2, 0)
        return out[:, 0] if y0.ndim == 1 else out

    def pull(self, y0: Any, parameters: Any, g: Any) -> Any:
        """Return cotangents of start and parameters, (n + n_parameters, n_lanes) or without lanes for a single one."""
        lanes = _lanes(y0)
        weights = asked = (g[:, None] if y0.ndim == 1 else g).transpose(2, 0, 1)
        if self._kept is None or self._kept[0] is not y0 or self._kept[1] is not parameters:
            self.run(y0, parameters)
        given: Any = parameters
        if self.flown is not None and self.flown.given.shape[1] == lanes.shape[1]:
            given = self.flown.given
        if len(self._fallen):
            sound = np.ones(lanes.shape[1], dtype=bool)
            sound[self._fallen] = False
            weights = np.where(sound, weights, 0.0)
        out = self._pull_lanes(self.plan, lanes, given, weights, self._kept[2])
        for j in self._fallen:
            out[:, j] = self._pull_fallen(int(j), lanes, given, asked)
        if y0.ndim == 1 and not finite(out) and finite(g):
            raise overflowed("gradient overflowed on the way back")
        return out[:, 0] if y0.ndim == 1 else out

    def _pull_lanes(self, plan: Plan, lanes: Any, given: list[Any], weights: Any, store: Any) -> NDArray[np.float64]:
        active = self._active
        back = Pullback(self.program, lanes, given, plan, active, self.memory, self.threads)(weights, store)
        if len(active) == self.program.n_parameters:
            return np.concatenate([back.start, back.parameters])
        out = np.zeros((len(lanes) + self.program.n_parameters, lanes.shape[1]))
        out[: len(lanes)] = back.start
        if active:
            out[[len(lanes) + j for j in active]] = back.parameters
        return out

    def _pull_fallen(self, j: int, lanes: Any, given: list[Any], weights: Any) -> Any:
        """Return the cotangents of a lane that fell: of the saves before it did; NaN if later ones count."""
        if self.flown is None:
            raise RunError("solve_ivp: a way back must have a way forth.")
        plan = self.plan.until(int(self.flown.failed[j]))
        if weights[plan.n_saves :, :, j].any():
            return np.nan
        own = [x[j : j + 1] if np.ndim(x) else x for x in np.asarray(given)]
        return self._pull_lanes(plan, lanes[:, j : j + 1], own, weights[: plan.n_saves, :, j : j + 1], None)[:, 0]

    def pulled(self, g: Any, args: Sequence[Any]) -> Any:
        """Return `ADJOINT` of g, remembering the last one: start and parameters ask for it one after the other."""
        if self._last is None or self._last[0] is not g:
            self._last = (g, bind(ADJOINT, (args[0], args[1], g), {"journey": self}))
        return self._last[1]

    def _room(self, lanes: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return room for the states at all nodes, if it is within the memory."""
        n, n_lanes = lanes.shape
        if n_lanes == 0:
            return None
        n_padded = n_lanes + self._padding(lanes)[1][1]
        size = (self.plan.n_steps + 1) * n * n_padded
        return np.empty((self.plan.n_steps + 1, n, n_padded)) if 8 * size <= self.memory else None

    def _padding(self, lanes: NDArray[np.float64]) -> tuple[tuple[int, int], tuple[int, int]]:
        from diffsim.compiler import engine

        width = 1 if lanes.shape[1] == 1 else engine.host().lanes
        return (0, 0), (0, -lanes.shape[1] % width)


def overflowed(what: str) -> RunError:
    """Return the error for derivatives that left the finite numbers though the states did not."""
    return RunError(f"solve_ivp: the {what}: the trajectory is too sensitive for so long a span. Shorten t_span.")


def _lanes(y0: Any) -> NDArray[np.float64]:
    return np.asarray(y0[:, None] if y0.ndim == 1 else y0, dtype=np.float64)


class Course(Protocol):
    """What a row of the table runs along: a journey, or a walk along known steps (`Trek`)."""

    @property
    def tangent(self) -> Course:
        """The same of the state together with its tangent."""

    def run(self, y0: Any, parameters: Any) -> Any:
        """Return the states, of plain numbers."""

    def pull(self, y0: Any, parameters: Any, g: Any) -> Any:
        """Return cotangents of start and parameters, of plain numbers."""

    def pulled(self, g: Any, args: Sequence[Any]) -> Any:
        """Return `ADJOINT` of g, remembering the last one."""


def flow(journey: Course, y0: AnyNumber, parameters: AnyNumber) -> AnyNumber:
    """Return the states at the save times, for numbers of any kind.

    Parameters
    ----------
    journey : Course
    y0 : array or recording number, shape (n,) or (n, n_lanes)
    parameters : array or recording number, shape (n_parameters,) or (n_parameters, n_lanes)

    Returns
    -------
    array or recording number, shape (n, n_times) or (n, n_lanes, n_times)
    """
    return bind(FLOW, (y0, parameters), {"journey": journey})


def _stack(a: AnyNumber, b: AnyNumber) -> AnyNumber:
    return array_ops.concatenate([a, b], axis=0)


def _or_zero(t: Mapping[int, AnyNumber], i: int, args: Sequence[AnyNumber]) -> AnyNumber:
    return t[i] if i in t else np.zeros(shape_of(args[i]))


def _fit(parameters: AnyNumber, y0: AnyNumber, out: AnyNumber) -> AnyNumber:
    """Return the cotangents of lanes as those of the parameters: lanes that share a parameter are summed."""
    shared = len(shape_of(parameters)) == 1 and len(shape_of(y0)) == 2
    return array_ops.sum(out, axis=1) if shared else out


def _flow_transpose(i: int, g: AnyNumber, out: AnyNumber, args: Sequence[AnyNumber], params: Params) -> AnyNumber:
    n = shape_of(args[0])[0]
    bars = params["journey"].pulled(g, args)
    return bars[:n] if i == 0 else _fit(args[1], args[0], bars[n:])


def _flow_push(
    tangents: Mapping[int, AnyNumber], out: AnyNumber, args: Sequence[AnyNumber], params: Params
) -> AnyNumber:
    n = shape_of(args[0])[0]
    y0, parameters = _wide(args, tangents)
    moved = flow(params["journey"].tangent, y0, parameters)[n:]
    if len(shape_of(args[0])) == 1 and not finite(raw(moved)) and finite(raw(out)):
        raise overflowed("derivative overflowed on the way")
    return moved


def _wide(args: Sequence[AnyNumber], tangents: Mapping[int, AnyNumber]) -> tuple[AnyNumber, AnyNumber]:
    """Return start and parameters of the tangent program."""
    y0 = _stack(args[0], _or_zero(tangents, 0, args))
    return y0, _stack(args[1], _or_zero(tangents, 1, args))


def _adjoint_push(
    tangents: Mapping[int, AnyNumber], out: AnyNumber, args: Sequence[AnyNumber], params: Params
) -> AnyNumber:
    y0, parameters = _wide(args, tangents)
    g = _stack(_or_zero(tangents, 2, args), args[2])
    return _first_halves(bind(ADJOINT, (y0, parameters, g), {"journey": params["journey"].tangent}), args)


def _adjoint_transpose(i: int, u: AnyNumber, out: AnyNumber, args: Sequence[AnyNumber], params: Params) -> AnyNumber:
    n, journey = shape_of(args[0])[0], params["journey"]
    alike = len(shape_of(args[1])) == len(shape_of(args[0]))
    parameters = (
        args[1]
        if alike
        else array_ops.broadcast_to(
            array_ops.reshape(args[1], (*shape_of(args[1]), 1)), (*shape_of(args[1]), *shape_of(args[0])[1:])
        )
    )
    y0, wide = _stack(args[0], u[:n]), _stack(parameters, u[n:])
    if i == 2:
        return flow(journey.tangent, y0, wide)[n:]
    g = _stack(np.zeros(shape_of(args[2])), args[2])
    bars = _first_halves(bind(ADJOINT, (y0, wide, g), {"journey": journey.tangent}), args)
    return bars[:n] if i == 0 else _fit(args[1], args[0], bars[n:])


def _first_halves(bars: AnyNumber, args: Sequence[AnyNumber]) -> AnyNumber:
    """Return, of the cotangents of the tangent program, those of the state and of the parameters themselves."""
    n, m = shape_of(args[0])[0], shape_of(args[1])[0]
    return _stack(bars[:n], bars[2 * n : 2 * n + m]) if m else bars[:n]


FLOW = Structural("flow", lambda y0, p, journey: journey.run(y0, p), _flow_transpose, push=_flow_push)
ADJOINT = Structural(
    "flow_adjoint", lambda y0, p, g, journey: journey.pull(y0, p, g), _adjoint_transpose, push=_adjoint_push
)
