"""The same map on a Dask cluster: workers that die and tiles that are tried again change nothing in it."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from diffsim.errors import RunError
from studies import flip_time_map, poincare_section, sensitivity_map
from studies._tile_stores import ZarrStore
from systems import DoublePendulum, Pendulum, find

distributed = pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # its clean-up warns of what was killed

ANGLES = np.linspace(-3.0, 3.0, 48)
AXES = {"theta_1": ANGLES, "theta_2": ANGLES}
CALL = {"y0": np.zeros(4), "t_end": 6.0, "measure": "ftle"}

USERS = '''
from dataclasses import dataclass
from systems import System

def force(x):
    return -x * x * x

@dataclass(frozen=True)
class Cubic(System):
    """A system in a file of the user's, which no worker can import."""
    k: float = 2.0
    state_names = ("x", "v")

    def rates(self, t, state):
        x, v = state
        return v, self.k * force(x)
'''


@pytest.fixture(scope="module")
def client():
    """Two workers on this machine, each a process with one thread."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    try:
        with distributed.Client(cluster) as found:
            yield found
    finally:
        cluster.close()
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


@pytest.fixture(scope="module")
def alone():
    """The map by this process alone."""
    return sensitivity_map(DoublePendulum(), AXES, **CALL)


@pytest.mark.parametrize("folder", [None, "tiles", "tiles.zarr"])
def test_cluster_gives_the_same_bits_wherever_tiles_are_kept(client, alone, tmp_path, folder, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the workers do not follow
    if folder == "tiles.zarr":
        pytest.importorskip("zarr")
    place = None if folder is None else Path(folder)
    found = sensitivity_map(DoublePendulum(), AXES, **CALL, tile=500, client=client, folder=place)
    np.testing.assert_array_equal(found.values, alone.values)
    if place is not None:
        again = sensitivity_map(DoublePendulum(), AXES, **CALL, tile=500, folder=place)
        np.testing.assert_array_equal(again.values, alone.values)


def test_worker_that_is_killed_midway_changes_nothing(client, alone, tmp_path):
    workers = client.run(os.getpid)
    killed = []

    def kill():
        patience = time.monotonic() + 60.0
        while len(list(tmp_path.glob("*/*.npz"))) < 3 and time.monotonic() < patience:
            time.sleep(0.005)
        killed.append(next(iter(workers.values())))
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    found = sensitivity_map(DoublePendulum(), AXES, **CALL, tile=60, client=client, folder=tmp_path)
    thread.join()
    assert len(killed) == 1
    np.testing.assert_array_equal(found.values, alone.values)


def test_flip_map_and_a_system_of_the_users_own_file(client, tmp_path):
    (tmp_path / "cubic.py").write_text(USERS)
    system = find(f"{tmp_path / 'cubic.py'}:Cubic")()
    axes = {"x": np.linspace(-1.0, 1.0, 6), "v": np.linspace(-1.0, 1.0, 6)}
    call = {"y0": [0.0, 0.0], "t_end": 1.0, "tile": 10}
    found = sensitivity_map(system, axes, **call, client=client)
    np.testing.assert_array_equal(found.values, sensitivity_map(system, axes, **call).values)
    found = poincare_section(system, {"x": 0.0}, y0=[[1.0, 0.5], [0.0, 0.0]], n_points=3, tile=1, client=client)
    alone = poincare_section(system, {"x": 0.0}, y0=[[1.0, 0.5], [0.0, 0.0]], n_points=3)
    np.testing.assert_array_equal(found.y, alone.y)
    axes = {"theta": [0.5, 3.0], "p": np.linspace(-3.0, 3.0, 5)}
    flips = flip_time_map(Pendulum(), axes, t_end=3.0, tile=4, client=client)
    np.testing.assert_array_equal(flips.values, flip_time_map(Pendulum(), axes, t_end=3.0).values)


def test_error_on_a_worker_is_told_with_its_tile(client):
    def blows_up(y):
        raise ZeroDivisionError("nothing to see")

    with pytest.raises(RunError, match=r"tile \d+ failed on the cluster: ZeroDivisionError: nothing to see"):
        sensitivity_map(
            DoublePendulum(), AXES, y0=np.zeros(4), t_end=0.1, observable=blows_up, tile=1000, client=client
        )


def test_zarr_tile_counts_only_when_it_is_whole(tmp_path):
    zarr = pytest.importorskip("zarr")
    store = ZarrStore(tmp_path, ((0, 2), (2, 3)))
    assert not store.has(0)
    store.save(1, {"a": np.array([7.0]), "flag": np.array([True])})
    assert not store.has(0)
    assert store.has(1)
    assert store.load(1)["a"].tolist() == [7.0]
    assert store.load(1)["flag"].dtype == bool
    group = zarr.open_group(str(tmp_path), mode="a")
    assert group["a"].chunks == (2,)
