"""Maps tile by tile: nothing changes them, an interruption or a kill keeps what is finished, keys tell calls apart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import studies._sensitivity as implementation
from diffsim import ops
from diffsim.errors import ArgumentError, KindError, RunError
from studies import load, sensitivity_map
from studies._tile_stores import FolderStore
from studies._tiles import key_of
from systems import DoublePendulum, Pendulum, System

ROOT = Path(__file__).parents[2]
AXES = {"theta": np.linspace(-3.0, 3.0, 12), "p": np.linspace(-2.0, 2.0, 8)}
CALL = {"t_end": 1.0, "measure": "ftle", "step": 0.02}


@pytest.fixture(scope="module")
def whole():
    """The map in one piece."""
    return sensitivity_map(Pendulum(), AXES, **CALL)


def tiles_of(folder):
    return sorted(Path(folder).glob("*/*.npz"))


class Counter:
    """Counts the tiles that are computed, and interrupts after some of them."""

    def __init__(self, monkeypatch, stop_after=10**9):
        self.n = 0
        plain = implementation.Sensitivity.__call__

        def counted(work, low, high):
            if self.n >= stop_after:
                raise KeyboardInterrupt
            self.n += 1
            return plain(work, low, high)

        monkeypatch.setattr(implementation.Sensitivity, "__call__", counted)


def test_interrupted_call_keeps_its_tiles_and_the_next_one_goes_on(whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        Counter(patch, stop_after=3)
        with pytest.raises(KeyboardInterrupt) as caught:
            sensitivity_map(Pendulum(), AXES, **CALL, tile=20, folder=tmp_path)
    assert "3 of 5 tiles are finished; the same call goes on from" in caught.value.__notes__[0]
    assert len(tiles_of(tmp_path)) == 3
    counter = Counter(monkeypatch)
    resumed = sensitivity_map(Pendulum(), AXES, **CALL, tile=20, folder=tmp_path)
    assert counter.n == 2
    np.testing.assert_array_equal(resumed.values, whole.values)


def test_ctrl_c_inside_a_solve_is_an_interruption_and_no_row_of_nans(tmp_path, monkeypatch):
    import studies._solver as solver

    class Stopped:
        status = np.array([0, -2])

    monkeypatch.setattr(solver, "solve_ivp", lambda *_args, **_options: Stopped())
    with pytest.raises(KeyboardInterrupt):
        sensitivity_map(Pendulum(), AXES, **CALL, folder=tmp_path)
    assert tiles_of(tmp_path) == []


def test_broken_or_foreign_tile_is_computed_anew(whole, tmp_path, monkeypatch):
    sensitivity_map(Pendulum(), AXES, **CALL, tile=20, folder=tmp_path)
    first, second, third = tiles_of(tmp_path)[:3]
    first.write_bytes(first.read_bytes()[:200])
    second.unlink()
    third.write_bytes(tiles_of(tmp_path)[-1].read_bytes())  # whole, but of 16 cells instead of 20
    counter = Counter(monkeypatch)
    again = sensitivity_map(Pendulum(), AXES, **CALL, tile=20, folder=tmp_path)
    assert counter.n == 3
    np.testing.assert_array_equal(again.values, whole.values)


@dataclass(frozen=True)
class Swing(System):
    """A pendulum of the user's."""

    rate: float = 3.0
    state_names = ("theta", "p")
    angles = (0,)

    def rates(self, t, state):
        theta, p = state
        return p, -self.rate * ops.sin(theta)

    @property
    def default_state(self):
        return (1.0, 0.0)


def test_each_call_has_a_key_of_its_own():
    def work(system=None, axes=AXES, observable="theta", times=(1.0,), measures=("gradient",), **solver):
        grid = implementation.make_grid("test", system or Swing(), axes, [0.5, 0.0])
        return implementation.Sensitivity(grid, times, measures, observable, (0, 1), {"method": "RK4", **solver})

    slower = type("Swing", (Swing,), {"rates": lambda self, t, state: (state[1], -self.rate * ops.sin(2 * state[0]))})
    nudged = {**AXES, "p": AXES["p"] + np.array([0.0] * 7 + [1e-15])}
    different = [
        work(),
        work(Swing(rate=np.nextafter(3.0, 4.0))),
        work(slower()),
        work(axes=nudged),
        work(times=(2.0,)),
        work(measures=("ftle",)),
        work(step=0.01),
        work(step=0.02),
        work(observable=lambda y: y[0] ** 2),
        work(observable=lambda y: y[0] ** 3),
    ]
    keys = [key_of(one, 20) for one in different]
    assert len({*keys, key_of(work(), 21)}) == len(keys) + 1
    assert key_of(work(threads=1), 20) == key_of(work(threads=2), 20) == keys[0]


def test_kept_tiles_hold_no_pickle(tmp_path):
    store = FolderStore(tmp_path, [(0, 1)])
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        store.save(0, {"file": np.array([object()])})
    store.save(0, {"file": np.array([1.5])})
    assert store.load(0)["file"].tolist() == [1.5]


SCRIPT = """
import sys
import numpy as np
from studies import sensitivity_map
from systems import DoublePendulum
angles = np.linspace(-3.0, 3.0, 40)
sensitivity_map(DoublePendulum(), {"theta_1": angles, "theta_2": angles}, y0=np.zeros(4), t_end=10.0, measure="ftle",
                tile=50, folder=sys.argv[1])
"""


@pytest.mark.slow
def test_killed_process_leaves_whole_tiles_and_the_resumed_map_is_the_same_to_the_bit(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], cwd=ROOT, env=environment)
    patience = time.monotonic() + 60.0
    while len(tiles_of(tmp_path)) < 3 and process.poll() is None and time.monotonic() < patience:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = tiles_of(tmp_path)
    assert 3 <= len(kept) < 32
    angles = np.linspace(-3.0, 3.0, 40)
    axes, call = {"theta_1": angles, "theta_2": angles}, {"y0": np.zeros(4), "t_end": 10.0, "measure": "ftle"}
    resumed = sensitivity_map(DoublePendulum(), axes, **call, tile=50, folder=tmp_path)
    np.testing.assert_array_equal(resumed.values, sensitivity_map(DoublePendulum(), axes, **call).values)


# -- several times and measures, saved calls -------------------------------------------------------------------------


def test_one_sweep_gives_every_time_and_measure():
    sweep = sensitivity_map(Pendulum(), AXES, t_end=[0.5, 1.0], measure=("ftle", "gradient"), step=0.02)
    assert sweep.layers["ftle"].shape == (2, 12, 8)
    for t in (0.5, 1.0):
        for measure in ("ftle", "gradient"):
            alone = sensitivity_map(Pendulum(), AXES, t_end=t, measure=measure, step=0.02)
            np.testing.assert_allclose(sweep.at(t, measure).values, alone.values, rtol=1e-12)
    assert sweep.values is not None
    assert sweep.t_end == 1.0
    assert sweep.measure == "ftle"
    with pytest.raises(ArgumentError, match="t must be one of"):
        sweep.at(0.7)
    with pytest.raises(ArgumentError, match="t_end must be > 0 and rise"):
        sensitivity_map(Pendulum(), AXES, t_end=[1.0, 0.5])


def test_saved_call_is_made_again_to_the_bit(whole, tmp_path):
    again = load(whole.save(tmp_path / "map.npz"))
    assert again.system == whole.system
    assert again.measure == "ftle"
    np.testing.assert_array_equal(again.rerun().values, whole.values)
    assert again.rerun(measure="singular_value").measure == "singular_value"


def test_own_system_and_observable_must_be_given_again(tmp_path):
    def height(y):
        return -ops.cos(y[0])

    chart = sensitivity_map(Swing(), AXES, t_end=0.5, observable=height)
    file = chart.save(tmp_path / "map.npz")
    again = load(file)
    assert again.observable == "height"
    with pytest.raises(ArgumentError, match=r"cannot keep observable=height; give it: rerun\(observable=...\)"):
        again.rerun()
    np.testing.assert_array_equal(again.rerun(observable=height).values, chart.values)
    with pytest.raises(ArgumentError, match="must be a Swing; got system='Pendulum'"):
        load(file, Pendulum())


def test_saved_numbers_choose_no_code(whole, tmp_path):
    arrays = whole._saved()
    arrays["diffsim_system"] = np.array('{"module": "os", "name": "system", "fields": {"command": "false"}}')
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ArgumentError, match="system is no System of the zoo"):
        load(tmp_path / "bad.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(ArgumentError, match="must hold the result of a study"):
        load(tmp_path / "other.npz")
    with pytest.raises(ArgumentError, match="must name a file that is there"):
        load(tmp_path / "none.npz")


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_datasets_come_back_to_the_bit(suffix, whole, tmp_path):
    pytest.importorskip("xarray")
    pytest.importorskip({".nc": "h5py", ".zarr": "zarr"}[suffix])
    again = load(whole.save(tmp_path / f"map{suffix}"))
    np.testing.assert_array_equal(again.values, whole.values)
    assert again.failed.dtype == bool
    data = whole.to_xarray()
    assert data["ftle"].dims == ("time", "theta", "p")
    assert data["theta"].attrs["units"] == "rad"
    assert data["ftle"].attrs["units"] == "1/s"


def test_missing_library_is_named(whole, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(RunError, match=r"needs xarray: pip install 'diffsim\[cluster\]'"):
        whole.save(tmp_path / "map.nc")


def test_client_that_is_none_is_refused():
    with pytest.raises(KindError, match=r"client must be a distributed.Client; got str"):
        sensitivity_map(Pendulum(), AXES, **CALL, client="tcp://localhost:8786")
