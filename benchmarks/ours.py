"""diffsim's side of the workloads, by its public names only.

python -m benchmarks.ours W2
"""

from __future__ import annotations

from typing import Any

import numpy as np

import diffsim as ds
from benchmarks import workloads
from benchmarks.frame import Case, Task, main

__all__ = ["w1", "w2", "w4", "w5", "w6", "w7", "w8", "w9"]

MEMORY_OPTION = "memory"  # solve_ivp's budget for the checkpoints of a gradient, in bytes
LONGEST_INTERPRETED = 20_000  # steps; an interpreted gradient keeps every operation, about 50 kB a step


def w1(task: Task) -> Case:
    """The map with all four tangents, on ``task.threads`` threads."""
    y0 = np.zeros((4, task.n**2))
    y0[0], y0[1] = workloads.angles(task.n)
    t_end = 0.01 * task.steps

    def run() -> Any:
        return ds.solve_ivp(
            ds.systems.DoublePendulum(),
            (0.0, t_end),
            y0,
            method="RK4",
            step=0.01,
            t_eval=[t_end],
            sensitivities=("y0",),
            threads=task.threads,
        )

    return Case(run, lambda sol: workloads.growth(sol.dy_dy0[..., 0], task.n))


def w2(task: Task) -> Case:
    """The gradient of the lower rod's angle at the end: from the solver's tangents, or by reverse mode (``grad``)."""
    pendulum = ds.systems.DoublePendulum()
    t_end = 0.01 * task.steps
    start, options = np.array(workloads.START), {"method": "Euler", "step": 0.01, "t_eval": [t_end]}

    def tangents() -> Any:
        return ds.solve_ivp(pendulum, (0.0, t_end), start, sensitivities="y0", **options).dy_dy0[1, :, -1]

    def theta_2(y0: Any) -> Any:
        return ds.solve_ivp(pendulum, (0.0, t_end), y0, **options).y[1, -1]

    gradient = ds.grad(theta_2)
    return Case((lambda: gradient(start)) if task.variant == "grad" else tangents, list)


def w4(task: Task) -> Case:
    """1,024 pendulums by an adaptive method; the variant is ``METHOD TOLERANCE``, the answer the final states."""
    method, tolerance = task.variant.split()
    y0, tol = workloads.pendulums(), float(tolerance)

    def run() -> Any:
        pendulum = ds.systems.DoublePendulum()
        return ds.solve_ivp(pendulum, (0.0, 10.0), y0, method=method, rtol=tol, atol=tol, t_eval=[10.0]).y[..., 0]

    return Case(run, lambda y: np.ravel(y).tolist())


def w5(task: Task) -> Case:
    """theta_2 at the end of a long trajectory: its gradient, or its value alone (variant ``forward``).

    The variant ``memory=BYTES`` gives the gradient a budget.  A short gradient is taken first, so that the memory
    that the process has by then is that of a process which has compiled and solved.
    """
    pendulum, start = ds.systems.DoublePendulum(), np.array(workloads.REGULAR)
    options: dict[str, Any] = {"compiled": True} if task.steps > LONGEST_INTERPRETED else {}
    if "=" in task.variant:
        options[MEMORY_OPTION] = int(task.variant.partition("=")[2])

    def theta_2(y0: Any, steps: int) -> Any:
        t_end = 0.001 * steps
        return ds.solve_ivp(pendulum, (0.0, t_end), y0, method="RK4", step=0.001, t_eval=[t_end], **options).y[1, -1]

    if task.variant == "forward":
        theta_2(start, 100)
        return Case(lambda: theta_2(start, task.steps), lambda value: [float(value)])
    gradient = ds.grad(theta_2)
    gradient(start, 100)
    return Case(lambda: gradient(start, task.steps), list)


def w6(task: Task) -> Case:
    """One epoch of the teaching notebook's network, a `Value` a weight."""
    points, labels = workloads.moons()

    def run() -> float:
        model, total = ds.nn.MLP(2, [16, 16, 1]), 0.0
        for layer, rows in zip(model.layers, workloads.weights(), strict=True):
            for neuron, row in zip(layer.neurons, rows.tolist(), strict=True):
                for weight, number in zip(neuron.w, row, strict=True):
                    weight.data = number
        for x, y in zip(points, labels, strict=True):
            loss = (model(x) - y) ** 2
            model.zero_grad()
            loss.backward()
            for p in model.parameters():
                p.data = p.data - 0.1 * p.grad
            total += loss.data
        return total

    return Case(run, lambda total: [total])


def w7(task: Task) -> Case:
    """A film of the double pendulum; the solve is done once and not timed."""
    import tempfile
    from pathlib import Path

    def film_of(n_frames: int) -> Any:
        pendulum, end = ds.systems.DoublePendulum(), n_frames / workloads.FPS
        return ds.studies.animate(pendulum, [2.0, 1.5, 0.0, 0.0], (0.0, end), fps=workloads.FPS)

    def save(film: Any) -> float:
        path = Path(folder.name) / "film.mp4"
        film.save(path)
        return float(film.n_frames) if path.stat().st_size else 0.0

    folder, film, short = tempfile.TemporaryDirectory(), film_of(task.n), film_of(5)
    return Case(lambda: save(film), lambda n_frames: [n_frames], warm=lambda: save(short))


def lorenz_96(t: Any, y: Any, forcing: Any) -> Any:
    """Lorenz-96 as people write it in NumPy."""
    return (np.roll(y, -1) - np.roll(y, 2)) * np.roll(y, 1) - y + forcing


def w8(task: Task) -> Case:
    """The gradient of the end's squared norm by the start and by F, from a plain NumPy right-hand side."""
    t_end = 0.01 * task.steps

    def loss(y0: Any, forcing: Any) -> Any:
        sol = ds.solve_ivp(lorenz_96, (0.0, t_end), y0, method="RK4", step=0.01, t_eval=[t_end], args=(forcing,))
        return (sol.y[:, -1] ** 2).sum()

    gradient, start = ds.grad(loss, argnums=(0, 1)), workloads.lorenz_start(task.n)
    return Case(lambda: gradient(start, workloads.FORCING), lambda result: workloads.lorenz_answer(*result))


def robertson(t: float, y: Any, k: Any) -> list[Any]:
    """W9's equations."""
    slow, fast, faster = k[0] * y[0], k[1] * y[1] * y[2], k[2] * y[1] ** 2
    return [fast - slow, slow - fast - faster, faster]


def w9(task: Task) -> Case:
    """The gradient of y_3 at the end by the start and by the rates; the variant is the method."""
    rtol, atol = workloads.ROBERTSON_TOLERANCES
    options = {"method": task.variant or "Kvaerno5", "rtol": rtol, "atol": atol, "t_eval": [1e5]}

    def end(y0: Any, rates: Any) -> Any:
        return ds.solve_ivp(robertson, (0.0, 1e5), y0, args=(rates,), **options).y[2, -1]

    gradient, point = ds.grad(end, argnums=(0, 1)), (np.array([1.0, 0.0, 0.0]), np.array(workloads.ROBERTSON_RATES))
    return Case(lambda: gradient(*point), lambda result: workloads.robertson_answer(*result))


if __name__ == "__main__":
    main(globals(), ("numpy",))
