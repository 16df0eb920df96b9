"""The frame in which every runner is measured: what it is asked, what it hands over, how it is timed.

A runner is a module with a function ``w1``, ``w2``, ... for each workload that it can do.  The function gets a `Task`,
prepares everything and returns a `Case`: the call to be timed and how to read its answer.  `main` times the call and
prints one line of JSON.  So all runners are timed by the same code, in a process of their own:

    python -m benchmarks.peers.casadi_peer W2 --variant jit
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = ["Case", "Task", "first", "main", "measure"]

# NOTE: argparse, json and statistics are imported where they are used: W3 measures how fast a process starts.

SAMPLE = 0.2  # seconds that a timed sample lasts at least, by repeating the call


class Task(NamedTuple):
    """What a runner is asked to do."""

    n: int = 0
    steps: int = 0
    threads: int = 1
    variant: str = ""


class Case(NamedTuple):
    """What a runner hands over: the call that is timed, and how its result becomes the answer that is compared."""

    run: Callable[[], Any]
    answer: Callable[[Any], list[float]]
    notes: Mapping[str, Any] = {}
    warm: Callable[[], Any] | None = None  # a shorter call that warms up, where one call is long enough to be timed


def first(prepare: Callable[[Task], Case], task: Task) -> list[float]:
    """Return the answer of one single call, as a fresh process gives it."""
    case = prepare(task)
    return case.answer(case.run())


def measure(prepare: Callable[[Task], Case], task: Task, runs: int = 3, seconds: float = 30.0) -> dict[str, Any]:
    """Time a case: the first call with all preparation, then `runs` samples of warm calls within `seconds`."""
    memory = {"started": _memory("VmRSS")}
    begin = time.perf_counter()
    case = prepare(task)
    memory["prepared"] = _memory("VmRSS")
    result = case.run() if case.warm is None else case.warm()
    end = time.perf_counter()
    calls = 1
    walls: list[float] = []
    cpus: list[float] = []
    while len(walls) < runs and (not walls or sum(walls) * calls < seconds):
        cpu, start = _cpu(), time.perf_counter()
        for _ in range(calls):
            result = case.run()
        wall, cpu = time.perf_counter() - start, _cpu() - cpu
        if calls == 1 and wall < SAMPLE / 2.0:  # too short for a sample: this one call says how many it takes
            calls = max(2, round(SAMPLE / max(wall, 1e-9)))
            continue
        walls.append(wall / calls)
        cpus.append(cpu / calls)
    memory["peak"] = _memory("VmHWM")
    answer = [float(value) for value in case.answer(result)]
    return {
        "wall": walls,
        "cpu": cpus,
        "first": end - begin,
        "calls": calls,
        "answer": answer,
        "memory": memory,
        **case.notes,
    }


def _cpu() -> float:
    """Return the CPU seconds of all threads, and of programs that were called and have ended (a film's encoder)."""
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


def _memory(field: str) -> float | None:
    """Return MB of resident memory now (``VmRSS``) or at its highest (``VmHWM``).

    NOTE: getrusage's ru_maxrss is no substitute: a child that is made by vfork inherits its parent's peak.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            for line in status:
                if line.startswith(field):
                    return int(line.split()[1]) / 1024.0
    except OSError:
        pass
    return None


def main(runner: Mapping[str, Any], packages: tuple[str, ...]) -> None:
    """Run what the command line asks of a runner (its ``globals()``) and print one line of JSON."""
    import argparse
    import importlib.metadata
    import json

    names = sorted(name.upper() for name in runner if name[0] == "w" and name[1:].isdigit())
    parser = argparse.ArgumentParser(description=(runner["__doc__"] or "").splitlines()[0])
    parser.add_argument("workload", choices=names)
    parser.add_argument("--n", type=int, default=0)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--variant", default="")
    parser.add_argument("--runs", type=int, default=3, help="timed samples")
    parser.add_argument("--seconds", type=float, default=30.0, help="no further sample after this time")
    options = parser.parse_args()
    task = Task(options.n, options.steps, options.threads, options.variant)
    found = measure(runner[options.workload.lower()], task, options.runs, options.seconds)
    versions = {name: importlib.metadata.version(name) for name in packages}
    print(json.dumps({**found, "versions": versions, "python": sys.version.split()[0], "cores": _cores()}), flush=True)


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
