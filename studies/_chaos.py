"""`is_chaotic`: is the motion from a start chaotic?  Several indicators that agree, or that say that they do not."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.errors import must
from diffsim.progress import progress_bar
from studies._chaos_result import ChaosVerdict
from studies._checks import Floats
from studies._frames import carried, growth_of, random_frame
from studies._indicators import alignment, growth_late, judged, mean_growth, zero_one
from studies._motion import Divergence
from studies._plan import Plan, plan_of

__all__ = ["is_chaotic"]

_WHO = "is_chaotic"
_FEWEST = 200
_CONSERVED = 1e-6  # mean divergence up to which volumes count as kept, relative to the largest exponent or 1 / time


def is_chaotic(
    system: Any,
    y0: Any = None,
    *,
    t_total: float = 1000.0,
    t_renorm: float | None = None,
    t_transient: float = 0.0,
    method: Any = None,
    rng: int = 0,
    progress: bool = False,
    **options: Any,
) -> ChaosVerdict:
    """Say whether the motion from a start is chaotic, by several indicators that do not share their weaknesses.

    ``lyapunov``
        Growth of a tangent vector in the second half of the time: a power of time for regular, exponential for chaotic
        motion.
    ``megno``
        The mean exponential growth factor of nearby orbits: at most about 2 for regular motion.
    ``zero_one``
        The 0-1 test, which sees nothing but the series of one component.
    ``sali``, ``gali``
        Alignment of 2 (of N + 1, with N degrees of freedom) tangent vectors: a power of time, or exponential.  They
        only mean something where volumes are kept; elsewhere vectors align whatever the motion.

    Parameters
    ----------
    system : System or callable
        A System, a map, or a plain function ``f(t, y)``.
    y0 : array_like (n,), optional
        Start; by default the System's own.
    t_total : float
        Time that is looked at, in s (iterations of a map).  Chaos whose exponent is below some 20 / t_total cannot be
        told from regular motion in that time.
    t_renorm : float, optional
        Time between two looks, in s; 0.5 by default (1 iteration), at least 200 of them fit into `t_total`.
    t_transient : float
        Time before, in s, in which the motion finds its attractor.
    method, **options
        As for `lyapunov_spectrum`.
    rng : int
        Seed of the tangent vectors at the start.
    progress : bool
        Show a progress bar.

    Returns
    -------
    ChaosVerdict
        ``.verdict`` is ``"chaotic"``, ``"regular"``, or ``"undecided"`` where the indicators do not agree; ``bool`` of
        it answers the question, and refuses where it is undecided.

    Raises
    ------
    ArgumentError, KindError, RunError
        As for `lyapunov_spectrum`; more than one start.

    Notes
    -----
    No finite time proves either: sticky orbits look regular for long.  The threshold of each indicator stands beside
    its value in ``.table``.

    References
    ----------
    Skokos, Gottwald and Laskar (eds.), "Chaos Detection and Predictability", Lect. Notes Phys. 915 (Springer 2016).

    Examples
    --------
    >>> from systems import Pendulum
    >>> answer = is_chaotic(Pendulum(), [1.0, 0.0], t_total=200)
    >>> answer.verdict, bool(answer)
    ('regular', False)
    """
    length = (1.0 if getattr(system, "discrete", False) else 0.5) if t_renorm is None else t_renorm
    plan = plan_of(_WHO, system, y0, (t_transient, t_total, length), method, options)
    if plan.n_starts != 1:
        raise must(_WHO, "y0", "must be one start", plan.starts.shape, "Ask for each by itself.")
    if plan.count < _FEWEST:
        raise must(_WHO, "t_total", f"must be at least {_FEWEST} t_renorm", t_total, "Take a shorter t_renorm.")
    n = plan.motion.n
    k = min(n, max(2, n // 2 + 1))
    frame, factors, states = random_frame(n, k, 1, rng), [], []
    with progress_bar(plan.n_first + plan.count, _WHO, progress, unit="intervals") as bar:
        for part in plan.parts():
            frame, found = carried(part.maps, frame)
            low = max(0, plan.n_first - part.first)
            factors.append(found[low:, 0])
            states.append(part.states[:, 0, low + 1 :])
            bar.update(len(found))
    time = {"t_total": t_total, "t_renorm": plan.length, "t_transient": t_transient}
    call = {"y0": plan.starts[:, 0], **time, "method": method, "rng": rng, **options}
    return _verdict(plan, system, call, np.concatenate(factors), np.concatenate(states, axis=1))


def _verdict(plan: Plan, system: Any, call: dict[str, Any], factors: Floats, states: Floats) -> ChaosVerdict:
    """Return what the factors (j, k, k) and the states (n, j) say."""
    growth = growth_of(factors[:, None])[:, 0]
    sums = np.cumsum(growth[0])
    times: Floats = plan.length * np.arange(1.0, plan.count + 1)
    megno = mean_growth(growth[0], plan.length)
    series = _observed(plan, states)
    k_test, path = zero_one(series)
    rate = float((sums[-1] - sums[len(sums) // 2 - 1]) / (0.5 * times[-1]))
    found = {
        "lyapunov": (
            rate,
            judged(growth_late(sums), 1.0),
            "late exponent; its growth against a power of time",
        ),
        "megno": (megno[-1], _between(megno[-1], 3.0, 5.0), "regular below 3, chaotic above 5"),
        "zero_one": (k_test, _between(k_test, 0.3, 0.7), "regular below 0.3, chaotic above 0.7"),
    }
    sali, gali = np.zeros(0), np.zeros(0)
    if len(states) > 1:
        sali, every = alignment(factors)
        gali = every[-1]
        keeps = _keeps_volume(plan, states)
        for name, values in (("sali", sali), ("gali", gali)):
            says = judged(-growth_late(values), 2.0) if keeps else "does not apply"
            why = "logarithm at the end; its fall against a power of time" if keeps else "volumes are not kept"
            found[name] = (float(values[-1]), says, why)
    return ChaosVerdict(
        system=system,
        call=call,
        names=tuple(found),
        values=np.array([value for value, _, _ in found.values()]),
        says=tuple(said for _, said, _ in found.values()),
        rules=tuple(rule for _, _, rule in found.values()),
        times=times,
        exponent=sums / times,
        megno=megno,
        log_sali=sali,
        log_gali=gali,
        gali_order=factors.shape[1],
        path=path,
        method=plan.method,
        title=plan.motion.title,
        time_unit=plan.motion.time_unit,
    )


def _between(value: float, regular: float, chaotic: float) -> str:
    if value < regular:
        return "regular"
    return "chaotic" if value > chaotic else "undecided"


def _observed(plan: Plan, states: Floats) -> Floats:
    """Return the series (j,) that the 0-1 test looks at: the first component that is no angle, or a sine."""
    angles = tuple(getattr(plan.motion.fun, "angles", ()))
    plain = [i for i in range(len(states)) if i not in angles]
    return np.asarray(states[plain[0]] if plain else np.sin(states[0]))


def _keeps_volume(plan: Plan, states: Floats) -> bool:
    """Say whether the flow (or map) keeps volumes along the trajectory."""
    if plan.motion.canonical:
        return True
    times = plan.rest + plan.length * (plan.n_first + np.arange(1, states.shape[1] + 1))
    return bool(np.abs(Divergence(plan.motion)(times, states)).max() < _CONSERVED)
