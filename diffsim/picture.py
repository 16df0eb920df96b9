"""Pictures of what was computed: as DOT text for graphviz, or as a matplotlib figure that needs no graphviz.

Both show a `diffsim.value.Value` (numbers and gradients) or a `diffsim.graph.Graph` (expressions).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diffsim.errors import KindError, must
from diffsim.graph import Graph
from diffsim.number import raw, shape_of
from diffsim.value import Value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_graph", "to_dot"]


@dataclass(frozen=True)
class _Box:
    """One node of the picture: what stands in it, and the boxes it is made from."""

    lines: tuple[str, ...]
    kind: str  # "leaf", "constant" or "operation"
    parents: tuple[int, ...]


def _number(x: Any) -> str:
    x = raw(x)
    return f"{x:.4g}" if not shape_of(x) else f"array{shape_of(x)}"


def _boxes_of_value(root: Value) -> list[_Box]:
    """The nodes below a value, parents before children."""
    seen = {root._node}
    stack = [root._node]
    while stack:
        for p in stack.pop()._parents:
            if p not in seen:
                seen.add(p)
                stack.append(p)
    ordered = sorted(seen, key=lambda node: node._serial)
    place = {node: i for i, node in enumerate(ordered)}
    boxes = []
    for node in ordered:
        title = (getattr(node._row, "symbol", "") or node._row.name) if node._row is not None else "leaf"
        lines = (title, f"data {_number(node._plain)}", f"grad {_number(getattr(node, '_grad', 0.0))}")
        kind = "operation" if node._parents else "leaf"
        boxes.append(_Box(lines, kind, tuple(place[p] for p in node._parents)))
    return boxes


def _boxes_of_graph(graph: Graph) -> list[_Box]:
    boxes = []
    for node in graph.nodes:
        if node.row is not None:
            boxes.append(_Box((getattr(node.row, "symbol", "") or node.row.name,), "operation", node.operands))
        else:
            boxes.append(_Box((node.name or f"{node.value:.6g}",), "leaf" if node.name else "constant", ()))
    return boxes


def _boxes(what: Value | Graph, who: str, max_nodes: int) -> list[_Box]:
    if isinstance(what, Value):
        boxes = _boxes_of_value(what)
    elif isinstance(what, Graph):
        boxes = _boxes_of_graph(what)
    else:
        raise KindError(f"{who}: draws a Value or a Graph; got {type(what).__name__}.")
    if len(boxes) > max_nodes:
        raise must(who, "max_nodes", f"must be at least the {len(boxes)} nodes of this graph", max_nodes)
    return boxes


def to_dot(what: Value | Graph, max_nodes: int = 2000) -> str:
    """The graph in the DOT language, for ``dot -Tsvg`` or any graphviz viewer.

    Parameters
    ----------
    what : Value or Graph
    max_nodes : int
        Refuse larger graphs: a picture of them shows nothing.

    Raises
    ------
    ArgumentError
        The graph has more nodes.

    Examples
    --------
    >>> print(to_dot(Value(2.0) * 3.0))
    digraph {
      rankdir=LR; node [shape=box, fontname="Helvetica"];
      n0 [label="leaf\\ndata 2\\ngrad 0"];
      n1 [label="*\\ndata 6\\ngrad 0"];
      n0 -> n1;
    }
    """
    lines = ["digraph {", '  rankdir=LR; node [shape=box, fontname="Helvetica"];']
    for i, box in enumerate(_boxes(what, "to_dot", max_nodes)):
        label = "\\n".join(box.lines).replace('"', '\\"')
        style = {"leaf": ", style=filled, fillcolor=lightblue", "constant": ", style=dashed"}
        extra = style.get(box.kind, "") if isinstance(what, Graph) else ""
        lines.append(f'  n{i} [label="{label}"{extra}];')
        lines.extend(f"  n{p} -> n{i};" for p in box.parents)
    return "\n".join([*lines, "}"])


def _layout(boxes: list[_Box]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Column (longest way from a leaf) and row of each box; rows are sorted by the middle of the parents."""
    column = np.zeros(len(boxes), dtype=int)
    for i, box in enumerate(boxes):
        if box.parents:
            column[i] = 1 + max(column[p] for p in box.parents)
    for i in range(len(boxes) - 1, -1, -1):  # pull leaves next to where they are used
        users = [column[j] for j, box in enumerate(boxes) if i in box.parents] if not boxes[i].parents else []
        if users:
            column[i] = min(users) - 1
    row = np.zeros(len(boxes))
    for c in range(int(column.max()) + 1):
        members = [i for i in range(len(boxes)) if column[i] == c]
        wish = {i: np.mean([row[p] for p in boxes[i].parents]) if boxes[i].parents else float(i) for i in members}
        for k, i in enumerate(sorted(members, key=lambda i: (wish[i], i))):
            row[i] = k - (len(members) - 1) / 2
    return column, row


def draw_graph(what: Value | Graph, max_nodes: int = 120) -> Figure:
    """The graph as a matplotlib figure, leaves on the left; needs no graphviz.

    Parameters
    ----------
    what : Value or Graph
    max_nodes : int
        Refuse larger graphs; see `to_dot` for those.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    boxes = _boxes(what, "draw_graph", max_nodes)
    column, row = _layout(boxes)
    height = max(1.0, float(row.max() - row.min()) + 1)
    width = 1.6 if isinstance(what, Value) else 1.1  # inches a column
    figure = Figure(figsize=(width * (int(column.max()) + 1) + 0.6, 0.8 * height + 0.4), layout="constrained")
    axes = figure.add_subplot()
    colours = {"leaf": "#cfe3f5", "constant": "#eeeeee", "operation": "#fdf1d6"}
    texts = [
        axes.text(
            column[i],
            row[i],
            "\n".join(box.lines),
            ha="center",
            va="center",
            fontsize=9,
            zorder=1,  # before the arrows, which end at these frames
            bbox={"boxstyle": "round,pad=0.35", "facecolor": colours[box.kind], "edgecolor": "#555555"},
        )
        for i, box in enumerate(boxes)
    ]
    for i, box in enumerate(boxes):
        for p in box.parents:
            arrow = {"arrowstyle": "-|>", "color": "#777777", "lw": 0.9, "connectionstyle": "arc3,rad=0.06"}
            frames = {"patchA": texts[p].get_bbox_patch(), "patchB": texts[i].get_bbox_patch()}
            axes.annotate(
                "",
                xy=(float(column[i]), float(row[i])),
                xytext=(float(column[p]), float(row[p])),
                arrowprops={**arrow, **frames, "shrinkA": 2, "shrinkB": 2},
                zorder=2,
            )
    axes.set_xlim(-0.6, column.max() + 0.6)
    axes.set_ylim(row.max() + 0.7, row.min() - 0.7)
    axes.set_axis_off()
    return figure
