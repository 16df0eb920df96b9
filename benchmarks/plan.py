"""What is run against what: the groups of runs whose times are compared with each other.

A group is one task, done by diffsim and by its peers, at one size and number of threads: no time is scaled from one
size to another.  Peers that are slow have groups of their own at a smaller size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Group", "Job", "groups", "small"]


class Job(NamedTuple):
    """One way of doing a group's task."""

    label: str
    runner: str = "benchmarks.ours"  # or a module of benchmarks.peers, "c", or code for a fresh process
    package: str = "diffsim"  # what its environment must have
    variant: str = ""
    environment: Mapping[str, str] = {}
    tolerance: float | None = 1e-9  # how far its answer may be from diffsim's, relatively; None: not comparable
    threads: int | None = None  # where they differ from the group's


class Group(NamedTuple):
    """One task, done in several ways."""

    key: str
    workload: str
    title: str
    ours: Job
    peers: tuple[Job, ...]
    n: int = 0
    steps: int = 0
    threads: int = 1
    seconds: float = 20.0
    fresh: bool = False  # each run is a fresh process with a single call (W3)


OURS = Job("diffsim")
NO_FUSION = {"XLA_FLAGS": "--xla_disable_hlo_passes=fusion"}


def peer(name: str, label: str = "", variant: str = "", **more: object) -> Job:
    """A job of ``benchmarks.peers.<name>_peer``."""
    runner = f"benchmarks.peers.{name}_peer"
    return Job(label or f"{name} {variant}".strip(), runner, name, variant, **more)  # type: ignore[arg-type]


def groups(threads: int) -> list[Group]:
    """All groups, those of several threads with `threads` of them."""
    return [*_maps(threads), _gradient(), _fresh(), *_precision(), *_long(), *_others()]


def _maps(threads: int) -> list[Group]:
    c, numba = Job("C", "c", "gcc"), peer("numba", variant="lanes")
    steps, title = 1000, "map of {n} x {n} double pendulums with 4 x 4 Jacobians, {steps} RK4 steps, {threads}"
    jax = [
        peer("jax", f"JAX, {name}{note}", f"{name}+chunk=1024", environment=flags)
        for name in ("jacfwd", "jvp", "hand")
        for note, flags in (("", {}), (", fusion off", NO_FUSION))
    ]
    slow = [
        c,
        *jax,
        peer("diffrax"),
        peer("diffrax", "diffrax, fusion off", environment=NO_FUSION),
        peer("casadi", "CasADi, compiled", "jit"),
        # NOTE: adaptive; at tol = 1e-5 its error is about that of RK4 with h = 0.01
        peer("heyoka", "heyoka, tol = 1e-5", "1e-5", tolerance=1e-4),
        peer("numpy", "NumPy by hand"),
    ]
    found = [
        Group("W1-256", "W1", title, OURS, (c, numba, peer("numba", variant="scalar")), 256, steps),
        Group("W1-64", "W1", title, OURS, tuple(slow), 64, steps),
    ]
    if threads > 1:
        singles = (OURS._replace(label="diffsim, 1 thread", threads=1), c._replace(label="C, 1 thread", threads=1))
        found.insert(1, Group(f"W1-256-{threads}", "W1", title, OURS, (c, numba, *singles), 256, steps, threads))
    return found


def _gradient() -> Group:
    peers = (
        OURS._replace(label="diffsim, ds.grad", variant="grad"),
        peer("casadi", "CasADi, compiled", "jit"),
        peer("casadi", "CasADi, interpreted", "vm"),
        peer("jax", "JAX"),
        peer("diffrax"),
        peer("autograd"),
        peer("micrograd"),
    )
    ours = OURS._replace(label="diffsim, sensitivities")
    return Group("W2", "W2", "gradient of one trajectory, {steps} Euler steps, warm", ours, peers, steps=500)


def _fresh() -> Group:
    peers = (
        OURS._replace(label="diffsim, cache warm", variant="warm"),
        Job("import numpy", "import numpy"),
        Job("import diffsim", "import diffsim"),
        peer("casadi", "CasADi, compiled", "jit"),
        peer("casadi", "CasADi, interpreted", "vm"),
        peer("jax", "JAX"),
        peer("diffrax"),
        peer("autograd"),
        peer("micrograd"),
    )
    title = "a fresh process, from the start of Python to the gradient of W2"
    return Group("W3", "W3", title, OURS._replace(label="diffsim, cache cold"), peers, steps=500, fresh=True)


def _precision() -> list[Group]:
    title = "work and precision, 1,024 double pendulums to t = 10, tolerance {tol}"
    methods = [
        ("scipy", "SciPy DOP853, stacked", "DOP853"),
        ("scipy", "SciPy RK45, stacked", "RK45"),
        ("scipy", "SciPy-loop DOP853", "loop DOP853"),
        ("diffrax", "diffrax Tsit5", "Tsit5"),
        ("diffrax", "diffrax Dopri8", "Dopri8"),
        ("numba", "numba DP5 by hand", "DP5"),
        ("heyoka", "heyoka", "Taylor"),
    ]
    further = ("RK45", "Tsit5", "DOP853", "Vern8")
    found = []
    # NOTE: heyoka's errors are a hundredth of its tolerance; Vern9 is given a tolerance with which it is as exact
    for tol, hundredth in (
        ("1e-3", "1e-5"),
        ("1e-5", "1e-7"),
        ("1e-7", "1e-9"),
        ("1e-9", "1e-11"),
        ("1e-12", "2.3e-14"),
    ):
        more = [OURS._replace(label=f"diffsim {m}", variant=f"{m} {tol}", tolerance=None) for m in further]
        peers = (peer(name, label, f"{method} {tol}", tolerance=None) for name, label, method in methods)
        ours = OURS._replace(label=f"diffsim Vern9, {hundredth}", variant=f"Vern9 {hundredth}")
        found.append(Group(f"W4-{tol}", "W4", title.replace("{tol}", tol), ours, (*more, *peers)))
    return found


def _long() -> list[Group]:
    title = "gradient through {steps} RK4 steps, one trajectory"
    budget = OURS._replace(label="diffsim, budget 1 MB", variant="memory=1000000")
    # NOTE: over a million steps the roundings of different orders of summation add up
    peers = (
        budget,
        peer("jax", "JAX, checkpoints", "checkpoint", tolerance=1e-6),
        peer("jax", "JAX, all states kept", "plain", tolerance=1e-6),
        peer("diffrax", tolerance=1e-6),
    )
    forward = OURS._replace(label="diffsim, forward solve only", variant="forward", tolerance=None)
    return [
        Group("W5-10000", "W5", title, OURS, (forward,), steps=10_000),
        Group("W5-1000000", "W5", title, OURS, peers, steps=1_000_000),
    ]


def _others() -> list[Group]:
    network = (
        peer("micrograd"),
        peer("autograd"),
        peer("jax", "JAX, a call a sample", "step"),
        peer("jax", "JAX, a call an epoch", "scan"),
    )
    film = (
        peer("matplotlib", "FuncAnimation", "default"),
        peer("matplotlib", "FuncAnimation, our encoder", "same"),
    )
    # NOTE: chaos amplifies the last bits a few thousand times within the 5 time units
    lorenz = (peer("jax", "JAX", tolerance=1e-6), peer("autograd", tolerance=1e-6))
    casadi = (
        peer("casadi", "CasADi, compiled", "jit", tolerance=1e-6),
        peer("casadi", "CasADi, interpreted", "vm", tolerance=1e-6),
    )
    title = "gradient of Lorenz-96 with n = {n}, {steps} RK4 steps"
    return [
        Group("W6", "W6", "an epoch of MLP(2, [16, 16, 1]), 100 samples one by one", OURS, network),
        Group("W7", "W7", "{n} frames of video, 640 x 480, H.264", OURS, film, 500, threads=2, seconds=60.0),
        Group("W8-40", "W8", title, OURS, (*casadi, *lorenz), 40, 500),
        Group("W8-1000", "W8", title, OURS, lorenz, 1000, 500),
        _stiff(),
    ]


def _stiff() -> Group:
    further = [OURS._replace(label=f"diffsim {m}", variant=m, tolerance=1e-3) for m in ("Rodas5P", "Radau", "BDF")]
    # NOTE: adaptive methods, each with its own error
    peers = (
        peer("diffrax", "diffrax Kvaerno5", "Kvaerno5", tolerance=1e-3),
        peer("diffrax", "diffrax Kvaerno3", "Kvaerno3", tolerance=1e-3),
        peer("casadi", "CasADi, CVODES", "cvodes", tolerance=1e-3),
    )
    ours = OURS._replace(label="diffsim Kvaerno5", variant="Kvaerno5")
    return Group("W9", "W9", "gradient of Robertson's reactions to t = 1e5, stiff, adaptive", ours, (*further, *peers))


def small(group: Group) -> Group:
    """The same group at a size that takes a moment, to see whether everything runs."""
    sizes = {"W1": (32, 50), "W2": (0, 50), "W3": (0, 50), "W5": (0, 300), "W7": (10, 0), "W8": (40, 10)}
    n, steps = sizes.get(group.workload, (group.n, group.steps))
    return group._replace(n=n, steps=steps, seconds=2.0)
