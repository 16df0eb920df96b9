"""Calls and systems as text: what a saved result says of how it was made.  Reading it runs nothing of the file."""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from diffsim.errors import ArgumentError, must
from diffsim.protocols import is_system

__all__: list[str] = []


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
    """Return a System's class and its fields as JSON; of a function its name."""
    if not is_system(system):
        name = getattr(system, "__qualname__", type(system).__qualname__)
        return json.dumps({"name": name, "module": "", "fields": {}})
    fields = {field.name: _plain(getattr(system, field.name)) for field in dataclasses.fields(system)}
    return json.dumps({"module": type(system).__module__, "name": type(system).__qualname__, "fields": fields})


def system_from_json(text: str, given: Any) -> Any:
    """Return the System that was saved; `given` where it is no System of the zoo, or a function.

    NOTE: never the user's file by its path: reading numbers must not run anything.
    """
    told = json.loads(text)
    if given is not None and not is_system(given):
        return given
    if given is not None:
        if type(given).__qualname__ != told["name"]:
            raise must("load", "system", f"must be a {told['name']}", type(given).__name__)
        return given
    module = sys.modules.get(told["module"])
    if module is None and told["module"].split(".")[0] == "systems":
        module = importlib.import_module(told["module"])
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
