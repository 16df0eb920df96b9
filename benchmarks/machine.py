"""The machine and the environments that benchmarks run on: which there are, what they are called, how busy they are."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "build_c", "busy_cores", "describe", "fastest_c", "find_pythons", "pinned"]

ROOT = Path(__file__).resolve().parents[1]
C_FLAGS = ["-O3", "-march=native", "-ffast-math", "-fopenmp"]
_WIDE = "-mprefer-vector-width=512"
C_VARIANTS = {
    **{f"inline trig, {lanes} lanes": ["-DINLINE_TRIG", f"-DLANES={lanes}", _WIDE] for lanes in (4, 8, 16, 32, 64)},
    **{f"libmvec, {lanes} lanes": [f"-DLANES={lanes}"] for lanes in (8, 32)},
}
_PACKAGES = ("lib/python3*/site-packages", "lib64/python3*/site-packages", "Lib/site-packages")


def find_pythons(packages: set[str]) -> dict[str, Path]:
    """Return a Python for each of these packages that has it, by looking into environments; nothing is imported.

    Environments are looked for in the folders of PEERS_VENV (separated as in PATH): each may be an environment or
    hold some.  Last comes the one that this process runs in.
    """
    places = [Path(name) for name in os.environ.get("PEERS_VENV", "").split(os.pathsep) if name]
    folders = [Path(sys.prefix)]
    for place in reversed(places):
        inner = sorted(folder for folder in place.iterdir() if (folder / "pyvenv.cfg").exists())
        folders = [*([place] if (place / "pyvenv.cfg").exists() else inner), *folders]
    found: dict[str, Path] = {}
    for folder in folders:
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        for package in packages - set(found):
            if python.exists() and any(any(folder.glob(f"{place}/{package}/__init__.py")) for place in _PACKAGES):
                found[package] = python
    return {**found, "diffsim": Path(sys.executable)}


def build_c(folder: Path) -> dict[str, Path]:
    """Build the variants of ``c/w1.c`` with each compiler that is there; return their programs by name."""
    built: dict[str, Path] = {}
    for compiler in ("gcc", "clang"):
        if shutil.which(compiler) is None:
            continue
        for name, flags in C_VARIANTS.items():
            program = folder / f"w1-{compiler}-{len(built)}"
            library = ["-lmvec", "-lm"] if "libmvec" in name else ["-lm"]
            source = str(ROOT / "benchmarks" / "c" / "w1.c")
            command = [compiler, *C_FLAGS, *flags, source, "-o", str(program), *library]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                built[f"{compiler}, {name}"] = program
    return built


def fastest_c(built: dict[str, Path], n: int = 64, steps: int = 1000) -> tuple[str, dict[str, float]]:
    """Return the name of the fastest program on one core, and the CPU seconds of each: the best of three rounds."""
    times = dict.fromkeys(built, float("inf"))
    for _ in range(3):
        for name, program in built.items():
            command = [*pinned(1), str(program), str(n), str(steps), "1", "3"]
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            times[name] = min(times[name], *json.loads(run.stdout)["cpu"])
    return min(times, key=times.__getitem__), times


def pinned(threads: int) -> list[str]:
    """Return the words that confine a command to `threads` cores, where there is a program for it."""
    if sys.platform != "linux" or shutil.which("taskset") is None:
        return []
    cores = sorted(os.sched_getaffinity(0))[-threads:]
    return ["taskset", "-c", ",".join(map(str, cores))]


def busy_cores() -> float | None:
    """Return the CPU seconds that the whole machine has spent since it started, stolen ones included; None if unknown.

    NOTE: another guest of the same host that slows this one down does not always show here.
    """
    try:
        words = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    ticks = [int(word) for word in words[:8]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def describe() -> dict[str, Any]:
    """Return what a reader must know of the machine, the date and the version."""

    def output(*command: str) -> str:
        if shutil.which(command[0]) is None:
            return ""
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False).stdout.strip()

    changed = output("git", "status", "--porcelain", "--", "diffsim", "integrators", "systems", "studies")
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "gcc": (output("gcc", "--version").splitlines() or [""])[0],
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "commit": output("git", "rev-parse", "--short", "HEAD") + (" with changes" if changed else ""),
    }


def _processor() -> str:
    """Return the processor's name, family and model, and how wide its vectors are."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    first = text.split("\n\n")[0].splitlines()
    entries = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first)}
    flags = entries.get("flags", "").split()
    width = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), "")
    name = entries.get("model name", platform.machine())
    family = f"family {entries['cpu family']}, model {entries['model']}" if "cpu family" in entries else ""
    return ", ".join(part for part in (name, family, width) if part)
