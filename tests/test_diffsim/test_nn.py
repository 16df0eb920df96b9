"""`diffsim.nn`: the teaching network trains, its gradients are right, and on arrays it is the same network."""

from __future__ import annotations

import random

import numpy as np
import pytest

from diffsim import array_ops, ops
from diffsim.errors import DiffsimError
from diffsim.nn import MLP, ArrayMLP, Layer, Module, Neuron
from diffsim.testing import check_gradients
from diffsim.value import Value


def moons(n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    a = np.linspace(0, np.pi, n // 2)
    x = np.concatenate([np.stack([np.cos(a), np.sin(a)], 1), np.stack([1 - np.cos(a), 0.5 - np.sin(a)], 1)])
    return x, np.repeat([0.0, 1.0], n // 2)


def load(model: ArrayMLP, scalar: MLP) -> None:
    """Give the array network the weights of the scalar one."""
    for w, b, layer in zip(model.weights, model.biases, scalar.layers, strict=True):
        w.data = np.array([[v.data for v in neuron.w] for neuron in layer.neurons]).T
        b.data = np.array([neuron.b.data for neuron in layer.neurons])


def forward_by_numpy(model: MLP, x: np.ndarray) -> float:
    for i, layer in enumerate(model.layers):
        w = np.array([[v.data for v in neuron.w] for neuron in layer.neurons])
        z = w @ x + np.array([neuron.b.data for neuron in layer.neurons])
        x = 1 / (1 + np.exp(-z)) if i == len(model.layers) - 1 else np.maximum(z, 0)
    return float(x[0])


def test_number_of_parameters() -> None:
    assert len(MLP(2, [16, 16, 1]).parameters()) == 2 * 16 + 16 + 16 * 16 + 16 + 16 + 1
    assert len(Layer(3, 4).parameters()) == 16
    assert len(Neuron(3).parameters()) == 4
    assert all(isinstance(p, Value) for p in MLP(2, [3, 1]).parameters())


def test_output_is_that_of_numpy() -> None:
    model = MLP(3, [5, 4, 1], seed=1)
    x = np.array([0.3, -1.0, 2.0])
    assert model(list(x)).data == pytest.approx(forward_by_numpy(model, x), rel=1e-14)
    assert model(x).data == model(list(x)).data
    assert model([Value(v) for v in x]).data == model(list(x)).data


def test_several_outputs_are_a_list() -> None:
    out = MLP(2, [3, 2], seed=0)([1.0, 2.0])
    assert isinstance(out, list)
    assert len(out) == 2


def test_gradient_agrees_with_differences() -> None:
    model = MLP(2, [3, 1], seed=4, hidden="tanh")
    start = [p.data for p in model.parameters()]

    def loss(values: list[float]) -> object:
        it = iter(values)
        for neuron in (n for layer in model.layers for n in layer.neurons):
            neuron.w = [next(it) for _ in neuron.w]
            neuron.b = next(it)
        return (ops.sigmoid(model([0.5, -0.25])) - 1.0) ** 2

    check_gradients(loss, start, unresolved="raise")


def test_zero_grad_sets_every_gradient_to_zero() -> None:
    model = MLP(2, [3, 1], seed=0)
    model([1.0, 2.0]).backward()
    assert any(p.grad != 0 for p in model.parameters())
    model.zero_grad()
    assert all(p.grad == 0 for p in model.parameters())


def test_gradients_accumulate_until_they_are_zeroed() -> None:
    model = MLP(2, [3, 1], seed=0)
    model([1.0, 2.0]).backward()
    once = [p.grad for p in model.parameters()]
    model([1.0, 2.0]).backward()
    assert [p.grad for p in model.parameters()] == [2 * g for g in once]


def test_seed_makes_weights_reproducible() -> None:
    a, b, c = (MLP(2, [3, 1], seed=s) for s in (0, 0, 1))
    assert [p.data for p in a.parameters()] == [p.data for p in b.parameters()] != [p.data for p in c.parameters()]
    state = random.getstate()
    MLP(2, [3, 1], seed=0)
    assert random.getstate() == state


def test_array_network_is_the_scalar_network() -> None:
    scalar, array = MLP(2, [4, 3, 1], seed=3), ArrayMLP(2, [4, 3, 1], seed=0)
    load(array, scalar)
    x, y = moons(8)
    total = sum((scalar(row) - target) ** 2 for row, target in zip(x.tolist(), y, strict=True))
    scalar.zero_grad()
    total.backward()
    loss = array_ops.sum((array(x)[:, 0] - y) ** 2)
    array.zero_grad()
    loss.backward()
    assert loss.data == pytest.approx(total.data, rel=1e-12)
    for w, b, layer in zip(array.weights, array.biases, scalar.layers, strict=True):
        np.testing.assert_allclose(w.grad.T, [[v.grad for v in n.w] for n in layer.neurons], rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(b.grad, [n.b.grad for n in layer.neurons], rtol=1e-10, atol=1e-13)


def test_training_separates_two_moons() -> None:
    x, y = moons()
    model = ArrayMLP(2, [16, 16, 1], seed=0)
    for _ in range(400):
        loss = array_ops.mean((model(x)[:, 0] - y) ** 2)
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data = p.data - 0.5 * p.grad
    assert loss.data < 0.02
    assert np.mean((model(x).data[:, 0] > 0.5) == (y > 0.5)) == 1.0


def test_scalar_training_lowers_the_loss() -> None:
    x, y = moons(12)
    model = MLP(2, [8, 1], seed=2)
    losses = []
    for _ in range(80):
        loss = sum((model(row) - target) ** 2 for row, target in zip(x.tolist(), y, strict=True)) / len(y)
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= 0.5 * p.grad
        losses.append(loss.data)
    assert losses[-1] < 0.6 * losses[0]


def test_wrong_sizes_are_refused_by_name() -> None:
    for make in (
        lambda: MLP(2, []),
        lambda: MLP(0, [1]),
        lambda: MLP(2, [3, 1])([1.0]),
        lambda: Neuron(2, activation="rleu"),
        lambda: ArrayMLP(2, [1])(np.zeros((5, 3))),
        lambda: Layer(2, 0),
    ):
        with pytest.raises(DiffsimError):
            make()


def test_module_is_abstract() -> None:
    with pytest.raises(TypeError):
        Module()  # type: ignore[abstract]
