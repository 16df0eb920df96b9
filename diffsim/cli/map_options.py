"""Arguments that the commands of maps share: axes, energies, tiles, clusters."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from diffsim.cli.options import axis, number
from diffsim.errors import ArgumentError, RunError

__all__ = ["SUFFIXES", "add_axes", "add_outputs", "add_tiles", "limits", "named_number", "tile_options", "two_axes"]

SUFFIXES = (".png", ".svg", ".pdf", ".npz", ".nc", ".zarr")

_LARGE = 16384  # cells from which on a map leaves its tiles on disk


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add ``--out``."""
    parser.add_argument(
        "--out",
        metavar="FILE",
        action="append",
        default=[],
        help="where to write: .png, .svg, .pdf (the picture) or .npz, .nc, .zarr (the numbers); may be repeated",
    )


def add_axes(parser: argparse.ArgumentParser) -> None:
    """Add ``--axis``, ``--energy`` and ``--solve-for``: the cells of a map."""
    parser.add_argument(
        "--axis",
        metavar="NAME=LOW:HIGH:N",
        action="append",
        type=axis,
        default=[],
        dest="axes",
        help="a state component, a parameter or energy, and its N values; give it twice;"
        " default: the first two state components, -pi:pi:64 where they are angles",
    )
    parser.add_argument("--energy", metavar="E", type=number, help="give all starts this energy; needs --solve-for")
    parser.add_argument("--solve-for", metavar="NAME", help="the momentum or velocity that gives each start its energy")


def add_tiles(parser: argparse.ArgumentParser) -> None:
    """Add ``--folder`` and ``--cluster``: how a large map is computed."""
    parser.add_argument(
        "--folder",
        metavar="DIR",
        help="keep finished tiles here (.zarr: as a zarr group); the same call goes on from them. Default for maps of"
        " more than 16384 cells: the first output with .tiles, until the map is complete",
    )
    parser.add_argument(
        "--cluster", metavar="ADDRESS", help="let the workers of a Dask cluster compute, such as tcp://10.0.0.1:8786"
    )


def named_number(text: str) -> tuple[str, float]:
    """Return the name and the number of ``theta_1=0``.

    >>> named_number("z=27")
    ('z', 27.0)
    """
    name, equals, value = text.partition("=")
    if not name.strip() or not equals:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, such as theta_1=0; got {text!r}")
    return name.strip(), number(value)


def limits(text: str) -> tuple[str, tuple[float, float]]:
    """Return the name and the ends of a range such as ``theta_2=-1:1``.

    >>> limits("p_1=-0.5:2")
    ('p_1', (-0.5, 2.0))
    """
    name, _, ends = text.partition("=")
    low, colon, high = ends.partition(":")
    if not name.strip() or not colon:
        raise argparse.ArgumentTypeError(f"must be NAME=LOW:HIGH, such as theta_2=-1:1; got {text!r}")
    return name.strip(), (number(low), number(high))


@contextlib.contextmanager
def tile_options(arguments: argparse.Namespace, output: Path, n_cells: int) -> Iterator[dict[str, Any]]:
    """Yield what ``--folder`` and ``--cluster`` mean for a map; tidy up behind a map that is complete."""
    import shutil

    with contextlib.ExitStack() as stack:
        client = None
        if arguments.cluster:
            client = stack.enter_context(_client(arguments.cluster))
        own = arguments.folder is None and n_cells > _LARGE
        folder = output.with_name(f"{output.name}.tiles") if own else arguments.folder
        yield {"folder": folder, "client": client}
        if own:
            shutil.rmtree(folder)


def _client(address: str) -> Any:
    """Return the client of a Dask cluster."""
    try:
        from distributed import Client
    except ImportError:
        raise RunError("--cluster needs distributed: pip install 'diffsim[cluster]'.") from None
    try:
        return Client(address, timeout="10s")
    except (OSError, ValueError, TimeoutError) as error:
        raise RunError(f"--cluster: no scheduler answers at {address!r}: {error}") from None


def default_axes(system: Any, y0: Sequence[float], count: int) -> dict[str, Any]:
    """The first two state components: the whole circle for an angle, two units around the start otherwise."""
    import numpy as np

    axes = {}
    for index, name in enumerate(system.state_names[:2]):
        middle, reach = (0.0, np.pi) if index in system.angles else (float(y0[index]), 2.0)
        axes[name] = np.linspace(middle - reach, middle + reach, count)
    return axes


def two_axes(who: str, arguments: argparse.Namespace, system: Any, y0: Sequence[float]) -> dict[str, Any]:
    """Return the axes of a map: those of ``--axis``, or the default ones."""
    axes = dict(arguments.axes) or default_axes(system, y0, 64)
    if len(axes) != 2:
        raise ArgumentError(f"{who}: --axis must be given twice, with two names; got {', '.join(axes) or 'none'}")
    return axes
