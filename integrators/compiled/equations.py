"""The equations of implicit steps as functions of numbers of any kind, their solution known beforehand.

A step of an implicit method has a root in it.  Where that is known, z, and with it the inverse W of the equations'
matrix there, the step becomes plain arithmetic with the right derivatives: Newton's step from the root,

    z - W G(z, y, t, h, p),

has the value of the root, and its first derivative is that of the implicit function theorem (see `_implicit`); k steps
have the first k derivatives.  So a step with its root is a program as any other one: it is walked along, forth and
back, with z and W among the inputs before the state.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from integrators.compiled.program import Program
from integrators.compiled.slope import slope_of
from integrators.compiled.steps import Steps

__all__: list[str] = []

Array = NDArray[np.float64]
Slopes = Callable[[Array, Array], Array]
"""Times and states (n, s k) to Jacobians (s k, n, n), of the columns of all steps, s times one behind the other."""


@final
class TracedField:
    """A right-hand side of object arrays, and its Jacobian.

    Parameters
    ----------
    program : Program
        The right-hand side.
    parameters : sequence of number
    """

    def __init__(self, program: Program, parameters: Any) -> None:
        self._program, self._slope, self._parameters = program, slope_of(program), parameters

    def __call__(self, t: Any, y: Any) -> Any:
        """Return f(t, y), shape (n,)."""
        return objects(self._program.evaluate([t], y, self._parameters))

    def slope(self, t: Any, y: Any) -> tuple[Callable[[Any], Any], Any]:
        """Return the product with the Jacobian, as a function of a vector, and df/dt."""
        values = self._slope.program.evaluate([t], y, self._parameters)
        places = self._slope.places
        entries, drift = values[: len(places)], values[len(places) :]

        def times(u: Any) -> Any:
            found = [0.0] * len(u)
            for (i, j), entry in zip(places, entries, strict=True):
                found[i] = found[i] + entry * u[j]
            return objects(found)

        return times, objects(drift) if self._slope.moves else None


def objects(numbers: Sequence[Any]) -> Any:
    """Return numbers of any kind as an object array, shape (k,)."""
    found = np.empty(len(numbers), dtype=object)
    for i in range(len(numbers)):
        found[i] = float(numbers[i]) if numbers[i].__class__ is np.float64 else numbers[i]
    return found


class Equations(abc.ABC):
    """The equations of one method for n components.

    Attributes
    ----------
    n : int
    n_states : int
        Numbers that a step hands to the next one, the state first.
    n_unknowns, n_inverse, n_weights : int
        Numbers of the root, of the inverse matrices, and of what else belongs to a step.
    degree : int
        Of the polynomial of a step.
    n_noted : int
        Rows that the search notes beside each step.
    """

    n_weights: int = 0
    n_noted: int = 0
    degree: int
    n_states: int
    n_unknowns: int
    n_inverse: int

    def __init__(self, n: int) -> None:
        self.n = n

    @property
    def n_rows(self) -> int:
        """Numbers of a step beside its time and size."""
        return self.n_weights + self.n_unknowns + self.n_inverse

    def split(self, rows: Any) -> tuple[Any, Any, Any]:
        """Return the weights, the root and the inverse matrices of a step."""
        first, second = self.n_weights, self.n_weights + self.n_unknowns
        return rows[:first], rows[first:second], rows[second:]

    @abc.abstractmethod
    def operations(self, of_field: int, of_slope: int) -> int:
        """Return the operations of a step, about, given those of the right-hand side and of its Jacobian."""

    def weights(self, steps: Steps) -> Array:
        """Return what else belongs to each step, shape (n_weights, n_logged)."""
        return np.zeros((0, steps.n_logged))

    @abc.abstractmethod
    def guess(self, steps: Steps) -> Array:
        """Return roots near those of the steps, shape (n_unknowns, n_logged)."""

    @abc.abstractmethod
    def inverses(self, slopes: Slopes, steps: Steps, y: Array, unknowns: Array) -> Array:
        """Return the inverse matrices of steps from states y (n, n_logged), shape (n_inverse, n_logged)."""

    def begin(self, y: Any, slope: Any, h: Any) -> Sequence[Any]:
        """Return what stands behind the state at the start, given f there and the first step: parts of n numbers."""
        return ()

    @abc.abstractmethod
    def step(self, f: TracedField, t: Any, h: Any, rows: Any, states: Any, sweeps: int) -> tuple[Any, Any, Any]:
        """Make a step in numbers of any kind, its root by Newton's steps from the known one.

        Parameters
        ----------
        f : TracedField
        t, h : number
        rows : array, shape (n_rows,)
            See `split`.
        states : array, shape (n_states,)
            What the step is handed.
        sweeps : int
            Newton's steps: as many derivatives are right.

        Returns
        -------
        states : array, shape (n_states,)
            What it hands on.
        root : array, shape (n_unknowns,)
        made
            What `polynomial` asks for.
        """

    @abc.abstractmethod
    def polynomial(self, made: Any, y: Any, h: Any) -> list[Any]:
        """Return the coefficients, shape (n,) each, of a step's polynomial; see `Integrator.dense`.

        Parameters
        ----------
        made
            What `step` returned last.
        y : array, shape (n,)
        h : number
        """


def improved(residual: Callable[[Any], Any], z: Any, inverse: Any, sweeps: int) -> Any:
    """Return a root with its derivatives: Newton's steps from the known one.

    Parameters
    ----------
    residual : callable
        G, shape (k,) to (k,).
    z : array, shape (k,)
    inverse : array, shape (k * k,)
        Of dG/dz there, row by row.
    sweeps : int
    """
    matrix = np.reshape(inverse, (len(z), len(z)))
    for _ in range(sweeps):
        z = z - matrix @ residual(z)
    return z


def at_stages(unknowns: Array, n: int) -> Array:
    """Return unknowns (s * n, k) of s stages as columns (n, s * k), one stage behind the other."""
    k = unknowns.shape[1]
    return unknowns.reshape(-1, n, k).transpose(1, 0, 2).reshape(n, -1)


def total(weights: Sequence[float], terms: Sequence[Any]) -> Any:
    """Return the weighted sum of terms, without those whose weight is 0."""
    some = [weight * term for weight, term in zip(weights, terms, strict=False) if weight]
    return sum(some[1:], some[0])


def inverted(matrices: Array) -> Array:
    """Return inverses of matrices (k, n, n) as rows (n * n, k); NaN for all if one is singular."""
    try:
        found = np.linalg.inv(matrices)
    except np.linalg.LinAlgError:  # one of them is singular
        return np.full((matrices.shape[1] ** 2, len(matrices)), np.nan)
    rows: Array = np.asarray(found, dtype=np.float64).reshape(len(matrices), -1).T
    return rows
