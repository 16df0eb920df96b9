"""From a file of results to the page of the docs and its picture.

python benchmarks/report.py benchmarks/results.json             writes docs/performance.md and its picture
python benchmarks/report.py results.json --docs some/folder     writes them there

Of results of W4 it writes docs/precision.md: they may come from another day, and another machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import plot, precision, summary
from benchmarks.machine import ROOT

WHAT = {
    "W1": """A map of N x N starts at rest of the double pendulum (two uniform rods), RK4 with h = 0.01 to
t = 10, each with the 4 x 4 derivative of the end by the start. C is `benchmarks/c/w1.c`: structure of
arrays, SIMD lanes, inlined sine and cosine, tangents by hand, `-O3 -march=native -ffast-math`; numba and
NumPy have hand-written tangents too, the others derive them. heyoka takes adaptive Taylor steps instead
of RK4's, at a tolerance that gives about RK4's error.""",
    "W2": """The derivative of the lower rod's angle after 500 Euler steps of h = 0.01 by the start (0.4,
0, 1, 4), in one trajectory; the time of a call when everything is compiled.""",
    "W3": """A fresh process: Python starts, imports, traces, compiles, and returns W2's gradient. In each
round the same Python also does nothing but `import numpy`; the last column is the time beyond that.
"cache cold" finds an empty folder, "cache warm" the machine code of an earlier process. Before the first
round every process has run once, so that its files lie in memory.""",
    "W4": """1,024 double pendulums to t = 10 by adaptive methods. The answer is the largest error of a
final state against SciPy's DOP853 at its smallest tolerance: compare times at equal errors, not at equal
tolerances.""",
    "W5": """The derivative of theta_2 at the end by the start, through RK4 steps of h = 0.001 from (0.5,
0.5, 0, 0), a regular trajectory: from a chaotic start the derivative overflows over 1,000 s. Each
process first takes a gradient through 100 steps; the last column is the highest memory above what the
process had then.""",
    "W6": """One epoch of training `MLP(2, [16, 16, 1])` on 100 points, one by one, each weight a scalar
`Value`: the teaching notebook's network, which is not what diffsim is for. JAX trains whole arrays.""",
    "W7": """A film of the double pendulum with rods, bobs, a trail and the time, encoded by the same
ffmpeg and libx264.""",
    "W8": """Lorenz-96 (F = 8) from 8 + 0.1 sin(i), RK4 with h = 0.01; the derivative of the sum of squares
at the end by the start and by F. diffsim gets the right-hand side as people write it: `lambda t, y, F:
(np.roll(y, -1) - np.roll(y, 2)) * np.roll(y, 1) - y + F`.""",
    "W9": """Robertson's reactions from (1, 0, 0) to t = 1e5 with a relative tolerance of 1e-6, by adaptive
stiff methods: the derivative of the third component at the end by the start and by the three rates. The
answer has the derivatives by the logarithms of the rates; each method has an error of its own.""",
}

HOW = """## How it is measured

Every run is a process of its own, confined to as many cores as it has threads, and is timed by the same code: one
call that may compile, then calls of at least 0.2 s together, three times; the run's time is their median. A *round*
runs all peers, each between two runs of diffsim, and the round's ratio is the mean of the two over the peer's time: a
slow phase of the machine meets both sides. The tables give the median of the rounds' ratios, the smallest and the
largest.
**Below 1 diffsim is faster.** Times are wall times; the column "by CPU time" has the same ratio of CPU times.

Answers are compared in every round: the column gives the largest difference, in parts of the largest number. All use
64-bit floats. A peer's variants are listed with their options; the picture shows the fastest.

JAX, "fusion off": with `XLA_FLAGS=--xla_disable_hlo_passes=fusion`, without which XLA computes sine and cosine anew
wherever they are used. numba could use Intel's SVML for sine and cosine; the llvmlite on PyPI is not built for it.

To run it, with peers in environments of your choice: [benchmarks](../benchmarks/README.md).
"""


def page(results: dict[str, Any]) -> str:
    """Return the page on everything but W4."""
    groups = results["groups"]
    parts = [
        "# Performance\n",
        _where(results),
        "![Time of each peer in units of diffsim's time](images/docs-performance.png)\n",
        "*Each dot is a peer's fastest variant: the median over the rounds of its time over diffsim's; "
        "the bar spans the rounds.*\n",
        _in_short(groups),
        HOW,
    ]
    seen = ""
    for group in groups:
        if group["workload"] != seen:
            seen = group["workload"]
            parts.append(f"## {seen}\n\n{WHAT[seen]}\n")
            if seen == "W1" and results["c"]:
                parts.append(_c(results["c"]))
        parts.append(_titled(group))
    return "\n".join([*parts, _conditions(results), _versions(groups)])


def precision_page(results: dict[str, Any]) -> str:
    """Return the page on W4."""
    parts = ["# Work and precision\n", _where(results), WHAT["W4"] + "\n", precision.section(results)]
    parts += [_titled(group) for group in results["groups"]]
    return "\n".join([*parts, _conditions(results), _versions(results["groups"])])


def _where(results: dict[str, Any]) -> str:
    """Say on which machine the figures were measured, and when."""
    machine, groups = results["machine"], results["groups"]
    counts = sorted({max(record["round"] for record in group["records"]) + 1 for group in groups})
    rounds = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    dates = sorted({group["date"] for group in groups})
    return (
        f"diffsim against other packages, on one machine: {machine['processor']}, {machine['cores']} cores, "
        f"{machine['system']}, Python {machine['python']}, {machine['gcc']}. Measured on {' and '.join(dates)} with "
        f"commit {machine['commit']}; {rounds} round{'s' if counts[-1] > 1 else ''}. Written by "
        "`python benchmarks/report.py`.\n"
    )


def _titled(group: dict[str, Any]) -> str:
    return f"**{group['title'][0].upper()}{group['title'][1:]}.**\n\n{summary.group_table(group)}"


def _in_short(groups: list[dict[str, Any]]) -> str:
    """The fastest way of each package in one table, and the ratios that have no peer."""
    lines = []
    for group in groups:
        for row in plot.fastest(group):
            span = f"{summary.number(row.low)} to {summary.number(row.high)}"
            lines.append([group["workload"], group["title"], row.label, summary.number(row.ratio), span])
    table = summary.table(["", "task", "peer, its fastest way", "diffsim / peer", "smallest to largest"], lines)
    facts = [f"- {fact}\n" for group in groups for fact in _facts(group)]
    return f"## In short\n\n{table}\n{''.join(facts)}"


def _facts(group: dict[str, Any]) -> list[str]:
    """Sentences on what a table of ratios does not say at once."""
    found = {row.label: row for row in summary.rows(group) if not row.error}
    ours = found.get(group["ours"])
    if ours is None:
        return []
    facts = []
    if "diffsim, 1 thread" in found:
        c = _speed_up(group, "C, 1 thread", "C")
        beside = f" (C: {c:.2f} times)" if c else ""
        factor = 1.0 / found["diffsim, 1 thread"].ratio
        facts.append(f"W1: {group['threads']} threads are {factor:.2f} times as fast as one{beside}.")
    if group["workload"] == "W3":
        beyond = summary.beyond_numpy(group)
        each = [
            f"{summary.seconds(beyond[name])} ({name})"
            for name in (group["ours"], "diffsim, cache warm")
            if name in beyond
        ]
        facts.append(f"W3: beyond `import numpy` a fresh process needs {', '.join(each)} to its first gradient.")
        if "import diffsim" in found:
            ratios = [r["wall"][0] / r["baseline"][0] for r in group["records"] if r["label"] == "import diffsim"]
            facts.append(f"W3: `import diffsim` takes {summary.middle(ratios):.2f} times as long as `import numpy`.")
    if "diffsim, forward solve only" in found:
        ratio = found["diffsim, forward solve only"].ratio
        facts.append(
            f"W5: through {group['steps']:,} steps the gradient takes {ratio:.2f} times as long as the solve alone."
        )
    if group["workload"] == "W5" and ours.above is not None:
        facts.append(f"W5: through {group['steps']:,} steps the gradient needs {ours.above:.0f} MB above the start.")
    if group["workload"] == "W7":
        facts.append(f"W7: {group['n'] / ours.wall:.0f} frames a second.")
    return facts


def _speed_up(group: dict[str, Any], slow: str, fast: str) -> float | None:
    """Return the median over the rounds of one job's time over another's."""
    times = {(r["label"], r["round"]): summary.middle(r["wall"]) for r in group["records"] if "error" not in r}
    rounds = [k for label, k in times if label == slow and (fast, k) in times]
    return summary.middle([times[slow, k] / times[fast, k] for k in rounds]) if rounds else None


def _c(c: dict[str, Any]) -> str:
    """Say which variant of the C program is compared."""
    times = sorted(c["seconds of each"].items(), key=lambda pair: pair[1])
    best = times[0][1]
    rest = "; ".join(f"{name}: {time / best:.2f}" for name, time in times)
    return f"C is the fastest of the variants tried here (relative times at N = 64): {rest}.\n"


def _conditions(results: dict[str, Any]) -> str:
    """Say how quiet the machine was."""
    records = [record for group in results["groups"] for record in group["records"]]
    drifts = [record["drift"] for record in records if "drift" in record]
    others = [record["others"] for record in records if "others" in record]
    text = "## How quiet it was\n\n"
    if drifts:
        text += f"diffsim's two times around a peer differ by a factor of {summary.middle(drifts):.2f} in the median. "
    if others:
        text += f"Other processes used {summary.middle(others):.2f} cores in the median, at most {max(others):.2f}. "
    missing = ", ".join(results["missing"])
    return text + (f"Not measured, for want of an environment: {missing}." if missing else "") + "\n"


def _versions(groups: list[dict[str, Any]]) -> str:
    found = {}
    for group in groups:
        for record in group["records"]:
            found.update(record.get("versions", {}))
    return f"Versions: {', '.join(f'{name} {version}' for name, version in sorted(found.items()))}.\n"


def main(words: list[str] | None = None) -> None:
    """Write the page and its picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    options = parser.parse_args(words)
    results = json.loads(options.results.read_text(encoding="utf-8"))
    if results["small"] and options.docs.resolve() == ROOT / "docs":
        sys.exit("report.py: these results are of --small sizes and say nothing; run benchmarks/run.py without it")
    (options.docs / "images").mkdir(parents=True, exist_ok=True)
    of_w4 = [group for group in results["groups"] if group["workload"] == "W4"]
    others = [group for group in results["groups"] if group["workload"] != "W4"]
    if others:
        plot.draw({**results, "groups": others}, options.docs / "images" / "docs-performance.png")
        (options.docs / "performance.md").write_text(page({**results, "groups": others}), encoding="utf-8")
    if of_w4:
        precision.draw(results, options.docs / "images" / "docs-precision.png")
        (options.docs / "precision.md").write_text(precision_page({**results, "groups": of_w4}), encoding="utf-8")


if __name__ == "__main__":
    main()
