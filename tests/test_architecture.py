"""The shape of the house: who imports whom, what an import costs, how long files and functions are."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import diffsim
import integrators
import studies
import systems
from diffsim.lazy import public_names

ROOT = Path(__file__).parents[1]
WINGS = ("integrators", "systems", "studies")
PACKAGES = ("diffsim", *WINGS)
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
MODULES = sorted(
    info.name
    for package in PACKAGES
    for info in pkgutil.walk_packages([str(ROOT / package)], f"{package}.")
    if not info.name.endswith("__main__")
)
HEAVY = ("matplotlib", "scipy", "llvmlite", "mpmath", "tqdm", "imageio_ffmpeg", "hypothesis", "PIL")


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _run(code: str) -> str:
    """Run Python code in a fresh interpreter at the root; return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# -- packages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_load_from_this_project(package: str) -> None:
    # NOTE: other distributions on PyPI carry the names diffsim, integrators and systems.
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__) == ROOT / package / "__init__.py"
    assert (ROOT / package / "py.typed").exists()


def test_every_folder_with_python_files_is_a_package() -> None:
    folders = {file.parent for file in FILES}
    assert [_name(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_build_file_takes_the_four_packages_and_never_uploads() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "Private :: Do Not Upload" in project["project"]["classifiers"]
    included = {pattern.split(".")[0] for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert included == set(PACKAGES)


def test_no_test_folder_shadows_a_package() -> None:
    assert [name for name in PACKAGES if (ROOT / "tests" / name).exists()] == []


@pytest.mark.parametrize("module", MODULES)
def test_every_module_can_be_imported(module: str) -> None:
    assert importlib.import_module(module).__name__ == module


# -- the import law ----------------------------------------------------------------------------------------------


def _lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())"
    command = [sys.executable, "-c", code, "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the packages, in which the law may be broken."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_import_law_holds(copy: Path) -> None:
    done = _lint_imports(copy)
    assert done.returncode == 0, done.stdout + done.stderr


VIOLATIONS = [
    ("diffsim", "from integrators import RK4"),
    ("diffsim", "def f():\n    import systems"),
    ("diffsim", "from studies import animate"),
    ("diffsim", "from diffsim import cli"),
    ("diffsim", "import diffsim"),
    ("integrators", "import studies"),
    ("integrators", "from systems import System"),
    ("integrators", "from diffsim import sin"),
    ("systems", "from integrators import solve_ivp"),
    ("systems", "import studies"),
    ("systems", "import diffsim as ds"),
    ("studies", "from systems import DoublePendulum"),
    ("studies", "from diffsim.cli import main"),
    ("studies", "from diffsim import grad"),
]


def test_import_law_catches_each_planted_violation(copy: Path) -> None:
    for number, (package, line) in enumerate(VIOLATIONS):
        (copy / package / f"planted_{number}.py").write_text(f"{line}\n")
    done = _lint_imports(copy)
    assert done.returncode == 1
    found = {int(number) for number in re.findall(r"- \w+\.planted_(\d+) -> ", done.stdout)}
    assert [VIOLATIONS[number] for number in range(len(VIOLATIONS)) if number not in found] == []


# -- names -------------------------------------------------------------------------------------------------------


def test_no_public_name_is_a_module_once_everything_is_loaded() -> None:
    for module in MODULES:
        importlib.import_module(module)
    faces: list[ModuleType] = [integrators, systems, studies]
    modules = [f"{face.__name__}.{name}" for face in faces for name in dir(face) if _is_module(face, name)]
    # The three wings, and what is a module on purpose.
    allowed = {*WINGS, "nn", "testing", "ops", "array_ops", "errors"}
    modules += [f"diffsim.{name}" for name in dir(diffsim) if _is_module(diffsim, name) and name not in allowed]
    assert [name for name in modules if not name.split(".")[1].startswith("_")] == []


def _is_module(face: ModuleType, name: str) -> bool:
    return inspect.ismodule(getattr(face, name)) and name in getattr(face, "__all__", ())


@pytest.mark.parametrize("wing", WINGS)
def test_faces_offer_what_their_files_say(wing: str) -> None:
    face = importlib.import_module(wing)
    offered = public_names(ROOT / wing)
    assert offered
    for name, module in offered.items():
        loaded = importlib.import_module(f"{wing}.{module}")
        assert getattr(face, name) is getattr(loaded, name)
        assert name in loaded.__all__
    declared = {
        name
        for info in pkgutil.iter_modules([str(ROOT / wing)])
        for name in getattr(importlib.import_module(f"{wing}.{info.name}"), "__all__", ())
        if not info.ispkg
    }
    assert declared == set(offered)


@pytest.mark.parametrize("file", [file for file in FILES if file.name != "__main__.py"], ids=_name)
def test_every_file_says_what_it_is_and_what_it_offers(file: Path) -> None:
    tree = ast.parse(file.read_text())
    assert ast.get_docstring(tree), "no docstring"
    if not file.name.startswith("_"):  # a private file may offer nothing
        assigned = {
            target.id
            for node in tree.body
            if isinstance(node, (ast.Assign, ast.AnnAssign))
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        assert "__all__" in assigned


# -- cost of an import -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", [*PACKAGES, "diffsim.cli"])
def test_import_loads_nothing_heavy(package: str) -> None:
    found = _run(f"import sys, {package}; print(*[name for name in {HEAVY!r} if name in sys.modules])")
    assert found == ""


def test_import_prints_nothing_and_touches_no_global_state() -> None:
    code = """
import os, random, signal, sys, threading, warnings
def state():
    return (dict(os.environ), os.getcwd(), random.getstate(), signal.getsignal(signal.SIGINT),
            list(warnings.filters), threading.active_count(), sys.getrecursionlimit(), list(sys.path))
before = state()
import diffsim, diffsim.cli, integrators, systems, studies
print(before == state())
"""
    assert _run(code) == "True"


# -- size and style ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES, ids=_name)
def test_long_files_say_why(file: Path) -> None:
    text = file.read_text()
    if len(text.splitlines()) > 400:
        assert re.search(r"\blong|\blines\b|one file", ast.get_docstring(ast.parse(text)) or "", re.IGNORECASE)


@pytest.mark.parametrize("file", FILES, ids=_name)
def test_no_function_is_longer_than_60_lines(file: Path) -> None:
    long = [f"{function.name}: {length} lines" for function, length in _functions(file) if length > 60]
    assert long == []


def _functions(file: Path) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    """Each function of a file with its number of lines, its docstring left out."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node) is not None:
                length -= (first.end_lineno or first.lineno) - first.lineno + 1
            yield node, length


@pytest.mark.parametrize("file", FILES, ids=_name)
def test_input_is_not_checked_by_bare_assert(file: Path) -> None:
    assert [node.lineno for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Assert)] == []


def test_no_file_holds_a_path_of_a_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    pattern = re.compile(r"(?<![\w.~])/(?:home|root|Users|work)/\w|\b[A-Z]:\\Users\\")
    this = Path(__file__).name
    found = [_name(file) for file in files if file.is_file() and file.name != this and pattern.search(_text(file))]
    assert found == []


def _text(file: Path) -> str:
    """The text of a file, or "" for a picture or a film."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
