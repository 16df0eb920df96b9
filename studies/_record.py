"""`Record`: what all results of the studies share: the call that made them, saving, loading, running again."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import ArgumentError, must
from diffsim.files import check_output
from studies import _dataset, _output
from studies._record_text import Lost, from_json, system_from_json, system_to_json, to_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["load"]

_TOLD = ("system", "call")
_NUMBERS = (".npz", *_dataset.NEEDS)


@dataclass(frozen=True, eq=False)
class Record:
    """Base of results: frozen dataclasses of arrays, numbers and texts.

    Attributes
    ----------
    system : System or callable
        What was asked.
    call : mapping
        The arguments of the call that made it, but for the system, and for where and how fast it ran.
    """

    study: ClassVar[str]
    """Name of the function that makes it."""
    axes_of: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Names of the axes of the arrays; those of others are made from the array's name."""

    system: Any
    call: Mapping[str, Any]

    def plot(self) -> Figure:
        """Return a figure."""
        raise NotImplementedError

    # -- what a kind of result says ----------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the numbers and texts by name."""
        names = [field.name for field in dataclasses.fields(self) if field.name not in _TOLD]
        return {name: np.asarray(getattr(self, name)) for name in names}

    def dims(self) -> dict[str, tuple[str, ...]]:
        """Return the names of the axes of each of `arrays`."""
        return {
            name: self.axes_of.get(name, tuple(f"{name}_{k}" for k in range(array.ndim)))
            for name, array in self.arrays().items()
        }

    def coordinates(self) -> dict[str, tuple[Any, str]]:
        """Return the values and the unit of each named axis that has values."""
        return {}

    def units(self) -> dict[str, str]:
        """Return the unit of each of `arrays` that has one."""
        return {}

    def readable(self) -> dict[str, Any]:
        """Return what is in an ``.npz`` for people who read it by NumPy alone."""
        return {}

    @classmethod
    def restored(cls, system: Any, call: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the result of saved numbers."""
        names = [field.name for field in dataclasses.fields(cls) if field.name not in _TOLD]
        return cls(system=system, call=call, **{name: _field(arrays[name]) for name in names})

    # -- again -------------------------------------------------------------------------------------------------------

    def rerun(self, **changes: Any) -> Self:
        """Make the same call again, with some arguments changed; without changes it gives the same bits.

        ``folder=``, ``client=``, ``progress=``, ``threads=`` say anew where and how fast it runs.

        Raises
        ------
        ArgumentError
            The result was loaded, and its call held something that a file cannot keep, such as a function: give it.
        """
        import studies

        for name, value in self.call.items():
            if isinstance(value, Lost) and name not in changes:
                raise ArgumentError(f"{self.study}: a file cannot keep {name}={value}; give it: rerun({name}=...).")
        again: Self = getattr(studies, self.study)(self.system, **{**self.call, **changes})
        return again

    # -- files -------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure (.png, .svg, .pdf) or all numbers (.npz, .nc, .zarr), whole or not at all.

        ``.npz`` holds no pickle; ``.nc`` (netCDF) and ``.zarr`` need the extra ``cluster``.  `load` reads them back.
        """
        suffix = Path(os.fspath(path)).suffix.lower()
        if suffix in _dataset.NEEDS:
            return _dataset.save(self.study, path, suffix, self.to_xarray())
        if suffix not in (".npz", *_output.PICTURES):
            check_output(self.study, path, (*_output.PICTURES, *_NUMBERS))
        return _output.write(self.study, path, self.plot, self._saved)

    def _saved(self) -> dict[str, Any]:
        """Return the content of an ``.npz``: the numbers, and the texts that say what they are."""
        along = {name: values for name, (values, _) in self.coordinates().items()}
        return {**self.readable(), **self.arrays(), **along, **self._told()}

    def _told(self) -> dict[str, NDArray[Any]]:
        told = {"kind": type(self).__name__, "call": to_json(self.call), "system": system_to_json(self.system)}
        return {f"diffsim_{name}": np.array(text) for name, text in told.items()}

    def to_xarray(self) -> Any:
        """Return an ``xarray.Dataset`` with named axes and units.

        Raises
        ------
        RunError
            xarray is not installed.
        """
        told = {name: str(text) for name, text in self._told().items()}
        return _dataset.dataset(self.study, self.arrays(), self.dims(), self.units(), self.coordinates(), told)

    @classmethod
    def load(cls, path: str | os.PathLike[str], system: Any = None) -> Self:
        """Return the result of this kind that was saved; see `studies.load`.

        Raises
        ------
        ArgumentError
            There is no such file, it holds something else, or its system must be given.
        """
        found = load(path, system)
        if not isinstance(found, cls):
            raise must(f"{cls.__name__}.load", "path", f"must hold a {cls.__name__}", type(found).__name__)
        return found


def load(path: str | os.PathLike[str], system: Any = None) -> Any:
    """Return the result of a study that was saved as ``.npz``, ``.nc`` or ``.zarr``.

    Nothing of the file is executed, and no pickle is read.

    Parameters
    ----------
    path : path-like
    system : System or callable, optional
        Of the user's own class, or the function; a System of the zoo is made anew from what was saved.

    Returns
    -------
    SensitivityMap, FlipTimeMap, LyapunovSpectrum, ...
        Of the kind that was saved; its ``rerun()`` makes the same call again.

    Raises
    ------
    ArgumentError
        There is no such file, it is no result of a study, or its System must be given.

    Examples
    --------
    >>> import tempfile
    >>> from studies import sensitivity_map
    >>> from systems import Pendulum
    >>> axes = {"theta": [0.5, 1.0], "p": [0.0]}
    >>> chart = sensitivity_map(Pendulum(gravity=1.62), axes, t_end=0.5)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = load(chart.save(f"{folder}/chart.npz"))
    >>> again.system == chart.system, bool((again.rerun().values == chart.values).all())
    (True, True)
    """
    file = Path(os.fspath(path)).expanduser()
    if file.suffix.lower() not in _NUMBERS:
        raise must("load", "path", f"must end in {', '.join(_NUMBERS)}", os.fspath(path))
    if not file.exists():
        raise must("load", "path", "must name a file that is there", os.fspath(path))
    found = _read(file)
    import studies

    kind = str(found.pop("diffsim_kind", ""))
    result: Any = getattr(studies, kind) if kind in dir(studies) else None
    if not (isinstance(result, type) and issubclass(result, Record)):
        raise must("load", "path", "must hold the result of a study", os.fspath(path))
    call = from_json(str(found.pop("diffsim_call")))
    return result.restored(system_from_json(str(found.pop("diffsim_system")), system), call, found)


def _read(file: Path) -> dict[str, Any]:
    """Return the arrays and the texts of a saved result."""
    if file.suffix.lower() != ".npz":
        return _dataset.read(file)
    with np.load(file, allow_pickle=False) as numbers:
        return {name: numbers[name] for name in numbers.files}


def _field(array: Any) -> Any:
    """Return the value of a field that was saved as an array."""
    if array.dtype.kind == "U":
        return str(array) if array.ndim == 0 else tuple(array.tolist())
    return array.item() if array.ndim == 0 else array
