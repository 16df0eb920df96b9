"""Set-up shared by all tests: how Hypothesis draws, pictures without a screen, compiled code, or none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("MPLBACKEND", "agg")
# The tests leave the user's own cache alone.
os.environ.setdefault("DIFFSIM_CACHE", str(Path(__file__).parents[1] / ".pytest_cache" / "diffsim"))

if os.environ.get("DIFFSIM_TEST_WITHOUT_LLVMLITE"):
    sys.modules["llvmlite"] = None  # type: ignore[assignment] # Python's own way to make an import fail


def pytest_configure(config: pytest.Config) -> None:
    """Without llvmlite every solve would be an error: the one notice that it is missing is a warning."""
    if os.environ.get("DIFFSIM_TEST_WITHOUT_LLVMLITE"):
        config.addinivalue_line("filterwarnings", "ignore:llvmlite is not installed")


TWINS = {
    *("ImplicitEuler", "ImplicitMidpoint", "GaussLegendre6", "Kvaerno3", "Vern6", "Vern8", "Yoshida8", "BlanesMoan6"),
    *("Tao2", "Tao6"),
}
"""Methods that take long in the suites and have a relative that stands for them: their tests are slow ones."""

PROVEN_ON_ALL = {"test_certificates.py", "test_compiled_derivatives.py", "test_derivatives.py", "test_promises.py"}
"""Suites of derivatives that take every method, and long: there all but these are slow tests."""
QUICK_METHODS = {"RK4", "RK45", "DOP853", "Radau", "BDF", "Kvaerno5", "StormerVerlet", "GaussLegendre4"}


QUICK_SYSTEMS = {"DoublePendulum", "HarmonicOscillator", "Kepler", "Lorenz63", "Pendulum"}
"""Systems that stand for the others where each costs a compilation or a differentiated graph."""
WALKS = {"test_compiled.py", "test_linearise.py", "test_vjp_graph.py"}
"""Suites beside tests/test_systems that walk the zoo: five stand for it there, and `check_system` looks at each."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of methods, and of systems, that others stand for."""
    import systems
    from integrators._methods import method_names

    zoo, others = set(systems.names()) - QUICK_SYSTEMS, set(method_names()) - QUICK_METHODS
    for item in items:
        call = getattr(item, "callspec", None)
        drawn = {x for x in call.params.values() if isinstance(x, str)} if call is not None else set()
        if item.path.name in PROVEN_ON_ALL and drawn & others:
            item.add_marker(pytest.mark.slow)
        if drawn & TWINS or (item.path.name in WALKS and drawn & zoo):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.twin)


settings.register_profile("dev", deadline=None)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,  # the same examples in each run: a red run can be repeated
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # a loaded machine draws slowly
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))
