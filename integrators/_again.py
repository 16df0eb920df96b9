"""A solve that is asked for again, with another start and other parameters: what depends on neither is kept.

An optimiser, or a loop over starts in a user's own code, solves the same right-hand side in the same way thousands of
times.  Checking the arguments, laying out the steps and finding the machine code gives the same each time.

PERF: 500 Euler steps of the double pendulum with four tangents are 30 us of machine code; finding out how to do them
takes 100 us, finding what was found out before 20.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import Any, NamedTuple, final

import numpy as np

from diffsim import array_ops, replay
from diffsim.errors import RunError, TraceError
from diffsim.number import Number, raw
from diffsim.protocols import event_functions, state_names
from integrators._drive import run_along
from integrators._integrator import Integrator
from integrators.compiled.plan import plan_of
from integrators.compiled.route import Route, captured_of, kept_program
from integrators.compiled.single import Flight
from integrators.drivers.problem import Problem
from integrators.drivers.run import Run
from integrators.drivers.sensitivity import Selection

__all__: list[str] = []

_FEW = 16
"""Save times in a list, which are looked at one by one; more of them should be an array."""

_MOST = 1024
"""Save times of a solve that is kept."""

_PLAIN = frozenset({float, np.float64, int, str, bool, type(None)})


class Ready(NamedTuple):
    """A solve with its arguments checked and, where it was done before, the way to do it by machine code.

    Attributes
    ----------
    problem : Problem
    selection : Selection
    by_start, by_parameter : bool
        Whether derivatives by starts and by parameters were asked for at all.
    memory : float
        Bytes that a gradient may keep states in.
    explain : bool
    route : Route or None
        None where it is yet to be found.
    flight : Flight or None
        For a short solve with fixed steps.
    """

    problem: Problem
    selection: Selection
    by_start: bool
    by_parameter: bool
    memory: float
    explain: bool = False
    route: Route | None = None
    flight: Flight | None = None


def request(
    method: Any,
    t_span: Any,
    t_eval: Any,
    sensitivities: Any,
    numbers: tuple[Any, ...],
    options: dict[str, Any],
    unusual: tuple[Any, ...],
) -> Hashable | None:
    """Return what is asked for, apart from right-hand side, arguments and start, as a key; None where none is kept.

    Parameters
    ----------
    method, t_span, t_eval, sensitivities, options
        As the caller of `solve_ivp` gave them.
    numbers : tuple
        Tolerances, bounds, what is said about machine code and threads.
    unusual : tuple
        What a solve that is kept does without: each must be None or False.
    """
    for x in unusual:
        if x is not None and x is not False:
            return None
    if t_span.__class__ not in (tuple, list) or not isinstance(method, str | Integrator):
        return None
    times: Any = ()
    if t_eval.__class__ is np.ndarray:
        if t_eval.ndim != 1 or t_eval.dtype.char != "d" or t_eval.size > _MOST:
            return None
        t_eval = t_eval.tobytes()
    elif t_eval is not None:
        if t_eval.__class__ not in (tuple, list) or len(t_eval) > _FEW:
            return None
        times = t_eval = tuple(t_eval)
    if sensitivities.__class__ is list:
        sensitivities = tuple(sensitivities)
    names: Any = (sensitivities,) if isinstance(sensitivities, str) else sensitivities
    if names.__class__ is not tuple:
        return None
    # NOTE: True == 1 and hash(True) == hash(1), but one of them may be an error; so with a method that nobody has named
    plain = (*t_span, *numbers, *options.values(), *times, *names)
    kinds = tuple([x.__class__ for x in plain])
    if not _PLAIN.issuperset(kinds):
        return None
    return method, method.__class__, t_eval, sensitivities, tuple(options), plain, kinds


@final
class _Room:
    """Room for what is kept of the solves with one key; its problem has neither right-hand side nor start."""

    def __init__(self) -> None:
        self.kept: Ready | None = None


@functools.lru_cache(maxsize=128)
def _room(asked: Hashable, key: Hashable, n: int) -> _Room:
    return _Room()


def recall(asked: Hashable, fun: Any, args: Any, y0: Any) -> Ready | None:
    """Return a solve as it was kept, with a right-hand side, arguments and a start of its own; None if there is none.

    Parameters
    ----------
    asked : Hashable
        Of `request`.
    fun, args, y0
        As the caller gave them.
    """
    start = _start(y0)
    if start is None or not (args is None or args.__class__ is tuple):
        return None
    try:
        captured, values, by_lane = captured_of(fun, args or ())
    except TraceError:  # then nothing was kept, and the ordinary way says why
        return None
    n, names = start.shape[0], state_names(fun)
    if by_lane or captured.key is None or (names and len(names) != n):
        return None
    kept = _room(asked, captured.key, n).kept
    if kept is None or kept.route is None or event_functions(fun):
        return None
    apart = kept.problem.method.implicit or kept.problem.method.has_formula
    if apart and (replay.is_active() or any(isinstance(x, Number) for x in (start, *values))):
        return None  # its derivatives go another way
    problem = kept.problem.like(fun, args or (), start, names)
    return kept._replace(problem=problem, route=Route(kept.route.program, captured.names, values, False))


def remember(asked: Hashable, ready: Ready, run: Run) -> None:
    """Keep a solve of one trajectory that machine code did, and with it the way.

    Parameters
    ----------
    asked : Hashable
        Of `request`.
    ready : Ready
    run : Run
    """
    problem = ready.problem
    method = problem.method
    # NOTE: a method that admits some right-hand sides only looks at their numbers
    if run.stats is None or problem.batch != () or type(method).admits is not Integrator.admits:
        return
    if method.implicit and (problem.grid is not None or not run.stats.mapping()["compiled"]):
        return
    if problem.grid is not None and len(problem.grid.t) > _MOST:
        return
    captured, _, by_lane = captured_of(problem.fun, problem.args)
    if by_lane or captured.key is None:
        return
    n = problem.y0.shape[0]
    program = kept_program(captured.key, n, method, problem.vectorized)
    if program is not None:
        template = problem.like(None, (), np.zeros(n), ())
        route = Route(program, captured.names, (), False)
        flight = None
        if problem.grid is not None:
            plan = plan_of(problem.grid, problem.control.max_steps)
            whole = plan.n_steps == problem.grid.n_steps
            flight = Flight.of(route, ready.selection, plan, run.nfev, run.stats) if whole else None
        _room(asked, captured.key, n).kept = ready._replace(problem=template, route=route, flight=flight)


def resume(ready: Ready) -> Run:
    """Return what machine code makes of a solve that was recalled."""
    problem, route = ready.problem, ready.route
    if route is None:
        raise RunError("solve_ivp: a solve must have been kept to be resumed.")
    if (
        ready.flight is not None
        and problem.y0.__class__ is np.ndarray
        and all(x.__class__ is float for x in route.values)
    ):
        run = ready.flight(problem.y0, route.values)
        if run is not None:
            return run
    return run_along(problem, route, ready.selection, ready.memory, False, None)


def _start(y0: Any) -> Any:
    """Return the start of one trajectory, as an array of its own or a recording number; None where it needs a check."""
    if y0.__class__ is np.ndarray:
        if y0.dtype.char != "d":
            return None
        start: Any = y0.copy()
    elif isinstance(y0, Number):
        start = y0
    elif y0.__class__ in (list, tuple) and all(isinstance(x, float | Number) for x in y0):
        start = array_ops.array(y0)
    else:
        return None
    plain = raw(start)
    sound = plain.__class__ is np.ndarray and plain.dtype.char == "d" and plain.ndim == 1 and plain.size
    return start if sound and np.isfinite(plain).all() else None
