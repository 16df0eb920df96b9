"""Packages whose public names are found by walking their folder and imported when they are asked for.

A wing's ``__init__.py`` holds no list of its contents: each file says in ``__all__`` what it
offers, and the package reads that from the text of its files without running them.  A new file
is therefore all that a new study, system or family of integrators needs.
"""

from __future__ import annotations

import ast
import difflib
import functools
import importlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

__all__ = ["attach", "public_names"]

# PERF: finding `__all__` by this expression takes 0.05 ms a file, parsing the whole file with `ast` 5 ms.
_ALL = re.compile(r"^__all__(?:\s*:[^=\n]+)?\s*=\s*([\[(].*?[\])])", re.MULTILINE | re.DOTALL)


@functools.cache
def public_names(folder: Path, only: frozenset[str] | None = None) -> Mapping[str, str]:
    """Return ``{public name: module name}`` for the Python files of `folder`, without importing them.

    Parameters
    ----------
    folder : Path
        The folder of a package.  Its ``__init__.py`` and its sub-folders are left out.
    only : collection of str, optional
        Names of the files to look at, without ``.py``; all by default.

    Returns
    -------
    mapping of str to str
        From each name in a file's literal ``__all__`` to the file's name without ``.py``, sorted.

    Raises
    ------
    ImportError
        Two files offer the same name, or an ``__all__`` is not a literal list of strings.
    """
    found: dict[str, str] = {}
    for file in sorted(folder.glob("*.py")):
        if file.stem == "__init__" or (only is not None and file.stem not in only):
            continue
        match = _ALL.search(file.read_text(encoding="utf-8"))
        for name in _literal(match.group(1), file) if match else ():
            if name in found:
                raise ImportError(f"{folder.name}: both {found[name]}.py and {file.name} offer {name!r} in __all__.")
            found[name] = file.stem
    return MappingProxyType(dict(sorted(found.items())))


def attach(package: str, folder: str | Path) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``(__getattr__, __dir__)`` for a package whose names are loaded on first use (PEP 562).

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    folder : str or Path
        The folder that holds its files.

    Examples
    --------
    In the ``__init__.py`` of a wing::

        __getattr__, __dir__ = attach(__name__, Path(__file__).parent)
    """
    place = Path(folder)

    def __getattr__(name: str) -> Any:
        if name == "__all__":
            return list(public_names(place))
        if name.startswith("__"):
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        names = public_names(place)
        if name not in names:
            near = difflib.get_close_matches(name, list(names), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            # NOTE: without obj=None a traceback would add Python's own guess to ours.
            raise AttributeError(f"{package} has no {name!r}; it has {', '.join(names)}.{hint}", name=name, obj=None)
        return getattr(importlib.import_module(f"{package}.{names[name]}"), name)

    def __dir__() -> list[str]:
        return list(public_names(place))

    return __getattr__, __dir__


def _literal(text: str, file: Path) -> list[str]:
    """Return the list of names that `text` writes out."""
    try:
        names = list(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        raise ImportError(f"{file.name}: __all__ must be a literal list of strings.") from None
    return names
