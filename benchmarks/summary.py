"""From the records of runs to rows of numbers and tables of Markdown."""

from __future__ import annotations

import datetime
import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from benchmarks.plan import Group, Job

__all__ = ["Row", "beyond_numpy", "compare", "entry", "markdown", "middle", "rows", "seconds", "shortened", "table"]

Record = dict[str, Any]


class Row(NamedTuple):
    """One way of doing a group's task, over all rounds.  Ratios are diffsim's time over this one's."""

    label: str
    wall: float  # median over the rounds of a run's median
    first: float | None  # the first call with all preparation
    ratio: float = math.nan  # median, smallest and largest over the rounds; NaN where there is nothing to compare
    low: float = math.nan
    high: float = math.nan
    cpu_ratio: float = math.nan
    difference: float | None = None  # the largest relative difference of the answers
    peak: float | None = None  # MB
    above: float | None = None  # MB above the memory when all was prepared
    answer: float | None = None  # its first number
    agrees: bool = True
    error: str = ""


def middle(values: Sequence[float]) -> float:
    """Return the median, or NaN of nothing."""
    return statistics.median(values) if values else math.nan


def shortened(found: Record) -> Record:
    """Return what is kept of a record, its times with six digits: the file lies in the repository."""
    kept = {key: value for key, value in found.items() if key not in ("output", "python", "cores")}
    return {key: value if key == "answer" else _rounded(value) for key, value in kept.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value


def compare(record: Record, before: Record, after: Record) -> None:
    """Give a peer's record what it comes to against the two runs of diffsim around it."""
    if not record["answer"]:  # an import has no answer, and does not do the group's task
        return
    for clock, name in (("wall", "ratio"), ("cpu", "cpu_ratio")):
        ours, theirs = (middle(before[clock]) + middle(after[clock])) / 2.0, middle(record[clock])
        if theirs > 0.0:
            record[name] = round(ours / theirs, 5)
    record["drift"] = round(_quotient(middle(before["wall"]), middle(after["wall"])), 3)
    if len(record["answer"]) == len(after["answer"]):
        pairs = list(zip(record["answer"], after["answer"], strict=True))
        scale = max(abs(b) for _, b in pairs) or 1.0
        worst = max(abs(a - b) for a, b in pairs) / scale
        record["difference"] = worst if math.isfinite(worst) else None  # a gradient that overflows agrees with none


def _quotient(a: float, b: float) -> float:
    return max(a, b) / min(a, b)


def entry(group: Group, peers: Iterable[Job]) -> dict[str, Any]:
    """Return what the results keep of a group before its first round."""
    threads = "1 thread" if group.threads == 1 else f"{group.threads} threads"
    return {
        "key": group.key,
        "workload": group.workload,
        "title": group.title.format(n=group.n, steps=f"{group.steps:,}", threads=threads),
        "n": group.n,
        "steps": group.steps,
        "threads": group.threads,
        "ours": group.ours.label,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "tolerances": {job.label: job.tolerance for job in peers},
        "records": [],
    }


def rows(group: dict[str, Any]) -> list[Row]:
    """Return a group's rows: diffsim's first, then the peers by time, those that failed last."""
    labels = list(dict.fromkeys([group["ours"], *group["tolerances"]]))
    found = [_row(label, group) for label in labels]
    return [found[0], *sorted(found[1:], key=lambda row: (bool(row.error), row.wall))]


def _row(label: str, group: dict[str, Any]) -> Row:
    records = [record for record in group["records"] if record["label"] == label]
    good = [record for record in records if "error" not in record]
    if not good:
        return Row(label, math.nan, None, error=records[-1]["error"] if records else "not run")
    ratios = [record["ratio"] for record in good if "ratio" in record]
    tolerance = group["tolerances"].get(label)
    found = [record.get("difference") for record in good if "ratio" in record]
    difference = None if None in found else max(found, default=None)
    memory = [record.get("memory", {}) for record in good]
    return Row(
        label,
        middle([middle(record["wall"]) for record in good]),
        middle([record["first"] for record in good if "first" in record]) if "first" in good[0] else None,
        middle(ratios),
        min(ratios, default=math.nan),
        max(ratios, default=math.nan),
        middle([record["cpu_ratio"] for record in good if "cpu_ratio" in record]),
        difference if tolerance is not None else None,
        max((one["peak"] for one in memory if one.get("peak")), default=None),
        max((one["peak"] - one["prepared"] for one in memory if one.get("peak") and "prepared" in one), default=None),
        good[-1]["answer"][0] if good[-1].get("answer") else None,
        tolerance is None or not found or (difference is not None and difference <= tolerance),
    )


def beyond_numpy(group: dict[str, Any]) -> dict[str, float]:
    """W3: the median over rounds of a process's time beyond that of importing NumPy in the same environment."""
    found: dict[str, list[float]] = {}
    for record in group["records"]:
        if "error" not in record and record.get("baseline"):
            found.setdefault(record["label"], []).append(record["wall"][0] - record["baseline"][0])
    return {label: middle(values) for label, values in found.items()}


def seconds(value: float | None) -> str:
    """Return a time in the unit that suits it."""
    if value is None or math.isnan(value):
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def number(value: float | None) -> str:
    """Return a ratio with three digits."""
    return "-" if value is None or math.isnan(value) else f"{value:.3g}"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    words = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in words) + "\n"


def group_table(group: dict[str, Any]) -> str:
    """Return one group's table."""
    fresh, precision, long = (group["workload"] == name for name in ("W3", "W4", "W5"))
    beyond = beyond_numpy(group) if fresh else {}
    head = ["", "time", "diffsim / this: median", "smallest to largest", "by CPU time", "answer differs by"]
    head += ["beyond `import numpy`"] if fresh else ["first call", "peak MB"]
    head += ["MB above start"] if long else ["largest error"] if precision else []
    lines = []
    for row in rows(group):
        if row.error:
            lines.append([row.label, f"failed: {row.error}", *[""] * (len(head) - 2)])
            continue
        span = "-" if math.isnan(row.low) else f"{number(row.low)} to {number(row.high)}"
        differs = "-" if row.difference is None else f"{row.difference:.0e}" if row.difference else "0"
        line = [row.label, seconds(row.wall), number(row.ratio), span, number(row.cpu_ratio)]
        line += [differs if row.agrees else f"**{differs}: too far, not compared**"]
        line += [seconds(beyond.get(row.label))] if fresh else [seconds(row.first), number(row.peak)]
        line += [number(row.above)] if long else [f"{row.answer:.1e}"] if precision else []
        lines.append(line)
    return table(head, lines)


def markdown(results: dict[str, Any]) -> str:
    """Return all groups' tables."""
    parts = [f"### {group['workload']}: {group['title']}\n\n{group_table(group)}" for group in results["groups"]]
    return "\n".join(parts)
