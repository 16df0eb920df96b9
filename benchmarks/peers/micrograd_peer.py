"""micrograd: W2 and W6.  It has no sin, cos and exp: they are added as its own operations are written."""

from __future__ import annotations

import math
import sys
import threading

from micrograd.engine import Value
from micrograd.nn import MLP

from benchmarks import workloads
from benchmarks.frame import Case, main

# NOTE: its topological sort is recursive and dies on 500 steps at Python's default limit.
sys.setrecursionlimit(1_000_000)
threading.stack_size(1 << 29)


def elementary(x, value, slope):
    out = Value(value, (x,))

    def backward():
        x.grad += slope * out.grad

    out._backward = backward
    return out


def sin(x):
    return elementary(x, math.sin(x.data), math.cos(x.data))


def cos(x):
    return elementary(x, math.cos(x.data), -math.sin(x.data))


def exp(x):
    return elementary(x, math.exp(x.data), math.exp(x.data))


def rates(t1, t2, p1, p2):
    c, s = cos(t1 - t2), sin(t1 - t2)
    over = 6 / (16 + -9 * c * c)
    v1, v2 = over * (2 * p1 - 3 * c * p2), over * (8 * p2 - 3 * c * p1)
    return v1, v2, -0.5 * (v1 * v2 * s + 29.4 * sin(t1)), -0.5 * (9.8 * sin(t2) - v1 * v2 * s)


def w2(task):
    def gradient():
        start = y = [Value(number) for number in workloads.START]
        for _ in range(task.steps):
            y = [a + 0.01 * k for a, k in zip(y, rates(*y), strict=True)]
        y[1].backward()
        return [value.grad for value in start]

    def run():  # in a thread, for its larger stack
        found = []
        thread = threading.Thread(target=lambda: found.extend(gradient()))
        thread.start()
        thread.join()
        return found

    return Case(run, list)


def w6(task):
    points, labels = workloads.moons()

    def run():
        model, total = MLP(2, [16, 16, 1]), 0.0
        for layer, rows in zip(model.layers, workloads.weights(), strict=True):
            for neuron, row in zip(layer.neurons, rows.tolist(), strict=True):
                for weight, number in zip(neuron.w, row, strict=True):
                    weight.data = number
        for x, y in zip(points, labels, strict=True):
            loss = (1 / (1 + exp(-model(x))) - y) ** 2
            model.zero_grad()
            loss.backward()
            for p in model.parameters():
                p.data -= 0.1 * p.grad
            total += loss.data
        return total

    return Case(run, lambda total: [total])


if __name__ == "__main__":
    main(globals(), ("micrograd",))
