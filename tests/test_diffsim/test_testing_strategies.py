"""The Hypothesis strategies of `diffsim.testing`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from diffsim import ops
from diffsim.errors import ArgumentError, DiffsimError, KindError, RunError
from diffsim.primitive import TABLE, Elementwise, Structural
from diffsim.testing import Expression, arrays_inside, check_gradients, domains, expressions, initial_states, inputs_for
from systems import DoublePendulum, Lorenz63, Pendulum

ROWS = [row for row in TABLE.values() if isinstance(row, Elementwise) and not row.boolean and row.name != "frozen"]
few = settings(max_examples=25, deadline=None, database=None)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_inputs_lie_inside_the_domain_and_the_row_is_smooth_there(row: Elementwise) -> None:
    @settings(few, max_examples=8)
    @given(inputs_for(row))
    def check(xs: tuple[float, ...]) -> None:
        assert len(xs) == row.arity
        assert all(low < x < high for x, (low, high) in zip(xs, row.domain, strict=True))
        assert math.isfinite(row(*xs))
        check_gradients(row, *xs, order=1, unresolved="ignore")

    check()


@pytest.mark.parametrize("primitive", ["log", ops.log, TABLE["log"]])
def test_primitive_may_be_named_in_three_ways(primitive: Any) -> None:
    assert find(inputs_for(primitive), lambda xs: True) == (1.0,)


@few
@given(inputs_for("atan2", (2, 3)))
def test_inputs_have_the_shape_that_is_asked_for(xs: Any) -> None:
    assert [x.shape for x in xs] == [(2, 3), (2, 3)]


@few
@given(st.data(), st.floats(-5, 5), st.floats(0.1, 5))
def test_arrays_lie_strictly_inside(data: Any, low: float, width: float) -> None:
    x = data.draw(arrays_inside(low, low + width, 3))
    assert x.shape == (3,)
    assert np.all((low < x) & (x < low + width))


@few
@given(initial_states(DoublePendulum()))
def test_states_of_a_pendulum(y0: Any) -> None:
    assert y0.shape == (4,)
    assert np.all(np.abs(y0[:2]) < math.pi)
    centre = np.array(DoublePendulum().default_state)[2:]
    assert np.all(np.abs(y0[2:] - centre) <= np.maximum(1.0, np.abs(centre)))


@few
@given(initial_states(Lorenz63(), batch=(2, 3), spread=0.1))
def test_states_of_a_batch(y0: Any) -> None:
    assert y0.shape == (3, 2, 3)


@few
@given(initial_states(Pendulum()))
def test_right_hand_side_of_a_system_has_right_gradients(y0: Any) -> None:
    check_gradients(lambda y: Pendulum()(0.3, y), y0, unresolved="ignore")


def test_expressions_shrink_to_something_small() -> None:
    e = find(expressions(), lambda e: any(name == "multiply" for name, _ in e.steps))
    assert (e.n_inputs, len(e.steps)) == (1, 1)
    assert e.point == (0.0,)


def test_only_the_named_steps_occur() -> None:
    @few
    @given(expressions(only=("add", "sin")))
    def check(e: Expression) -> None:
        assert {name for name, _ in e.steps} <= {"add", "sin", "negative"}

    check()


def test_expression_prints_and_evaluates() -> None:
    e = Expression(2, (("multiply", (0, 1)), ("sin", (2,))), (0.5, -1.0))
    assert str(e).splitlines()[1:] == ["    v2 = multiply(x0, x1)", "    v3 = sin(v2)", "    return v3"]
    assert e(*e.arguments) == math.sin(-0.5)


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: inputs_for("sinus"), ArgumentError),
        (lambda: inputs_for(3), KindError),  # type: ignore[arg-type]
        (lambda: inputs_for(next(r for r in TABLE.values() if isinstance(r, Structural))), KindError),
        (lambda: arrays_inside(1.0, 1.0), ArgumentError),
        (lambda: initial_states(lambda t, y: y), KindError),  # type: ignore[arg-type]
        (lambda: initial_states(Pendulum(), spread=0.0), ArgumentError),
        (lambda: expressions(max_steps=0), ArgumentError),
        (lambda: expressions(only=("sinus",)), ArgumentError),
        (lambda: Expression(1, (("sinus", (0,)),), (1.0,))(1.0), ArgumentError),
        (lambda: Expression(1, (("sin", (0,)),), (1.0,))(1.0, 2.0), ArgumentError),
    ],
)
def test_misuse_is_told(call: Any, kind: type[DiffsimError]) -> None:
    with pytest.raises(kind):
        call()


def test_missing_hypothesis_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domains.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RunError, match="pip install hypothesis"):
        arrays_inside(0.0, 1.0)
