"""What is promised of batches, reproducibility and memory, for every method: of gradients as of values."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import diffsim as ds
from diffsim.provenance import provenance
from integrators import solve_ivp
from integrators._methods import flow_methods, method_class
from systems import DoublePendulum, Pendulum

METHODS = tuple(name for name in flow_methods() if not ((m := method_class(name)()).paired or m.borrowed))
"""Methods for any system; the splitting methods, which refuse these, prove the same in test_conformance and
test_symplectic."""
ADAPTIVE = tuple(name for name in METHODS if method_class(name)().adaptive)
RNG = np.random.default_rng(41)
STARTS = RNG.uniform(-1.2, 1.2, (2, 7))


def choice(name: str, step: float = 0.05) -> dict[str, Any]:
    return {"method": name} if name in ADAPTIVE else {"method": name, "step": step}


@pytest.fixture(autouse=True)
def _interpreted_is_fine() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _end(starts: Any, **more: Any) -> Any:
    return solve_ivp(Pendulum(damping=0.1), (0.0, 1.0), starts, t_eval=[0.6, 1.0], **more).y


def _gradient(starts: Any, weights: Any, **more: Any) -> Any:
    """The gradient of a sum over trajectories: that of each is its own."""
    return ds.grad(lambda y0: (_end(y0, **more) * weights).sum())(starts)


WEIGHTS = RNG.uniform(0.5, 1.5, (2, 7, 2))


# -- B: batches --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_b1_gradient_of_a_lane_is_that_of_the_single_solve(name: str) -> None:
    together = _gradient(STARTS, WEIGHTS, **choice(name))
    for j in (0, 3, 6):
        alone = _gradient(STARTS[:, j], WEIGHTS[:, j], **choice(name))
        np.testing.assert_allclose(together[:, j], alone, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", METHODS)
def test_b2_permuted_lanes_have_permuted_gradients_to_the_last_bit(name: str) -> None:
    order = RNG.permutation(7)
    straight = _gradient(STARTS, WEIGHTS, **choice(name))
    turned = _gradient(STARTS[:, order], WEIGHTS[:, order], **choice(name))
    np.testing.assert_array_equal(straight[:, order], turned)


@pytest.mark.parametrize("name", METHODS)
def test_b3_gradient_of_a_batch_of_one_is_that_of_the_single_solve(name: str) -> None:
    one = _gradient(STARTS[:, 0], WEIGHTS[:, 0], **choice(name))
    batch = _gradient(STARTS[:, :1], WEIGHTS[:, :1], **choice(name))
    np.testing.assert_allclose(batch[:, 0], one, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", METHODS)
def test_b4_gradient_of_an_empty_batch_is_empty(name: str) -> None:
    value, gradient = ds.value_and_grad(lambda y0: _end(y0, **choice(name)).sum())(np.zeros((2, 0)))
    assert value == 0.0
    assert gradient.shape == (2, 0)


@pytest.mark.parametrize("name", ADAPTIVE)
def test_b5_lanes_of_very_different_spans_lose_no_accuracy(name: str) -> None:
    ends = np.array([1e-3, 20.0, 0.1, 5.0])
    starts = np.tile([[0.3], [0.0]], 4)
    system = Pendulum(damping=0.1)
    sol = solve_ivp(system, (np.zeros(4), ends), starts, rtol=1e-4, atol=1e-7, method=name)
    for j, end in enumerate(ends):
        alone = solve_ivp(system, (0.0, float(end)), starts[:, j], rtol=1e-4, atol=1e-7, method=name)
        n = int(sol.n_times[j])
        np.testing.assert_array_equal(sol.y[:, j, :n], alone.y)
        assert int(sol.nfev[j]) == int(alone.nfev)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("compiled", ["auto", False])
def test_a_lane_that_fails_or_is_stiff_leaves_the_bits_of_its_neighbours(name: str, compiled: Any) -> None:
    def fun(t: Any, y: Any) -> list[Any]:
        return [y[2] * y[0] * y[0] - 50.0 * y[1] * y[0], 0.0 * y[1], 0.0 * y[2]]

    calm = np.array([[1.0, -0.5], [0.01, 0.02], [0.1, 0.2]])
    wild = np.column_stack([[1.0, 0.0, 3.0], calm[:, 0], [2.0, 1.0, 0.0], calm[:, 1]])
    more = {**choice(name), "compiled": compiled, "max_steps": 100_000}
    alone, among = solve_ivp(fun, (0.0, 1.0), calm, **more), solve_ivp(fun, (0.0, 1.0), wild, **more)
    assert among.status[0] == -1 or name not in ADAPTIVE
    for k, j in enumerate((1, 3)):
        n = int(alone.n_times[k]) if name in ADAPTIVE else alone.y.shape[-1]
        np.testing.assert_array_equal(alone.y[:, k, :n], among.y[:, j, :n])
        assert int(alone.nfev[k]) == int(among.nfev[j]) or name not in ADAPTIVE


# -- R: reproducibility ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_r1_r3_same_call_and_a_pickled_system_give_the_same_bits_of_values_and_gradients(name: str) -> None:
    first, again = (_gradient(STARTS, WEIGHTS, **choice(name)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    system = pickle.loads(pickle.dumps(DoublePendulum(length_1=1.3)))
    method = pickle.loads(pickle.dumps(method_class(name)() if name in ADAPTIVE else method_class(name)(step=0.05)))
    y0 = [0.4, 0.1, 0.3, -0.2]
    known = solve_ivp(DoublePendulum(length_1=1.3), (0.0, 1.0), y0, **choice(name))
    loaded = solve_ivp(system, (0.0, 1.0), y0, method=method)
    np.testing.assert_array_equal(known.y, loaded.y)


@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=pytest.mark.slow if method_class(x)().implicit else ()) for x in METHODS]
)
def test_r2_any_number_of_threads_gives_the_same_bits(name: str) -> None:
    starts, weights = np.tile(STARTS, (1, 6)), np.tile(WEIGHTS, (1, 6, 1))
    one, *others = (_gradient(starts, weights, threads=n, **choice(name)) for n in (1, 2, 8))
    for many in others:
        np.testing.assert_array_equal(one, many)


def test_r4_result_files_say_versions_processor_and_seed(tmp_path: Path) -> None:
    from studies import balance, sensitivity_map

    chart = sensitivity_map(
        Pendulum(), {"theta": np.linspace(-1, 1, 3), "p": np.linspace(0, 1, 2)}, y0=[0.0, 0.0], t_end=0.2, step=0.05
    )
    found = balance(Pendulum(), angles=(0.5,), rng=3)
    features = provenance()["cpu_features"]
    for result in (chart, found):
        with np.load(result.save(tmp_path / "result.npz")) as arrays:
            text = str(arrays["made_with"])
            seed = int(arrays["rng"]) if "rng" in arrays else None
        assert [word for word in ("diffsim", "numpy", "Python", features) if word not in text] == []
        assert seed == (3 if result is found else None)


# -- memory ------------------------------------------------------------------------------------------------------

_CYCLES = """
import gc, warnings
import numpy as np
import diffsim as ds
from systems import Pendulum
warnings.simplefilter("ignore")

def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

def loss(y0):
    return ds.solve_ivp(Pendulum(), (0.0, 2.0), y0, {options}).y.sum()

y0 = np.random.default_rng(0).uniform(-1.0, 1.0, {shape})
marks = []
for cycle in range(48):
    ds.value_and_grad(loss)(y0)
    ds.solve_ivp(Pendulum(), (0.0, 2.0), y0, sensitivities="y0", {options})
    if cycle in (7, 47):
        gc.collect()
        marks.append(rss())
print(marks[1] - marks[0])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ("rtol=1e-6", "(2, 64)"),
        ("rtol=1e-6, compiled=False", "2"),
        ("method='DOP853', rtol=1e-6, t_eval=[1.0, 2.0]", "(2, 64)"),
        ("method='RK4', step=0.01", "(2, 64)"),
        ("rtol=1e-6, events=lambda t, y: y[0]", "2"),
    ],
)
def test_memory_is_flat_over_forty_cycles_of_solve_and_gradient(options: str, shape: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    code = textwrap.dedent(_CYCLES).format(options=options, shape=shape)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert int(done.stdout) < 2 * 2**20
