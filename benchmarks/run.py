"""Run the benchmarks: diffsim and the peers that are there, in rounds, each run in a process of its own.

    python benchmarks/run.py                                    everything but W4, five rounds
    python benchmarks/run.py W1 W2 --rounds 3 --peers C,jax     some workloads, some peers
    python benchmarks/run.py --small                            a moment each, to see that everything works

In each round every peer stands between two runs of diffsim; the ratio of that round is the mean of the two over the
peer's time, so that a slow phase of the machine meets both sides.  `summary.py` takes the medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine, plan, summary
from benchmarks.machine import ROOT
from benchmarks.plan import Group, Job

Record = dict[str, Any]

TIMEOUT = 600.0
C_SAMPLE = 2e7  # steps of a cell that a sample of the C program has at least: about 0.2 s on one core
FIRST = (
    "import json, benchmarks.frame as f; import {runner} as r; "
    "print(json.dumps([float(x) for x in f.first(r.w2, f.Task(steps={steps}, variant={variant!r}))]))"
)


class Bench:
    """What all runs share: the environments, the C programs, a folder for caches, the number of samples a run."""

    def __init__(self, folder: Path, pythons: dict[str, Path], runs: int) -> None:
        self.folder, self.pythons, self.runs = folder, pythons, runs
        self.c: Path | None = None
        self.reference: list[float] = []

    def available(self, job: Job) -> bool:
        """Whether this job can be run here."""
        return self.c is not None if job.runner == "c" else job.package in self.pythons

    def run(self, group: Group, job: Job) -> Record:
        """Run one job of a group in a process of its own; return times, answer and memory, or an ``error``."""
        if group.fresh:
            return self._fresh(group, job)
        threads = job.threads or group.threads
        sizes = [str(group.n), str(group.steps), str(threads)]
        if job.runner == "c":
            calls = max(1, round(C_SAMPLE / (group.n**2 * max(1, group.steps))))
            return self._read(self._process([str(self.c), *sizes, str(min(100, self.runs * calls))], job, threads))
        words = ["--n", sizes[0], "--steps", sizes[1], "--threads", sizes[2], "--runs", str(self.runs)]
        words += ["--seconds", str(group.seconds), "--variant", job.variant]
        python = str(self.pythons[job.package])
        found = self._read(self._process([python, "-m", job.runner, group.workload, *words], job, threads))
        if group.workload == "W4" and "answer" in found:
            pairs = zip(found["answer"], self._reference(), strict=True)
            found["answer"] = [max(abs(a - b) for a, b in pairs)]
        return found

    def _fresh(self, group: Group, job: Job) -> Record:
        """Time a whole process, and beside it one that does nothing but import NumPy in the same environment."""
        python, code = str(self.pythons[job.package]), job.runner
        if not code.startswith("import"):
            variant = "" if job.package == "diffsim" else job.variant
            code = FIRST.format(runner=job.runner, steps=group.steps, variant=variant)
        with tempfile.TemporaryDirectory(dir=self.folder) as empty:
            warm = self.folder / "cache"
            warm.mkdir(exist_ok=True)
            job = job._replace(environment={"DIFFSIM_CACHE": str(warm) if job.variant == "warm" else empty})
            baseline = self._process([python, "-c", "import numpy"], job, 1)
            found = self._process([python, "-c", code], job, 1)
        answer = json.loads(found.pop("output") or "[]") if "error" not in found else []
        return {**found, "answer": answer, "baseline": [baseline["wall"][0]]}

    def _reference(self) -> list[float]:
        """W4's reference solution, by SciPy at its smallest tolerance."""
        if not self.reference:
            command = [
                sys.executable,
                "-m",
                "benchmarks.peers.scipy_peer",
                "W4",
                "--variant",
                "reference",
                "--runs",
                "1",
            ]
            found = self._read(self._process(command, plan.OURS, 1))
            self.reference = found["answer"]
        return self.reference

    def _process(self, command: list[str], job: Job, threads: int) -> Record:
        """Run a command on `threads` cores; return its times, its output, and how busy the machine was beside it."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode beside it
        environment |= {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads), "MPLBACKEND": "agg"}
        environment |= {"OMP_WAIT_POLICY": "passive", **job.environment}
        busy, used, start = machine.busy_cores(), _children(), time.perf_counter()
        try:
            done = subprocess.run(
                [*machine.pinned(threads), *command],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"error": f"stopped after {TIMEOUT:.0f} s", "wall": [], "cpu": [], "output": ""}
        wall, cpu, after = time.perf_counter() - start, _children() - used, machine.busy_cores()
        found: Record = {"wall": [wall], "cpu": [cpu], "output": done.stdout}
        if busy is not None and after is not None:
            found["others"] = round(max(0.0, (after - busy - cpu) / wall), 2)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            found["error"] = self._anonymous(last)[:300]
        return found

    def _anonymous(self, text: str) -> str:
        """Take the paths of this machine out of a message."""
        for path in (self.folder, ROOT, *(python.parents[1] for python in self.pythons.values()), Path.home()):
            text = text.replace(str(path), "...")
        return text

    def _read(self, process: Record) -> Record:
        """Take what a runner printed in the place of the times of its whole process."""
        output = process.pop("output")
        if "error" in process:
            return {**process, "wall": [], "cpu": []}
        lines = [line for line in output.splitlines() if line.startswith("{")]
        return {**process, **json.loads(lines[-1])} if lines else {"error": "printed nothing", "wall": [], "cpu": []}


def _children() -> float:
    """Return the CPU seconds of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def order(group: Group, peers: list[Job], round_: int) -> Iterator[Job]:
    """Yield the jobs of a round: every peer between two runs of diffsim, another peer first in each round."""
    yield group.ours
    for k in range(len(peers)):
        yield peers[(k + round_) % len(peers)]
        yield group.ours


def one_round(run: Callable[[Job], Record], group: Group, peers: list[Job], round_: int) -> list[Record]:
    """Run the jobs of a round; give each peer the ratio of diffsim's time, before and after, to its own."""
    records: list[Record] = []
    for job in order(group, peers, round_):
        found = run(job)
        records.append({"label": job.label, "round": round_, **summary.shortened(found)})
        said = found.get("error") or f"{summary.middle(found['wall']):.4g} s"
        print(f"  {round_ + 1}  {group.key:12s} {job.label:36s} {said}", flush=True)
        if "error" in found and job is group.ours:
            break
    for before, record, after in zip(records[0::2], records[1::2], records[2::2], strict=False):
        if all("error" not in one for one in (before, record, after)):
            summary.compare(record, before, after)
    return records


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", help="W1 ... W9, or a group such as W1-64; all but W4 by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3, help="timed samples a run; their median counts")
    parser.add_argument("--peers", default="", help="only these, separated by commas (a part of the name will do)")
    parser.add_argument("--threads", type=int, default=2, help="of the groups with several threads")
    parser.add_argument("--small", action="store_true", help="tiny sizes: to see that everything works")
    parser.add_argument("--add", action="store_true", help="keep what the file of results has of other groups")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results.json")
    return parser.parse_args(words)


def chosen(options: argparse.Namespace) -> list[Group]:
    """Return the groups that were asked for, with the peers that were asked for."""
    wanted = options.workloads or ["W1", "W2", "W3", "W5", "W6", "W7", "W8", "W9"]
    names = [name.strip().lower() for name in options.peers.split(",") if name.strip()]
    found = []
    for group in plan.groups(options.threads):
        if group.workload in wanted or group.key in wanted:
            own = plan.small(group) if options.small else group
            peers = [job for job in own.peers if not names or any(_named(name, job) for name in names)]
            found.append(own._replace(peers=tuple(peers)))
    return found


def kept(old: dict[str, Any], new: dict[str, Any], keys: set[str]) -> dict[str, Any]:
    """Return new results with the groups of older ones that are not run again, if they are of the same machine."""
    same = all(old["machine"][key] == new["machine"][key] for key in ("processor", "cores"))
    if not same or old["small"] != new["small"]:
        sys.exit("run.py: --add: the results that are there are of another machine or size; write to another --out")
    return {**new, "c": old["c"], "groups": [group for group in old["groups"] if group["key"] not in keys]}


def _named(name: str, job: Job) -> bool:
    if name == "c":
        return job.runner == "c"
    return name in job.label.lower() or name == job.package


def main(words: list[str] | None = None) -> None:
    """Run what the command line asks for and write the results after every round."""
    options = parse(words)
    asked = chosen(options)
    jobs = [job for group in asked for job in (group.ours, *group.peers)]
    pythons = machine.find_pythons({job.package for job in jobs})
    results: dict[str, Any] = {"machine": machine.describe(), "small": options.small, "c": {}, "groups": []}
    if options.add and options.out.exists():
        results = kept(json.loads(options.out.read_text(encoding="utf-8")), results, {group.key for group in asked})
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), pythons, options.runs)
        if any(job.runner == "c" for job in jobs):
            built = machine.build_c(Path(folder))
            if built:
                best, times = machine.fastest_c(built, *((16, 50) if options.small else ()))
                bench.c = built[best]
                results["c"] = {"variant": best, "seconds of each": {name: round(t, 5) for name, t in times.items()}}
                print(f"C: {best} is the fastest of {len(built)}", flush=True)
        results["missing"] = sorted({job.label for job in jobs if not bench.available(job)})
        print("not here:", ", ".join(results["missing"]) or "none", flush=True)
        for group in asked:
            peers = [job for job in group.peers if bench.available(job)]
            entry = summary.entry(group, peers)
            results["groups"].append(entry)
            if group.fresh:  # unmeasured: fills the file system's cache, and diffsim's own
                for job in (group.ours, *peers):
                    bench.run(group, job)
            for round_ in range(options.rounds):
                entry["records"] += one_round(partial(bench.run, group), group, peers, round_)
                options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(summary.markdown(results))


if __name__ == "__main__":
    main()
