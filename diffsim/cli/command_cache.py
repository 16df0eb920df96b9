"""Show where compiled machine code is kept, how much of it there is, and whether the place can be used.

DIFFSIM_CACHE names another folder; DIFFSIM_CACHE=off keeps code in memory alone.  Whatever is wrong with the folder
costs a compile each time, never an error.

Examples:
  diffsim cache
  diffsim cache --clear
"""

from __future__ import annotations

import argparse
import os

from diffsim.cli.tables import definition_list

__all__ = ["HELP", "add_arguments", "run"]

HELP = "show where compiled code is kept, or remove it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``diffsim cache``."""
    parser.add_argument("--clear", action="store_true", help="remove what is kept; it is compiled again when needed")


def run(arguments: argparse.Namespace) -> int:
    """Print the facts, or clear; 1 if something could not be removed."""
    from diffsim.compiler.cache import Cache, default_folder

    cache = Cache(default_folder())
    if arguments.clear:
        n_removed, left = cache.clear(), cache.entries()
        print(f"removed {n_removed} entries from {cache.folder}" if cache.folder else "nothing is kept on disk")
        if left:
            print(f"{len(left)} could not be removed: {cache.trouble() or 'they were written meanwhile'}")
        return 1 if left else 0
    entries = cache.entries()
    size = _size(sum(entry.n_bytes for entry in entries))
    trouble = cache.trouble()
    facts = [
        ("folder", str(cache.folder) if cache.folder else _no_folder()),
        ("entries", f"{len(entries)}, {size} of at most {_size(cache.limit_bytes)}"),
        ("usable", f"no: {trouble}" if trouble else "yes"),
    ]
    print(definition_list(facts, indent=0))
    return 0


def _no_folder() -> str:
    """Why code is kept in memory alone."""
    off = os.environ.get("DIFFSIM_CACHE", "").strip().lower() == "off"
    return "none, as DIFFSIM_CACHE says" if off else "none: this user has no home; set DIFFSIM_CACHE"


def _size(n_bytes: int) -> str:
    """A number of bytes as people say it, in powers of 1024.

    >>> _size(900), _size(1_500_000), _size(256 * 2**20)
    ('900 B', '1.4 MiB', '256.0 MiB')
    """
    value, units = float(n_bytes), ["B", "KiB", "MiB", "GiB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.0f} B" if units[0] == "B" else f"{value:.1f} {units[0]}"
