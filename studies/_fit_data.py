"""What was measured: times, numbers and their standard deviations, from arrays, mappings or a CSV file."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import ArgumentError, KindError, must
from studies import _checks
from studies._checks import Floats
from studies._fit_channels import Observable, observable

__all__: list[str] = []

_WHO = "fit"
_SIGMA = "sigma_"
_HOW = "Write (times, values), (times, {name: values}), {name: (times, values)}, or the path of a CSV file."


@final
@dataclass(frozen=True, eq=False)
class Measured:
    """Numbers at times, NaN where one is missing.

    Attributes
    ----------
    t : ndarray (N,)
        In order; a time may occur more than once.
    observables : tuple of Observable
        What the C rows are.
    values, sigma : ndarray (C, N)
    known : bool
        Whether the standard deviations were given; otherwise they are all 1.
    """

    t: Floats
    observables: tuple[Observable, ...]
    values: Floats
    sigma: Floats
    known: bool

    @property
    def there(self) -> NDArray[np.bool_]:
        """Which numbers are not missing, (C, N)."""
        return np.isfinite(self.values)

    @property
    def labels(self) -> tuple[str, ...]:
        """Name of each row."""
        return tuple(label for one in self.observables for label in one.labels)

    @property
    def units(self) -> tuple[str, ...]:
        """Unit of each row."""
        return tuple(unit for one in self.observables for unit in one.units)


def measured(system: Any, data: Any, sigma: Any, given: Mapping[str, Any], state: Floats) -> Measured:
    """Return the data in order of time.

    Parameters
    ----------
    system : System
    data : path, pair or mapping
        As `fit` takes it.
    sigma : None, number, array or mapping
    given : mapping of str to callable
        Functions that compute what was observed.
    state : ndarray (n,)
        One state, on which they are tried.

    Raises
    ------
    ArgumentError, KindError
        Whatever does not fit: the message names it.
    """
    if isinstance(data, (str, os.PathLike)):
        data, in_file = _read(Path(os.fspath(data)).expanduser())
        sigma = in_file if sigma is None and in_file else sigma
    times, columns = _columns(system, data)
    observables, rows = [], []
    for name, values in columns.items():
        one = observable(system, name, given, state)
        observables.append(one)
        rows.append(_rows(name, values, one.shape, len(times), "must have shape"))
    values = np.concatenate(rows)
    deviations = _deviations(sigma, observables, values.shape)
    if not np.isfinite(values).any():
        raise ArgumentError(f"{_WHO}: data must hold at least one number that is not NaN.")
    order = np.argsort(times, kind="stable")
    return Measured(times[order], tuple(observables), values[:, order], deviations[:, order], sigma is not None)


def _columns(system: Any, data: Any) -> tuple[Floats, dict[str, Any]]:
    """Return the times and what was observed at them, by name."""
    if isinstance(data, Mapping):
        return _joined(data)
    try:
        times, values = data
    except (TypeError, ValueError):
        raise KindError(f"{_WHO}: data must be times and values; got {type(data).__name__}. {_HOW}") from None
    times = _checks.vector(_WHO, "times", times)
    if isinstance(values, Mapping):
        if not values:
            raise must(_WHO, "data", "must name something that was observed", dict(values))
        return times, {str(name): column for name, column in values.items()}
    array = _numbers("values", values)
    names: Sequence[str] = system.state_names
    if array.shape != (len(names), len(times)):
        mend = "The component comes first: use values.T." if array.shape == (len(times), len(names)) else _HOW
        raise must(
            _WHO, "values", f"must have shape ({len(names)}, {len(times)}), a row for each of {', '.join(names)}",
            array.shape, mend,
        )  # fmt: skip
    return times, {name: row for name, row in zip(names, array, strict=True) if np.isfinite(row).any()}


def _joined(data: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
    """Return all times of ``{name: (times, values)}``, and the values at them, NaN where there is none."""
    if not data:
        raise must(_WHO, "data", "must name something that was observed", dict(data), _HOW)
    parts = {}
    for name, pair in data.items():
        try:
            times, values = pair
        except (TypeError, ValueError):
            raise must(_WHO, f"data[{name!r}]", "must be a pair (times, values)", pair, _HOW) from None
        times = _checks.vector(_WHO, f"times of {name!r}", times)
        values = _numbers(name, values)
        if values.shape[-1:] != times.shape:
            raise must(_WHO, f"data[{name!r}]", f"must have {len(times)} numbers, one a time", values.shape)
        parts[str(name)] = (times, values)
    total = np.concatenate([times for times, _ in parts.values()])
    columns, first = {}, 0
    for name, (times, values) in parts.items():
        columns[name] = np.full((*values.shape[:-1], len(total)), np.nan)
        columns[name][..., first : first + len(times)] = values
        first += len(times)
    return total, columns


def _numbers(name: str, values: Any) -> Floats:
    """Return real numbers, NaN for what is missing."""
    try:
        array = np.asarray(values)
    except ValueError:
        raise KindError(f"{_WHO}: {name} must be an array of real numbers; got rows of different lengths.") from None
    if array.dtype.kind not in "iuf":
        raise KindError(f"{_WHO}: {name} must be real numbers, NaN where one is missing; got dtype {array.dtype}.")
    if np.isinf(array).any():
        raise must(_WHO, name, "must not be infinite", float(array[np.isinf(array)][0]), "NaN says: missing.")
    return np.array(array, dtype=np.float64)


def _rows(name: str, values: Any, shape: tuple[int, ...], n_times: int, rule: str) -> Floats:
    """Return what was observed as rows (count, N)."""
    array = _numbers(name, values)
    if array.shape != (*shape, n_times):
        raise must(_WHO, name, f"{rule} {(*shape, n_times)}", array.shape, "Times come last.")
    return array.reshape(-1, n_times)


def _deviations(sigma: Any, observables: Sequence[Observable], shape: tuple[int, int]) -> Floats:
    """Return the standard deviations (C, N)."""
    if sigma is None:
        return np.ones(shape)
    if isinstance(sigma, Mapping):
        names = [one.name for one in observables]
        for name in sigma:
            _checks.one_of(_WHO, "observed quantity of sigma", name, names)
        for name in names:
            if name not in sigma:
                raise must(_WHO, "sigma", f"must have an entry for {name!r}", sorted(sigma))
        parts = [_spread(f"sigma[{one.name!r}]", sigma[one.name], one.shape, shape[1]) for one in observables]
        found = np.concatenate([part.reshape(-1, shape[1]) for part in parts])
    else:
        found = _spread("sigma", sigma, (shape[0],), shape[1])
    if not (found > 0.0).all():
        raise must(_WHO, "sigma", "must be > 0", float(found.min()), "A number that is not known is NaN in the data.")
    return found


def _spread(name: str, sigma: Any, shape: tuple[int, ...], n_times: int) -> Floats:
    """Return standard deviations for each number (*shape, N): one, one a row, or one a number."""
    array = _numbers(name, sigma)
    if array.shape == shape and shape:
        array = array[..., None]
    elif shape == (1,) and array.shape == (n_times,):
        array = array[None]
    full = (*shape, n_times)
    if array.shape not in ((), (*shape, 1), full):
        choices = f"a number, or of shape {shape} or {full}" if shape else f"a number or of shape {full}"
        raise must(_WHO, name, f"must be {choices}", array.shape)
    if np.isnan(array).any():
        raise must(_WHO, name, "must not be NaN", float("nan"), "A number that is not known is NaN in the data.")
    return np.broadcast_to(array, full).copy()


def _read(path: Path) -> tuple[Any, dict[str, Floats]]:
    """Return the data of a CSV file, and the standard deviations in its columns ``sigma_...``."""
    if not path.is_file():
        raise must(_WHO, "data", "must name a CSV file that is there", str(path))
    with open(path, newline="", encoding="utf-8-sig") as file:
        lines = [(k, row) for k, row in enumerate(csv.reader(file), 1) if row and not row[0].lstrip().startswith("#")]
    if not lines:
        raise must(_WHO, "data", "must be a CSV file with a line of names and lines of numbers", str(path))
    names = [name.strip() for name in lines[0][1]]
    if "t" not in names or len(names) < 2 or len(set(names)) != len(names):
        raise must(_WHO, path.name, "must begin with different names, one of them t", names, "Such as t,theta_1.")
    table = np.empty((len(lines) - 1, len(names)))
    for k, (number, row) in enumerate(lines[1:]):
        if len(row) != len(names):
            raise ArgumentError(f"{_WHO}: {path.name}, line {number}: must have {len(names)} cells; got {len(row)}.")
        for i, cell in enumerate(row):
            table[k, i] = _cell(cell, f"{path.name}, line {number}: {names[i]}")
    columns = dict(zip(names, table.T, strict=True))
    times = columns.pop("t")
    deviations = {name.removeprefix(_SIGMA): columns.pop(name) for name in names if name.startswith(_SIGMA)}
    if not np.isfinite(times).all():
        raise must(_WHO, f"{path.name}: t", "must be finite in every line", float("nan"))
    for name, column in deviations.items():
        if name in columns:  # what is missing needs no deviation
            deviations[name] = np.where(np.isnan(columns[name]), 1.0, column)
    return (times, columns), deviations


def _cell(text: str, where: str) -> float:
    """Return the number in a cell, NaN for an empty one."""
    if not text.strip():
        return float("nan")
    try:
        return float(text)
    except ValueError:
        raise ArgumentError(f"{_WHO}: {where} must be a number, or empty where it is missing; got {text!r}.") from None
