"""`is_chaotic`: each indicator against what it is defined by, known regular and chaotic motion, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffsim.errors import ArgumentError, RunError
from studies import ChaosVerdict, is_chaotic
from studies._frames import carried, random_frame
from studies._indicators import alignment, growth_late, judged, mean_growth, zero_one
from systems import DoublePendulum, HarmonicOscillator, Lorenz63, Pendulum

STEPS = {"method": "RK4", "step": 0.01}


@pytest.fixture(scope="module")
def regular():
    return is_chaotic(DoublePendulum(), [0.5, 0.5, 0.0, 0.0], **STEPS)


@pytest.fixture(scope="module")
def chaotic():
    return is_chaotic(DoublePendulum(), [2.0, 2.0, 0.0, 0.0], **STEPS)


# -- known motion ----------------------------------------------------------------------------------------------------


def test_small_swing_is_regular_by_every_indicator(regular):
    assert regular.says == ("regular",) * 5
    assert regular.verdict == "regular"
    assert bool(regular) is False


def test_large_swing_is_chaotic_by_every_indicator(chaotic):
    assert chaotic.says == ("chaotic",) * 5
    assert chaotic.agree
    assert bool(chaotic) is True
    # GALI_3 falls with twice the rate of SALI, each with the exponent: l1 - l2 + l1 - l3 against l1 - l2.
    assert chaotic.log_gali[-1] / chaotic.log_sali[-1] == pytest.approx(2.0, rel=0.05)
    assert -chaotic.log_sali[-1] / 1000 == pytest.approx(chaotic.exponent[-1], rel=0.05)


def test_dissipative_systems_are_told_by_what_applies_to_them():
    strange = is_chaotic(Lorenz63(), t_transient=50, t_total=300, **STEPS)
    resting = is_chaotic(Lorenz63(rho=14.0), t_transient=50, t_total=300, **STEPS)
    periodic = is_chaotic(
        Lorenz63(rho=160.0), t_transient=100, method="RK4", step=0.005
    )  # a stable orbit, Sparrow (1982), section 4.1
    assert [found.verdict for found in (strange, resting, periodic)] == ["chaotic", "regular", "regular"]
    for found in (strange, resting, periodic):
        assert found.says[-2:] == ("does not apply",) * 2


@pytest.mark.parametrize(("system", "y0"), [(Pendulum(), [3.1, 0.0]), (HarmonicOscillator(), None)])
def test_one_degree_of_freedom_is_regular(system, y0):
    assert is_chaotic(system, y0, t_total=300, **STEPS).verdict == "regular"


def test_decaying_function_of_one_component():
    found = is_chaotic(lambda t, y: -y, [1.0], t_total=100, **STEPS)
    assert found.verdict == "regular"
    assert "sali" not in found.names


def test_disagreement_is_said_and_has_no_truth_value(chaotic):
    import dataclasses

    odd = dataclasses.replace(chaotic, says=("chaotic", "chaotic", "regular", "chaotic", "chaotic"))
    assert odd.verdict == "undecided"
    assert not odd.agree
    with pytest.raises(RunError, match=r"do not agree: lyapunov says chaotic.*zero_one says regular.*longer t_total"):
        bool(odd)


# -- indicators ------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 5), count=st.integers(1, 8))
def test_alignment_indices_are_what_their_definition_says(seed, n, count):
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(count, 1, n, n))
    frame = random_frame(n, n, 1, seed)
    _, factors = carried(maps, frame)
    sali, gali = alignment(factors[:, 0])
    vectors = frame[0]
    for j in range(count):
        vectors = maps[j, 0] @ vectors
        vectors /= np.linalg.norm(vectors, axis=0)
        a, b = vectors[:, 0], vectors[:, 1]
        assert np.exp(sali[j]) == pytest.approx(min(np.linalg.norm(a - b), np.linalg.norm(a + b)), rel=1e-6, abs=1e-9)
        for k in range(2, n + 1):
            volume = np.prod(np.linalg.svd(vectors[:, :k], compute_uv=False))
            assert np.exp(gali[k - 2, j]) == pytest.approx(volume, rel=1e-6, abs=1e-9)


def test_alignment_is_known_below_the_smallest_double():
    maps = np.broadcast_to(np.diag([2.0, 0.5]), (2000, 1, 2, 2))
    _, factors = carried(maps, random_frame(2, 2, 1, 0))
    sali, gali = alignment(factors[:, 0])
    assert sali[-1] - sali[999] == pytest.approx(-1000 * np.log(4.0), rel=1e-12)
    assert gali[0, -1] < -2700


def test_mean_growth_of_exponential_and_linear_growth():
    times = 0.1 * np.arange(1, 20001)
    exponential = np.diff(0.3 * times, prepend=0.0)
    assert mean_growth(exponential, 0.1)[-1] == pytest.approx(0.3 * times[-1] / 2.0, rel=1e-3)
    linear = np.diff(np.log(1.0 + times), prepend=0.0)
    assert mean_growth(linear, 0.1)[-1] == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(("parameter", "low", "high"), [(3.55, -0.2, 0.2), (3.97, 0.9, 1.1)])
def test_zero_one_test_of_the_logistic_map(parameter, low, high):
    # SOURCE: Gottwald and Melbourne (2009), figure 3: periodic at 3.55, chaotic at 3.97.
    x = np.empty(1500)
    x[0] = 0.4
    for j in range(1499):
        x[j + 1] = parameter * x[j] * (1.0 - x[j])
    assert low < zero_one(x[500:])[0] < high


def test_zero_one_test_of_a_finely_sampled_flow_and_of_rest():
    import diffsim as ds

    times = np.arange(0.0, 500.0, 0.05)
    run = ds.solve_ivp(Lorenz63(), (0, 500), [1.0, 1.0, 20.0], method="RK4", step=0.01, t_eval=times)
    assert zero_one(run.y[0])[0] > 0.9
    assert zero_one(np.sin(times) + np.sin(np.sqrt(2.0) * times))[0] < 0.1
    assert zero_one(3.0 + 1e-13 * run.y[0])[0] == 0.0


def test_power_laws_and_exponentials_are_told_apart():
    times = np.arange(1.0, 1001.0)
    for power in (1.0, 2.0):
        assert judged(growth_late(power * np.log(times)), power) == "regular"
        assert judged(-growth_late(-power * np.log(times)), power) == "regular"
    assert judged(growth_late(0.1 * times), 1.0) == "chaotic"
    assert judged(growth_late(0.012 * times), 1.0) == "undecided"


# -- the result ------------------------------------------------------------------------------------------------------


def test_verdict_is_saved_loaded_and_run_again(regular, tmp_path):
    again = ChaosVerdict.load(regular.save(tmp_path / "verdict.npz"))
    assert again.says == regular.says
    assert repr(again) == repr(regular)
    assert (again.rerun().log_sali == regular.log_sali).all()


def test_table_and_figure(regular, tmp_path):
    assert [row[0] for row in regular.table] == ["lyapunov", "megno", "zero_one", "sali", "gali"]
    assert regular.save(tmp_path / "verdict.png").stat().st_size > 10000


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("y0 must be one start", {"y0": np.ones((4, 2))}),
        ("t_total must be at least 200 t_renorm", {"t_total": 50}),
        ("t_total must be a multiple of t_renorm", {"t_total": 1000.1}),
    ],
)
def test_bad_argument_is_named(message, change):
    with pytest.raises(ArgumentError, match=message):
        is_chaotic(DoublePendulum(), **({"y0": [0.5, 0.5, 0.0, 0.0]} | change))
