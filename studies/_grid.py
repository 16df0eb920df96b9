"""`Grid`: the starts of a map, over axes that name state components, parameters, or the energy."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import ArgumentError, KindError, must, unknown_name
from diffsim.protocols import parameter_names
from studies import _checks, _tiles
from studies._checks import Floats

__all__: list[str] = []

ENERGY = "energy"
_QUADRATIC = 1e-9  # how far the energy may be from a parabola, relative to itself, to count as one


@final
@dataclass(frozen=True, eq=False)
class Grid:
    """Cells over the product of some axes, the last one fastest; each cell is a System and a start.

    Attributes
    ----------
    system : System
    names : tuple of str
        A state component, a parameter, or ``"energy"``.
    values : tuple of ndarray
        The values of each axis.
    start : ndarray (n,)
        The start where the axes do not say otherwise.
    solved : int or None
        Index of the component that is chosen such that the start has the energy of the cell.
    energy : float or None
        The energy of all cells, where it is no axis.
    """

    system: Any
    names: tuple[str, ...]
    values: tuple[Floats, ...]
    start: Floats
    solved: int | None = None
    energy: float | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values of each axis."""
        return tuple(map(len, self.values))

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(np.prod(self.shape))

    @property
    def content(self) -> str:
        """Text that differs where any start, or what is done with it, may differ."""
        axes = dict(zip(self.names, self.values, strict=True))
        told = {"y0": self.start, "solved": self.solved, "energy": self.energy, "axes": self.names}
        return f"{content_of(self.system)}\n{_tiles.text_of(axes)}\n{_tiles.text_of(told)}"

    def place(self, low: int, high: int) -> tuple[Any, Floats, NDArray[np.bool_]]:
        """Return the System, the starts (n, cells) of a stretch of cells, and which of them have one.

        A cell whose energy no start has gets the plain start, so that its neighbours are integrated all the same.
        """
        indices = np.unravel_index(np.arange(low, high), self.shape)
        starts, changes = np.repeat(self.start[:, None], high - low, axis=1), {}
        energy = None if self.energy is None else np.full(high - low, self.energy)
        for name, values, index in zip(self.names, self.values, indices, strict=True):
            if name in self.system.state_names:
                starts[self.system.state_names.index(name)] = values[index]
            elif name in parameter_names(self.system):
                changes[name] = values[index]
            else:
                energy = values[index]
        system = self.system.replace(**changes) if changes else self.system
        if energy is None or self.solved is None:
            return system, starts, np.ones(high - low, dtype=bool)
        solution = on_energy(system, starts, self.solved, energy)
        possible = np.isfinite(solution)
        starts[self.solved] = np.where(possible, solution, self.start[self.solved])
        return system, starts, possible

    def start_of(self, point: Mapping[str, float]) -> tuple[float, ...]:
        """Return the start of one cell by the values of its axes."""
        names = self.system.state_names
        state = [point.get(name, value) for name, value in zip(names, self.start.tolist(), strict=True)]
        level = point.get(ENERGY, self.energy)
        if level is not None and self.solved is not None and ENERGY not in parameter_names(self.system):
            changes = {name: value for name, value in point.items() if name in parameter_names(self.system)}
            system = self.system.replace(**changes) if changes else self.system
            column = np.array(state)[:, None]
            state[self.solved] = float(on_energy(system, column, self.solved, np.array([level]))[0])
        return tuple(state)


def content_of(system: Any) -> str:
    """Return a text that differs where the equations of a System, their parameters or its options differ."""
    parameters = {name: np.asarray(value) for name, value in system.parameters.items()}
    options = {
        field.name: getattr(system, field.name)
        for field in dataclasses.fields(system)
        if not field.metadata.get("parameter", True)
    }
    rates = _tiles.fingerprint("rates", type(system), lambda y: system(0.3, y), len(system.state_names))
    return f"{type(system).__qualname__} {options!r}\n{_tiles.text_of(parameters)}\n{rates}"


def on_energy(system: Any, states: Floats, component: int, energy: Floats) -> Floats:
    """Return the larger value (cells,) of a component that gives each state its energy; NaN where there is none.

    The energy must be a parabola in this component, as it is in a momentum or a velocity:
    ``E(x) = a x^2 + b x + c``, from its values at -1, 0 and 1, proved at 2, solved without cancellation.

    Parameters
    ----------
    system : System
        Its parameters may be arrays (cells,).
    states : ndarray (n, cells)
        The component itself does not count.
    component : int
    energy : ndarray (cells,)

    Raises
    ------
    ArgumentError
        The energy is no parabola there.
    """

    def at(value: float) -> Floats:
        moved = states.copy()
        moved[component] = value
        return np.asarray(system.energy(moved), dtype=np.float64)

    below, c, above, proof = at(-1.0), at(0.0), at(1.0), at(2.0)
    a, b = 0.5 * (above + below) - c, 0.5 * (above - below)
    size = np.abs(below) + np.abs(c) + np.abs(above) + np.abs(proof)
    if not (np.abs(4.0 * a + 2.0 * b + c - proof) <= _QUADRATIC * size).all() or not (a > 0.0).all():
        name = system.state_names[component]
        raise ArgumentError(
            f"{type(system).__name__}: the energy must grow with the square of the component that is solved for; it "
            f"does not in {name!r}. Name a momentum or a velocity."
        )
    with np.errstate(invalid="ignore"):
        root = np.sqrt(b * b - 4.0 * a * (c - energy))
    # NOTE: -b + root cancels where b > 0; the product of both solutions is (c - energy) / a.
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(b > 0.0, -2.0 * (c - energy) / (b + root), (root - b) / (2.0 * a))


def make_grid(
    who: str,
    system: Any,
    axes: Any,
    y0: Any,
    *,
    n_axes: int = 2,
    solve_for: Any = None,
    energy: Any = None,
) -> Grid:
    """Return the grid of a map after checking its arguments.

    Raises
    ------
    KindError
        ``axes`` is no mapping, an axis is not of real numbers, the System has no energy.
    ArgumentError
        A wrong number of axes, an unknown name, an axis that is empty or does not rise, a parameter out of its range,
        an energy without a component to solve for.
    """
    example = '{"theta_1": values, "p_1": values}' if n_axes == 2 else '{"rho": values}'
    if not isinstance(axes, Mapping):
        raise KindError(f"{who}: axes must be a mapping such as {example}; got {axes!r}.")
    if len(axes) != n_axes:
        number = "two state components or parameters" if n_axes == 2 else "one state component or parameter"
        raise must(who, "axes", f"must name {number}", tuple(axes))
    names = tuple(_quantity(who, system, name) for name in axes)
    grid = tuple(_checks.vector(who, f"axes[{name!r}]", axes[name]) for name in names)
    for name, values in zip(names, grid, strict=True):
        if not len(values) or not (np.diff(values) > 0.0).all():
            raise must(who, f"axes[{name!r}]", "must have at least one value and rise", values.tolist())
        if name in parameter_names(system):
            system.replace(**{name: values})  # the system's own check of its parameters
        values.setflags(write=False)
    level = None if energy is None else _checks.real(who, "energy", energy)
    on_surface = level is not None or (ENERGY in names and ENERGY not in parameter_names(system))
    solved = _solved(who, system, solve_for, names, on_surface)
    return Grid(system, names, grid, _start(who, system, y0, names, solved), solved, level)


def _start(who: str, system: Any, y0: Any, names: tuple[str, ...], solved: int | None) -> NDArray[np.float64]:
    """Return the start; one of which every component is an axis, or is found, may be missing."""
    try:
        return _checks.start(who, system, y0)
    except KindError:
        if y0 is not None or not all(name in names or i == solved for i, name in enumerate(system.state_names)):
            raise
        return np.zeros(len(system.state_names))


def _solved(who: str, system: Any, solve_for: Any, names: tuple[str, ...], on_surface: bool) -> int | None:
    """Return the index of the component that an energy is solved for."""
    if not on_surface:
        if solve_for is not None:
            raise must(who, "solve_for", "is for starts of a given energy", solve_for, "Name 'energy' as an axis.")
        return None
    if not getattr(system, "has_energy", False):
        raise KindError(f"{who}: energy needs a System that has one; {type(system).__name__} has none.")
    if solve_for is None:
        raise ArgumentError(
            f"{who}: an energy needs solve_for=, the component that is chosen to give each start its energy; "
            f"a momentum or a velocity of {', '.join(system.state_names)}."
        )
    solved = _checks.component(who, system, solve_for)
    if solve_for in names:
        raise must(who, "solve_for", "must be no axis", solve_for)
    return solved


def _quantity(who: str, system: Any, name: Any) -> str:
    """Return the name of an axis if there is such a quantity."""
    known = (*system.state_names, *parameter_names(system))
    if getattr(system, "has_energy", False) and name == ENERGY:
        return ENERGY
    if name not in known:
        raise unknown_name(who, "state component or parameter", name, known)
    return str(name)
