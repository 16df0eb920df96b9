"""What a solve says of its way before it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from diffsim.compiler import engine
from diffsim.derivatives import grad
from diffsim.errors import KindError
from integrators import solve_ivp
from integrators.compiled import machine_adjoint as _machine_adjoint
from systems import DoublePendulum

compiled_only = pytest.mark.skipif(not engine.available(), reason="needs llvmlite")
SPAN = (0.0, 20.0)


def solve(y0: Any, **more: Any) -> Any:
    return solve_ivp(DoublePendulum(), SPAN, y0, method="RK4", step=0.01, t_eval=[20.0], **more)


@compiled_only
@pytest.mark.parametrize("memory", [64e6, 30_000.0, 5_000.0, 700.0])
def test_passes_foretold_are_those_that_a_gradient_makes(memory: float, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    fly = _machine_adjoint.fly

    def counted(program: Any, y0: Any, parameters: Any, plan: Any, **more: Any) -> Any:
        steps.append(plan.n_steps)
        return fly(program, y0, parameters, plan, **more)

    monkeypatch.setattr(_machine_adjoint, "fly", counted)
    start = np.array([0.5, 0.5, 0.0, 0.0])
    told = solve(start, memory=memory).stats
    grad(lambda y0: solve(y0, memory=memory).y[1, -1])(start)
    assert told["compiled"]
    assert told["n_steps"] == 2000
    # the way back integrates again what was not stored; the deepest stretches differ in length by a step
    assert sum(steps) / 2000 == pytest.approx(told["gradient_forward_passes"] - 1, abs=0.7)
    assert told["gradient_bytes"] <= max(memory, 4 * 32)


@compiled_only
def test_explain_prints_the_way_before_the_solve(capsys: pytest.CaptureFixture[str]) -> None:
    solve([0.5, 0.5, 0.0, 0.0], explain=True, memory=1e4)
    told = capsys.readouterr().out
    assert told.startswith("solve_ivp: machine code")
    assert "2000 steps, 1 trajectory" in told
    assert "checkpoints" in told


def test_explain_says_that_a_solve_is_interpreted(capsys: pytest.CaptureFixture[str]) -> None:
    sol = solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0], compiled=False, explain=True)
    assert capsys.readouterr().out == "solve_ivp: interpreted. compiled=False.\n"
    assert sol.stats == {"compiled": False}


def test_explain_must_be_a_truth_value() -> None:
    with pytest.raises(KindError, match="explain must be True or False; got 'yes'"):
        solve([0.5, 0.5, 0.0, 0.0], explain="yes")
