"""`minimise`: gradient-based optimisation of a start, and of parameters, for any loss of the trajectory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from diffsim.errors import ArgumentError, RunError, must
from diffsim.progress import progress_bar
from diffsim.protocols import is_discrete
from studies import _checks
from studies._checks import Floats
from studies._constraints import Condition, conditions
from studies._crowd import together
from studies._descent import BOUNDED, CONSTRAINED, OPTIMISERS, Ended, Way, descend, violation
from studies._growth import LIMIT, check_shooting, growth_of
from studies._loss import Loss, Seen
from studies._loss_arguments import wants_time
from studies._minimise_result import Minimum
from studies._minimise_windows import by_windows
from studies._record_text import remembered
from studies._solver import solver_arguments, without_tolerance

__all__ = ["minimise"]

_WHO = "minimise"
_MODES = ("auto", "forward", "reverse")
_FORWARD_UP_TO = 12  # free quantities; beyond, one reverse pass is cheaper than their tangents
_TOLERANCES = (1e-9, 1e-9)
_STEPS, _LONGER = 10_000, 20  # most steps of a solve, and how many times the first solve's work they may be
_END_ALONE = "; but windows have nothing to hold to where the loss sees the end alone: try starts= or horizon="
_KEPT = 1e-6  # by how much a constraint may be missed by a start that counts as one that keeps them


def minimise(
    system: Any,
    loss: Callable[..., Any],
    y0: Any = None,
    *,
    free: Any = ("p_1", "p_2"),
    t_span: Sequence[float],
    t_eval: Any = None,
    bounds: Mapping[str, Any] | None = None,
    constraints: Any = None,
    starts: Any = None,
    horizon: Any = None,
    shooting: str = "auto",
    optimiser: str | None = None,
    tolerance: float | None = None,
    max_iterations: int = 200,
    mode: str = "auto",
    method: Any = None,
    rtol: float | None = None,
    atol: float | None = None,
    progress: bool = False,
    **options: Any,
) -> Minimum:
    """Find the start (and parameters) for which a loss of the trajectory is smallest, by exact gradients.

    The loss is a function of the final state, ``loss(y)`` with y of shape (n,), or of the whole trajectory,
    ``loss(t, y)`` with y of shape (n, n_times), written with ``diffsim``'s functions, NumPy's, or plain operators.
    Its gradient is that of the discrete solution, exact to rounding; SciPy's optimisers do the descent.

    Parameters
    ----------
    system : System
    loss : callable
    y0 : array_like (n,), optional
        Where the search begins; by default the System's own start.
    free : sequence of str
        State components whose initial value is free, and parameters of the System.
    t_span : (t0, t1)
        In s.
    t_eval : array_like (n_times,), optional
        Times at which ``loss(t, y)`` sees the trajectory; all steps by default (50 times a window, for windows).
    bounds : mapping of str to (low, high), optional
        For any of `free`; None is no bound.
    constraints : mapping or sequence of mappings, optional
        ``{"type": "eq", "fun": f}`` is f = 0, ``"ineq"`` is f >= 0, as in `scipy.optimize.minimize`, with f a function
        of the final state or of the trajectory, as the loss is; returns a number or a flat array.
    starts : array_like (n_free, n_starts), optional
        Many values of `free` from which to begin, side by side: their solves are one batch, and each takes the way that
        it would take alone.  The best end is the result, and all are in `Minimum.ends`.
    horizon : int or sequence of float, optional
        Minimise over a time that grows, each time from where the last ended: the ends of the times, or into how many
        equal steps ``t_span`` is cut.
    shooting : {"auto", "single", "multiple"}
        One shot, or windows with starts of their own, joined by constraints, and then one shot from where they end.
        By itself windows are taken for a ``loss(t, y)`` where small changes of the start grow more than 1000-fold over
        the time: such a loss has very many shallow valleys for one shot.  A loss of the end alone pulls at the last
        window only, so that windows help it little.  `Minimum.why` says what was done and why.
    optimiser : str, optional
        Of `scipy.optimize.minimize`: L-BFGS-B (the default), BFGS, CG, TNC, SLSQP or
        trust-constr (the default with constraints: its steps are held to where its model is good).
    tolerance : float, optional
        SciPy's ``tol``.
    max_iterations : int
        Most iterations of the optimiser (evaluations, for TNC), for each horizon.
    mode : {"auto", "forward", "reverse"}
        How the gradient is made: forward sensitivities (cheaper for few free quantities; up to 12 by default), or the
        reverse mode through the whole solve.
    method, rtol, atol, **options
        The solver, as for `solve_ivp`: RK45 with tolerances of 1e-9 by default, ``step`` for fixed-step methods.  A map
        is iterated.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Minimum
        ``success`` and ``message`` are the optimiser's: a search that stops early is a result, not an error.

    Raises
    ------
    KindError
        ``system`` is no System, ``loss`` is no function of one or two arguments, or returns no number.
    ArgumentError
        An unknown component or parameter (with the nearest name) or optimiser, bounds that are out of order or that
        the optimiser does not know, a loss that is not a scalar or not finite at the start.
    RunError
        The solve fails or the loss is NaN where the search begins; the message says where.  A trial on the way that
        ends like that is stepped back from, and counted in `message`; one of many starts has it in `end_messages`.

    Notes
    -----
    Cost: one solve with its derivatives an evaluation.  The gradient of a chaotic flow grows like exp(lambda T), so
    that one shot over many Lyapunov times ends in the nearest of very many shallow minima.  Windows, a growing horizon
    and many starts are the ways out; `balance` knows one of its own.

    References
    ----------
    Nocedal and Wright, Numerical Optimization, 2nd edition, chapters 6, 7 and 18.  Bock and Plitt, "A multiple shooting
    algorithm for direct solution of optimal control problems", IFAC Proceedings 17 (1984) 1603.

    Examples
    --------
    >>> from systems import Pendulum
    >>> start = minimise(Pendulum(), lambda y: (y[0] - 1.0) ** 2, [0.0, 1.0], free=("p",), t_span=(0.0, 0.5))
    >>> start.success, bool(start.value < 1e-10)
    (True, True)
    """
    system = _checks.system_of(_WHO, system)
    start = _checks.start(_WHO, system, y0)
    names = _free(system, free)
    _checks.one_of(_WHO, "mode", mode, _MODES)
    can = check_shooting(_WHO, system, shooting)
    _checks.count(_WHO, "max_iterations", max_iterations)
    held = conditions(_WHO, constraints)
    optimiser = _optimiser(optimiser, held)
    tolerance = None if tolerance is None else _checks.positive(_WHO, "tolerance", tolerance)
    forward = bool(held) or starts is not None or mode == "forward" or (mode == "auto" and len(names) <= _FORWARD_UP_TO)
    if mode == "reverse" and forward:
        raise must(_WHO, "mode", "must be forward with constraints or many starts", mode)
    given = remembered({"method": method, "rtol": rtol, "atol": atol, **options})
    if method is None:
        method = "Iteration" if is_discrete(system) else "RK45"
    solver = solver_arguments(method, rtol, atol, options, _TOLERANCES)
    problem = Loss(_WHO, system, loss, wants_time(_WHO, loss), start, names, t_span, t_eval, forward, solver, held)
    begin = _starts(starts, problem)
    first = problem.x0 if begin is None else begin[:, 0]
    limits = _limits(names, np.stack([first], axis=1) if begin is None else begin, bounds, optimiser)
    problem = _patient(problem, problem.check(first))
    way = Way(optimiser, tolerance, max_iterations, limits, held)
    stages = _stages(problem, horizon)
    with progress_bar(max_iterations * len(stages), _WHO, progress, unit="iterations") as bar:
        search = _Search(stages, way, bar.update, can)
        found = search.alone(first, shooting) if begin is None else search.crowd(begin, shooting)
    best, why = found
    call = {
        "loss": loss, "y0": start, "free": names, "t_span": tuple(t_span), "t_eval": t_eval, "bounds": bounds,
        "constraints": constraints, "starts": begin, "horizon": horizon, "shooting": shooting, "optimiser": optimiser,
        "tolerance": tolerance, "max_iterations": max_iterations, "mode": mode, **given,
    }  # fmt: skip
    return _result(search, problem, first, best, why, call)


class _Search:
    """From one start or many, by one shot or windows, over a time that may grow."""

    def __init__(self, stages: Sequence[Loss], way: Way, after: Callable[[], object], windows: bool) -> None:
        self.stages, self.way, self.after, self.windows = stages, way, after, windows
        self.ends: list[Ended | RunError] = []
        self.begin = np.zeros((0, 0))
        self.milestones: list[tuple[float, float]] = []
        self.n_seen = 0

    def alone(self, x: Floats, shooting: str) -> tuple[Ended, str]:
        """Return where the search from one start ends, and why it was made like that."""
        whole, way = self.stages[-1], self.way
        growth = growth_of(whole.system_at(x), whole.start_at(x), whole.span, whole.solver)
        self.begin = x[:, None]
        why = f"one shot: {growth.told()}"
        for problem in self.stages[:-1]:
            ended = descend(problem.seen, x, way, self.after)
            x = ended.x
            self._passed(problem, ended)
        many = len(self.stages) > 1
        if many:
            why = f"one shot over each of {len(self.stages)} growing times: {growth.told()}"
        large = growth.too_large and self.windows
        if shooting == "multiple" or (shooting == "auto" and large and not many and whole.with_time):
            x, spent, told = by_windows(whole, x, growth, way, self.after)
            self.n_seen += spent
            reason = "as asked" if shooting == "multiple" else f"one shot cannot be aimed over more than {LIMIT:g}-fold"
            why = f"{growth.told()}; {reason}: {told}, and one shot went on from there"
        elif large and not many:
            why += f", and one shot cannot be aimed over more than {LIMIT:g}-fold"
            why += "; it was asked for" if shooting == "single" else _END_ALONE
        ended = descend(whole.seen, x, way, self.after)
        self._passed(whole, ended)
        self.ends = [ended]
        return ended, why

    def crowd(self, begin: Floats, shooting: str) -> tuple[Ended, str]:
        """Return the best end of many starts."""
        if shooting == "multiple":
            raise must(_WHO, "shooting", "must be auto or single with starts", shooting)
        self.begin = begin
        ends: list[Ended | RunError] = [Ended(x, True, "", (), 0) for x in begin.T]
        for problem in self.stages:
            going = [k for k, end in enumerate(ends) if isinstance(end, Ended)]
            if not going:
                break
            searches = [self._from(ends[k].x) for k in going]  # type: ignore[union-attr] # those that go on
            for k, end in zip(going, together(searches, problem.many), strict=True):
                ends[k] = end if isinstance(end, Ended) else RunError(str(end))
            best = self._best(problem, ends)
            self.milestones.append((problem.span[1], min(best.history, default=np.nan)))
            self.n_seen += sum(end.n_seen for end in ends if isinstance(end, Ended))
        self.ends = ends
        return best, f"{begin.shape[1]} starts side by side, each one shot"

    def _from(self, x: Floats) -> Callable[[Callable[[Floats], Seen]], Ended]:
        return lambda ask: descend(ask, x, self.way, self.after)

    def _passed(self, problem: Loss, ended: Ended) -> None:
        self.milestones.append((problem.span[1], problem.seen(ended.x).value))
        self.n_seen += ended.n_seen

    def _best(self, problem: Loss, ends: Sequence[Ended | RunError]) -> Ended:
        """Return the end with the smallest loss of those that keep the constraints, or that come nearest."""
        ranked = []
        for k, end in enumerate(ends):
            if isinstance(end, Ended):
                seen = problem.seen(end.x)
                missed = violation(problem.conditions, seen)
                ranked.append((missed if missed > _KEPT else 0.0, seen.value, k, end))
        if not ranked:
            raise RunError(f"{_WHO}: no start comes to an end. {ends[0]}")
        return min(ranked)[3]


def _result(search: _Search, problem: Loss, first: Floats, best: Ended, why: str, call: Mapping[str, Any]) -> Minimum:
    """Return the result."""
    seen = problem.seen(best.x)
    ends = search.ends
    lost = np.full(len(first), np.nan)
    values = [problem.seen(end.x).value if isinstance(end, Ended) else np.nan for end in ends]
    found = dict(zip(problem.free, best.x.tolist(), strict=True))
    changes = {name: value for name, value in found.items() if name not in problem.system.state_names}
    return Minimum(
        system=problem.system.replace(**changes),
        call=call,
        free=problem.free,
        first=problem.x0,
        x=best.x,
        y0=problem.start_at(best.x),
        value=seen.value,
        gradient=seen.gradient,
        violation=violation(problem.conditions, seen),
        history=np.array(best.history),
        success=best.success,
        message=best.message,
        why=why,
        n_evaluations=search.n_seen,
        horizons=np.array([t for t, _ in search.milestones]),
        horizon_values=np.array([value for _, value in search.milestones]),
        starts=search.begin,
        ends=np.stack([end.x if isinstance(end, Ended) else lost for end in ends], axis=1),
        end_values=np.array(values),
        end_success=np.array([isinstance(end, Ended) and end.success for end in ends]),
        end_messages=tuple(end.message if isinstance(end, Ended) else str(end) for end in ends),
    )


def _patient(problem: Loss, solution: Any) -> Loss:
    """Return the problem with a budget of steps, where none was given: a trial far away must not take for ever."""
    if "max_steps" in problem.solver or without_tolerance(problem.solver):
        return problem
    return replace(problem, solver={**problem.solver, "max_steps": max(_STEPS, _LONGER * int(solution.nfev))})


def _optimiser(optimiser: str | None, held: tuple[Condition, ...]) -> str:
    """Return the optimiser, one that knows constraints where there are any."""
    if optimiser is None:
        return "trust-constr" if held else "L-BFGS-B"
    _checks.one_of(_WHO, "optimiser", optimiser, OPTIMISERS)
    if held and optimiser not in CONSTRAINED:
        raise must(_WHO, "optimiser", f"must be one of {', '.join(CONSTRAINED)} for constraints", optimiser)
    return optimiser


def _starts(starts: Any, problem: Loss) -> Floats | None:
    """Return the starts (n_free, m)."""
    if starts is None:
        return None
    q = len(problem.free)
    array = np.asarray(starts)
    if array.dtype.kind not in "iuf" or array.ndim != 2 or array.shape[0] != q or not array.shape[1]:
        turned = array.ndim == 2 and array.shape[1] == q
        mend = "What is free comes first: use starts.T." if turned else ""
        rule = f"must be numbers of shape ({q}, n_starts), a row for each of {', '.join(problem.free)}"
        raise must(_WHO, "starts", rule, array.shape if array.dtype.kind in "iuf" else starts, mend)
    _checks.vector(_WHO, "starts", array.ravel())
    return np.array(array, dtype=np.float64)


def _stages(problem: Loss, horizon: Any) -> list[Loss]:
    """Return the problems over a growing time; the last is the whole one."""
    if horizon is None:
        return [problem]
    low, high = problem.span
    if isinstance(horizon, (int, np.integer)) and not isinstance(horizon, bool):
        count = _checks.count(_WHO, "horizon", horizon, 2)
        ends = np.linspace(low, high, count + 1)[1:]
        ends = np.unique(np.round(ends)) if is_discrete(problem.system) else ends
    else:
        ends = _checks.vector(_WHO, "horizon", horizon)
        ends = ends if len(ends) and ends[-1] == high else np.append(ends, high)
        steps = np.diff(np.append(low, ends)) * np.sign(high - low)
        if not (steps > 0.0).all():
            raise must(_WHO, "horizon", f"must be times that grow from {low:g} to {high:g}", horizon)
    stages = []
    for end in ends.tolist():
        times = problem.t_eval
        if times is not None:
            times = [t for t in np.asarray(times, dtype=np.float64).tolist() if abs(t - low) <= abs(end - low)]
            if not times and problem.by_times:
                continue  # nothing is seen yet
        stages.append(replace(problem, t_span=(low, end), t_eval=times))
    if not stages:
        raise ArgumentError(f"{_WHO}: t_eval must hold times between {low:g} and {high:g}.")
    return [*stages[:-1], problem]


def _free(system: Any, free: Any) -> tuple[str, ...]:
    """Return the names of the free components and parameters."""
    names = (free,) if isinstance(free, str) else tuple(free)
    for name in names:
        _checks.quantity(_WHO, system, name)
    if not names or len(set(names)) != len(names):
        raise must(_WHO, "free", "must name at least one component or parameter, each once", names)
    return names


def _limits(names: Sequence[str], begin: Floats, bounds: Any, optimiser: str) -> list[tuple[Any, Any]] | None:
    """Return the bounds in the order of ``names``; each must hold all starts (n_free, m)."""
    if bounds is None:
        return None
    if not isinstance(bounds, Mapping):
        raise must(_WHO, "bounds", 'must be a mapping such as {"p_1": (-5, 5)}', bounds)
    if optimiser not in BOUNDED:
        raise must(_WHO, "optimiser", f"must be one of {', '.join(BOUNDED)} for bounds", optimiser)
    limits = []
    for name in bounds:
        _checks.one_of(_WHO, "bounded quantity", name, names)
    for name, row in zip(names, begin, strict=True):
        try:
            low, high = bounds.get(name, (None, None))
        except (TypeError, ValueError):
            raise must(_WHO, f"bounds[{name!r}]", "must be a pair (low, high)", bounds[name]) from None
        low = None if low is None else _checks.real(_WHO, f"bounds[{name!r}]", low)
        high = None if high is None else _checks.real(_WHO, f"bounds[{name!r}]", high)
        for start in row.tolist():
            if not (low is None or low <= start) or not (high is None or start <= high):
                raise must(_WHO, f"bounds[{name!r}]", f"must hold the start, {start:g}", bounds[name])
        limits.append((low, high))
    return limits
