"""`Program`: one step of a method on a traced right-hand side, the thing that is compiled and differentiated."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np

from diffsim import array_ops, derivatives
from diffsim.graph import Graph, trace
from diffsim.number import AnyNumber
from diffsim.strength import strengthen
from diffsim.tree import leaves
from integrators._bdf_tableau import BdfTableau
from integrators._esdirk_tableau import EsdirkTableau
from integrators._radau_tableau import RadauTableau
from integrators._rosenbrock_tableau import RosenbrockTableau
from integrators._taylor_formula import TaylorFormula
from integrators._theta_tableau import ThetaTableau

__all__: list[str] = []

Weight: TypeAlias = Any
"""A float; of the last row of an interpolant the coefficients of a polynomial in the position, from the first power."""


@final
@dataclass(frozen=True)
class Scheme:
    """An explicit Runge-Kutta method as the kernels see it: the stages that count, in doubles.

    Attributes
    ----------
    rows : tuple of tuple of (int, Weight)
        For each stage the stages that it is made of and their weights; the last row makes the new state.
    nodes : tuple of float
        Time of each stage, in steps.
    blends : bool
        Whether the last row is that of an interpolant.
    """

    rows: tuple[tuple[tuple[int, Weight], ...], ...]
    nodes: tuple[float, ...]
    blends: bool = False

    @property
    def n_stages(self) -> int:
        """Number of stages."""
        return len(self.nodes)

    @classmethod
    def of(cls, a: Sequence[Sequence[float]], b: Sequence[float], c: Sequence[float]) -> Scheme:
        """Return the scheme of a tableau; stages on which the new state does not depend are left out."""
        return cls._made(a, [weight or None for weight in b], c, False)

    @classmethod
    def blending(
        cls, a: Sequence[Sequence[float]], c: Sequence[float], polynomials: Sequence[Sequence[float]]
    ) -> Scheme:
        """Return the scheme of an interpolant: the weight of each stage is a polynomial, from the first power on."""
        return cls._made(a, [tuple(map(float, row)) if any(row) else None for row in polynomials], c, True)

    @classmethod
    def _made(
        cls, a: Sequence[Sequence[float]], last: Sequence[Weight | None], c: Sequence[float], blends: bool
    ) -> Scheme:
        needed: set[int] = {j for j, weight in enumerate(last) if weight is not None}
        for i in range(len(last) - 1, -1, -1):
            if i in needed:
                needed.update(j for j, weight in enumerate(a[i]) if weight)
        kept = {old: new for new, old in enumerate(sorted(needed))}
        rows = [_row(a[i], kept) for i in kept]
        end = tuple((kept[j], weight) for j, weight in enumerate(last) if weight is not None)
        return cls((*rows, end), tuple(float(c[i]) for i in kept), blends)


Formula: TypeAlias = (
    "Pair | RosenbrockTableau | EsdirkTableau | ThetaTableau | RadauTableau | BdfTableau | TaylorFormula"
)
"""What the search for steps knows of a method."""


@final
@dataclass(frozen=True)
class Pair:
    """An explicit Runge-Kutta method with an error estimate, as the search for steps sees it.

    Its stages are those before the *closing* one, the derivative at the new state, with which the next step begins.

    Attributes
    ----------
    rows : tuple of tuple of (int, float)
        Stages and their weights, in doubles: of each stage (the first has none), of the new state, of each estimate.
        In the estimates the closing stage has the number `n_stages`.
    nodes : tuple of float
        Time of each stage, in steps.
    order : int
        Order of the estimate.
    """

    rows: tuple[tuple[tuple[int, float], ...], ...]
    nodes: tuple[float, ...]
    order: int

    @property
    def n_stages(self) -> int:
        """Number of stages before the closing one."""
        return len(self.nodes)

    @property
    def n_errors(self) -> int:
        """Number of error estimates."""
        return len(self.rows) - self.n_stages - 1

    @classmethod
    def of(
        cls,
        a: Sequence[Sequence[float]],
        b: Sequence[float],
        c: Sequence[float],
        errors: Sequence[Sequence[float]],
        order: int,
        closing: bool,
    ) -> Pair:
        """Return the pair of a tableau; `closing` says whether its last stage is the derivative at the new state."""
        n = len(b) - closing
        kept = {j: j for j in range(n + closing)}
        rows = [_row(row, kept) for row in (*a[:n], b, *errors)]
        return cls(tuple(rows), tuple(float(x) for x in c[:n]), order)


def _row(weights: Sequence[float], kept: dict[int, int]) -> tuple[tuple[int, float], ...]:
    return tuple((kept[j], float(weight)) for j, weight in enumerate(weights) if weight)


@final
@dataclass(frozen=True, eq=False)  # each is made once (see `route`): equal means the same object
class Program:
    """What a kernel computes at each step.

    Attributes
    ----------
    graph : Graph
        With a `scheme` the right-hand side ``f(t, y, p)``, of the inputs t, y[0], ..., p[0], ...; without one the
        whole step ``(t, h, y, p)``, or ``(t, h, x, y, p)`` to the position x within it.  n results.
    n : int
        Number of state components.
    n_parameters : int
    scheme : Scheme or None
    n_whole : int
        Number of inputs before the state of a whole step.
    """

    graph: Graph
    n: int
    n_parameters: int
    scheme: Scheme | None
    n_whole: int = 2

    @property
    def n_leading(self) -> int:
        """Number of inputs before the state: the time, and for a whole step its size."""
        return 1 if self.scheme is not None else self.n_whole

    @functools.cached_property
    def inputs(self) -> tuple[int, ...]:
        """Nodes of the inputs, in order."""
        return tuple(i for i, node in enumerate(self.graph.nodes) if node.row is None and node.value is None)

    @functools.cached_property
    def outputs(self) -> tuple[int, ...]:
        """Nodes of the n results."""
        return tuple(int(i) for index in leaves(self.graph.result) for i in index.ravel())

    @property
    def states(self) -> tuple[int, ...]:
        """Nodes of the state's components."""
        return self.inputs[self.n_leading : self.n_leading + self.n]

    @property
    def parameters(self) -> tuple[int, ...]:
        """Nodes of the parameters."""
        return self.inputs[self.n_leading + self.n :]

    def evaluate(self, leading: Sequence[AnyNumber], y: AnyNumber, parameters: AnyNumber) -> list[AnyNumber]:
        """Return the n results for numbers of any kind."""
        values = self.graph.evaluate([*leading, *(y[i] for i in range(self.n)), *parameters])
        return [values[i] for i in self.outputs]

    @functools.cached_property
    def tangent(self) -> Program:
        """The program of the state with its tangent: twice the components, and twice the parameters."""
        n, m, lead = self.n, self.n_parameters, self.n_leading

        def both(leading: AnyNumber, y: AnyNumber, parameters: AnyNumber) -> AnyNumber:
            def values(y: AnyNumber, parameters: AnyNumber) -> AnyNumber:
                return array_ops.stack(self.evaluate(list(leading), y, [parameters[j] for j in range(m)]))

            primals, tangents = (y[:n], parameters[:m]), (y[n:], parameters[m:])
            return list(derivatives.jvp(values, primals, tangents))

        graph = trace(both, np.zeros(lead), np.zeros(2 * n), np.zeros(2 * m))
        return Program(graph, 2 * n, 2 * m, self.scheme, self.n_whole)

    @functools.cached_property
    def reduced(self) -> Program:
        """The same program for machine code: fewer and cheaper operations, a few units in the last place apart."""
        return dataclasses.replace(self, graph=strengthen(self.graph, fixed=self.parameters))

    @functools.cached_property
    def n_operations(self) -> int:
        """Arithmetic operations of a step."""
        return self.graph.n_operations * (1 if self.scheme is None else self.scheme.n_stages)
