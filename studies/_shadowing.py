"""`shadowing_gradient`: how a long-time average of a chaotic system changes with its parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from diffsim.derivatives import pushforward
from diffsim.errors import ArgumentError, KindError, RunError, must
from diffsim.progress import progress_bar
from diffsim.protocols import is_system, parameter_names
from studies import _checks
from studies._checks import Floats
from studies._motion import Motion, rates_of
from studies._plan import Plan, plan_of
from studies._shadowing_result import ShadowingGradient
from studies._shadowing_windows import Segments, shadowed

__all__ = ["shadowing_gradient"]

_WHO = "shadowing_gradient"
_POINTS = 8
_PLAIN = 400  # segments over which the plain gradient is followed


def shadowing_gradient(
    system: Any,
    observable: str | Callable[[Any], Any],
    y0: Any = None,
    *,
    parameters: Sequence[str] | str | None = None,
    t_transient: float,
    t_total: float,
    t_segment: float,
    k: int | None = None,
    n_windows: int = 8,
    method: Any = None,
    rng: int = 0,
    progress: bool = False,
    **options: Any,
) -> ShadowingGradient:
    """Return the derivative of a long-time average of an observable by parameters, by least-squares shadowing.

    The derivative of a chaotic trajectory by a parameter grows without bound, and so does that of an average along it:
    the plain gradient says nothing about the average.  But beside the trajectory there is one of the changed system
    that *stays* near it (a shadow), from another start and with another clock.  The shadowing direction v is the
    smallest of all solutions of the linearised equations; of n_w segments, with k homogeneous solutions W each,

        v_i = v*_i + W_i a_i,    a_(i+1) = R_(i+1) a_i + b_(i+1),    minimise sum |a_i|**2,

    and the derivative of the average follows from v, with the change of the time along the flow.

    Parameters
    ----------
    system : System or callable
        A flow that does not depend on time; a plain function has its parameters in ``parameters=("args[0]",)``.
    observable : str or callable
        Name of a component, or a function of states (n, m) that acts state by state and returns (m,).
    y0 : array_like (n,), optional
        Start; by default the System's own.
    parameters : sequence of str, optional
        By which parameters; all by default.
    t_transient, t_total : float
        Time before, and time over which is averaged, in s.
    t_segment : float
        Length of a segment, in s: in it, tangents should grow by less than some 1e6.
    k : int, optional
        Number of homogeneous solutions: more than there are positive exponents, which is checked.  All n - 1 that are
        transverse to the flow by default.
    n_windows : int
        The time is cut into so many windows, whose results differ as chance has it: that is the error bar.
    method, rng, progress, **options
        As for `lyapunov_spectrum`.

    Returns
    -------
    ShadowingGradient
        ``.gradient`` and ``.error`` by the name of the parameter, ``.average``, and ``.plain``, the plain gradient of
        the average over a growing time, for comparison.

    Raises
    ------
    ArgumentError
        An unknown parameter or component, a map or a driven system, too few solutions k, too few segments.
    RunError
        The flow stands still at a node: a fixed point has no direction along which time could change.

    Notes
    -----
    **Limits.**  The shadow exists for uniformly hyperbolic systems.  Others (most) often give useful numbers, with a
    bias that no error bar shows: where the tangent directions of growth and decay come close, and where the average
    itself is not smooth in the parameter (periodic windows, crises).  The shadow need not be typical for the changed
    system either.  Each window has an error of its own of order 1 / length at its ends.  Compare with averages at two
    values of the parameter where it matters.  Hamiltonian systems, with several neutral directions, are not what this
    is for.

    References
    ----------
    Wang, Hu and Blonigan, "Least squares shadowing sensitivity analysis of chaotic limit cycle oscillations", J.
    Comput. Phys. 267 (2014) 210.  Ni and Wang, "Sensitivity analysis on chaotic dynamical systems by non-intrusive
    least squares shadowing", J. Comput. Phys. 347 (2017) 56, section 3 and equation 22.

    Examples
    --------
    >>> from systems import Lorenz63
    >>> found = shadowing_gradient(
    ...     Lorenz63(), "z", parameters="rho", t_transient=20, t_total=400, t_segment=0.5, method="RK4", step=0.01
    ... )
    >>> bool(abs(found.gradient["rho"] - 1.0) < 0.1)
    True
    """
    plan = plan_of(_WHO, system, y0, (t_transient, t_total, t_segment), method, options, "t_segment")
    n_windows = _checks.count(_WHO, "n_windows", n_windows)
    names = _parameters(system, parameters)
    k = plan.motion.n - 1 if k is None else _checks.count(_WHO, "k", k)
    _check(plan, k, n_windows)
    watched = _observable(plan.motion, observable)
    segments = _segments(plan, watched, names, progress)
    length = segments.count // n_windows
    windows = [shadowed(segments.part(w * length, length), k, rng + w) for w in range(n_windows)]
    least = float(np.mean([window.growth[-1] for window in windows]))
    if k < plan.motion.n - 1 and least > 0.0:
        raise must(_WHO, "k", "must be more than the number of growing directions", k, "The last one still grows.")
    time = {"t_transient": t_transient, "t_total": t_total, "t_segment": t_segment}
    more = {"k": k, "n_windows": n_windows, "method": method, "rng": rng}
    return ShadowingGradient(
        system=system,
        call={"observable": observable, "y0": plan.starts[:, 0], "parameters": names, **time, **more, **options},
        parameters=names,
        observable=observable if isinstance(observable, str) else _name_of(observable),
        windows=np.array([window.gradient for window in windows]).T,
        averages=np.array([window.average for window in windows]),
        plain=segments.part(0, min(_PLAIN, segments.count)).plain(),
        growth=np.mean([window.growth for window in windows], axis=0),
        t_segment=plan.length,
        method=plan.method,
        title=plan.motion.title,
    )


def _parameters(system: Any, parameters: Any) -> tuple[str, ...]:
    """Return the names of the parameters."""
    if parameters is None:
        if not is_system(system):
            raise KindError(f"{_WHO}: a plain function does not name its parameters.")
        return parameter_names(system)
    names = (parameters,) if isinstance(parameters, str) else tuple(parameters)
    if is_system(system):
        for name in names:
            _checks.one_of(_WHO, "parameter", name, parameter_names(system))
    return names


def _check(plan: Plan, k: int, n_windows: int) -> None:
    """Refuse what has no shadow, or too little of it."""
    if plan.motion.discrete or not plan.motion.autonomous:
        kind = "a map" if plan.motion.discrete else "a system that depends on time"
        raise ArgumentError(f"{_WHO}: system must be a flow that does not depend on time; got {kind}.")
    if plan.n_starts != 1:
        raise must(_WHO, "y0", "must be one start", plan.starts.shape)
    if k >= plan.motion.n:
        raise must(_WHO, "k", f"must be at most {plan.motion.n - 1}: one direction is that of the flow", k)
    if plan.count < 10 * n_windows:
        raise must(_WHO, "t_total", "must be at least 10 t_segment for each window", plan.count * plan.length)


def _observable(motion: Motion, observable: Any) -> Callable[[Any], Any]:
    """Return the observable as a function of states (n, m)."""
    if isinstance(observable, str):
        index = motion.names.index(_checks.one_of(_WHO, "state component", observable, motion.names))
        return lambda y: y[index]
    if not callable(observable):
        raise KindError(f"{_WHO}: observable must be a component's name or a function; got {observable!r}.")
    return observable  # type: ignore[no-any-return] # a caller's function


def _name_of(function: Any) -> str:
    """Return the name of a function; ``observable`` for one that has none."""
    name = str(getattr(function, "__name__", ""))
    return name if name.isidentifier() else "observable"


def _segments(plan: Plan, watched: Callable[[Any], Any], names: tuple[str, ...], progress: bool) -> Segments:
    """Integrate all segments with their tangents, and the observable along them."""
    points, weights = np.polynomial.legendre.leggauss(_POINTS)
    inner, weights = 0.5 * plan.length * (1.0 + points), 0.5 * plan.length * weights
    rates = rates_of(plan.motion)
    found: list[tuple[Floats, ...]] = []
    with progress_bar(plan.n_first + plan.count, _WHO, progress, unit="segments") as bar:
        for part in plan.parts(inner, names, inside=True):
            low = max(0, plan.n_first - part.first)
            bar.update(len(part.maps))
            if low >= len(part.maps):
                continue
            tangents = part.inner_maps[low:, 0].transpose(3, 2, 0, 1)  # (wrt, n, k, q)
            states = part.inner[:, 0, low:]
            flat = tangents.reshape(*tangents.shape[:2], -1)
            value, slope = pushforward(watched, (states.reshape(len(states), -1),), (flat,))
            if np.shape(value) != (states[0].size,):
                raise ArgumentError(
                    f"{_WHO}: observable must give one number a state, an array of shape ({states[0].size},); got "
                    f"shape {np.shape(value)}. Take components by y[0], y[1], ..."
                )
            nodes = part.states[:, 0, low:]
            ends = np.asarray(watched(nodes[:, 1:]))
            shape = states.shape[1:]
            found.append((
                part.maps[low:, 0],
                np.asarray(value).reshape(shape) @ weights,
                (np.asarray(slope).reshape(-1, *shape) @ weights).T,
                ends,
                rates(np.zeros(nodes.shape[1] - 1), nodes[:, :-1]).T,
                rates(np.zeros(1), nodes[:, -1:]).T,
            ))  # fmt: skip
    joined = [np.concatenate([piece[i] for piece in found]) for i in range(5)]
    flow = np.concatenate([joined[4], found[-1][5]])
    if not (np.linalg.norm(flow, axis=1) > 0.0).all():
        raise RunError(f"{_WHO}: the flow stands still; a fixed point has no direction along which time could change.")
    return Segments(joined[0], joined[1], joined[2], joined[3], flow, plan.length)
