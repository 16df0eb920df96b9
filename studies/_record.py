"""`Record`: what the results of the studies of chaos share: the call that made them, saving, loading, running again."""

from __future__ import annotations

import dataclasses
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
from studies._map_result import Lost, from_json, system_from_json, system_to_json, to_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__: list[str] = []

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
            if isinstance(value, Lost) and name not in changes:
                raise ArgumentError(f"{self.study}: a file cannot keep {name}={value}; give it: rerun({name}=...).")
        again: Self = getattr(studies, self.study)(self.system, **{**self.call, **changes})
        return again

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure (.png, .svg, .pdf) or all numbers (.npz, without pickle), whole or not at all."""
        return _output.write(self.study, path, self.plot, self._saved)

    def _saved(self) -> dict[str, Any]:
        told = {"kind": type(self).__name__, "call": to_json(self.call), "system": _system_told(self.system)}
        names = [field.name for field in dataclasses.fields(self) if field.name not in _TOLD]
        numbers = {name: np.asarray(getattr(self, name)) for name in names}
        return numbers | {f"diffsim_{name}": np.array(text) for name, text in told.items()}

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
        names = [field.name for field in dataclasses.fields(cls) if field.name not in _TOLD]
        values = {name: _field(found[name]) for name in names}
        told = str(found["diffsim_system"])
        if system is None or is_system(system):
            system = system_from_json(told, system)
        return cls(system=system, call=from_json(str(found["diffsim_call"])), **values)


def _field(array: Any) -> Any:
    """Return the value of a field that was saved as an array."""
    if array.dtype.kind == "U":
        return str(array) if array.ndim == 0 else tuple(array.tolist())
    return array.item() if array.ndim == 0 else array


def _system_told(system: Any) -> str:
    """Return what a file says about the system, as JSON."""
    if is_system(system):
        return system_to_json(system)
    return json.dumps({"name": getattr(system, "__qualname__", type(system).__qualname__), "module": "", "fields": {}})
