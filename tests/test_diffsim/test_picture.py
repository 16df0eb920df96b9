"""Pictures of tapes and graphs: DOT text, and a figure that needs no graphviz."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from diffsim.derivatives import grad
from diffsim.errors import ArgumentError, KindError
from diffsim.graph import trace
from diffsim.picture import draw_graph, to_dot
from diffsim.value import Value


def nodes(dot: str) -> list[str]:
    return re.findall(r'n\d+ \[label="(.*?)"', dot)


def edges(dot: str) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in re.findall(r"n(\d+) -> n(\d+);", dot)]


def test_dot_of_a_value_shows_operations_numbers_and_gradients() -> None:
    a, b = Value(2.0), Value(-3.0)
    c = (a * b).sin() + a
    c.backward()
    dot = to_dot(c)
    assert dot.startswith("digraph {")
    assert dot.endswith("}")
    labels = nodes(dot)
    assert labels[0] == rf"leaf\ndata 2\ngrad {a.grad:.4g}"
    assert any(label.startswith(r"*\ndata -6") for label in labels)
    assert any(label.startswith(r"sin\n") for label in labels)
    assert sorted(edges(dot)) == [(0, 2), (0, 4), (1, 2), (2, 3), (3, 4)]


def test_shared_number_is_one_node_and_parents_come_first() -> None:
    a = Value(1.0)
    b = a + a
    c = b * b
    dot = to_dot(c)
    assert len(nodes(dot)) == 3
    assert all(parent < child for parent, child in edges(dot))


def test_arrays_show_their_shape() -> None:
    m = Value(np.ones((2, 3)))
    assert r"data array(2, 3)" in to_dot((m * 2).sum())


def test_dot_of_a_graph_shows_inputs_constants_and_operations() -> None:
    dot = to_dot(trace(lambda x, y: np.sin(x) * 2.5 + y, 1.0, 1.0))
    assert set(nodes(dot)) == {"x", "y", "2.5", "sin", "*", "+"}
    assert "dashed" in dot
    assert "lightblue" in dot


def test_dot_of_a_graph_with_any_kind_of_constant() -> None:
    p = Value(3.0)
    dot = to_dot(trace(lambda x: x * p, 1.0))
    assert "3" in "".join(nodes(dot))


def test_names_with_quotes_are_escaped() -> None:
    dot = to_dot(trace(lambda d: d['a"b'] * 2, {'a"b': 1.0}))
    assert r"\"" in dot


def test_picture_is_the_same_every_time() -> None:
    def dot() -> str:
        xs = [Value(float(k)) for k in range(5)]
        return to_dot(sum(x * y for x, y in itertools.pairwise(xs)))

    assert dot() == dot()


@pytest.mark.parametrize("draw", [to_dot, draw_graph])
def test_what_cannot_be_drawn_is_refused(draw: Any) -> None:
    with pytest.raises(KindError, match="Value or a Graph; got float"):
        draw(2.0)
    with pytest.raises(KindError, match="Value or a Graph"):
        draw(grad)
    with pytest.raises(ArgumentError, match=r"max_nodes must be at least the 201 nodes"):
        draw(_chain(200), max_nodes=100)


def _chain(n: int) -> Any:
    x = Value(1.0)
    for _ in range(n):
        x = x + 1.0
    return x


def test_long_tape_is_drawn_without_recursion() -> None:
    assert len(nodes(to_dot(_chain(5000), max_nodes=10_000))) == 5001


def drawn(what: Any) -> tuple[list[str], int]:
    figure = draw_graph(what)
    FigureCanvasAgg(figure).draw()  # the layout is only known to fit once it is drawn
    (axes,) = figure.axes
    boxes = [text for text in axes.texts if text.get_text()]
    arrows = [text for text in axes.texts if not text.get_text()]
    return [box.get_text() for box in boxes], len(arrows)


def test_figure_shows_every_node_and_every_edge() -> None:
    a, b = Value(2.0), Value(-3.0)
    labels, arrows = drawn((a * b).sin() + a)
    assert len(labels) == 5
    assert arrows == 5
    labels, arrows = drawn(trace(lambda x, y: np.sin(x) * 2.5 + y, 1.0, 1.0))
    assert sorted(labels) == sorted(["x", "y", "2.5", "sin", "*", "+"])
    assert arrows == 5


def test_boxes_of_the_figure_do_not_overlap() -> None:
    xs = [Value(float(k) + 0.5) for k in range(4)]
    figure = draw_graph(sum((x * y).tanh() for x, y in itertools.pairwise(xs)))
    FigureCanvasAgg(figure).draw()
    boxes = [text.get_bbox_patch().get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    for i, one in enumerate(boxes):
        for other in boxes[i + 1 :]:
            assert not one.overlaps(other)


def test_parents_stand_to_the_left() -> None:
    figure = draw_graph(trace(lambda x, y: np.sin(x * y) + np.cos(x), 1.0, 1.0))
    place = {text.get_text(): text.get_position()[0] for text in figure.axes[0].texts if text.get_text()}
    assert place["x"] < place["*"] < place["sin"] < place["+"]
    assert place["x"] < place["cos"] < place["+"]


@pytest.mark.parametrize("what", [Value(1.0), Value(np.ones(2)), trace(lambda x: x, 1.0), trace(lambda: 2.0)])
def test_smallest_pictures(what: Any) -> None:
    assert len(nodes(to_dot(what))) == 1
    assert len(drawn(what)[0]) == 1


def test_figure_is_made_without_pyplot_and_can_be_saved(tmp_path: Path) -> None:
    program = """
import sys
from diffsim.picture import draw_graph
from diffsim.value import Value
figure = draw_graph(Value(2.0) * 3)
assert "matplotlib.pyplot" not in sys.modules
figure.savefig(sys.argv[1])
"""
    target = tmp_path / "graph.png"
    subprocess.run([sys.executable, "-W", "error", "-c", program, str(target)], check=True)
    assert target.read_bytes().startswith(b"\x89PNG")
