"""One tree of errors, each also the builtin that people catch, and messages that say how to mend it."""

from __future__ import annotations

import numpy as np
import pytest

from diffsim import errors
from diffsim.errors import ArgumentError, DiffsimError, KindError, RunError, TraceError, must, unknown_name


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [(ArgumentError, ValueError), (KindError, TypeError), (TraceError, TypeError), (RunError, RuntimeError)],
)
def test_each_error_is_the_builtin_that_people_catch(kind: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(kind, DiffsimError)
    assert issubclass(kind, builtin)


def test_every_error_class_is_public_and_below_the_root() -> None:
    classes = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert classes == {name for name in errors.__all__ if name[0].isupper()}


def test_must_says_who_what_got_and_how_to_mend_it() -> None:
    text = str(must("solve_ivp", "step", "must be > 0", -0.1, "To integrate backwards swap t_span."))
    assert text == "solve_ivp: step must be > 0; got step=-0.1. To integrate backwards swap t_span."
    assert str(must("f", "x", "must be finite", float("nan"))) == "f: x must be finite; got x=nan."


def test_must_shows_numpy_numbers_plainly_and_cuts_long_arrays_on_one_line() -> None:
    assert str(must("f", "x", "must be > 0", np.float64(-0.5))) == "f: x must be > 0; got x=-0.5."
    text = str(must("f", "x", "must be finite", np.full((30, 40), np.inf)))
    assert "\n" not in text
    assert len(text) < 200
    assert text.endswith("of shape (30, 40).")


@pytest.mark.parametrize(
    ("got", "near"), [("lenght_1", "length_1"), ("LENGTH_1", "length_1"), ("gravty", "gravity"), ("zzz", None)]
)
def test_unknown_name_lists_the_names_and_the_nearest(got: str, near: str | None) -> None:
    text = str(unknown_name("DoublePendulum", "parameter", got, ["gravity", "length_1"]))
    assert text.startswith(f"DoublePendulum: unknown parameter {got!r}; it has gravity, length_1.")
    assert text.endswith(f"Did you mean {near!r}?") == (near is not None)


def test_unknown_name_with_nothing_known() -> None:
    assert str(unknown_name("f", "parameter", "x", [])) == "f: unknown parameter 'x'; it has none."
