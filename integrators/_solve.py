"""`solve_ivp`: SciPy's call, with fixed steps, batches, any kind of number, and exact derivatives."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from diffsim import array_ops
from diffsim.errors import RunError
from diffsim.number import Number
from diffsim.progress import progress_bar
from diffsim.protocols import is_discrete, state_names
from integrators import _arguments as check
from integrators._again import Ready, recall, remember, request, resume
from integrators._drift import Drift, warn_of_drift
from integrators._drive import run_all
from integrators._event_arguments import check_events, may_end
from integrators._maps import DEFAULT, check_map, iterates
from integrators._setting import setting
from integrators._solution import Solution
from integrators._times import split_times
from integrators.drivers.endings import INTERRUPTED
from integrators.drivers.guard import Guard
from integrators.drivers.problem import Problem
from integrators.drivers.run import TOGETHER, Run
from integrators.drivers.sensitivity import select

__all__ = ["solve_ivp"]


def solve_ivp(
    fun: Callable[..., Any],
    t_span: Sequence[Any],
    y0: Any,
    method: Any = DEFAULT,
    t_eval: Any = None,
    dense_output: bool = False,
    events: Any = None,
    vectorized: bool = False,
    args: Sequence[Any] | None = None,
    *,
    rtol: Any = 1e-3,
    atol: Any = 1e-6,
    first_step: float | None = None,
    max_step: float | Callable[[float], float] = math.inf,
    jac: Any = None,
    sensitivities: str | Sequence[str] = (),
    compiled: bool | str = "auto",
    threads: int | None = None,
    progress: bool = False,
    max_steps: int | None = None,
    min_step: float = 0.0,
    controller: Any = None,
    callback: Callable[..., Any] | None = None,
    max_seconds: float | None = None,
    reset: Any = None,
    **options: Any,
) -> Solution:
    """Solve an initial value problem ``y' = fun(t, y)``, for one start or a batch of them.

    SciPy's arguments mean what they mean in SciPy, and ``RK23`` and ``RK45`` take SciPy's steps.  A NaN, an infinity
    or a step that shrinks to nothing ends a trajectory with ``status`` -1 and a message; its neighbours go on.

    Parameters
    ----------
    fun : callable
        ``fun(t, y, *args)``, the derivative, or a System.  A plain function is called trajectory by trajectory with
        ``y`` of shape (n,), a System once for many trajectories with ``y`` of shape (n, m).
    t_span : (t0, t1)
        Start and end; ``t1 < t0`` integrates backwards.  In a batch both may be arrays of shape batch.
    y0 : array_like, shape (n, *batch)
        Start, state component first.  A float, list or tuple will do.  A System's parameters may be arrays of shape
        batch: each trajectory has its own then.  Numbers of mpmath go with ``method="Taylor"``, and are integrated to
        the digits of mpmath's context; see `solve_multiprecision`.
    method : str, Integrator or class
        ``"RK45"`` and ``"RK23"`` choose their steps (unless they are given one); ``"RK4"``, ``"Euler"``, ... take fixed
        steps.  A discrete map is iterated, by `Iteration`.
    t_eval : array_like, shape (n_times,) or (*batch, n_times), optional
        Times at which to store the solution; all steps by default.  Those of each trajectory of a batch are nested
        lists, or an array padded with NaN.  With fixed steps a time between two nodes is
        reached by one shorter step aside from the node before it, so it has the order of the method and leaves the
        trajectory as it is; an adaptive method uses its interpolant (order 4 of RK45, 3 of RK23), as SciPy does.
    dense_output : bool
        Whether `Solution.sol` is to be the solution as a function of time, an `OdeSolution`.
    events : callable or list of callable, optional
        ``event(t, y, *args)``, as in SciPy: occurs where its sign changes, all of them within a step are found.  Its
        attributes: `terminal` (True, or the occurrence that ends the solve), `direction` (> 0 upwards, < 0 downwards),
        `reset`.  The point of a terminal event is the last one of ``t`` and ``y``, whatever `t_eval` says.  The events
        that a System has of its own stand behind these; ``events=()`` switches them off.
    reset : callable or list of callable or None, optional
        ``reset(t, y, *args)`` for each event: returns the state with which the solve goes on from there.
    jac : callable, array or sparse matrix, optional
        ``jac(t, y, *args)``, the Jacobian of shape (n, n), or a constant one, for implicit methods.  Without it the
        Jacobian is exact, by our own derivatives, and sparse where that pays.
    vectorized : bool
        Says that a plain `fun` takes ``y`` of shape (n, *batch) (fixed steps) or (n, 1) (one trajectory).
    args : tuple, optional
        Further arguments of `fun`.
    rtol, atol : float, or array of shape (n,)
        Tolerances of an adaptive method: the local error stays below ``atol + rtol * abs(y)``.  Defaults 1e-3, 1e-6.
    first_step, max_step, min_step : float, optional
        Bounds on the steps of an adaptive method.  `max_step` may be a function of time.  Where the error asks for a
        step shorter than `min_step`, the solve ends with `status` -1.
    controller : str or Controller, optional
        How an adaptive method chooses its next step: ``"I"`` (SciPy's way, the default), ``"PI"``, ``"PID"``, ... or a
        `Controller`.
    sensitivities : str or sequence of str
        ``"y0"``, ``"params"``, or names of components and parameters (``"theta_1"``, ``"y0[2]"``, ``"gravity"``,
        ``"args[0]"``): fills `dy_dy0` and `dy_dparams` with the derivatives of the discrete solution, exact to
        rounding.
    compiled : "auto", True or False
        Explicit methods run as machine code where `fun` can be traced; what cannot be (a branch on the state, a
        call of foreign code) runs interpreted, with one `InterpretedWarning` that says why.  True makes that an error,
        False runs everything interpreted.  The first solve of a right-hand side compiles it, in some 0.1 s; other
        numbers, steps, spans and batches use the same machine code, which is also kept on disk (``diffsim cache``).
    threads : int, optional
        For machine code: all cores that this process may use, by default.  Results do not depend on it.
    progress : bool
        Show a progress bar if the solve takes longer than a second.
    max_steps : int, optional
        Budget of steps (attempts, for an adaptive method: 1,000,000 by default); what is reached within it is kept.
    max_seconds : float, optional
        Budget of wall-clock time; what is reached within it is kept.  Ctrl-C does the same after half a second.
    callback : callable, optional
        ``callback(t, y)`` or, for a batch, ``callback(t, y, index)``, called after each step with plain numbers.  The
        solve (of this trajectory) stops with `status` 2 where it returns True or raises StopIteration.
    jac_sparsity, lband, uband : optional
        Where the Jacobian may differ from zero, for implicit methods, as in SciPy; found without them where `fun` can
        be traced.
    memory : float, optional
        Bytes that the gradient of a compiled solve may keep states in, 64 MiB by default.  With less it integrates
        stretches of the trajectory a second time.
    explain : bool, optional
        Print, before the solve runs, how it will and what a gradient through it would cost; see `Solution.stats`.
    step : float, optional
        Fixed step size, > 0.  Nodes are at ``t0 + k * step``; the last step is shortened to end at t1.

    Returns
    -------
    Solution
        ``y`` is (n, *batch, n_times).  Recording numbers (`Value`, `Dual`) in `y0`, `args`, `t_span` or the parameters
        of a System give a recording ``y``.

    Raises
    ------
    ArgumentError, KindError
        An argument cannot be used; raised before any work is done.
    RunError
        A single trajectory that carries derivatives failed: a gradient is right or it is refused.  (In a batch its
        values are NaN, and so is their derivative.)

    Notes
    -----
    Cost: an interpreted step of `RK4` takes some 50 microseconds for one trajectory, mostly in `fun`; a System
    handles thousands of trajectories in a few times that.

    References
    ----------
    Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", chapter II.

    Examples
    --------
    >>> from integrators import solve_ivp
    >>> sol = solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0, 2.0], method="RK4", step=0.1)
    >>> sol.t.shape, sol.y.shape, sol.message
    ((11,), (2, 11), 'The solver successfully reached the end of the integration interval.')
    """
    if check.holds_multiprecision(y0):
        return _in_context(**locals())  # all arguments: most of them must be left out
    limits = (rtol, atol, first_step, max_step, max_steps, min_step, controller)
    unusual = (dense_output, events, vectorized, jac, progress, reset, callback, max_seconds)
    asked = request(method, t_span, t_eval, sensitivities, (*limits, compiled, threads), options, unusual)
    ready = None if asked is None else recall(asked, fun, args, y0)
    if ready is not None:
        return _solution(ready, _run(ready, compiled, progress, asked))
    shape_of_slope = [options.pop(name, None) for name in ("jac_sparsity", "lband", "uband")]
    step, memory, explain = check.check_options(options, compiled, threads)
    further = check.check_fun(fun, args)
    first = check.check_real(check.check_y0(fun, y0), sensitivities)
    t_eval, moving = split_times(t_eval)
    watched = (check_events(fun, events, reset, further), check.check_flag("dense_output", dense_output), moving)
    method = _method_for(fun, method, t_span, t_eval, watched)
    endless = callback is not None or may_end(watched[0])
    way = setting(method, step, t_span, t_eval, first.shape[0], limits, first.shape[1:], endless)
    slope = check.check_jac(way.method, jac, shape_of_slope, first.shape[0], further, compiled)
    told = (state_names(fun), bool(vectorized), threads, Guard(callback, check.check_seconds(max_seconds)))
    laid_out = (way.times, way.method, way.grid, way.control)
    problem = Problem(
        fun, further, way.ends, first, *laid_out, *told, *watched, jac=slope, machine=compiled is not False
    )
    ready = Ready(problem, *select(sensitivities, fun, further, first.shape[0]), memory, explain)
    return _solution(ready, _run(ready, compiled, progress, asked))


def _method_for(fun: Any, method: Any, t_span: Any, t_eval: Any, watched: tuple[Any, bool, Any]) -> Any:
    """Return the method: the caller's, or that for maps, with all else checked that maps ask for."""
    if is_discrete(fun) or iterates(method):
        return check_map(fun, method, t_span, t_eval, watched)
    return method


def _run(ready: Ready, compiled: bool | str, progress: bool, asked: Hashable | None) -> Run:
    """Return what the drivers made of the problem, telling the progress where it is asked for."""
    problem, selection, memory, explain = ready.problem, ready.selection, ready.memory, ready.explain
    # NOTE: overflow and NaN are found and reported by the drivers, with the place and the time.
    with np.errstate(all="ignore"):
        if ready.route is not None:
            return resume(ready)
        if not progress:
            run = run_all(problem, selection, compiled, memory, explain, None)
            if asked is not None and not explain:
                remember(asked, ready, run)
            return run
        with progress_bar(problem.work, "solve_ivp", True) as bar:
            return run_all(problem, selection, compiled, memory, explain, bar.update)


def _explained(problem: Problem, run: Run) -> Run:
    """Return the run with what befell it explained; raise where one trajectory that carries derivatives failed."""
    if (run.status.__class__ is int and run.status == 0) or not np.any(np.asarray(run.status) != 0):
        return run
    from integrators.drivers.diagnosis import diagnosed  # not needed by a solve that goes well

    run = diagnosed(problem, run)
    if problem.batch == () and run.status < 0 and isinstance(run.y, Number):
        if run.status == INTERRUPTED:
            raise KeyboardInterrupt(run.message)
        raise RunError(f"solve_ivp: the solve carries derivatives and failed. {run.message}")
    return run


def _in_context(
    *,
    fun: Any,
    t_span: Any,
    y0: Any,
    method: Any,
    t_eval: Any,
    dense_output: bool,
    args: Any,
    max_steps: int | None,
    options: dict[str, Any],
    **more: Any,
) -> Solution:
    """Return the solution for numbers of mpmath; the method is imported when it is needed."""
    from integrators._multiprecision import solve_in_context

    defaults = {name: x.default for name, x in inspect.signature(solve_ivp).parameters.items()}
    given = [*options, *(name for name, x in more.items() if x is not defaults[name] and x != defaults[name])]
    return solve_in_context(fun, t_span, y0, method, t_eval, dense_output, check.check_args(args), max_steps, given)


def _continuous(problem: Problem, run: Run) -> Any:
    """Return the solution as a function of time."""
    from integrators._ode_solution import OdeSolution  # not needed by a plain solve, which should start fast

    return OdeSolution(run.sol, problem.batch)


def _solution(ready: Ready, run: Run) -> Solution:
    """Return what the caller sees."""
    problem, selection, by_start, by_parameter = ready[:4]
    run = _explained(problem, run)
    n_starts = len(selection.components)
    unwatched = problem.events is not None and not problem.events  # machine code knows of no events, not even of none
    if run.apart > TOGETHER:
        from integrators.drivers.copies import warn_apart  # few methods move copies

        warn_apart(run.apart, problem.method)
    n_steps = run.y.shape[-1] if problem.grid is None else problem.grid.n_steps
    if problem.method.symplectic and run.apart <= TOGETHER:
        warn_of_drift(repr(problem.method), problem.fun, problem.y0, run.y, run.t, n_steps)
    if by_start:
        from integrators.drivers.horizon import warn_beyond_horizon  # not needed by a solve without tangents

        warn_beyond_horizon(run, problem.y0, selection.components)
    dy_dparams = None
    if by_parameter:
        empty = np.zeros((run.y.shape[0], 0, *run.y.shape[1:]))
        dy_dparams = array_ops.array(run.dy)[:, n_starts:] if selection.parameters else empty
    return Solution(
        run.t if problem.grid is None else run.t.copy(),  # the grid is kept for the next solve
        run.y,
        run.nfev,
        run.status,
        run.message,
        run.n_times,
        dy_dy0=run.dy[:, :n_starts] if by_start else None,
        dy_dparams=dy_dparams,
        param_names=tuple(parameter.name for parameter in selection.parameters),
        y0_names=selection.component_names,
        state_names=problem.names,
        way=run.stats,
        njev=run.njev,
        nlu=run.nlu,
        sol=None if run.sol is None else _continuous(problem, run),
        t_events=[] if unwatched else run.t_events,
        y_events=[] if unwatched else run.y_events,
        invariants=Drift(problem.fun, problem.y0, run.y, run.t, n_steps),
    )
