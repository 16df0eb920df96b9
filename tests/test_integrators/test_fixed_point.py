"""The fixed-point Taylor method against floating multiprecision and closed forms."""

from __future__ import annotations

from dataclasses import dataclass

import mpmath
import numpy as np
import pytest

from diffsim import ops
from integrators import solve_multiprecision
from integrators._fixed_point import GUARD, RULES, fixed_field
from systems import DoublePendulum, Pendulum
from systems._base import System


@dataclass(frozen=True)
class AllRules(System):
    """Something of each rule, smooth and of size 1."""

    pull: float = 0.7
    state_names = ("a", "b")
    state_units = ("1", "1")

    def rates(self, t, state):
        a, b = state
        root = ops.sqrt(2.0 + a * b)
        return (
            ops.sin(b) / (1.5 + ops.square(a)) - self.pull * root + ops.cos(t),
            -ops.exp(-a) + (2.0 - b) / self.pull - ops.cos(a + b) / 3.0,
        )


@dataclass(frozen=True)
class NoRule(System):
    """What needs a function without a rule."""

    state_names = ("a",)
    state_units = ("1",)

    def rates(self, t, state):
        return (ops.tanh(state[0]),)


def run(system, y0, t_end, digits):
    bits = int(3.33 * digits) + GUARD
    with mpmath.workdps(digits + 20):
        start = [int(mpmath.nint(mpmath.mpf(v) * 2**bits)) for v in y0]
        for step in fixed_field(system).steps(start, t_end, bits, digits):
            last = step
        return [mpmath.mpf(sum(column)) / 2**bits for column in last.series]


@pytest.mark.parametrize("digits", [12, 30])
def test_every_rule_agrees_with_floating_multiprecision(digits):
    graph = fixed_field(AllRules()).graph
    assert set(RULES) - set(graph.count()) <= {"negative", "subtract", "add"}
    found = run(AllRules(), [0.3, 0.9], 0.8, digits)
    exact = solve_multiprecision(AllRules(), (0, 0.8), [0.3, 0.9], digits=digits + 8, t_eval=[0.8]).y[:, 0]
    assert max(abs(a - b) for a, b in zip(found, exact, strict=True)) < mpmath.mpf(10) ** (1 - digits)


def test_backwards_returns_home():
    there = run(DoublePendulum(), [0.4, 0.0, 1.0, 4.0], 0.5, 30)
    home = run(DoublePendulum(), there, -0.5, 30)
    assert max(abs(a - b) for a, b in zip(home, [0.4, 0.0, 1.0, 4.0], strict=True)) < 1e-27


def test_parameters_are_exactly_the_doubles_that_they_are():
    """The pendulum on its separatrix: 9.8 is the double next to 9.8, not the decimal."""
    with mpmath.workdps(50):
        g, theta = mpmath.mpf(9.8), mpmath.mpf(0.5)
        p = 2 * mpmath.sqrt(g) * mpmath.cos(theta / 2)
        found = run(Pendulum(), [theta, p], 1.0, 36)[0]
        start = mpmath.log(mpmath.tan((mpmath.pi + theta) / 4))  # Gudermann: theta = 4 atan(exp(w t + c)) - pi
        exact = 4 * mpmath.atan(mpmath.exp(mpmath.sqrt(g) + start)) - mpmath.pi
        assert abs(found - exact) < mpmath.mpf(10) ** -34


def test_function_without_a_rule_is_told_by_none():
    assert fixed_field(NoRule()) is None


def test_steps_are_exact_between_their_ends():
    bits = 160
    with mpmath.workdps(40):
        start = [int(mpmath.nint(mpmath.mpf(v) * 2**bits)) for v in (0.5, 1.0)]
        steps = list(fixed_field(Pendulum()).steps(start, 1.0, bits, 30))
        whole = solve_multiprecision(Pendulum(), (0, 1), [0.5, 1.0], digits=32)
        for step in steps[:3]:
            value = sum(mpmath.mpf(c) / 2**bits * mpmath.mpf(0.5) ** k for k, c in enumerate(step.series[0]))
            assert abs(value - whole.sol(step.t + step.h / 2)[0]) < 1e-28
    assert float(np.float64(steps[-1].t + steps[-1].h)) == 1.0
