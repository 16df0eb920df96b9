"""Large maps go tile by tile: bounded memory, finished tiles that outlive the process, the same code on a cluster.

A *tile* is a stretch of the cells of a map, in the order of its flattened grid.  A map gives a `Work`: an object that
can be pickled, knows its cells, and computes the arrays of any stretch of them.  `run_tiles` does the rest.  A tile
depends on nothing but the work and its own place, so that it does not matter which process computes it, when, or how
often.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import KindError, RunError
from diffsim.progress import Progress, progress_bar
from studies._tile_stores import MemoryStore, Store, Tile, opened

__all__: list[str] = []

_RETRIES = 5  # of a tile whose worker raised; tiles of workers that died are given to others by the scheduler itself


class Work(Protocol):
    """What a map gives to be computed: a frozen dataclass at the top of a module, so that it can be pickled."""

    @property
    def n_cells(self) -> int:
        """Number of cells."""

    @property
    def content(self) -> str:
        """Text that differs where any number of the result may differ."""

    def __call__(self, low: int, high: int) -> Tile:
        """Return the arrays of the cells from `low` up to `high`, the cells on the first axis of each."""


def run_tiles(
    who: str, work: Work, *, tile: int, folder: Any = None, client: Any = None, progress: bool = False
) -> Tile:
    """Return the arrays of all cells, computed tile by tile.

    Parameters
    ----------
    who : str
        Begins the messages and stands before the progress bar.
    work : Work
    tile : int
        Cells of a tile.
    folder : path-like, optional
        Where finished tiles are kept, each written whole or not at all: an interrupted call, or a killed process, goes
        on from there when the same call is made again.  Each call has a folder of its own in it, named by a digest of
        everything that its numbers depend on.  A name that ends in ``.zarr`` is a zarr group.  By default tiles live
        in memory.
    client : distributed.Client, optional
        Of a Dask cluster whose workers compute the tiles (and write them, where there is a folder: they must see it).
    progress : bool
        Show how far it is, and the time left.

    Raises
    ------
    KindError
        The client is none.
    RunError
        A worker failed again and again, or a kept tile cannot be written.
    KeyboardInterrupt
        Ctrl-C; with a note that says what is kept.
    """
    bounds = [(low, min(low + tile, work.n_cells)) for low in range(0, work.n_cells, tile)]
    store = MemoryStore() if folder is None else opened(who, folder, key_of(work, tile), bounds, work.content)
    done = [i for i in range(len(bounds)) if store.has(i)]
    missing = sorted(set(range(len(bounds))) - set(done))
    cells = sum(bounds[i][1] - bounds[i][0] for i in done)
    try:
        with progress_bar(work.n_cells, who, progress, unit="cells", done=cells) as bar:
            if client is None:
                _here(work, store, bounds, missing, bar)
            else:
                _on_cluster(who, work, store, bounds, missing, bar, client)
    except KeyboardInterrupt as interrupt:
        kept = sum(store.has(i) for i in range(len(bounds)))
        mend = f"the same call goes on from {str(folder)!r}" if folder is not None else "folder= keeps them next time"
        interrupt.add_note(f"{who}: {kept} of {len(bounds)} tiles are finished; {mend}.")
        raise
    return _joined([store.load(i) for i in range(len(bounds))])


def _here(work: Work, store: Store, bounds: list[tuple[int, int]], missing: list[int], bar: Progress) -> None:
    """Compute the missing tiles in this process."""
    for i in missing:
        compute(work, store, i, bounds[i])
        bar.update(bounds[i][1] - bounds[i][0])


def compute(work: Work, store: Store, i: int, bounds: tuple[int, int]) -> Tile | None:
    """Compute one tile and keep it; return it where the store of this process is not everybody's."""
    arrays = work(*bounds)
    for name, array in arrays.items():
        if len(array) != bounds[1] - bounds[0]:
            raise RunError(f"tile {i}: {name} must have one entry a cell, {bounds[1] - bounds[0]}; got {len(array)}.")
    store.save(i, arrays)
    return arrays if isinstance(store, MemoryStore) else None


def _on_cluster(
    who: str,
    work: Work,
    store: Store,
    bounds: list[tuple[int, int]],
    missing: list[int],
    bar: Progress,
    client: Any,
) -> None:
    """Let the workers of a Dask cluster compute the missing tiles, a few more at a time than they are."""
    if not callable(getattr(client, "submit", None)) or not callable(getattr(client, "nthreads", None)):
        raise KindError(f"{who}: client must be a distributed.Client; got {type(client).__name__}.")
    from distributed import as_completed

    # NOTE: by value, since a file that the user names is no module that a worker could import.
    job = _by_value(work)
    kept = MemoryStore() if isinstance(store, MemoryStore) else store  # never the tiles that are finished
    ahead = 2 * max(1, sum(client.nthreads().values()))
    waiting: Iterator[int] = iter(missing)
    submitted: dict[Any, int] = {}

    def submit(i: int) -> Any:
        future = client.submit(_remote, job, kept, i, bounds[i], pure=False, retries=_RETRIES)
        submitted[future] = i
        return future

    running = as_completed([submit(i) for _, i in zip(range(ahead), waiting, strict=False)])
    try:
        for future in running:
            i = submitted.pop(future)
            try:
                arrays = future.result()
            except Exception as error:
                raise RunError(f"{who}: tile {i} failed on the cluster: {type(error).__name__}: {error}") from error
            if arrays is not None:
                store.save(i, arrays)
            bar.update(bounds[i][1] - bounds[i][0])
            following = next(waiting, None)
            if following is not None:
                running.add(submit(following))
    finally:
        for future in submitted:
            future.cancel()


def _by_value(work: Work) -> bytes:
    """Return the work pickled together with the code of classes that live in a file that a user named."""
    import sys

    import cloudpickle

    own = {"diffsim", "integrators", "systems", "studies"}
    system = getattr(getattr(work, "grid", work), "system", None)
    modules = {cls.__module__ for cls in type(system).__mro__} if system is not None else set()
    foreign = [sys.modules[name] for name in modules if name.split(".")[0] not in own and name in sys.modules]
    foreign = [module for module in foreign if getattr(module, "__file__", None) and module.__name__ != "__main__"]
    foreign = [module for module in foreign if not module.__name__.startswith(("abc", "typing"))]
    for module in foreign:
        cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(work))
    finally:
        for module in foreign:
            cloudpickle.unregister_pickle_by_value(module)


def _remote(job: bytes, store: Store, i: int, bounds: tuple[int, int]) -> Tile | None:
    """What a worker runs."""
    return compute(_unpacked(job), store, i, bounds)


@functools.lru_cache(maxsize=4)
def _unpacked(job: bytes) -> Work:
    """Return the work of a job; once a process, so that its right-hand side is compiled once."""
    import pickle

    found: Work = pickle.loads(job)
    return found


def _joined(tiles: list[Tile]) -> Tile:
    """Return the arrays of all tiles, one behind the other."""
    return {name: np.concatenate([tile[name] for tile in tiles]) for name in tiles[0]}


# -- what the numbers depend on --------------------------------------------------------------------------------------


def key_of(work: Work, tile: int) -> str:
    """Return the digest of everything that the tiles of a call depend on."""
    text = f"{work.content}\ntile {tile}\ncode {_code()}\nnumpy {np.__version__}"
    return hashlib.sha256(text.encode()).hexdigest()


@functools.lru_cache(maxsize=1)
def _code() -> str:
    """Return the digest of diffsim's own source: a map that one version began is not finished by another."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for package in ("diffsim", "integrators", "studies"):
        for file in sorted((root / package).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def fingerprint(name: str, code: Any, evaluate: Callable[[NDArray[np.float64]], Any], n: int) -> str:
    """Return a text that differs where a function of the state differs: its source, and what it gives at some states.

    The source alone would miss what the code calls, the values alone what they do not reach.
    """
    rng = np.random.default_rng(1)
    values = []
    for scale in (0.1, 1.0, 3.0):
        with np.errstate(all="ignore"):
            values.append(np.asarray(evaluate(scale * rng.standard_normal(n)), dtype=np.float64).tobytes().hex())
    return f"{name} {source_of(code)} {' '.join(values)}"


def source_of(code: Any) -> str:
    """Return the digest of the source of a function, or of a class and its bases; where there is none, its name."""
    import inspect

    parts = []
    for piece in code.__mro__[:-1] if isinstance(code, type) else (code,):
        try:
            parts.append(inspect.getsource(piece))
        except (OSError, TypeError):
            parts.append(f"{getattr(piece, '__module__', '')}.{getattr(piece, '__qualname__', repr(piece))}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def text_of(arguments: Mapping[str, Any]) -> str:
    """Return arguments as a text in which every bit of every number counts."""
    lines = []
    for name, value in sorted(arguments.items()):
        if isinstance(value, np.ndarray):
            shown = f"{value.dtype} {value.shape} {hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
        else:
            shown = repr(value)
        lines.append(f"{name} = {shown}")
    return "\n".join(lines)
