"""One solve with its arguments checked: what the drivers and the batches share."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.capture import capture
from diffsim.errors import must
from diffsim.number import Number, raw, shape_of
from diffsim.protocols import is_elementwise, is_system, parameter_names, parameter_values, with_parameters
from integrators._event_arguments import EventSet
from integrators._integrator import Integrator
from integrators.drivers.adaptive import run_adaptive
from integrators.drivers.control import Control
from integrators.drivers.fixed import run_fixed
from integrators.drivers.grid import Grid, make_grid
from integrators.drivers.guard import Guard
from integrators.drivers.lanes import run_lanes
from integrators.drivers.right_hand_side import RightHandSide, label
from integrators.drivers.run import Run, Tick

__all__: list[str] = []

_ARGUMENT = re.compile(r"args\[\d+\]")


@dataclass(frozen=True)
class Problem:
    """A solve, ready to run.

    Attributes
    ----------
    fun : callable
    args : tuple
    ends : (t0, t1)
        Floats or recording numbers; of shape batch where each trajectory has its own.
    y0 : array or recording number, shape (n, *batch)
    t_eval : array, shape (n_times,) or (*batch, n_times), or None
        Save times; those of each trajectory are padded with NaN.
    method : Integrator
    grid : Grid or None
        The nodes of a fixed-step solve; None for a method that chooses its steps, and where trajectories have their own
        times.
    control : Control
    names : tuple of str
        Names of the state components; ``()`` for a plain function.
    vectorized : bool
        Whether `fun` takes a batch, as the caller says.
    threads : int or None
        For the compiled loops.
    guard : Guard
        Callback, deadline, Ctrl-C.
    events : EventSet or None
        What to look for on the way; None for nothing.
    dense : bool
        Whether the solution is wanted as a function of time.
    moving : recording number, shape (n_times,) or (*batch, n_times), or None
        The save times, where they carry a derivative.
    jac : Slope or None
        What is said about the Jacobian, for implicit methods.
    machine : bool
        Whether parts of an interpreted solve may be machine code (the power series of the Taylor method).
    turned : int
        Of one trajectory of a batch: length of the last axis of the whole start, see `RightHandSide`.
    strict : bool
        Whether a start at which `fun` is not finite is an error; in a batch it is a status.
    """

    fun: Any
    args: tuple[Any, ...]
    ends: tuple[Any, Any]
    y0: Any
    t_eval: NDArray[np.float64] | None
    method: Integrator
    grid: Grid | None
    control: Control
    names: tuple[str, ...]
    vectorized: bool
    threads: int | None = None
    guard: Guard = field(default_factory=Guard)
    events: EventSet | None = None
    dense: bool = False
    moving: Any = None
    jac: Any = None
    machine: bool = False
    turned: int = -1
    strict: bool = True

    @functools.cached_property
    def batch(self) -> tuple[int, ...]:
        """Shape of the batch; ``()`` for a single trajectory."""
        shape: tuple[int, ...] = self.y0.shape[1:]
        return shape

    @property
    def elementwise(self) -> bool:
        """Whether a batch is integrated at once: the right-hand side takes lanes of its own accord, the method too."""
        return is_elementwise(self.fun) and not self.method.by_lane

    @property
    def singly(self) -> bool:
        """Whether somebody looks at the steps of each trajectory: then a batch is integrated one after the other."""
        return self.guard.listens or self.watched

    @property
    def watched(self) -> bool:
        """Whether each step is looked at beyond the callback: events, dense output, save times that move."""
        return bool(self.events) or self.dense or self.moving is not None

    @property
    def ragged(self) -> bool:
        """Whether trajectories have their own spans or save times."""
        return any(shape_of(end) != () for end in self.ends) or (self.t_eval is not None and self.t_eval.ndim > 1)

    @property
    def recording(self) -> bool:
        """Whether derivatives flow through the solve (as far as its arguments tell)."""
        numbers = (
            self.y0,
            *self.ends,
            self.moving,
            *self.args,
            *(parameter_values(self.fun) if is_system(self.fun) else ()),
        )
        return any(isinstance(x, Number) for x in numbers)

    @property
    def given_times(self) -> NDArray[np.float64] | None:
        """Save times known beforehand: (n_times,) for all trajectories, or (m, n_times); None where they are not."""
        events = self.events
        if events is not None and (events.ends or (self.t_eval is None and events.interrupts)):
            return None
        if self.grid is not None:
            return self.grid.t
        if self.t_eval is None or self.t_eval.ndim == 1:
            return self.t_eval
        return self.t_eval.reshape(math.prod(self.batch), self.t_eval.shape[-1])

    @property
    def work(self) -> float:
        """Amount of work of all trajectories, in the units of `Tick`: steps, or time covered."""
        n_lanes = max(1, math.prod(self.batch))
        if self.grid is not None:
            return float(self.grid.n_steps) * n_lanes
        spans = np.abs(np.subtract(raw(self.ends[1]), raw(self.ends[0])))
        total = float(np.broadcast_to(spans, self.batch).sum()) if self.ragged else float(spans) * n_lanes
        return total if self.method.h is None else total / self.method.h

    def like(self, fun: Any, args: tuple[Any, ...], y0: Any, names: tuple[str, ...]) -> Problem:
        """Return the same for another right-hand side and another start of the same shape, with a clock of its own.

        PERF: 1 us; `dataclasses.replace` takes 10.
        """
        twin = object.__new__(Problem)
        twin.__dict__.update(self.__dict__, fun=fun, args=args, y0=y0, names=names, guard=Guard())
        return twin

    def at(self, spot: tuple[int, ...]) -> Problem:
        """Return the problem of one trajectory of the batch."""
        own = tuple(end[spot] if shape_of(end) != () else end for end in self.ends)
        times, moving = self.t_eval, self.moving
        if times is not None and times.ndim > 1:
            times = times[spot]
            moving = None if moving is None else moving[spot][: int((~np.isnan(times)).sum())]
            times = times[~np.isnan(times)]
        fun = self.fun
        if is_elementwise(fun):
            arrays = self.lane_parameters()
            lane = int(np.ravel_multi_index(spot, self.batch))
            fun = with_parameters(fun, {name: x[lane] for name, x in arrays.items()}) if arrays else fun
        events = self.events if self.events is None or fun is self.fun else self.events.of(fun)
        grid = self.grid
        if self.ragged and not self.method.adaptive and self.method.h is not None:
            grid = make_grid(own[0], own[1], self.method.h, times)
        return replace(
            self,
            fun=fun,
            y0=self.y0[(slice(None), *spot)],
            ends=own,
            t_eval=times,
            moving=moving,
            grid=grid,
            guard=self.guard.of(spot),
            events=events,
            turned=self.batch[-1],
            strict=False,
        )

    def some(self, lanes: slice) -> Problem:
        """Return the problem for a block of some of the lanes: with the times of these, one axis for the lanes."""
        if not self.ragged:
            return self
        own = tuple(end if shape_of(end) == () else array_ops.reshape(end, (-1,))[lanes] for end in self.ends)
        times = self.given_times
        return replace(self, ends=own, t_eval=times if times is None or times.ndim == 1 else times[lanes])

    def parameter(self, key: Any, changes: Mapping[Any, Any]) -> Any:
        """Return the value of a parameter, by name."""
        if key in changes:
            return changes[key]
        if is_system(self.fun):
            return getattr(self.fun, key)
        captured = capture(self.fun, self.args)
        return captured.values[captured.names.index(key)]

    def right_hand_side(self, changes: Mapping[Any, Any] | None = None, *, column: bool = False) -> RightHandSide:
        """Return the right-hand side, with some parameters replaced.

        Parameters
        ----------
        changes : mapping, optional
            From names of parameters to numbers of any kind.
        column : bool
            See `RightHandSide`.
        """
        made = self._right_hand_side(changes, column)
        made.slope, made.machine = self.jac, self.machine
        return made

    def _right_hand_side(self, changes: Mapping[Any, Any] | None, column: bool) -> RightHandSide:
        if is_system(self.fun):
            fun = with_parameters(self.fun, dict(changes)) if changes else self.fun
            return RightHandSide(fun, fresh=True)
        turned = self.batch[-1] if self.batch else self.turned
        if not changes:
            return RightHandSide(self.fun, self.args, column=column, turned=turned)
        if all(_ARGUMENT.fullmatch(name) for name in changes):
            args = tuple(changes.get(f"args[{i}]", arg) for i, arg in enumerate(self.args))
            return RightHandSide(self.fun, args, column=column, turned=turned)
        captured = capture(self.fun, self.args)
        numbers = [changes.get(name, x) for name, x in zip(captured.names, captured.values, strict=True)]
        made = RightHandSide(functools.partial(captured, numbers), column=column, turned=turned)
        if self.jac is not None:
            from integrators._field import Origin

            made.origin = Origin(self.fun, self.args, column, numbers)
        return made

    def run(
        self,
        y0: Any,
        *,
        changes: Mapping[Any, Any],
        column: bool = False,
        strict: bool = True,
        tick: Tick | None = None,
        out: NDArray[np.float64] | None = None,
    ) -> Run:
        """Integrate one block: a single trajectory (n,), or lanes (n, *lanes) that the right-hand side takes at once.

        Parameters
        ----------
        y0 : array or recording number
        changes, column
            See `right_hand_side`; what is an array in `changes` has one entry a lane.
        strict : bool
            Whether a start at which `f` is not finite is an error; otherwise it is a status.
        tick : callable, optional
        out : array, shape (n_times, n, *lanes), optional
            Where plain states of a fixed-step solve are stored.
        """
        f = self.right_hand_side(changes, column=column)
        found = self._run(f, y0, changes, strict, tick, out)
        if not self.method.implicit:
            return found
        return replace(found, njev=f.field.njev, nlu=f.field.nlu)

    def _run(
        self,
        f: RightHandSide,
        y0: Any,
        changes: Mapping[Any, Any],
        strict: bool,
        tick: Tick | None,
        out: NDArray[np.float64] | None,
    ) -> Run:
        if self.watched:
            from integrators.drivers.watched import run_watched  # with the search for roots, which few solves need

            return run_watched(
                self.method,
                f,
                y0,
                self.ends,
                self.t_eval,
                self.grid,
                self.control,
                self.names,
                self.events_of(f, changes),
                dense=self.dense,
                moving=self.moving,
                strict=strict,
                tick=tick,
                guard=self.guard,
            )
        if self.grid is not None:
            return run_fixed(
                self.method,
                f,
                y0,
                self.grid,
                self.names,
                max_steps=self.control.max_steps,
                strict=strict,
                tick=tick,
                out=out,
                guard=self.guard,
            )
        if y0.ndim > 1:

            def narrow(lanes: Any) -> RightHandSide:
                return self.right_hand_side({k: x[lanes] if shape_of(x) else x for k, x in changes.items()})

            return run_lanes(
                self.method, narrow, y0, self.ends, self.t_eval, self.control, self.names, tick=tick, guard=self.guard
            )
        more: dict[str, Any] = {"strict": strict, "tick": tick, "guard": self.guard}
        return run_adaptive(self.method, f, y0, self.ends, self.t_eval, self.control, self.names, **more)

    def events_of(self, f: RightHandSide, changes: Mapping[Any, Any]) -> EventSet | None:
        """Return the events, with the parameters that `f` has."""
        if self.events is None or not changes:
            return self.events
        return self.events.replaced(changes).of(f.fun)

    def lane_parameters(self) -> dict[str, Any]:
        """Return the System's parameters that are arrays, one entry a trajectory, each of shape (n_lanes,).

        Raises
        ------
        ArgumentError
            An array does not broadcast to the shape of the batch.
        """
        found = {}
        for name, value in zip(parameter_names(self.fun), parameter_values(self.fun), strict=True):
            shape = shape_of(value)
            if shape == ():
                continue
            try:
                fits = np.broadcast_shapes(shape, self.batch) == self.batch
            except ValueError:
                fits = False
            if not fits:
                raise must(
                    label(self.fun),
                    name,
                    f"must be one number or broadcast to the batch of y0 {self.batch}",
                    shape,
                    "Give y0 the shape (n, *batch).",
                )
            found[name] = array_ops.reshape(array_ops.broadcast_to(value, self.batch), (-1,))
        return found
