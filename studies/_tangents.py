"""Trajectories in intervals with the exact tangents of each: parallel in time.

The trajectory is integrated first, without tangents, and kept at the ends of the intervals.  From there all intervals
are integrated *at once*, as a batch, with the tangents of each: SIMD lanes and threads work on one trajectory.  With a
fixed step whose multiple the interval is, that is the same trajectory to the last bit; with adaptive steps the pieces
join within the tolerance (`Stretch.defect`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim.errors import RunError, TraceError, must
from diffsim.protocols import event_functions
from integrators._methods import resolve_method
from studies._checks import Floats
from studies._motion import Motion
from studies._solver import solved, solver_arguments

__all__: list[str] = []

_TOLERANCE = 1e-10
_METHOD = "DOP853"
_NUMBERS = 2**21  # doubles of the tangents that are kept at a time: 16 MiB
_MOST = 4096  # intervals integrated at once: enough for all lanes and threads


@final
@dataclass(frozen=True, eq=False)
class Clock:
    """Intervals of time.

    Attributes
    ----------
    solver : mapping
        Keyword arguments of `solve_ivp`.
    length : float
        Of an interval.
    inner : ndarray (q,)
        Times within an interval, from its start, at which the state is wanted as well.
    inside : bool
        Whether the tangents are wanted there too.
    """

    solver: Mapping[str, Any]
    length: float
    inner: Floats
    inside: bool = False


@final
@dataclass(frozen=True, eq=False)
class Stretch:
    """Some consecutive intervals of m trajectories.

    Attributes
    ----------
    first : int
        Number of the first interval.
    states : ndarray (n, m, k + 1)
        At the ends of the k intervals.
    inner : ndarray (n, m, k, q)
        At the wanted times within each.
    maps : ndarray (k, m, n, n_wrt)
        Tangents of each interval: by its start first, then by the parameters asked for.
    inner_maps : ndarray (k, m, q, n, n_wrt)
        From the start of the interval to the times within, where they were asked for; otherwise q is 0.
    defect : float
        Largest distance between the end of an interval and the start of the next.
    """

    first: int
    states: Floats
    inner: Floats
    maps: Floats
    inner_maps: Floats
    defect: float


def solver_of(
    who: str, motion: Motion, method: Any, length: float, options: Mapping[str, Any], name: str
) -> dict[str, Any]:
    """Return the keyword arguments for `solve_ivp`: tight tolerances, or steps that fit the interval.

    Raises
    ------
    ArgumentError
        A fixed step of which the interval is no multiple; an unknown method.
    """
    given = dict(options)
    for taken in ("args", "t_eval", "sensitivities", "dense_output", "events"):
        if taken in given:
            raise must(who, taken, "cannot be given", given[taken], "A study asks the solver for what it needs itself.")
    rtol, atol = given.pop("rtol", None), given.pop("atol", None)
    if motion.discrete and method is None:
        if length != round(length):
            raise must(who, name, "must be a whole number of iterations of a map", length)
        return given
    usual = "Radau" if getattr(motion.fun, "stiff", False) else _METHOD
    solver = solver_arguments(usual if method is None else method, rtol, atol, given, (_TOLERANCE, _TOLERANCE))
    step = resolve_method(solver["method"], solver.get("step")).h
    if step is not None and abs(length / step - round(length / step)) > 1e-9 * (length / step):
        whole = max(1, round(length / step)) * step
        raise must(who, name, f"must be a multiple of the step {step:g}", length, f"Such as {whole:g}.")
    return solver


def at_time(who: str, motion: Motion, solver: Mapping[str, Any], starts: Floats, t: float) -> Floats:
    """Return the states (n, m) at time t; the starts (n, m) are at 0."""
    if t == 0.0:
        return starts
    return _solved(who, motion, (0.0, t), starts, {**solver, "t_eval": [t]}).y[..., -1]  # type: ignore[no-any-return]


def stretches(
    who: str,
    motion: Motion,
    clock: Clock,
    starts: Floats,
    t_start: float,
    count: int,
    parameters: Sequence[str] = (),
) -> Iterator[Stretch]:
    """Yield the `count` intervals from the starts (n, m) at time `t_start`, as many at a time as memory allows."""
    n, m = starts.shape
    offsets = np.append(clock.inner if clock.inside else [], clock.length)
    at_once = int(max(1, min(_MOST // m + 1, _NUMBERS // (n * (n + len(parameters)) * m * len(offsets)))))
    state = starts
    for first in range(0, count, at_once):
        k = min(at_once, count - first)
        # NOTE: a right-hand side without time is integrated from 0, so that the times are the same in each interval.
        origin = 0.0 if motion.autonomous else t_start + first * clock.length
        states, inner = _along(who, motion, clock, state, origin, k)
        begins = states[..., :-1].reshape(n, m * k)
        wanted = {**clock.solver, "sensitivities": ["y0", *parameters]}
        if motion.autonomous:
            moved = _solved(who, motion, (0.0, clock.length), begins, {**wanted, "t_eval": offsets})
        else:
            low = np.tile(origin + clock.length * np.arange(k), m)
            span, times = (low, low + clock.length), low[:, None] + offsets
            moved = _solved(who, motion, span, begins, {**wanted, "t_eval": times})
        tangents = moved.dy_dy0
        if parameters:
            tangents = np.concatenate([tangents, moved.dy_dparams], axis=1)
        every = tangents.reshape(n, -1, m, k, len(offsets)).transpose(3, 2, 4, 0, 1)
        maps = np.ascontiguousarray(every[:, :, -1])
        if not np.isfinite(maps).all():
            raise RunError(f"{who}: the tangents overflow within {clock.length:g} s; take a shorter t_renorm.")
        defect = float(np.abs(moved.y[..., -1].reshape(n, m, k) - states[..., 1:]).max())
        yield Stretch(first, states, inner, maps, every[:, :, :-1], defect)
        state = states[..., -1]


def _along(who: str, motion: Motion, clock: Clock, state: Floats, origin: float, k: int) -> tuple[Floats, Floats]:
    """Return the states at the ends (n, m, k + 1) and within (n, m, k, q) the next k intervals."""
    q = len(clock.inner)
    offsets = np.append(clock.inner, clock.length)
    times = origin + clock.length * np.arange(k)[:, None] + offsets
    times[:, -1] = origin + clock.length * np.arange(1, k + 1)
    run = _solved(who, motion, (origin, float(times[-1, -1])), state, {**clock.solver, "t_eval": times.ravel()})
    found = run.y.reshape(*state.shape, k, q + 1)
    return np.concatenate([state[..., None], found[..., -1]], axis=-1), found[..., :-1]


def _solved(who: str, motion: Motion, span: Any, starts: Floats, solver: dict[str, Any]) -> Any:
    """Return a solution that reached its end; implicit methods as machine code from the first step on."""
    if solver.get("compiled", "auto") == "auto" and not event_functions(motion.fun):
        try:
            run = solved(motion.fun, span, starts, **{**solver, "compiled": True})
        except TraceError:  # then the solve below says why
            run = solved(motion.fun, span, starts, **solver)
    else:
        run = solved(motion.fun, span, starts, **solver)
    status = np.atleast_1d(np.asarray(run.status))
    if (status != 0).any():
        where = int(np.argmax(status != 0))
        message = run.message if isinstance(run.message, str) else np.ravel(run.message)[where]
        raise RunError(f"{who}: a trajectory does not go on. {message}")
    return run
