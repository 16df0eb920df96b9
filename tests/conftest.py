"""Set-up shared by all tests: how Hypothesis draws, and pictures without a screen."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

os.environ.setdefault("MPLBACKEND", "agg")

settings.register_profile("dev", deadline=None)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,  # the same examples in each run: a red run can be repeated
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # a loaded machine draws slowly
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))
