"""Systems by name: a walk over the folder that imports only what is asked for, and classes from a user's own file."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from diffsim.errors import ArgumentError, KindError, unknown_name
from diffsim.lazy import public_names
from systems._base import System

__all__ = ["find", "load", "names"]


def names() -> list[str]:
    """Return the names of all systems, without importing their files.

    What a file of this folder offers in its literal ``__all__`` is a system, or a family of them; files that begin with
    an underscore hold what systems are made of.

    >>> "DoublePendulum" in names()
    True
    """
    return list(_files())


def find(name: str) -> type[System]:
    """Return the class of a system.

    Parameters
    ----------
    name : str
        The class name in any case and with or without underscores ("DoublePendulum", "double_pendulum"), or
        ``"file.py:ClassName"`` for a class in a file of one's own, see `load`.

    Raises
    ------
    ArgumentError
        There is no such system (the message has the nearest name), file or class.
    KindError
        ``name`` is no text, or what the file holds is no System.

    Examples
    --------
    >>> find("lorenz63")(rho=30.0)
    Lorenz63(sigma=10.0, rho=30.0, beta=2.6666666666666665)
    """
    if not isinstance(name, str):
        raise KindError(f"find: name must be a text such as 'DoublePendulum'; got name={name!r}.")
    if ".py:" in name or name.endswith(".py"):
        return load(name)
    files = _files()
    for known, module in files.items():
        if _plain(known) == _plain(name):
            found: type[System] = getattr(importlib.import_module(f"{__package__}.{module}"), known)
            return found
    raise _unknown(name, files)


def _unknown(name: str, known: Iterable[str]) -> ArgumentError:
    """Return the error for a name that no system has: the nearest ones, and not all of them."""
    lower = {other.casefold(): other for other in known}
    near = difflib.get_close_matches(name.casefold(), list(lower), n=1, cutoff=0.5)
    meant = f"{name}.py:ClassName" if Path(f"{name}.py").is_file() else lower[near[0]] if near else ""
    hint = f" Did you mean {meant!r}?" if meant else ""
    return ArgumentError(f"systems: unknown system {name!r}; `diffsim systems` and systems.names() list them.{hint}")


def load(place: str) -> type[System]:
    """Run a Python file and return the System class of the given name from it.

    **This executes the file**, as ``python file.py`` would.

    Parameters
    ----------
    place : str
        ``"path/to/file.py:ClassName"``; ``"path/to/file.py"`` where that file defines one System and no more.

    Raises
    ------
    ArgumentError
        ``place`` is not of that form, the file does not exist, or it has no class of that name.
    KindError
        What bears the name is not a `System` (a plain function, an instance, another class).
    Exception
        Whatever the file itself raises.
    """
    path, colon, name = (place, "", "") if place.endswith(".py") else place.rpartition(":")
    if not path.endswith(".py") or (colon and not name.isidentifier()):
        raise ArgumentError(f"load: place must be 'file.py:ClassName'; got place={place!r}.")
    file = Path(path).expanduser()
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise ArgumentError(f"load: the file must exist; {path!r} {what} (working folder {str(Path.cwd())!r}).")
    module = _run(file.resolve())
    name = name or _only_system(path, module)
    if name not in vars(module):
        raise unknown_name(f"load: {path}", "name", name, _systems_of(module))
    found = vars(module)[name]
    if not (isinstance(found, type) and issubclass(found, System)):
        kind = "a class that is no System" if isinstance(found, type) else f"of type {type(found).__name__}"
        raise KindError(
            f"load: {place} must be a subclass of systems.System; it is {kind}. "
            "Write a frozen dataclass with state_names and rates(self, t, state)."
        )
    return found


def _files() -> dict[str, str]:
    """Return {class name: module name} of the systems, sorted."""
    offered = public_names(Path(__file__).parent)
    return {name: module for name, module in offered.items() if not module.startswith("_")}


def _plain(name: str) -> str:
    """Return a name without case, underscores, hyphens and blanks."""
    return name.replace("_", "").replace("-", "").replace(" ", "").casefold()


def _run(file: Path) -> ModuleType:
    """Execute a file as a module of its own; found under its name later, so that its instances can be pickled."""
    digest = hashlib.sha256(str(file).encode()).hexdigest()[:12]
    title = f"{file.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(title, file)
    if spec is None or spec.loader is None:
        raise ArgumentError(f"load: {str(file)!r} cannot be read as a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[title] = module  # NOTE: dataclasses looks a class's module up here while it decorates
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[title]
        raise
    return module


def _only_system(path: str, module: ModuleType) -> str:
    """Return the name of the one System that a user's file defines."""
    own = _systems_of(module)
    if len(own) == 1:
        return own[0]
    if not own:
        raise ArgumentError(f"load: {path} defines no System. Write a frozen dataclass below systems.System in it.")
    raise ArgumentError(f"load: {path} defines {', '.join(own)}; say which: {path}:{own[0]}.")


def _systems_of(module: ModuleType) -> list[str]:
    """Return the names of the System classes that a user's module defines itself."""
    own = [value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__]
    return [value.__name__ for value in own if issubclass(value, System)]
