"""HIPS autograd: W2, W6, W8."""

from __future__ import annotations

import autograd.numpy as np
from autograd import grad, value_and_grad

from benchmarks import workloads
from benchmarks.frame import Case, main


def rates(t1, t2, p1, p2):
    c, s = np.cos(t1 - t2), np.sin(t1 - t2)
    over = 6 / (16 - 9 * c * c)
    v1, v2 = over * (2 * p1 - 3 * c * p2), over * (8 * p2 - 3 * c * p1)
    return v1, v2, -0.5 * (v1 * v2 * s + 29.4 * np.sin(t1)), -0.5 * (9.8 * np.sin(t2) - v1 * v2 * s)


def w2(task):
    def theta_2(*y):
        for _ in range(task.steps):
            y = [a + 0.01 * k for a, k in zip(y, rates(*y), strict=True)]
        return y[1]

    gradient = grad(theta_2, (0, 1, 2, 3))
    return Case(lambda: gradient(*workloads.START), list)


def squared_error(layers, x, y):
    for i, (w, b) in enumerate(layers):
        x = np.dot(w, x) + b
        x = np.maximum(x, 0) if i < 2 else 1 / (1 + np.exp(-x))
    return (y - x[0]) ** 2


def w6(task):
    points, labels = workloads.moons()
    step = value_and_grad(squared_error)

    def run():
        layers, total = [(w, np.zeros(len(w))) for w in workloads.weights()], 0.0
        for x, y in zip(points, labels, strict=True):
            loss, slopes = step(layers, np.array(x), y)
            layers = [(w - 0.1 * dw, b - 0.1 * db) for (w, b), (dw, db) in zip(layers, slopes, strict=True)]
            total += float(loss)
        return total

    return Case(run, lambda total: [total])


def lorenz_96(y, forcing):
    return (np.roll(y, -1) - np.roll(y, 2)) * np.roll(y, 1) - y + forcing


def w8(task):
    def loss(y, forcing, h=0.01):
        for _ in range(task.steps):
            k1 = lorenz_96(y, forcing)
            k2 = lorenz_96(y + h / 2 * k1, forcing)
            k3 = lorenz_96(y + h / 2 * k2, forcing)
            k4 = lorenz_96(y + h * k3, forcing)
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return np.sum(y**2)

    gradient, start = grad(loss, (0, 1)), workloads.lorenz_start(task.n)
    return Case(lambda: gradient(start, workloads.FORCING), lambda result: workloads.lorenz_answer(*result))


if __name__ == "__main__":
    main(globals(), ("autograd", "numpy"))
