"""Where finished tiles are kept: in memory, as files of a folder, or in a zarr group."""

from __future__ import annotations

import json
import os
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import RunError
from diffsim.files import atomic, check_folder

__all__: list[str] = []

Tile: TypeAlias = dict[str, NDArray[Any]]
"""Arrays by name, the cells on the first axis."""

_KEY_SHOWN = 16  # characters of the digest that name a folder: 64 bits


class Store(ABC):
    """Tiles by their number."""

    @abstractmethod
    def has(self, i: int) -> bool:
        """Say whether the tile is there, whole."""

    @abstractmethod
    def save(self, i: int, arrays: Tile) -> None:
        """Keep a tile."""

    @abstractmethod
    def load(self, i: int) -> Tile:
        """Return a tile that is there."""


@final
@dataclass
class MemoryStore(Store):
    """Tiles in this process; gone with it."""

    tiles: dict[int, Tile] = field(default_factory=dict)

    def has(self, i: int) -> bool:
        return i in self.tiles

    def save(self, i: int, arrays: Tile) -> None:
        self.tiles[i] = arrays

    def load(self, i: int) -> Tile:
        return self.tiles[i]


@final
@dataclass
class FolderStore(Store):
    """One ``.npz`` a tile, written under a temporary name and renamed; a file that cannot be read is not there."""

    folder: Path
    bounds: Sequence[tuple[int, int]]

    def has(self, i: int) -> bool:
        try:
            self.load(i)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return False
        return True

    def save(self, i: int, arrays: Tile) -> None:
        with atomic(self._file(i)) as temporary, open(temporary, "wb") as file:
            # NOTE: not by np.savez(**arrays): it takes no array of the name `file`.
            np.savez(file, allow_pickle=False, **{f"tile.{name}": array for name, array in arrays.items()})

    def load(self, i: int) -> Tile:
        low, high = self.bounds[i]
        with open(self._file(i), "rb") as file, np.load(file, allow_pickle=False) as numbers:
            arrays = {name.removeprefix("tile."): numbers[name] for name in numbers.files}
        if not arrays or any(len(array) != high - low for array in arrays.values()):
            raise ValueError(f"{self._file(i).name} is no tile of {high - low} cells")
        return arrays

    def _file(self, i: int) -> Path:
        return self.folder / f"{i:06d}.npz"


@final
@dataclass
class ZarrStore(Store):
    """A zarr group with one array a name, one chunk a tile, and a list of the tiles that are whole.

    A tile is told to be done after its chunks are written, in a chunk of its own, so that workers do not meet.
    """

    folder: Path
    bounds: Sequence[tuple[int, int]]

    def has(self, i: int) -> bool:
        group = self._group()
        return "tile_is_done" in group and bool(group["tile_is_done"][i])

    def save(self, i: int, arrays: Tile) -> None:
        group = self._group()
        low, high = self.bounds[i]
        cells, tile = self.bounds[-1][1], self.bounds[0][1]
        for name, array in arrays.items():
            kept = _array(group, name, (cells, *array.shape[1:]), (tile, *array.shape[1:]), array.dtype)
            kept[low:high] = array
        _array(group, "tile_is_done", (len(self.bounds),), (1,), np.dtype(np.uint8))[i] = 1

    def load(self, i: int) -> Tile:
        group = self._group()
        low, high = self.bounds[i]
        return {name: np.asarray(array[low:high]) for name, array in group.arrays() if name != "tile_is_done"}

    def _group(self) -> Any:
        import zarr

        return zarr.open_group(str(self.folder), mode="a")


def _array(group: Any, name: str, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: Any) -> Any:
    """Return an array of the group, made where it is missing, by whichever worker comes first."""
    from zarr.errors import ContainsArrayError

    if name not in group:
        try:
            return group.create_array(name, shape=shape, chunks=chunks, dtype=dtype, fill_value=0)
        except ContainsArrayError:  # another worker was faster
            return group[name]
    return group[name]


def opened(who: str, folder: Any, key: str, bounds: Sequence[tuple[int, int]], content: str) -> Store:
    """Return the store that `folder` means: a folder of files, or a zarr group.

    Raises
    ------
    ArgumentError
        The folder cannot be made or written.
    RunError
        A zarr group is asked for and zarr is not installed.
    """
    base = check_folder(who, folder).resolve()  # workers may stand elsewhere
    own = base / key[:_KEY_SHOWN]
    own.mkdir(exist_ok=True)
    if base.suffix == ".zarr":
        try:
            import zarr  # noqa: F401
        except ImportError:
            raise RunError(f"{who}: folder {os.fspath(folder)!r} needs zarr: pip install 'diffsim[cluster]'.") from None
        return ZarrStore(own, tuple(bounds))
    about = own / "call.json"
    if not about.exists():
        with atomic(about) as temporary:
            temporary.write_text(json.dumps({"call": content.splitlines()}, indent=1), encoding="utf-8")
    return FolderStore(own, tuple(bounds))
