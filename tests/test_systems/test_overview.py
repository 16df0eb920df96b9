"""The overview of the zoo: every system, what it is, whether it is chaotic."""

from __future__ import annotations

import pytest

import systems
from systems import overview
from systems._overview import facts_of


def test_it_has_every_system_once_in_the_order_of_names() -> None:
    assert [facts.name for facts in overview()] == systems.names()


def test_it_prints_a_line_a_system() -> None:
    lines = str(overview()).splitlines()
    assert lines[0].split() == ["system", "n", "chaotic"]
    assert len(lines) == 1 + len(systems.names())
    (line,) = [line for line in lines if line.startswith("Lorenz63 ")]
    assert line.split()[1:4] == ["3", "flow", "yes"]
    assert line.endswith("the first strange attractor.")


@pytest.mark.parametrize(
    ("name", "sort", "chaotic"),
    [
        ("BouncingBall", "hybrid", "no"),
        ("HenonMap", "map", "yes"),
        ("Kepler", "flow", "no"),
        ("DoublePendulum", "flow", "partly"),
    ],
)
def test_sort_and_chaos_are_read_from_the_class(name: str, sort: str, chaotic: str) -> None:
    facts = facts_of(systems.find(name))
    assert (facts.sort, facts.chaotic) == (sort, chaotic)
