"""What a fit looks for: free parameters and components of the start, with their bounds and priors, as one vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim.errors import must
from diffsim.protocols import parameter_names
from studies import _checks
from studies._checks import Floats

__all__: list[str] = []

_WHO = "fit"
_START, _PARAMETERS = "y0", "params"


@final
@dataclass(frozen=True, eq=False)
class Unknowns:
    """The q free quantities: parameters first, then components of the start.

    Attributes
    ----------
    parameters : tuple of str
        Names of the p free parameters.
    components : tuple of int
        The free components of the start.
    first : ndarray (q,)
        Where the search begins.
    low, high : ndarray (q,)
        Bounds, infinite where there is none.
    mean, weight : ndarray (q,)
        Prior mean, and the inverse of its standard deviation: 0 where there is none.
    start : ndarray (n,)
        The whole start; what is not free stays.
    state_names : tuple of str
    """

    parameters: tuple[str, ...]
    components: tuple[int, ...]
    first: Floats
    low: Floats
    high: Floats
    mean: Floats
    weight: Floats
    start: Floats
    state_names: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return (*self.parameters, *(self.state_names[i] for i in self.components))

    @property
    def n_parameters(self) -> int:
        """Number p."""
        return len(self.parameters)

    def start_at(self, x: Floats) -> Floats:
        """Return the whole start (n,) at x (q,)."""
        start = self.start.copy()
        start[list(self.components)] = x[self.n_parameters :]
        return start

    def pull(self, x: Floats) -> Floats:
        """Return the residuals (q,) of the priors; 0 where there is none."""
        return (x - self.mean) * self.weight

    def inside(self, x: Floats) -> Floats:
        """Return x, moved into the bounds."""
        return np.clip(x, self.low, self.high)


def unknowns(system: Any, start: Floats, free: Any, bounds: Any, prior: Any) -> Unknowns:
    """Return what is free.

    Raises
    ------
    ArgumentError
        An unknown or repeated name, bounds out of order or without the start, a prior that is no (mean, deviation).
    """
    names = _named(system, free)
    parameters = tuple(name for name in names if name not in system.state_names)
    components = tuple(system.state_names.index(name) for name in names if name in system.state_names)
    ordered = (*parameters, *(system.state_names[i] for i in components))
    first = [_number(system, name) for name in parameters] + [float(start[i]) for i in components]
    low, high = np.full(len(ordered), -np.inf), np.full(len(ordered), np.inf)
    positive = frozenset(getattr(system, "positive", ()))
    for i, name in enumerate(ordered):
        if name in positive:
            low[i] = 0.0
    mean, weight = np.zeros(len(ordered)), np.zeros(len(ordered))
    for name, pair in _mapping("bounds", bounds, "(0, 20)").items():
        i = ordered.index(_checks.one_of(_WHO, "bounded quantity", name, ordered))
        low[i], high[i] = _bounds(name, pair, first[i], low[i])
    for name, pair in _mapping("prior", prior, "(9.8, 0.1)").items():
        i = ordered.index(_checks.one_of(_WHO, "quantity of prior", name, ordered))
        middle, deviation = _pair("prior", name, pair)
        mean[i] = _checks.real(_WHO, f"mean of prior[{name!r}]", middle)
        weight[i] = 1.0 / _checks.positive(_WHO, f"deviation of prior[{name!r}]", deviation)
    names_of_state = tuple(system.state_names)
    return Unknowns(parameters, components, np.array(first), low, high, mean, weight, start, names_of_state)


def _named(system: Any, free: Any) -> tuple[str, ...]:
    """Return the names, ``y0`` and ``params`` spelt out."""
    groups = {_START: tuple(system.state_names), _PARAMETERS: parameter_names(system)}
    known = (*system.state_names, *parameter_names(system))
    asked = (free,) if isinstance(free, str) else tuple(free)
    names: list[str] = []
    for name in asked:
        if name in groups and name not in known:
            names.extend(groups[name])
        else:
            names.append(_checks.quantity(_WHO, system, name))
    if not names or len(set(names)) != len(names):
        raise must(_WHO, "free", "must name at least one component or parameter, each once", asked)
    return tuple(names)


def _number(system: Any, name: str) -> float:
    """Return a parameter as a number."""
    value = system.parameters[name]
    if np.ndim(value) != 0:
        raise must(_WHO, name, "must be one number to be free", value)
    return _checks.real(_WHO, name, value)


def _mapping(argument: str, given: Any, example: str) -> Mapping[str, Any]:
    """Return a mapping by name; an empty one for None."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise must(_WHO, argument, f'must be a mapping such as {{"gravity": {example}}}', given)
    return given


def _pair(argument: str, name: str, pair: Any) -> Sequence[Any]:
    """Return two of something."""
    try:
        one, other = pair
    except (TypeError, ValueError):
        what = "(low, high)" if argument == "bounds" else "(mean, standard deviation)"
        raise must(_WHO, f"{argument}[{name!r}]", f"must be a pair {what}", pair) from None
    return one, other


def _bounds(name: str, pair: Any, start: float, least: float) -> tuple[float, float]:
    """Return (low, high), the start strictly between them."""
    low, high = _pair("bounds", name, pair)
    low = least if low is None else max(least, _checks.real(_WHO, f"bounds[{name!r}]", low))
    high = np.inf if high is None else _checks.real(_WHO, f"bounds[{name!r}]", high)
    if not low < start < high:
        raise must(_WHO, f"bounds[{name!r}]", f"must hold the start, {start:g}, between them", pair)
    return low, high
