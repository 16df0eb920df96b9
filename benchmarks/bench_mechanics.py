"""Equations of motion derived from an energy, against the ones written by hand.

    python -m benchmarks.bench_mechanics              # W1 (64 x 64): derived from H, and from masses and V
    python -m benchmarks.bench_mechanics --size 256
    python -m benchmarks.bench_mechanics links        # ten links: the first solve, and the energy over 10 s

The double pendulum is solved with and without its four tangents, one thread; the three systems take turns, and the
ratios are medians over the rounds.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np

import diffsim as ds
from benchmarks import workloads
from diffsim import ops

ROUNDS, STEP, T_END = 9, 0.01, 10.0


@dataclass(frozen=True)
class Rods(ds.systems.HamiltonianSystem):
    """What the energy of two rods is made of."""

    coordinates = ("theta_1", "theta_2")
    angles = (0, 1)
    gravity: float = 9.8
    mass_1: float = 1.0
    mass_2: float = 1.0
    length_1: float = 1.0
    length_2: float = 1.0

    def inertia(self, q):
        coupling = self.mass_2 * self.length_1 * self.length_2 * ops.cos(q[0] - q[1]) / 2
        first = (self.mass_1 / 3 + self.mass_2) * self.length_1**2
        return [[first, coupling], [coupling, self.mass_2 * self.length_2**2 / 3]]

    def height(self, q):
        upper = (self.mass_1 / 2 + self.mass_2) * self.length_1 * ops.cos(q[0])
        return -self.gravity * (upper + self.mass_2 * self.length_2 * ops.cos(q[1]) / 2)


@dataclass(frozen=True)
class FromH(Rods):
    """Nothing but H, as textbooks print it."""

    def hamiltonian(self, q, p, t):
        (a, c), (_, b) = self.inertia(q)
        return (b * p[0] ** 2 - 2 * c * p[0] * p[1] + a * p[1] ** 2) / (2 * (a * b - c * c)) + self.height(q)


@dataclass(frozen=True)
class FromMasses(Rods):
    """Mass matrix and potential."""

    def mass_matrix(self, q):
        return self.inertia(q)

    def potential(self, q, t):
        return self.height(q)


def pendulums(size: int) -> None:
    """Print the time of each form, as a multiple of the hand-written one's."""
    y0 = np.zeros((4, size**2))
    y0[0], y0[1] = workloads.angles(size)
    systems = (ds.systems.DoublePendulum(), FromH(), FromMasses())
    for sensitivities in (("y0",), ()):
        times = np.array([[_seconds(system, y0, sensitivities) for system in systems] for _ in range(ROUNDS + 1)])[1:]
        ratios = times / times[:, :1]
        for system, best, some in zip(systems, times.min(axis=0), ratios.T, strict=True):
            low, middle, high = np.quantile(some, [0.0, 0.5, 1.0])
            name = f"{type(system).__name__}, {'with' if sensitivities else 'without'} tangents"
            print(f"{name:36s} best {best:.3f} s   ratio {middle:.3f} ({low:.3f} to {high:.3f})")


def _seconds(system, y0, sensitivities) -> float:
    begin = time.perf_counter()
    ds.solve_ivp(
        system, (0.0, T_END), y0, method="RK4", step=STEP, t_eval=[T_END], sensitivities=sensitivities, threads=1
    )
    return time.perf_counter() - begin


def links() -> None:
    """Print how long ten links take to start, and how well they keep their energy."""
    begin = time.perf_counter()
    system = ds.systems.NLinkPendulum(links=10)
    level = [np.pi / 2] * 10 + [0.0] * 10
    ds.solve_ivp(system, (0.0, 1.0), level, method="RK4", step=0.01)
    print(f"ten links: first solve in this process {time.perf_counter() - begin:.2f} s")
    ways = {
        "DOP853, steps of 5e-4": {"step": 5e-4},
        "DOP853, rtol=3e-14, atol=1e-15": {"rtol": 3e-14, "atol": 1e-15},
    }
    for name, options in ways.items():
        sol = ds.solve_ivp(system, (0.0, 10.0), level, method="DOP853", t_eval=np.linspace(0.0, 10.0, 101), **options)
        energy = np.asarray(system.energy(sol.y))
        print(f"{name}, from rods held level: energy within {np.abs(energy - energy[0]).max():.1e} J over 10 s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("pendulums", "links"), default="pendulums")
    parser.add_argument("--size", type=int, default=64)
    given = parser.parse_args()
    links() if given.what == "links" else pendulums(given.size)
