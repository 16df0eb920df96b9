"""diffsim: solve ordinary differential equations, and differentiate everything about them.

``import diffsim as ds`` is enough: ``ds.Value``, ``ds.grad``, ``ds.sin``, ``ds.solve_ivp``, and the wings
``ds.systems``, ``ds.integrators``, ``ds.studies`` (which are packages of their own: ``from integrators import RK4``).
Everything is loaded when it is first used; this file defines nothing.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffsim.lazy import public_names

if TYPE_CHECKING:
    from diffsim.array_ops import *  # noqa: F403
    from diffsim.certificate import *  # noqa: F403
    from diffsim.compiled_function import jit as jit
    from diffsim.derivatives import *  # noqa: F403
    from diffsim.errors import *  # noqa: F403
    from diffsim.graph import Graph as Graph
    from diffsim.graph import trace as trace
    from diffsim.jets import jet as jet
    from diffsim.linear_algebra import *  # noqa: F403
    from diffsim.ops import *  # noqa: F403
    from diffsim.picture import *  # noqa: F403
    from diffsim.value import Value as Value
    from diffsim.verdict import *  # noqa: F403
    from integrators import solve_ivp as solve_ivp

# the modules whose names are all public here
_OPEN = frozenset({"array_ops", "certificate", "derivatives", "errors", "linear_algebra", "ops", "picture", "verdict"})
_SINGLE = {
    "Graph": "diffsim.graph",
    "Value": "diffsim.value",
    "jet": "diffsim.jets",
    "jit": "diffsim.compiled_function",
    "solve_ivp": "integrators",
    "trace": "diffsim.graph",
}
_MODULES = {
    "integrators": "integrators",
    "nn": "diffsim.nn",
    "studies": "studies",
    "systems": "systems",
    "testing": "diffsim.testing",
}


def _where(name: str) -> str | None:
    """The module that holds a public name."""
    if name in _SINGLE:
        return _SINGLE[name]
    module = public_names(Path(__file__).parent, _OPEN).get(name)
    return None if module is None else f"diffsim.{module}"


def __getattr__(name: str) -> Any:
    if name == "__version__":
        metadata = importlib.import_module("importlib.metadata")
        try:
            return metadata.version("diffsim")
        except metadata.PackageNotFoundError:  # run from its source, not installed
            return "0+source"
    if name in _MODULES:
        found: Any = importlib.import_module(_MODULES[name])
    else:
        place = None if name.startswith("__") else _where(name)
        if place is None:
            near = importlib.import_module("difflib").get_close_matches(name, __dir__(), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise AttributeError(f"diffsim has no {name!r}.{hint}", name=name, obj=None)
        found = getattr(importlib.import_module(place), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*_SINGLE, *_MODULES, *public_names(Path(__file__).parent, _OPEN)})
