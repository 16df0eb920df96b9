"""`Record`: what the results of the studies of chaos share: the call that made them, saving, loading, running again."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from diffsim.errors import ArgumentError, must
from diffsim.protocols import is_system
from studies import _output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__: list[str] = []

_ZOO = "systems."
_TOLD = ("system", "call")


@dataclass(frozen=True, eq=False)
class Record:
    """Base of results: frozen dataclasses of arrays, numbers and texts.

    Attributes
    ----------
    system : System or callable
        What was asked.
    call : mapping
        The arguments of the call that made it, but for the system and for how fast it ran.
    """

    study: ClassVar[str]
    """Name of the function that makes it."""

    system: Any
    call: Mapping[str, Any]

    def plot(self) -> Figure:
        """Return a figure."""
        raise NotImplementedError

    def rerun(self, **changes: Any) -> Self:
        """Make the same call again, with some arguments changed; without changes it gives the same bits.

        Raises
        ------
        ArgumentError
            The result was loaded, and its call held something that a file cannot keep: give it.
        """
        import studies

        for name, value in self.call.items():
            if isinstance(value, _Lost) and name not in changes:
                raise ArgumentError(f"{self.study}: a file cannot keep {name}={value}; give it: rerun({name}=...).")
        again: Self = getattr(studies, self.study)(self.system, **{**self.call, **changes})
        return again

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure (.png, .svg, .pdf) or all numbers (.npz, without pickle), whole or not at all."""
        return _output.write(self.study, path, self.plot, self._saved)

    def _saved(self) -> dict[str, Any]:
        told = {"diffsim_kind": type(self).__name__, "diffsim_call": json.dumps(_plain(dict(self.call)))}
        told["diffsim_system"] = json.dumps(_system_told(self.system))
        names = [field.name for field in dataclasses.fields(self) if field.name not in _TOLD]
        return {**{name: np.asarray(getattr(self, name)) for name in names}, **told}

    @classmethod
    def load(cls, path: str | os.PathLike[str], system: Any = None) -> Self:
        """Return the result that was saved as ``.npz``.

        Nothing of the file is executed, and no pickle is read.

        Parameters
        ----------
        path : path-like
        system : System or callable, optional
            What was asked; one of the zoo is made anew from what was saved.

        Raises
        ------
        ArgumentError
            There is no such file, it holds something else, or its system must be given.
        """
        file = Path(os.fspath(path)).expanduser()
        who = f"{cls.__name__}.load"
        if not file.is_file() or file.suffix.lower() != ".npz":
            raise must(who, "path", "must name a file .npz that is there", os.fspath(path))
        with np.load(file, allow_pickle=False) as numbers:
            found = {name: numbers[name] for name in numbers.files}
        if str(found.get("diffsim_kind", "")) != cls.__name__:
            raise must(who, "path", f"must hold a {cls.__name__}", str(found.get("diffsim_kind", "something else")))
        call = _back(json.loads(str(found["diffsim_call"])))
        names = [field.name for field in dataclasses.fields(cls) if field.name not in _TOLD]
        values = {name: _field(found[name]) for name in names}
        told = json.loads(str(found["diffsim_system"]))
        return cls(system=_system_again(who, told) if system is None else system, call=call, **values)


class _Lost(str):
    """What stands in a loaded call for something that a file cannot keep."""


def _field(array: Any) -> Any:
    """Return the value of a field that was saved as an array."""
    if array.dtype.kind == "U":
        return str(array) if array.ndim == 0 else tuple(array.tolist())
    return array.item() if array.ndim == 0 else array


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it; every float comes back to the bit."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {"array": value.tolist()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [_plain(x) for x in value]
    if isinstance(value, Mapping):
        return {"mapping": {str(name): _plain(x) for name, x in value.items()}}
    return {"lost": getattr(value, "__name__", repr(value))}


def _back(value: Any) -> Any:
    """Return the value that `_plain` wrote."""
    if isinstance(value, list):
        return tuple(_back(x) for x in value)
    if isinstance(value, dict):
        if "array" in value:
            return np.array(value["array"])
        return {n: _back(x) for n, x in value["mapping"].items()} if "mapping" in value else _Lost(value["lost"])
    return value


def _system_told(system: Any) -> Any:
    """Return what a file says about the system."""
    if not is_system(system):
        return {"name": getattr(system, "__qualname__", type(system).__qualname__), "module": ""}
    fields = {field.name: _plain(getattr(system, field.name)) for field in dataclasses.fields(system)}
    return {"module": type(system).__module__, "name": type(system).__qualname__, "fields": fields}


def _system_again(who: str, told: Any) -> Any:
    """Return a System of the zoo made anew.  NOTE: no other module is imported: reading numbers must not run code."""
    module, name = str(told["module"]), str(told["name"])
    if not module.startswith(_ZOO) or "." in name:
        raise ArgumentError(f"{who}: the file was made with {name!r}, which is not of the zoo; give it as system=.")
    found = getattr(importlib.import_module(module), name)
    return found(**{name: _back(value) for name, value in told["fields"].items()})
