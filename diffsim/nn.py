"""Small neural networks in the teaching form: `Neuron`, `Layer`, `MLP` on scalar `Value`s, and `ArrayMLP` on arrays.

`Neuron` is where the idea is visible: a weighted sum and a nonlinearity.  `MLP` is a few lines on top.  `ArrayMLP`
is the same network with one `Value` a weight matrix, for more than a handful of neurons.
"""

from __future__ import annotations

import abc
import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from diffsim import array_ops, ops
from diffsim.errors import must
from diffsim.number import AnyNumber, shape_of
from diffsim.value import Value, weighted_sum

__all__ = ["MLP", "ArrayMLP", "Layer", "Module", "Neuron"]

_ACTIVATIONS = {"relu": ops.relu, "sigmoid": ops.sigmoid, "tanh": ops.tanh, "linear": lambda x: x}


def _activation(name: str) -> Any:
    if name not in _ACTIVATIONS:
        raise must("nn", "activation", f"must be one of {', '.join(_ACTIVATIONS)}", name)
    return _ACTIVATIONS[name]


class Module(abc.ABC):
    """Something with parameters."""

    @abc.abstractmethod
    def parameters(self) -> list[Value]:
        """All `Value`s that training changes."""

    def zero_grad(self) -> None:
        """Set every parameter's ``.grad`` to 0."""
        for p in self.parameters():
            p.grad = 0.0


class Neuron(Module):
    """``activation(w . x + b)`` on scalar `Value`s.

    Parameters
    ----------
    n_inputs : int
    activation : {"relu", "sigmoid", "tanh", "linear"}
    rng : random.Random, optional
        Weights are drawn from it, uniform in [-1, 1]; the bias starts at 0.

    Attributes
    ----------
    w : list of Value
    b : Value
    """

    def __init__(self, n_inputs: int, activation: str = "relu", rng: random.Random | None = None) -> None:
        if n_inputs < 1:
            raise must("Neuron", "n_inputs", "must be >= 1", n_inputs)
        rng = rng or random.Random()
        self.w = [Value(rng.uniform(-1.0, 1.0)) for _ in range(n_inputs)]
        self.b = Value(0.0)
        self.activation = activation
        self._function = _activation(activation)

    def __call__(self, x: Sequence[AnyNumber]) -> AnyNumber:
        if len(x) != len(self.w):
            raise must("Neuron", "x", f"must have {len(self.w)} entries", len(x))
        return self._function(weighted_sum(self.w, x, self.b))

    def parameters(self) -> list[Value]:
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"Neuron({len(self.w)}, {self.activation})"


class Layer(Module):
    """Neurons side by side; returns the list of their outputs."""

    def __init__(
        self, n_inputs: int, n_outputs: int, activation: str = "relu", rng: random.Random | None = None
    ) -> None:
        if n_outputs < 1:
            raise must("Layer", "n_outputs", "must be >= 1", n_outputs)
        rng = rng or random.Random()
        self.neurons = [Neuron(n_inputs, activation, rng) for _ in range(n_outputs)]

    def __call__(self, x: Sequence[AnyNumber]) -> list[AnyNumber]:
        return [neuron(x) for neuron in self.neurons]

    def parameters(self) -> list[Value]:
        return [p for neuron in self.neurons for p in neuron.parameters()]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """Multilayer perceptron on scalar `Value`s: relu in the hidden layers, sigmoid at the end.

    Parameters
    ----------
    n_inputs : int
    n_outputs : sequence of int
        Width of each layer, the last one the number of outputs.
    hidden, output : str
        Activations.
    seed : int, optional
        Makes the weights reproducible.

    Examples
    --------
    >>> model = MLP(2, [16, 16, 1], seed=0)
    >>> len(model.parameters())
    337
    >>> loss = (model([0.5, -1.0]) - 1.0) ** 2
    >>> model.zero_grad(); loss.backward()
    >>> for p in model.parameters():
    ...     p.data = p.data - 0.1 * p.grad
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: Sequence[int],
        *,
        hidden: str = "relu",
        output: str = "sigmoid",
        seed: int | None = None,
    ) -> None:
        widths = _widths(n_inputs, n_outputs)
        rng = random.Random(seed)
        last = len(widths) - 2
        self.layers = [
            Layer(a, b, output if i == last else hidden, rng) for i, (a, b) in enumerate(itertools.pairwise(widths))
        ]

    def __call__(self, x: Sequence[AnyNumber]) -> AnyNumber:
        for layer in self.layers:
            x = layer(x)
        return x[0] if len(x) == 1 else x

    def parameters(self) -> list[Value]:
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"


class ArrayMLP(Module):
    """The network of `MLP` with one array `Value` for the weights of a layer and one for its biases.

    Parameters
    ----------
    n_inputs, n_outputs, hidden, output, seed
        As for `MLP`.

    Examples
    --------
    >>> model = ArrayMLP(2, [16, 1], seed=0)
    >>> model(np.zeros((5, 2))).shape
    (5, 1)
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: Sequence[int],
        *,
        hidden: str = "relu",
        output: str = "sigmoid",
        seed: int | None = None,
    ) -> None:
        widths = _widths(n_inputs, n_outputs)
        rng = np.random.default_rng(seed)
        self.weights = [Value(rng.uniform(-1.0, 1.0, (a, b))) for a, b in itertools.pairwise(widths)]
        self.biases = [Value(np.zeros(b)) for b in widths[1:]]
        self.hidden, self.output = hidden, output
        _activation(hidden), _activation(output)

    def __call__(self, x: AnyNumber) -> AnyNumber:
        """Outputs for points x of shape (..., n_inputs): shape (..., n_outputs[-1])."""
        x = array_ops.array(x)
        wanted = shape_of(self.weights[0])[0]
        if not shape_of(x) or shape_of(x)[-1] != wanted:
            raise must("ArrayMLP", "x", f"must have {wanted} entries along its last axis", shape_of(x))
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = _activation(self.hidden)(x @ w + b)
        return _activation(self.output)(x @ self.weights[-1] + self.biases[-1])

    def parameters(self) -> list[Value]:
        return [p for pair in zip(self.weights, self.biases, strict=True) for p in pair]

    def __iter__(self) -> Iterator[Value]:
        return iter(self.parameters())


def _widths(n_inputs: int, n_outputs: Sequence[int]) -> list[int]:
    widths = [n_inputs, *n_outputs]
    if len(widths) < 2 or any(not isinstance(n, int) or n < 1 for n in widths):
        raise must("MLP", "widths", "must be whole numbers >= 1, at least one layer", widths)
    return widths
