"""One epoch of training the teaching notebook's MLP(2, [16, 16, 1]) on scalars: diffsim against micrograd.

    python -m venv peer && peer/bin/pip install micrograd==0.1.0 numpy
    python benchmarks/bench_mlp.py --peer peer/bin/python

Both start from the same weights and see the same 100 points (two moons) one by one: forward, squared loss,
``zero_grad``, ``backward``, a step of gradient descent.  The two run in turns, each in a process of its own, and the
ratio is taken in each round, so that a slow phase of the machine meets both.  Their losses must agree to 1e-9.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


def moons(n=100, noise=0.1, seed=0):
    """Two half circles with noise: points (n, 2) and labels (n,)."""
    rng = np.random.default_rng(seed)
    a = np.linspace(0, np.pi, n // 2)
    x = np.concatenate([np.stack([np.cos(a), np.sin(a)], 1), np.stack([1 - np.cos(a), 0.5 - np.sin(a)], 1)])
    return (x + noise * rng.standard_normal(x.shape)).tolist(), np.repeat([0.0, 1.0], n // 2).tolist()


def weights(seed=0):
    """Rows of weights of each layer, uniform in [-1, 1]; the biases are 0."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, (n_out, n_in)).tolist() for n_in, n_out in ((2, 16), (16, 16), (16, 1))]


def load(model):
    """Give a network of either package the common weights."""
    for layer, rows in zip(model.layers, weights(), strict=True):
        for neuron, row in zip(layer.neurons, rows, strict=True):
            for value, number in zip(neuron.w, row, strict=True):
                value.data = number
    return model


def epoch_diffsim(points, labels):
    """One epoch with diffsim; returns the sum of the losses."""
    from diffsim.nn import MLP

    model, total = load(MLP(2, [16, 16, 1])), 0.0
    for x, y in zip(points, labels, strict=True):
        loss = (model(x) - y) ** 2
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data = p.data - 0.1 * p.grad
        total += loss.data
    return total


def epoch_micrograd(points, labels):
    """The same with micrograd, which has no exp or sigmoid: exp is added as its own operations are written."""
    from micrograd.engine import Value
    from micrograd.nn import MLP

    def exp(x):
        out = Value(math.exp(x.data), (x,), "exp")

        def backward():
            x.grad += out.data * out.grad

        out._backward = backward
        return out

    model, total = load(MLP(2, [16, 16, 1])), 0.0
    for x, y in zip(points, labels, strict=True):
        loss = (1 / (1 + exp(-model(x))) - y) ** 2
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= 0.1 * p.grad
        total += loss.data
    return total


EPOCHS = {"diffsim": epoch_diffsim, "micrograd": epoch_micrograd}


def work(name, runs):
    """Time some epochs in this process and print one line of JSON."""
    data = moons()
    EPOCHS[name](*data)  # imports and warms up
    seconds, total = [], 0.0
    for _ in range(runs):
        start = time.process_time()
        total = EPOCHS[name](*data)
        seconds.append(time.process_time() - start)
    print(json.dumps({"loss": total, "seconds": statistics.median(seconds)}))


def run(python, name, runs):
    """Run `work` in a process of its own."""
    command = [python, str(Path(__file__).resolve()), "--work", name, "--runs", str(runs)]
    answer = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    )
    return json.loads(answer.stdout)


def main():
    """Compare the two and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=sys.executable, help="the Python that has micrograd")
    parser.add_argument("--rounds", type=int, default=5, help="how often the two take turns")
    parser.add_argument("--runs", type=int, default=3, help="epochs a turn; their median counts")
    parser.add_argument("--work", choices=sorted(EPOCHS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.runs)
        return
    ratios = []
    print("round  diffsim [s]  micrograd [s]  diffsim / micrograd")
    for k in range(options.rounds):
        ours, theirs = run(sys.executable, "diffsim", options.runs), run(options.peer, "micrograd", options.runs)
        if abs(ours["loss"] - theirs["loss"]) > 1e-9:
            sys.exit(f"the losses differ: {ours['loss']} and {theirs['loss']}")
        ratios.append(ours["seconds"] / theirs["seconds"])
        print(f"{k + 1:5d}  {ours['seconds']:11.3f}  {theirs['seconds']:13.3f}  {ratios[-1]:19.3f}")
    print(f"median ratio {statistics.median(ratios):.3f} (CPU time of one epoch; loss {ours['loss']:.9f} in both)")


if __name__ == "__main__":
    main()
