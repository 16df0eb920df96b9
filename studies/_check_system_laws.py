"""The laws of `check_system` that hold state by state: each measures how far a system is from keeping one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from diffsim.capture import capture, settle, trace_flow
from diffsim.derivatives import grad
from diffsim.errors import DiffsimError
from diffsim.protocols import parameter_names, with_parameters
from diffsim.testing import check_gradients
from studies._check_system_report import Place
from studies._checks import Floats

__all__: list[str] = []

SMOOTH = 1e-9
"""What rounding may do to a derivative of the core, relative to the terms that it is the sum of."""

SAME = 1e-12
"""What the last bits of sine and cosine may do to a rate, relative to the largest one."""

_FEW, _DIRECTIONS = 8, 4
_FLOOR = 1e-4  # of |J| |y|: rates that cancel to less than this are measured as if they were this large


class BrokenLawError(DiffsimError):
    """A law is broken: the message says how, `measure` by how much where that can be said."""

    def __init__(self, message: str, measure: float | None = None) -> None:
        super().__init__(message)
        self.measure = measure


@dataclass(frozen=True)
class Law:
    """What must hold at each place.

    Attributes
    ----------
    name : str
    measure : callable
        Of a `Place`: how far the law is from holding there; raises `BrokenLawError` where it has more to say.
    allowed : float
        What the measure may be at most; 0 where there is nothing to measure, inf where the measure judges by itself.
    mend : str
        What to look at where it is broken.
    what : str
        What the measure is, for the message.
    decisive : bool
        Whether no other law says anything where this one is broken.
    once : bool
        Whether one place for each set of parameters will do.
    """

    name: str
    measure: Callable[[Place], float]
    allowed: float
    mend: str
    what: str = ""
    decisive: bool = False
    once: bool = False


def laws_of(system: Any, compiled: bool) -> Iterator[Law]:
    """Yield the laws that apply to a system, the elementary ones first."""
    yield from _numbers(system, compiled)
    yield Law("derivatives by the state", _state_gradient, np.inf, "Write with plain operators and diffsim.ops.")
    if parameter_names(system):
        mend = "Does a parameter pass through float(), raw() or __post_init__ on its way into the rates?"
        yield Law("derivatives by the parameters", _parameter_gradient, np.inf, mend)
    discrete = is_discrete(system)
    for name in system.invariants:
        measure = partial(_kept_by_map if discrete else _kept_by_field, name)
        mend = f"Look at invariants[{name!r}] and at the signs and factors of the rates."
        yield Law(f"{name} is constant along the field", measure, SMOOTH, mend)
    for name in system.equilibria:
        mend = f"Look at equilibria[{name!r}]: a sign, or a parameter that is 1 by default?"
        yield Law(f"nothing moves at {name}", partial(_rest, name), SMOOTH, mend, once=True)
    if system.has_energy and not discrete:
        yield from _energies(system)
    if system.separable:
        mend = "The first half of the rates may depend on the second half of the state only, and the other way round."
        yield Law("separable, as declared", _separable, 0.0, mend)
    if system.drawable:
        mend = "positions must return (n_points, 2 or 3, *batch) finite numbers for each state."
        yield Law("positions are finite points", _positions, SAME, mend, "a batch and its states differ by {}")
        if rods_of(system):
            yield Law("rods keep their lengths", _rods, SMOOTH, "Look at positions.", "a length changes by {} of it")


def _numbers(system: Any, compiled: bool) -> Iterator[Law]:
    """Yield the laws about rates as numbers."""
    mend = "If it is no state that the system may take, give a start y0 of its own, or a smaller spread."
    yield Law("rates are finite, one number a component", _finite, 0.0, mend, decisive=True)
    mend = "rates may read nothing that changes, and must leave the state alone: write x, v = state."
    yield Law("rates are the same each time, the state is untouched", _pure, 0.0, mend, decisive=True)
    differ = "they differ by {} of the largest rate"
    if getattr(system, "elementwise", False):
        mend = "Write number by number (diffsim.where for an if), or declare elementwise = False."
        yield Law("a batch gives what single states give", _batch, SAME, mend, differ)
    if compiled:
        mend = "Use diffsim.where for a branch on the state, diffsim.ops for functions; or pass compiled=False."
        yield Law("traced gives what interpreted gives", _Traced(), SAME, mend, differ)


def _energies(system: Any) -> Iterator[Law]:
    """Yield the laws about the energy."""
    if parts_of_energy(system):
        yield Law(
            "energy is kinetic plus potential",
            _sum_of_energies,
            SMOOTH,
            "Look at energy, kinetic_energy and potential_energy.",
        )
    if is_canonical(system):
        mend = "q' = dH/dp, p' = -dH/dq: look for a sign, a factor, or half of a cross term."
        yield Law("rates are the symplectic gradient of the energy", _canonical, SMOOTH, mend)


# -- what a system says of itself --------------------------------------------------------------------------------------


def is_discrete(system: Any) -> bool:
    """Whether it is a map instead of a flow."""
    return bool(getattr(system, "discrete", False))


def is_canonical(system: Any) -> bool:
    """Whether it says that its equations are Hamilton's."""
    return bool(getattr(system, "canonical", False))


def parts_of_energy(system: Any) -> tuple[Callable[[Any], Any], ...]:
    """Return its kinetic and its potential energy, functions of the state, if it offers both."""
    parts = [getattr(system, name, None) for name in ("kinetic_energy", "potential_energy")]
    return tuple(parts) if all(callable(part) for part in parts) else ()  # type: ignore[arg-type]


def energy_at(place: Place) -> Callable[[Any], Any]:
    """Return the energy as a function of the state, at the time of a place where it depends on time."""
    energy: Callable[..., Any] = place.system.energy
    return (lambda y: energy(y, place.t)) if "t" in inspect.signature(energy).parameters else energy


def rods_of(system: Any) -> tuple[tuple[int, int], ...]:
    """Return the pairs of points whose distance stays the same, as it declares them."""
    return tuple(getattr(system, "rods", ()))


# -- rates as numbers --------------------------------------------------------------------------------------------------


def rates_at(place: Place) -> Floats:
    """Return the rates at a place; raise unless they are n real numbers."""
    with np.errstate(all="ignore"):
        try:
            value = np.asarray(place.system(place.t, place.y.copy()))
        except Exception as error:
            raise BrokenLawError(f"rates raise {type(error).__name__}: {error}") from error
    if value.shape != place.y.shape or value.dtype.kind not in "iuf":
        raise BrokenLawError(f"rates must be {len(place.y)} real numbers; got {value!r}")
    return value.astype(np.float64)


def _finite(place: Place) -> float:
    value = rates_at(place)
    for name, rate in zip(place.system.state_names, value.tolist(), strict=True):
        if not np.isfinite(rate):
            raise BrokenLawError(f"the rate of {name} is {rate}")
    return 0.0


def _pure(place: Place) -> float:
    first = rates_at(place)
    for form in ("list", "batch"):
        given = place.y.tolist() if form == "list" else np.stack([place.y, place.y], axis=1)
        if form == "batch" and not getattr(place.system, "elementwise", False):
            continue
        before = list(given) if form == "list" else given.copy()
        with np.errstate(all="ignore"):
            try:
                place.system(place.t, given)
            except Exception:  # noqa: BLE001 - another law asks whether a list and a batch pass
                continue
        if not np.array_equal(before, given):
            i = int(np.argmax(np.asarray(before) != np.asarray(given))) // np.asarray(given[0]).size
            raise BrokenLawError(f"rates change {place.system.state_names[i]} in the {form} that they are given")
    for _ in range(3):
        again = rates_at(place)
        if not np.array_equal(first, again, equal_nan=True):
            i = int(np.argmax(first != again))
            name = place.system.state_names[i]
            raise BrokenLawError(f"the same state gives the rate {first[i]} of {name}, and then {again[i]}")
    return 0.0


def _batch(place: Place) -> float:
    lanes = np.stack([place.y, 0.9 * place.y, 1.1 * place.y], axis=1)
    with np.errstate(all="ignore"):
        try:
            together = np.asarray(place.system(place.t, lanes.copy()), dtype=np.float64)
        except Exception as error:
            raise BrokenLawError(f"a batch raises {type(error).__name__}: {error}") from error
    if together.shape != lanes.shape:
        raise BrokenLawError(f"a batch of shape {lanes.shape} gives rates of shape {together.shape}")
    single = np.stack([rates_at(Place(place.system, place.t, lanes[:, i])) for i in range(3)], axis=1)
    return _distance(together, single)


def _distance(a: Floats, b: Floats) -> float:
    """Return the largest difference relative to the largest number; where both are not finite they agree."""
    both = np.isfinite(a) & np.isfinite(b)
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return np.inf
    largest = float(np.max(np.abs(b), where=both, initial=0.0))
    return float(np.max(np.abs(a - b), where=both, initial=0.0)) / largest if largest else 0.0


class _Traced:
    """The distance between the rates and their graph; the graph is recorded once."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.graph: Any = None

    def __call__(self, place: Place) -> float:
        want = rates_at(place)
        try:
            captured = settle(place.system, (), len(place.y))
            if self.graph is None or captured.names != self.names:
                self.graph, self.names = trace_flow(captured, len(place.y)), captured.names
        except Exception as error:
            raise BrokenLawError(str(error)) from error
        numbers = np.array([float(value) for value in capture(place.system).values])
        with np.errstate(all="ignore"):
            got = np.asarray(self.graph(place.t, place.y, numbers), dtype=np.float64)
        return _distance(got, want)


# -- derivatives -------------------------------------------------------------------------------------------------------


def field_of(place: Place) -> Callable[[Any], Any]:
    """Return the rates as a function of the state alone."""
    return lambda y: place.system(place.t, y)


def _state_gradient(place: Place) -> float:
    return _disagreement(field_of(place), place.y)


def _parameter_gradient(place: Place) -> float:
    names = parameter_names(place.system)
    values = np.array([float(getattr(place.system, name)) for name in names])

    def rates(p: Any) -> Any:
        return with_parameters(place.system, [p[i] for i in range(len(names))])(place.t, place.y)

    return _disagreement(rates, values)


def _disagreement(f: Callable[[Any], Any], x: Floats) -> float:
    """Return how far both modes are from differences, by each component of few, in random directions of many."""
    directions = None if len(x) <= _FEW else _DIRECTIONS
    return check_gradients(f, x, order=1, directions=directions, unresolved="ignore").max_disagreement


# -- physics -----------------------------------------------------------------------------------------------------------


def natural_size(place: Place, rates: Floats) -> Floats:
    """Return the sizes of the rates, and where they cancel nearly to nothing, a little of what they cancel from."""
    matrix = place.jacobian
    size: Floats = np.abs(rates) + _FLOOR * (np.abs(matrix) @ np.abs(place.y))
    return size


def invariant_of(place: Place, name: str) -> Callable[[Any], Any] | None:
    """Return an invariant at a place; None where other parameters do away with it, such as one of a ratio of masses."""
    found: Mapping[str, Callable[[Any], Any]] = place.system.invariants
    return found.get(name)


def _kept_by_field(name: str, place: Place) -> float:
    if getattr(place.system, "events", ()) and name not in place.system.invariants:
        return 0.0  # an impact may keep it at one value of a parameter alone
    rates = rates_at(place)
    invariant = invariant_of(place, name)
    if invariant is None:
        return 0.0
    slope = np.asarray(grad(invariant)(place.y), dtype=np.float64)
    change, size = float(np.dot(slope, rates)), float(np.sum(np.abs(slope) * natural_size(place, rates)))
    return _judged(change, size, f"its derivative along the rates is {change:.6g}, the sum of terms of size {size:.3g}")


def _kept_by_map(name: str, place: Place) -> float:
    invariant = invariant_of(place, name)
    if invariant is None:
        return 0.0
    before, after = float(invariant(place.y)), float(invariant(rates_at(place)))
    slope = np.asarray(grad(invariant)(place.y), dtype=np.float64)
    size = abs(before) + float(np.sum(np.abs(slope * place.y)))
    return _judged(after - before, size, f"it is {before:.9g} before a step and {after:.9g} after it")


def _rest(name: str, place: Place) -> float:
    if name not in place.system.equilibria:  # a branch that this set of parameters does not have
        return 0.0
    state = np.array([float(x) for x in place.system.equilibria[name]])
    if state.shape != place.y.shape:
        raise BrokenLawError(f"equilibria[{name!r}] must have {len(place.y)} numbers; it has {len(state)}")
    here = Place(place.system, place.t, state)
    rates = rates_at(here) - (state if is_discrete(place.system) else 0.0)
    size = natural_size(here, rates_at(place)) + _FLOOR * np.abs(state)
    i = int(np.argmax([_ratio(x, s) for x, s in zip(rates, size, strict=True)]))
    moves = "a step moves" if is_discrete(place.system) else "the rate there moves"
    text = f"{moves} {place.system.state_names[i]} by {rates[i]:.6g}, at the state {state.tolist()}"
    return _judged(float(rates[i]), float(size[i]), text)


def _sum_of_energies(place: Place) -> float:
    terms = [float(part(place.y)) for part in parts_of_energy(place.system)]
    energy = float(energy_at(place)(place.y))
    text = f"kinetic {terms[0]:.9g} plus potential {terms[1]:.9g} is not {energy:.9g}"
    return _judged(sum(terms) - energy, sum(abs(term) for term in terms) + abs(energy), text)


def _canonical(place: Place) -> float:
    n, odd = divmod(len(place.y), 2)
    if odd:
        raise BrokenLawError(f"a canonical system has as many momenta as positions; it has {len(place.y)} components")
    rates = rates_at(place)
    slope = np.asarray(grad(energy_at(place))(place.y), dtype=np.float64)
    wanted = np.concatenate([slope[n:], -slope[:n]])
    size = natural_size(place, rates) + np.abs(wanted)
    ratios = [_ratio(a - b, s) for a, b, s in zip(rates, wanted, size, strict=True)]
    i = int(np.argmax(ratios))
    text = f"the rate of {place.system.state_names[i]} is {rates[i]:.9g}, the energy wants {wanted[i]:.9g}"
    return _judged(float(rates[i] - wanted[i]), float(size[i]), text)


def _separable(place: Place) -> float:
    n, odd = divmod(len(place.y), 2)
    if odd:
        raise BrokenLawError(f"a separable system has two halves; it has {len(place.y)} components")
    matrix = np.abs(place.jacobian)
    matrix[:n, n:] = matrix[n:, :n] = 0.0
    i, j = np.unravel_index(int(np.argmax(matrix)), matrix.shape)
    if matrix[i, j] > 0.0:
        names = place.system.state_names
        raise BrokenLawError(f"the rate of {names[i]} depends on {names[j]}: its derivative is {matrix[i, j]:.6g}")
    return 0.0


def _positions(place: Place) -> float:
    points = np.asarray(place.system.positions(place.y), dtype=np.float64)
    if points.ndim != 2 or points.shape[1] not in (2, 3):
        raise BrokenLawError(f"positions must have the shape (n_points, 2 or 3); got {points.shape}")
    if not np.all(np.isfinite(points)):
        raise BrokenLawError(f"positions are {points.tolist()}")
    together = np.asarray(place.system.positions(np.stack([place.y, place.y], axis=1)), dtype=np.float64)
    if together.shape != (*points.shape, 2):
        raise BrokenLawError(
            f"positions of a batch of 2 must have the shape {(*points.shape, 2)}; got {together.shape}"
        )
    return _distance(together, np.stack([points, points], axis=-1))


def _rods(place: Place) -> float:
    def lengths(y: Floats) -> Floats:
        points = np.asarray(place.system.positions(y), dtype=np.float64)
        return np.array([float(np.linalg.norm(points[i] - points[j])) for i, j in rods_of(place.system)])

    here, there = lengths(place.y), lengths(0.7 * place.y + 0.1)
    return max(_ratio(a - b, b) for a, b in zip(here, there, strict=True))


def _ratio(x: float, size: float) -> float:
    """Return |x| / size; 0 for 0 / 0."""
    return 0.0 if x == 0.0 else abs(x) / size if size else np.inf


def _judged(x: float, size: float, text: str) -> float:
    """Return |x| / size; raise with the text where that is more than rounding does."""
    measure = _ratio(x, size)
    if not measure <= SMOOTH:
        raise BrokenLawError(text, measure)
    return measure
