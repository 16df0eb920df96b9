"""Where `check_system` looks: random states near the default trajectory, and of those that fail the simplest."""

from __future__ import annotations

import importlib.util
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from diffsim.errors import ArgumentError, KindError
from studies._check_system_report import Place
from studies._checks import Floats

__all__: list[str] = []

_VARIATION = 0.3  # of the parameters: a factor between exp(-0.3) and exp(0.3)
_REST = 1e-14
_EXAMPLES = 150  # that Hypothesis tries while it looks for a simpler state


def default_start(system: Any) -> Any:
    """Return the system's own start as it declares it; None where it declares none."""
    try:
        return getattr(system, "default_state", None)
    except KindError:  # the way in which a System says that it has none
        return None


def draw_places(system: Any, trajectory: Floats, count: int, seed: int, spread: float, times: float) -> list[Place]:
    """Return `count` places near a trajectory, every other one with varied parameters.

    Parameters
    ----------
    system : System
    trajectory : ndarray (n, m)
        Finite states.
    count, seed : int
    spread : float
        Size of the deviations, relative to the range of each component on the trajectory.
    times : float
        The times are drawn from (0, times).
    """
    draw = np.random.default_rng(seed)
    width = _widths(trajectory)
    positive = np.all(trajectory > 0.0, axis=1)
    angles = list(system.angles)
    places = []
    for i in range(count):
        base = trajectory[:, draw.integers(trajectory.shape[1])]
        deviation = spread * draw.normal(size=len(base))
        # A concentration stays positive, whatever else moves.
        y = np.where(positive, base * np.exp(np.minimum(deviation, 3.0)), base + deviation * width)
        y[angles] = draw.uniform(-np.pi, np.pi, len(angles))
        t = times * float(draw.uniform())
        places.append(Place(varied(system, draw) if i % 2 else system, t, y))
    return places


def _widths(trajectory: Floats) -> Floats:
    """Return the scale of each component: its range on the trajectory, or what stands for it where it rests."""
    width = np.ptp(trajectory, axis=1)
    width = np.where(width > 0.0, width, np.abs(trajectory[:, 0]))
    moves = width > _REST * np.max(width)  # what moves by rounding rests
    moving = width[moves]
    return np.where(moves, width, 0.1 * float(np.median(moving)) if moving.size else 1.0)


def varied(system: Any, draw: np.random.Generator) -> Any:
    """Return the system with each parameter that is not zero multiplied by a random factor, if it allows that."""
    values = {name: float(value) for name, value in system.parameters.items()}
    factors = np.exp(draw.uniform(-_VARIATION, _VARIATION, len(values)))
    changes = {name: value * factor for (name, value), factor in zip(values.items(), factors.tolist(), strict=True)}
    try:
        return system.replace(**changes)
    except ArgumentError:  # a relation between parameters that the random ones do not keep
        return system


def simplest(place: Place, fails: Callable[[Place], bool], system: Any) -> Place:
    """Return the simplest place near `place` at which `fails` holds, as Hypothesis finds it; without it `place`.

    Components become 0, 1, whole, or short where that still fails; parameters those of `system`, the time 0.
    """
    if importlib.util.find_spec("hypothesis") is None:
        return place
    from hypothesis import HealthCheck, Phase, find, settings
    from hypothesis import strategies as st
    from hypothesis.errors import HypothesisException

    values = {name: float(value) for name, value in place.system.parameters.items()}
    own = {name: float(value) for name, value in system.parameters.items()}
    parameters = [list(dict.fromkeys([own[name], float(f"{x:.2g}"), x])) for name, x in values.items()]

    def at(numbers: tuple[tuple[float, ...], float, tuple[float, ...]]) -> Place | None:
        """Return the place that these numbers make; None where the system refuses the parameters."""
        given = dict(zip(values, numbers[0], strict=True))
        try:
            there = system if given == own else place.system.replace(**given)
        except ArgumentError:
            return None
        return Place(there, numbers[1], np.array(numbers[2]))

    def fails_at(numbers: tuple[tuple[float, ...], float, tuple[float, ...]]) -> bool:
        there = at(numbers)
        return there is not None and fails(there)

    simpler = st.tuples(
        st.tuples(*(st.sampled_from(ladder) for ladder in parameters)),
        st.sampled_from([0.0, place.t]),
        st.tuples(*(st.sampled_from(_ladder(x)) for x in place.y.tolist())),
    )
    quiet = settings(
        max_examples=_EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    try:
        return at(find(simpler, fails_at, settings=quiet, random=random.Random(0))) or place
    except HypothesisException:  # none of them fails, or now and then only
        return place


def _ladder(x: float) -> Sequence[float]:
    """Return numbers from a simple one to `x` itself, each once."""
    if not math.isfinite(x):
        return [x]
    steps = [0.0, 1.0, math.copysign(1.0, x), float(round(x)), round(2.0 * x) / 2.0]
    steps += [float(f"{x:.{digits}g}") for digits in (1, 2, 3)]
    return list(dict.fromkeys([*steps, x]))
