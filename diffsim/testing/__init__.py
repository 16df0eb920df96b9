"""Tools to test derivatives and systems with, for users as for diffsim's own tests.

`check_gradients` compares reverse mode, forward mode and finite differences; `check_system` asks a system whether it
keeps what it declares; the rest are Hypothesis strategies.

>>> from diffsim import ops
>>> check_gradients(ops.sin, 0.5).n_unresolved
0
"""

from __future__ import annotations

import importlib
from typing import Any

from diffsim.testing.domains import arrays_inside, initial_states, inputs_for
from diffsim.testing.gradients import check_gradients
from diffsim.testing.programs import Expression, expressions
from diffsim.testing.wording import GradientError, GradientReport, GradientWarning

__all__ = [
    "Expression",
    "GradientError",
    "GradientReport",
    "GradientWarning",
    "SystemCheckError",
    "SystemReport",
    "arrays_inside",
    "check_gradients",
    "check_system",
    "expressions",
    "initial_states",
    "inputs_for",
]

_STUDIES = (
    "SystemCheckError",
    "SystemReport",
    "check_system",
)  # they solve, so they live where a solve may be asked for


def __getattr__(name: str) -> Any:
    """Hand on what lives in the studies, at first use (PEP 562)."""
    if name not in _STUDIES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("studies"), name)


def __dir__() -> list[str]:
    return list(__all__)
