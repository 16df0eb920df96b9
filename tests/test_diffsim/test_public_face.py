"""The public face: everything that is offered loads, nothing is shadowed, typos are answered, imports stay small."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import diffsim as ds
import integrators
import studies
import systems
from diffsim.number import raw

NAMES = dir(ds)
PROMISED = [
    "Value",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "atan2",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "exp",
    "expm1",
    "exp2",
    "log",
    "log1p",
    "log2",
    "log10",
    "sqrt",
    "cbrt",
    "abs",
    "sign",
    "sigmoid",
    "softplus",
    "relu",
    "erf",
    "maximum",
    "minimum",
    "hypot",
    "where",
    "clip",
    "sum",
    "prod",
    "mean",
    "max",
    "min",
    "cumsum",
    "dot",
    "matmul",
    "solve",
    "inv",
    "det",
    "norm",
    "reshape",
    "transpose",
    "concatenate",
    "stack",
    "broadcast_to",
    "array",
    "set_item",
    "grad",
    "value_and_grad",
    "jvp",
    "vjp",
    "jacobian",
    "hessian",
    "hvp",
    "pushforward",
    "trace",
    "Graph",
    "solve_ivp",
    "nn",
    "testing",
    "integrators",
    "systems",
    "studies",
    "to_dot",
    "draw_graph",
    "DiffsimError",
    "ArgumentError",
    "KindError",
    "TraceError",
    "RunError",
]


def run(program: str, *flags: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, *flags, "-c", program], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def core_modules() -> list[str]:
    return [info.name for info in pkgutil.walk_packages(ds.__path__, "diffsim.")]


@pytest.mark.parametrize("name", NAMES)
def test_offered_name_loads_and_has_a_docstring(name: str) -> None:
    found = getattr(ds, name)
    assert found is getattr(ds, name)
    assert (found.__doc__ or "").strip()


@pytest.mark.parametrize("name", PROMISED)
def test_promised_name_is_offered(name: str) -> None:
    assert name in NAMES


def test_no_public_name_is_a_module_but_those_that_should_be() -> None:
    for name in core_modules():
        if not name.endswith("__main__"):
            importlib.import_module(name)
    for wing in (integrators, studies, systems):
        for info in pkgutil.walk_packages(wing.__path__, wing.__name__ + "."):
            importlib.import_module(info.name)
    modules = {name for name in NAMES if isinstance(getattr(ds, name), types.ModuleType)}
    assert modules == {"integrators", "nn", "studies", "systems", "testing"}
    for wing in (integrators, studies, systems):
        shadowed = [name for name in dir(wing) if isinstance(getattr(wing, name), types.ModuleType) and name[0] != "_"]
        assert not [name for name in shadowed if name in getattr(wing, "__all__", ())]


@pytest.mark.parametrize(
    "order", ["ds.nn; import diffsim.nn", "ds.trace; import diffsim.graph", "ds.sum; import diffsim.ops"]
)
def test_name_means_the_same_before_and_after_its_module_is_imported(order: str) -> None:
    use, then = order.split("; ")
    program = f"import diffsim as ds\nbefore = {use}\n{then}\nimport diffsim.cli\nprint(before is {use})"
    assert run(program) == "True"


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("gard", "grad"), ("jacobain", "jacobian"), ("solve_ipv", "solve_ivp"), ("valeu", "Value"), ("Graf", "Graph")],
)
def test_typo_is_answered_with_the_nearest_name(typo: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=f"no '{typo}'.*Did you mean '{meant}'"):
        getattr(ds, typo)


def test_name_that_resembles_nothing_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="zzzzzz"):
        ds.zzzzzz  # noqa: B018  # the attribute is what is tested
    assert not hasattr(ds, "__wrapped__")
    with pytest.raises(ImportError):
        exec("from diffsim import no_such_name")


def test_module_of_the_core_is_still_importable_as_a_submodule() -> None:
    assert importlib.import_module("diffsim.ops").sin is ds.sin
    assert importlib.import_module("diffsim.errors").KindError is ds.KindError


def test_version_is_that_of_the_distribution() -> None:
    assert isinstance(ds.__version__, str)
    assert ds.__version__[0].isdigit()


HEAVY = ["matplotlib", "scipy", "hypothesis", "mpmath", "tqdm", "imageio_ffmpeg", "pytest", "llvmlite"]


@pytest.mark.parametrize(
    "use", ["", "ds.Value(2.0).backward()", "ds.grad(ds.sin)(1.0); ds.trace(ds.sin, 1.0)", "dir(ds)"]
)
def test_import_and_first_use_load_nothing_heavy(use: str) -> None:
    loaded = run(f"import sys\nimport diffsim as ds\n{use}\nprint(*[m for m in {HEAVY} if m in sys.modules])")
    assert loaded == ""


def test_import_alone_does_not_load_numpy_or_a_wing() -> None:
    wings = ["numpy", "integrators", "studies", "systems"]
    loaded = run(f"import sys\nimport diffsim\nprint(*[m for m in {wings} if m in sys.modules])")
    assert loaded == ""


def test_import_prints_and_warns_nothing() -> None:
    assert run("import diffsim as ds\nfor name in dir(ds): getattr(ds, name)", "-W", "error") == ""


def test_star_import_of_the_table_shadows_only_what_it_says() -> None:
    space: dict[str, Any] = {}
    exec("from diffsim.ops import *", space)
    assert set(space) - {"__builtins__"} == set(importlib.import_module("diffsim.ops").__all__)


@pytest.mark.parametrize("module", [name for name in core_modules() if "cli" not in name and "__main__" not in name])
def test_module_offers_what_its_list_says(module: str) -> None:
    loaded = importlib.import_module(module)
    names = getattr(loaded, "__all__", [])
    assert len(set(names)) == len(names)
    for name in names:
        assert hasattr(loaded, name)


def test_functions_of_the_table_take_every_kind_of_number_from_the_face() -> None:
    numbers = (0.5, np.float32(0.5), np.array([0.5, 1.0]), ds.Value(0.5), [0.5, 1.0])
    seen = [float(np.ravel(raw(ds.sin(x)))[0]) for x in numbers]
    assert seen == pytest.approx([np.sin(0.5)] * 5, rel=1e-7)


def test_everything_a_first_session_needs_works_from_the_face() -> None:
    program = """
import diffsim as ds
x = ds.Value(3.0)
y = x**2 + ds.sin(x)
y.backward()
print(round(x.grad, 6), ds.grad(lambda t: ds.exp(-t * t))(0.0), ds.hessian(lambda t: t**2)(1.0))
"""
    assert run(program, "-W", "error") == "5.010008 0.0 2.0"


def test_packages_come_from_this_project() -> None:
    root = Path(ds.__file__).parent.parent
    for package in (integrators, studies, systems):
        assert Path(package.__file__ or "").parent.parent == root
