"""Forward sensitivities: the drivers run on numbers that carry a tangent for each chosen start and parameter."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.capture import settle
from diffsim.errors import KindError, must, unknown_name
from diffsim.number import Number, raw, shape_of
from diffsim.protocols import is_system, parameter_names, state_names
from integrators.drivers.endings import lost_derivative
from integrators.drivers.problem import Problem
from integrators.drivers.run import Run, Tick

__all__: list[str] = []


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter to differentiate by: a field of a System, or one number that a function brings along.

    Attributes
    ----------
    name : str
    """

    name: str


@dataclasses.dataclass(frozen=True)
class Selection:
    """What to differentiate by.

    Attributes
    ----------
    components : tuple of int
        Components of the start.
    component_names : tuple of str
    parameters : tuple of Parameter
    """

    components: tuple[int, ...] = ()
    component_names: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()

    @property
    def n_directions(self) -> int:
        """Number of tangents."""
        return len(self.components) + len(self.parameters)

    def __bool__(self) -> bool:
        return self.n_directions > 0


_NOTHING = Selection()


@functools.lru_cache(maxsize=64)
def _all_starts(names: tuple[str, ...], n: int) -> Selection:
    """Return the selection of every component of the start."""
    return Selection(tuple(range(n)), names or tuple(f"y0[{i}]" for i in range(n)))


def select(sensitivities: Any, fun: Any, args: Sequence[Any], n: int) -> tuple[Selection, bool, bool]:
    """Return what ``sensitivities`` asks for, and whether it asks for starts and for parameters at all.

    Parameters
    ----------
    sensitivities : str or sequence of str
        ``"y0"`` (all components), ``"params"`` (all parameters), or names: components (``"theta_1"``, ``"y0[0]"``) and
        parameters (``"gravity"``, ``"args[0]"``).

    Raises
    ------
    ArgumentError
        A name that is not there, or one named twice.
    """
    if sensitivities == ():
        return _NOTHING, False, False
    if sensitivities in ("y0", ("y0",)):
        return _all_starts(state_names(fun), n), True, False
    asked = _asked(sensitivities)
    names = state_names(fun) or tuple(f"y0[{i}]" for i in range(n))
    starts = {name: i for i, name in enumerate(names)} | {f"y0[{i}]": i for i in range(n)}
    parameters = _parameters(fun, args, n)
    components: list[int] = []
    chosen: list[Parameter] = []
    for name in asked:
        if name == "y0":
            components.extend(range(n))
        elif name == "params":
            chosen.extend(dict.fromkeys(itertools.chain.from_iterable(parameters.values())))
        elif name in starts:
            components.append(starts[name])
        elif name in parameters:
            chosen.extend(parameters[name])
        else:
            raise unknown_name("solve_ivp", "sensitivity", name, ("y0", "params", *names, *parameters))
    if len(set(components)) < len(components) or len(set(chosen)) < len(chosen):
        raise must("solve_ivp", "sensitivities", "must name each start and parameter once", asked)
    picked = Selection(tuple(components), tuple(names[i] for i in components), tuple(chosen))
    return picked, bool(components), bool(chosen) or "params" in asked


def _asked(sensitivities: Any) -> tuple[str, ...]:
    """Return the names as a tuple."""
    if isinstance(sensitivities, str):
        return (sensitivities,)
    names = tuple(sensitivities) if isinstance(sensitivities, tuple | list | set | frozenset) else (sensitivities,)
    if not all(isinstance(name, str) for name in names):
        raise KindError(f"solve_ivp: sensitivities must be a name or a tuple of names; got {sensitivities!r}.")
    return names


def _parameters(fun: Any, args: Sequence[Any], n: int) -> dict[str, list[Parameter]]:
    """Return every parameter there is, by the names under which it can be asked for: its own, and that of its whole."""
    names = parameter_names(fun) if is_system(fun) else settle(fun, args, n).names
    found: dict[str, list[Parameter]] = {}
    for name in names:
        whole = _WHOLE.match(name)
        for asked in dict.fromkeys((name, whole.group() if whole else name)):
            found.setdefault(asked, []).append(Parameter(name))
    return found


# ``args[0]`` of ``args[0][1]``, ``A`` of ``A[0, 1]``, ``self`` of ``self.stiffness``
_WHOLE = re.compile(r"args\[\d+\]|[^.\[]+")


def run_block(
    problem: Problem,
    selection: Selection,
    y0: Any,
    changes: Mapping[Any, Any],
    *,
    column: bool = False,
    strict: bool = True,
    tick: Tick | None = None,
    out: NDArray[np.float64] | None = None,
) -> Run:
    """Integrate one block, with its tangents where there is a selection.

    Parameters
    ----------
    problem : Problem
    selection : Selection
    y0 : array or recording number, shape (n,) or (n, *lanes)
    changes : mapping
        Parameters that replace the problem's: those of these lanes.
    column, strict, tick, out
        See `RightHandSide` and `Problem.run`.

    Returns
    -------
    Run
        With ``dy`` of shape (n, n_directions, *lanes, n_times); None without a selection.
    """
    if not selection:
        return problem.run(y0, changes=changes, column=column, strict=strict, tick=tick, out=out)
    from diffsim.derivatives import pushforward  # not needed by a plain solve, which should start fast

    keys = list(dict.fromkeys(parameter.name for parameter in selection.parameters))
    values = [as_float(problem.parameter(key, changes)) for key in keys]
    runs: list[Run] = []

    def flow(start: Any, *parameters: Any) -> Any:
        replaced = {**changes, **dict(zip(keys, parameters, strict=True))}
        run = problem.run(start, changes=replaced, column=column, strict=strict, tick=tick)
        runs.append(run)
        return (run.y, numbers_of(run))

    (y, others), (tangents, _) = pushforward(flow, (y0, *values), seeds_of(selection, y0, keys, values))
    tangents = array_ops.broadcast_to(tangents, (selection.n_directions, *y.shape))
    axes = (1, 0, *range(2, len(tangents.shape)))
    return checked_derivatives(
        dataclasses.replace(with_numbers(runs[0], others), y=y, dy=array_ops.transpose(tangents, axes))
    )


def numbers_of(run: Run) -> list[Any]:
    """Return the numbers of a run beside its states: those of its events and of its dense output."""
    parts = () if run.sol is None else run.sol.numbers
    return [*(run.t_events or ()), *(run.y_events or ()), *parts]


def with_numbers(run: Run, numbers: Sequence[Any]) -> Run:
    """Return a run with other numbers in the place of those of `numbers_of`."""
    k = len(run.t_events or ())
    events, parts = [array_ops.array(x) for x in numbers[: 2 * k]], numbers[2 * k :]
    return dataclasses.replace(
        run,
        t_events=None if run.t_events is None else events[:k],
        y_events=None if run.y_events is None else events[k:],
        sol=None if run.sol is None else run.sol.with_numbers(parts),
    )


def as_float(value: Any) -> Any:
    """Return a parameter as a number that can carry a tangent."""
    if isinstance(value, Number):
        return value
    plain = np.asarray(value)
    if plain.dtype.kind not in "fiu":
        raise KindError(f"solve_ivp: a parameter must be a real number; got {type(value).__name__}.")
    return float(plain) if plain.ndim == 0 else plain.astype(np.float64)


def seeds_of(selection: Selection, y0: Any, keys: Sequence[Any], values: Sequence[Any]) -> tuple[Any, ...]:
    """Return the tangents with which the starts and the parameters set out, one leading axis of directions."""
    n_directions, n_starts = selection.n_directions, len(selection.components)
    start = np.zeros((n_directions, *shape_of(y0)))
    start[range(n_starts), list(selection.components)] = 1.0
    seeds = [start] + [np.zeros((n_directions, *shape_of(value))) for value in values]
    for j, parameter in enumerate(selection.parameters):
        seed = seeds[1 + keys.index(parameter.name)]
        seed[n_starts + j] = 1.0
    return tuple(seeds)


def checked_derivatives(run: Run) -> Run:
    """Give a sound trajectory whose derivative is not finite the status that says so."""
    plain = raw(run.dy)
    if np.isfinite(np.add.reduce(plain, axis=None)):
        return run
    lost = ~np.isfinite(plain).all(axis=(0, 1)) & np.isfinite(raw(run.y)).all(axis=0)  # (*lanes, n_times)
    status, message = np.array(run.status), np.array(run.message, dtype=object)
    for spot in map(tuple, np.argwhere(lost.any(axis=-1))):
        when = float(run.t[int(np.argmax(lost[spot]))] if run.t.ndim == 1 else run.t[spot][int(np.argmax(lost[spot]))])
        status[spot] = -1
        message[spot] = lost_derivative(when)
    if status.ndim:
        return dataclasses.replace(run, status=status, message=message)
    return dataclasses.replace(run, status=int(status), message=message[()])
