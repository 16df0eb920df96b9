"""`minimise`: gradient-based optimisation of a start, and of parameters, for any loss of the trajectory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from diffsim.errors import must
from diffsim.progress import Progress, progress_bar
from diffsim.protocols import is_discrete
from studies import _checks
from studies._loss import Loss, wants_time
from studies._minimise_result import Minimum
from studies._solver import solver_arguments

__all__ = ["minimise"]

_WHO = "minimise"
_MODES = ("auto", "forward", "reverse")
_FORWARD_UP_TO = 12  # free quantities; beyond, one reverse pass is cheaper than their tangents
_OPTIMISERS = ("L-BFGS-B", "BFGS", "CG", "TNC", "SLSQP", "trust-constr")
_TOLERANCES = (1e-9, 1e-9)
_BUDGET = {"TNC": "maxfun"}
_BOUNDED = ("L-BFGS-B", "TNC", "SLSQP", "trust-constr")


def minimise(
    system: Any,
    loss: Callable[..., Any],
    y0: Any = None,
    *,
    free: Any = ("p_1", "p_2"),
    t_span: Sequence[float],
    t_eval: Any = None,
    bounds: Mapping[str, Any] | None = None,
    optimiser: str = "L-BFGS-B",
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
        Times at which ``loss(t, y)`` sees the trajectory; all steps by default.
    bounds : mapping of str to (low, high), optional
        For any of `free`; None is no bound.
    optimiser : str
        Of `scipy.optimize.minimize`: L-BFGS-B, BFGS, CG, TNC, SLSQP or trust-constr.
    tolerance : float, optional
        SciPy's ``tol``.
    max_iterations : int
        Most iterations of the optimiser (evaluations, for TNC).
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
        The solve fails or the loss is NaN on the way; the message says where.

    Notes
    -----
    Cost: one solve with its derivatives an evaluation.  The gradient of a chaotic flow grows like exp(lambda T), so
    that a search over many Lyapunov times ends in the nearest of very many shallow minima; `balance` shows a way out.

    References
    ----------
    Nocedal and Wright, Numerical Optimization, 2nd edition, chapters 6 and 7.

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
    _checks.one_of(_WHO, "optimiser", optimiser, _OPTIMISERS)
    _checks.count(_WHO, "max_iterations", max_iterations)
    tolerance = None if tolerance is None else _checks.positive(_WHO, "tolerance", tolerance)
    forward = mode == "forward" or (mode == "auto" and len(names) <= _FORWARD_UP_TO)
    if method is None:
        method = "Iteration" if is_discrete(system) else "RK45"
    solver = solver_arguments(method, rtol, atol, options, _TOLERANCES)
    problem = Loss(_WHO, system, loss, wants_time(_WHO, loss), start, names, t_span, t_eval, forward, solver)
    x0 = problem.x0
    limits = _limits(names, x0, bounds, optimiser)
    first_solution = problem.check(x0)
    record = _Record(problem)
    first_value = record(x0)[0]
    budget = {_BUDGET.get(optimiser, "maxiter"): max_iterations}
    with progress_bar(max_iterations, _WHO, progress, unit="iterations") as bar:
        found = _descend(record, x0, bar, method=optimiser, bounds=limits, tol=tolerance, options=budget)
    best = np.array(found.x, dtype=np.float64)
    value, gradient = problem(best)
    moved, y_best = problem.placed(best)
    return Minimum(
        system=system.replace(**{name: moved.parameters[name] for name in names if name not in system.state_names}),
        free=names,
        x=best,
        y0=np.asarray(y_best, dtype=np.float64),
        value=value,
        gradient=gradient,
        history=np.array([first_value, *record.history]),
        success=bool(found.success),
        message=str(found.message),
        n_evaluations=record.n_evaluations,
        first_solution=first_solution,
        solution=problem.solve(best),
    )


def _descend(record: _Record, x0: Any, bar: Progress, **how: Any) -> Any:
    """Run SciPy's optimiser and return its result."""
    import scipy.optimize

    search: Any = scipy.optimize.minimize  # its stubs know no callable object that returns (value, gradient)

    def after(*_: Any, **__: Any) -> None:
        record.history.append(record.best)
        bar.update()

    return search(record, x0, jac=True, callback=after, **how)


class _Record:
    """The loss as SciPy calls it, counting its calls and keeping the smallest value."""

    def __init__(self, problem: Loss) -> None:
        self.problem = problem
        self.n_evaluations = 0
        self.best = np.inf
        self.history: list[float] = []

    def __call__(self, x: Any) -> tuple[float, Any]:
        self.n_evaluations += 1
        value, gradient = self.problem(np.asarray(x, dtype=np.float64))
        self.best = min(self.best, value)
        return value, gradient


def _free(system: Any, free: Any) -> tuple[str, ...]:
    """Return the names of the free components and parameters."""
    names = (free,) if isinstance(free, str) else tuple(free)
    for name in names:
        _checks.quantity(_WHO, system, name)
    if not names or len(set(names)) != len(names):
        raise must(_WHO, "free", "must name at least one component or parameter, each once", names)
    return names


def _limits(names: Sequence[str], x0: Any, bounds: Any, optimiser: str) -> list[tuple[Any, Any]] | None:
    """Return the bounds in the order of ``names``."""
    if bounds is None:
        return None
    if not isinstance(bounds, Mapping):
        raise must(_WHO, "bounds", 'must be a mapping such as {"p_1": (-5, 5)}', bounds)
    if optimiser not in _BOUNDED:
        raise must(_WHO, "optimiser", f"must be one of {', '.join(_BOUNDED)} for bounds", optimiser)
    limits = []
    for name in bounds:
        _checks.one_of(_WHO, "bounded quantity", name, names)
    for name, start in zip(names, x0.tolist(), strict=True):
        try:
            low, high = bounds.get(name, (None, None))
        except (TypeError, ValueError):
            raise must(_WHO, f"bounds[{name!r}]", "must be a pair (low, high)", bounds[name]) from None
        low = None if low is None else _checks.real(_WHO, f"bounds[{name!r}]", low)
        high = None if high is None else _checks.real(_WHO, f"bounds[{name!r}]", high)
        if not (low is None or low <= start) or not (high is None or start <= high):
            raise must(_WHO, f"bounds[{name!r}]", f"must hold the start, {start:g}", bounds[name])
        limits.append((low, high))
    return limits
