"""`MechanicalSystem`: what systems written by a Hamiltonian or a Lagrangian have in common.

Nothing is derived by hand.  While a solver traces the rates, the written function is recorded as a graph and
differentiated in place (`diffsim.enclosed`), so that the derivatives are compiled with the solver's step.  Asked for
plain numbers, the same graph is kept by what the system is made of and evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim import array_ops
from diffsim.capture import WholeNumberNeeded, capture, trace_flow
from diffsim.enclosed import Enclosed, enclose
from diffsim.errors import KindError
from diffsim.number import AnyNumber, raw
from diffsim.protocols import parameter_values, with_parameters
from diffsim.traced_array import as_traced
from diffsim.tracer import Tracer
from diffsim.value import Value
from systems._base import System
from systems._room import Room, room_of
from systems._structure import Structure, structure_of

__all__: list[str] = []


@dataclass(frozen=True)
class MechanicalSystem(System):
    """A `System` with n coordinates whose equations of motion are derived from one function.

    Attributes
    ----------
    coordinates : tuple of str
        Names of the coordinates q.  A class attribute; a property where the size is an option.
    state_names : tuple of str
        Made from them where a subclass does not give its own.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        names = vars(cls).get("coordinates")
        if isinstance(names, tuple | list) and "state_names" not in vars(cls):
            cls.state_names = cls._named(tuple(names))  # type: ignore[method-assign, assignment]

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the coordinates q."""
        self._lacks("coordinates", 'Declare them, for example coordinates = ("theta",).')

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the coordinates, then of their partners."""
        return self._named(tuple(self.coordinates))

    @staticmethod
    def _named(coordinates: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of the state components, from those of the coordinates."""
        raise KindError("MechanicalSystem: derive from HamiltonianSystem or LagrangianSystem.")

    # -- terms that a subclass may write ----------------------------------------------------------------------------

    def mass_matrix(self, q: Any) -> Any:
        """Return the symmetric matrix M(q) of the kinetic energy ``qdot . M qdot / 2``, (n, n) or nested lists."""
        self._lacks("mass_matrix", "Write mass_matrix(self, q) and potential(self, q, t).")

    def potential(self, q: Any, t: Any) -> Any:
        """Return the potential energy V(q, t) in J; 0 where a subclass does not write it."""
        return 0.0

    def forces(self, q: Any, qdot: Any, t: Any) -> Any:
        """Return the n generalised forces that have no potential (drive, control, friction); none by default."""
        return ()

    def dissipation(self, q: Any, qdot: Any, t: Any) -> Any:
        """Return Rayleigh's dissipation function F in W: the forces are ``-dF/dqdot``; 0 by default."""
        return 0.0

    # -- rates ------------------------------------------------------------------------------------------------------

    def rates(self, t: Any, state: Any) -> Sequence[Any]:
        """Return the time derivatives of the components, derived from what the subclass has written."""
        components, parameters = list(state), parameter_values(self)
        if any(map(_holds_tracer, (t, *components, *parameters))) or _is_exotic((t, *components, *parameters)):
            return tuple(self._derived(t, components))
        kept = self._kept()
        if kept is None:
            return tuple(self._derived(t, components))
        room, numbers = kept
        return tuple(room(t, components, numbers))

    def _derived(self, t: Any, state: list[Any]) -> list[Any]:
        """Return the rates, differentiating now."""
        raise NotImplementedError

    def _kept(self) -> tuple[Room, list[Any]] | None:
        """Return the room with the graph of the rates, and the numbers that it takes after t and the state.

        None where it is not known what they depend on.

        The parameters are stood in for by numbers that can be told from each other, so that whole arrays of them (one
        entry a trajectory) find their places.
        """
        names = self.parameter_names
        stand_ins = [Value(1.0) for _ in names]
        actual = {id(x): getattr(self, name) for x, name in zip(stand_ins, names, strict=True)}
        twin: Any = with_parameters(self, stand_ins)
        captured = capture(twin)
        while True:
            if captured.key is None:
                return None
            room = room_of(captured.key, self.dimension)
            if room.graph is not None:
                break
            try:
                room.graph = trace_flow(captured, self.dimension)
            except WholeNumberNeeded as needed:
                captured = needed.captured
        return room, [actual.get(id(x), x) for x in captured.values]

    # -- structure --------------------------------------------------------------------------------------------------

    def _written(self) -> Enclosed:
        """Return the graph of the function that the equations are derived from."""
        raise NotImplementedError

    def _structure(self) -> Structure:
        return structure_of(self, self._written)

    @property
    def separable(self) -> bool:
        """Whether each half of the rates depends on the other half of the state only (and on t)."""
        return self._structure().separable

    @property
    def autonomous(self) -> bool:
        """Whether the equations do not depend on t."""
        return self._structure().autonomous

    @property
    def cyclic(self) -> tuple[str, ...]:
        """Coordinates on which the function that was written does not depend."""
        return tuple(name for name, k in zip(self.coordinates, self._structure().cyclic, strict=True) if k)

    # -- what is written, as graphs ---------------------------------------------------------------------------------

    @property
    def _n(self) -> int:
        return len(self.coordinates)

    def _enclosed(self, f: Callable[[Any, Any, Any, Any], Sequence[Any]], second: str = "v") -> Enclosed:
        """Return the graph of ``f(system, t, q, v)``; its inputs are t, q, v and the parameters."""
        n, names = self._n, self.parameter_names

        def written(x: list[Any]) -> Sequence[Any]:
            twin: Any = with_parameters(self, x[1 + 2 * n :])
            return f(twin, x[0], _array(x[1 : 1 + n]), _array(x[1 + n : 1 + 2 * n]))

        inputs = ["t", *(f"q[{i}]" for i in range(n)), *(f"{second}[{i}]" for i in range(n)), *names]
        return enclose(written, inputs)

    def _inputs(self, t: Any, q: Sequence[Any], v: Sequence[Any]) -> list[Any]:
        return [t, *q, *v, *parameter_values(self)]

    @property
    def _q(self) -> range:
        """Positions of the coordinates among the inputs."""
        return range(1, 1 + self._n)

    @property
    def _v(self) -> range:
        """Positions of the velocities, or momenta."""
        return range(1 + self._n, 1 + 2 * self._n)

    @property
    def _still(self) -> list[int]:
        """Positions of what stays the same during a solve, and of t."""
        first = 1 + 2 * self._n
        return [0, *range(first, first + len(self.parameter_names))]

    def _has(self, method: str) -> bool:
        """Whether a subclass writes this method."""
        return getattr(type(self), method) is not getattr(MechanicalSystem, method)

    def _added(self, t: Any, q: Sequence[Any], qdot: Sequence[Any]) -> list[Any]:
        """Return the generalised forces and the friction together; exactly 0.0 where there is none."""
        total: list[Any] = [0.0] * self._n
        x = self._inputs(t, q, qdot)
        if self._has("forces"):
            total = self._enclosed(lambda s, t, q, v: _checked_forces(s, s.forces(q, v, t)))(x)
        if self._has("dissipation"):
            friction = self._enclosed(lambda s, t, q, v: [_scalar(s, "dissipation", s.dissipation(q, v, t))])
            slopes = friction.pull(friction.values(x), self._v, [one_like(x)])
            total = [a - b for a, b in zip(total, slopes, strict=True)]
        return total

    def _natural(self) -> bool:
        """Whether the energy is written as a mass matrix and a potential."""
        return self._has("mass_matrix")

    def _masses(self, system: Any, q: Any) -> list[list[Any]]:
        """Return the written mass matrix as rows."""
        n, found = self._n, system.mass_matrix(q)
        rows = [list(row) for row in found] if np.ndim(found) != 1 else []
        if len(rows) != n or any(len(row) != n for row in rows):
            raise KindError(
                f"{type(self).__name__}: mass_matrix must return {n} rows of {n} numbers, one for each of "
                f"{', '.join(self.coordinates)}; got shape {np.shape(found)}."
            )
        return rows

    def _mass_graph(self) -> Enclosed:
        """Return the graph of the mass matrix, row by row; proved symmetric."""
        n = self._n
        masses = self._enclosed(lambda s, t, q, v: [x for row in self._masses(s, q) for x in row])
        unequal = [(i, j) for i in range(n) for j in range(i) if masses.outputs[n * i + j] != masses.outputs[n * j + i]]
        if unequal:
            rng = np.random.default_rng(0)
            values = masses.graph.evaluate(rng.uniform(0.5, 1.5, len(masses.graph.form[0])).tolist())
            found = np.array([float(raw(values[i])) for i in masses.outputs]).reshape(n, n)
            for i, j in unequal:
                if abs(found[i, j] - found[j, i]) > 1e-9 * (abs(found[i, j]) + abs(found[j, i])):
                    raise KindError(
                        f"{type(self).__name__}: mass_matrix must be symmetric; its entries [{i}, {j}] and [{j}, {i}] "
                        f"differ, {found[i, j]!r} and {found[j, i]!r} at a point drawn at random."
                    )
        return masses

    def _mass_rows(self, t: Any, q: Sequence[Any]) -> list[list[Any]]:
        """Return the lower triangle of the mass matrix, row by row."""
        n = self._n
        found = self._mass_graph()(self._inputs(t, q, [0.0] * n))
        return [[found[n * i + j] for j in range(i + 1)] for i in range(n)]


def kinetic(masses: Sequence[Sequence[Any]], v: Sequence[Any]) -> Any:
    """Return ``v . M v / 2`` from the lower triangle of M."""
    total: Any = 0.0
    for i, row in enumerate(masses):
        for j in range(i):
            if not is_zero(row[j]):
                total = total + row[j] * v[i] * v[j]
        if not is_zero(row[i]):
            total = total + 0.5 * row[i] * (v[i] * v[i])
    return total


def solve_symmetric(masses: Sequence[Sequence[Any]], right: Sequence[Any]) -> list[Any]:
    """Solve ``M x = b`` by elimination without pivoting, unrolled, for a positive definite M of any kind of numbers.

    Parameters
    ----------
    masses : sequence of sequence
        The lower triangle of M: row i has i + 1 entries.  What is exactly 0 is not computed with.
    right : sequence
        b.

    References
    ----------
    Golub and Van Loan, Matrix Computations, 4th edition, section 4.1.2 (L D L^T without pivoting).
    """
    n, a, b = len(right), [list(row) for row in masses], list(right)
    factors: list[dict[int, Any]] = [{} for _ in range(n)]
    for k in range(n):
        for i in range(k + 1, n):
            if is_zero(a[i][k]):
                continue
            factor = factors[k][i] = a[i][k] / a[k][k]
            for j in range(k + 1, i + 1):
                if not is_zero(a[j][k]):
                    a[i][j] = a[i][j] - factor * a[j][k]
            b[i] = b[i] - factor * b[k]
    x: list[Any] = [None] * n
    for k in range(n - 1, -1, -1):
        x[k] = b[k] / a[k][k]
        for i, factor in factors[k].items():
            x[k] = x[k] - factor * x[i]
    return x


def is_zero(x: Any) -> bool:
    """Say whether a number is exactly 0 whatever the inputs."""
    if isinstance(x, Tracer):
        x = x.constant()
    return isinstance(x, float | int) and x == 0.0


def one_like(numbers: Sequence[Any]) -> Any:
    """Return 1 as a multiprecision number or a fraction, where one of the numbers is: 1.0 / 3.0 would lose digits."""
    for x in numbers:
        plain = _plain(x)
        if _is_exotic_number(plain):
            return plain.__class__(1)
    return 1.0


def _plain(x: Any) -> Any:
    plain = raw(x)
    if isinstance(plain, np.ndarray) and plain.dtype == object and plain.size:
        plain = raw(plain.flat[0])
    return plain


def _is_exotic_number(plain: Any) -> bool:
    return not isinstance(plain, float | int | np.ndarray | np.generic | Tracer | Value) and hasattr(plain, "__add__")


def _is_exotic(numbers: Sequence[Any]) -> bool:
    return any(_is_exotic_number(_plain(x)) for x in numbers if x.__class__ is not float)


def _holds_tracer(x: Any) -> bool:
    if x.__class__ is float:
        return False
    plain = raw(x)
    if isinstance(plain, np.ndarray) and plain.dtype == object:
        return any(isinstance(raw(item), Tracer) for item in plain.flat)
    return isinstance(plain, Tracer)


def _array(numbers: Sequence[AnyNumber]) -> Any:
    out = np.empty(len(numbers), dtype=object)
    out[:] = numbers
    return as_traced(out)


def _scalar(system: Any, method: str, found: Any) -> Any:
    """What a method has returned, as one number."""
    if found is None:
        raise KindError(f"{type(system).__name__}: {method} returned None. Is its `return` missing?")
    if np.shape(raw(found)) not in ((), (1,)):
        raise KindError(f"{type(system).__name__}: {method} must return one number; got shape {np.shape(raw(found))}.")
    return found[0] if np.shape(raw(found)) else found


def _checked_forces(system: Any, found: Any) -> list[Any]:
    """The generalised forces, one a coordinate."""
    names = ", ".join(system.coordinates)
    try:
        forces = list(found)
    except TypeError:
        forces = []
    if len(forces) != len(system.coordinates):
        got = "None (a missing return?)" if found is None else f"{len(forces)} of them" if forces else repr(found)
        raise KindError(f"{type(system).__name__}: forces must return one number for each of {names}; got {got}.")
    return forces


def stacked(numbers: Sequence[Any]) -> Any:
    """Return numbers of any kind as one array; component first."""
    return array_ops.stack(list(numbers))
