"""What the results of all maps share: the call that made them, saving and loading, running again, zooming."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import ArgumentError, RunError, must, unknown_name
from diffsim.files import check_folder, check_output
from diffsim.protocols import is_system
from studies import _checks, _output
from studies._checks import Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["load"]

_NEEDS = {".nc": ("xarray", "h5netcdf", "h5py"), ".zarr": ("xarray", "zarr")}
"""What the endings need that is no dependency."""
_NUMBERS = (".npz", *_NEEDS)


@dataclass(frozen=True, eq=False)
class MapResult:
    """Base of the results of maps.

    Attributes
    ----------
    system : System
    call : mapping
        The arguments of the call that made it, but for the system, and for where and how fast it ran.
    """

    system: Any
    call: Mapping[str, Any]

    study: ClassVar[str]
    """Name of the function that makes it."""

    # -- what a kind of result says ----------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the numbers by name."""
        raise NotImplementedError

    def dims(self) -> dict[str, tuple[str, ...]]:
        """Return the names of the axes of each of `arrays`."""
        raise NotImplementedError

    def coordinates(self) -> dict[str, tuple[Floats, str]]:
        """Return the values and the unit of each named axis that has values."""
        raise NotImplementedError

    def units(self) -> dict[str, str]:
        """Return the unit of each of `arrays` that has one."""
        return {}

    def plot(self) -> Figure:
        """Return a figure."""
        raise NotImplementedError

    @classmethod
    def restored(cls, system: Any, call: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the result of saved numbers."""
        raise NotImplementedError

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

        lost = [name for name, value in self.call.items() if isinstance(value, Lost) and name not in changes]
        if lost:
            raise ArgumentError(
                f"{self.study}: a file cannot keep {lost[0]}={self.call[lost[0]]}; give it: rerun({lost[0]}=...)."
            )
        again: Self = getattr(studies, self.study)(self.system, **{**self.call, **changes})
        return again

    def zoom(self, n: int | None = None, **ranges: Any) -> Self:
        """Compute the map anew over smaller (or other) ranges of its axes.

        Parameters
        ----------
        n : int, optional
            Values of each axis; as many as now by default.
        **ranges : (low, high)
            By the axis' name; an axis that is not named keeps its range.

        Examples
        --------
        >>> from studies import sensitivity_map
        >>> from systems import Pendulum
        >>> axes = {"theta": np.linspace(-3.0, 3.0, 7), "p": np.linspace(-1.0, 1.0, 3)}
        >>> chart = sensitivity_map(Pendulum(), axes, t_end=0.5)
        >>> chart.zoom(theta=(2.0, 3.0), n=5).axes["theta"]
        array([2.  , 2.25, 2.5 , 2.75, 3.  ])
        """
        old: Mapping[str, Floats] = self.call["axes"]
        if not ranges and n is None:
            raise ArgumentError(f"{self.study}: zoom needs a range, such as zoom({next(iter(old))}=(low, high)).")
        for name in ranges:
            if name not in old:
                raise unknown_name(f"{self.study}: zoom", "axis", name, old)
        axes = {}
        for name, values in old.items():
            ends = _checks.vector(f"{self.study}: zoom", name, ranges.get(name, (values[0], values[-1])), 2)
            if not ends[0] < ends[1] and len(values) > 1:
                raise must(f"{self.study}: zoom", name, "must be (low, high) with low < high", ends.tolist())
            count = len(values) if n is None else _checks.count(f"{self.study}: zoom", "n", n, 2)
            axes[name] = np.linspace(ends[0], ends[1], count)
        return self.rerun(axes=axes)

    # -- files -------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure (.png, .svg, .pdf) or the numbers (.npz, .nc, .zarr), whole or not at all.

        ``.npz`` holds no pickle; ``.nc`` (netCDF) and ``.zarr`` need the extra ``cluster``.  `load` reads them back.
        """
        suffix = Path(os.fspath(path)).suffix.lower()
        if suffix in _NEEDS:
            return self._save_dataset(path, suffix)
        if suffix not in (".npz", *_output.PICTURES):
            check_output(self.study, path, (*_output.PICTURES, *_NUMBERS))
        return _output.write(self.study, path, self.plot, self._saved)

    def _saved(self) -> dict[str, NDArray[Any]]:
        """Return the content of an ``.npz``: the numbers, and the texts that say what they are."""
        along = {name: values for name, (values, _) in self.coordinates().items()}
        return {**self.readable(), **self.arrays(), **along, **self._told()}

    def readable(self) -> dict[str, Any]:
        """Return what is in an ``.npz`` for people who read it by NumPy alone."""
        return {
            "axes": np.array(list(self.call["axes"])),
            "state_names": np.array(self.system.state_names),
            "system": np.array(_output.describe(self.system)),
        }

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
        xarray = _imported(self.study, "xarray", "to_xarray()")
        units, dims = self.units(), self.dims()
        data = {
            name: (dims[name], array, {"units": units[name]} if units.get(name) else {})
            for name, array in self.arrays().items()
        }
        coordinates = {
            name: ((name,), values, {"units": unit} if unit else {})
            for name, (values, unit) in self.coordinates().items()
        }
        told = {name: str(text) for name, text in self._told().items()} | {"made_with": _output.made_with()}
        return xarray.Dataset(data, coordinates, told)

    def _save_dataset(self, path: str | os.PathLike[str], suffix: str) -> Path:
        for module in _NEEDS[suffix]:
            _imported(self.study, module, f"a {suffix} file")
        data = self.to_xarray()
        for name in data.variables:  # netCDF knows no booleans
            if data[name].dtype == bool:
                data[name] = data[name].astype("int8").assign_attrs(dtype_was="bool")
        if suffix == ".nc":
            return _output.write_by(self.study, path, (".nc",), lambda file: data.to_netcdf(file, engine="h5netcdf"))
        target = Path(os.fspath(path)).expanduser()
        check_folder(self.study, target.parent)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            data.to_zarr(temporary, mode="w", consolidated=False)
            if target.exists():
                shutil.rmtree(target)
            temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return target


def load(path: str | os.PathLike[str], system: Any = None) -> Any:
    """Return the result of a study that was saved as ``.npz``, or of a map as ``.nc`` or ``.zarr``.

    Nothing of the file is executed, and no pickle is read.

    Parameters
    ----------
    path : path-like
    system : System, optional
        Of the user's own class; a System of the zoo is made anew from what was saved.

    Returns
    -------
    SensitivityMap, FlipTimeMap, LyapunovSpectrum, ...
        Of the kind that was saved; its ``rerun()`` makes the same call again.

    Raises
    ------
    ArgumentError
        There is no such file, it is no result of a map, or its System must be given.

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
    from studies._record import Record  # which needs this file

    kind = str(found.pop("diffsim_kind", ""))
    result: Any = getattr(studies, kind) if kind in dir(studies) else None
    if isinstance(result, type) and issubclass(result, Record):
        return result.load(file, system)
    if not (isinstance(result, type) and issubclass(result, MapResult)):
        raise must("load", "path", "must hold the result of a map", os.fspath(path))
    call = from_json(str(found.pop("diffsim_call")))
    return result.restored(system_from_json(str(found.pop("diffsim_system")), system), call, found)


def _read(file: Path) -> dict[str, Any]:
    """Return the arrays and the texts of a saved result."""
    if file.suffix.lower() == ".npz":
        with np.load(file, allow_pickle=False) as numbers:
            return {name: numbers[name] for name in numbers.files}
    xarray = _imported("load", "xarray", f"a {file.suffix} file")
    how: dict[str, Any] = {"engine": "h5netcdf"} if file.suffix.lower() == ".nc" else {"engine": "zarr"}
    if how["engine"] == "zarr":
        how["consolidated"] = False
    with xarray.open_dataset(file, **how) as data:
        found = {str(name): np.asarray(data[name].values) for name in data.variables}
        for name, array in found.items():
            if data[name].attrs.get("dtype_was") == "bool":
                found[name] = array.astype(bool)
        return found | {name: str(text) for name, text in data.attrs.items() if name.startswith("diffsim_")}


def _imported(who: str, module: str, what: str) -> Any:
    """Return a module of the extra ``cluster``."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError:
        raise RunError(f"{who}: {what} needs {module}: pip install 'diffsim[cluster]'.") from None


# -- calls and systems as text ---------------------------------------------------------------------------------------


class Lost(str):
    """What stands in a loaded call for something that a file cannot keep."""


def to_json(call: Mapping[str, Any]) -> str:
    """Return a call as JSON; every float comes back to the bit."""
    return json.dumps({name: _plain(value) for name, value in call.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"array": value.tolist()}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [_plain(x) for x in value]
    if isinstance(value, Mapping):
        return {"mapping": [[str(name), _plain(x)] for name, x in value.items()]}  # in order
    return {"lost": getattr(value, "__name__", repr(value))}


def from_json(text: str) -> dict[str, Any]:
    """Return the call that `to_json` wrote."""
    return {name: _back(value) for name, value in json.loads(text).items()}


def _back(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_back(x) for x in value)
    if isinstance(value, dict):
        if "array" in value:
            return np.array(value["array"])
        if "mapping" in value:
            return {name: _back(x) for name, x in value["mapping"]}
        return Lost(value["lost"])
    return value


def system_to_json(system: Any) -> str:
    """Return a System's class and its fields as JSON."""
    fields = {field.name: _plain(getattr(system, field.name)) for field in dataclasses.fields(system)}
    return json.dumps({"module": type(system).__module__, "name": type(system).__qualname__, "fields": fields})


def system_from_json(text: str, given: Any) -> Any:
    """Return the System that was saved; `given` where it is no System of the zoo.

    NOTE: never the user's file by its path: reading numbers must not run anything.
    """
    told = json.loads(text)
    if given is not None:
        if type(given).__qualname__ != told["name"]:
            raise must("load", "system", f"must be a {told['name']}", type(given).__name__)
        return given
    module = sys.modules.get(told["module"])
    if module is None and told["module"].split(".")[0] == "systems":
        module = _imported("load", told["module"], "this result")
    cls = getattr(module, told["name"], None)
    # NOTE: the file must not choose what is called: os.system is no System.
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls) and is_system(object.__new__(cls))):
        raise ArgumentError(f"load: {told['name']} is no System of the zoo; give it: load(path, system=...).")
    values = {name: _back(value) for name, value in told["fields"].items()}
    if any(isinstance(value, Lost) for value in values.values()):
        raise ArgumentError(f"load: a parameter of {told['name']} could not be kept; give it: load(path, system=...).")
    return cls(**values)


def remembered(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call that its numbers depend on."""
    running = {"folder", "client", "progress", "threads"}
    return {name: value for name, value in arguments.items() if name not in running}
