"""`LagrangianSystem`: write L(q, qdot, t); everything else is derived."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diffsim.enclosed import Enclosed
from systems._mechanics import MechanicalSystem, _scalar, kinetic, one_like, solve_symmetric, stacked

__all__ = ["LagrangianSystem"]


@dataclass(frozen=True)
class LagrangianSystem(MechanicalSystem):
    """A system written by its Lagrangian L(q, q', t); base of frozen dataclasses.

    With the momenta ``p = dL/dq'`` and the mass matrix ``M = dp/dq'`` the accelerations solve

        M q'' = dL/dq - (dp/dq) q' - dp/dt + Q(q, q', t) - dF/dq'

    A subclass declares `coordinates` and writes `lagrangian`, or `mass_matrix` and `potential` (then
    L = q' . M(q) q' / 2 - V(q, t)).  What has no potential stands in `forces` (Q) and `dissipation` (Rayleigh's F).

    The state is (q, q'); the velocities are named after the coordinate with ``_dot``.

    Attributes
    ----------
    coordinates : tuple of str
        Names of q.
    cyclic : tuple of str
        Coordinates on which L does not depend: their momenta are conserved, and among `invariants`.
    invariants : mapping
        The energy ``q' . p - L``, where L does not depend on t and nothing drives or damps; the momenta of cyclic
        coordinates.

    Raises
    ------
    TraceError
        `lagrangian` branches on its arguments or calls foreign code.

    Notes
    -----
    The mass matrix must be positive definite; it is eliminated without pivoting.  Where it becomes singular, the
    accelerations are infinite or NaN.

    References
    ----------
    Landau and Lifshitz, Mechanics, sections 2 (Lagrange's equations), 6 (energy) and 25 (dissipation function).

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from diffsim import ops
    >>> @dataclass(frozen=True)
    ... class Swing(LagrangianSystem):
    ...     gravity: float = 9.8
    ...     coordinates = ("theta",)
    ...     def lagrangian(self, q, qdot, t):
    ...         return qdot[0] ** 2 / 2 + self.gravity * ops.cos(q[0])
    >>> Swing()(0.0, [0.5, 2.0]).round(6)
    array([ 2.     , -4.69837])
    >>> Swing().state_names
    ('theta', 'theta_dot')
    """

    @staticmethod
    def _named(coordinates: tuple[str, ...]) -> tuple[str, ...]:
        return (*coordinates, *(f"{name}_dot" for name in coordinates))

    def lagrangian(self, q: Any, qdot: Any, t: Any) -> Any:
        """Return L in J: **this is what a subclass writes** (or `mass_matrix` and `potential`).

        Parameters
        ----------
        q, qdot : array, shape (n,)
            Coordinates and velocities, traced numbers that unpack: ``theta_1, theta_2 = q``.
        t : number
            Time in s.
        """
        if not self._natural():
            self._lacks("lagrangian", "Write lagrangian(self, q, qdot, t), or mass_matrix and potential.")
        rows = [row[: i + 1] for i, row in enumerate(self._masses(self, q))]
        return kinetic(rows, list(qdot)) - _scalar(self, "potential", self.potential(q, t))

    # -- derived ----------------------------------------------------------------------------------------------------

    def _written(self) -> Enclosed:
        """Return the graph of L."""
        if self._natural():
            self._mass_graph()  # which proves the matrix symmetric
        return self._enclosed(lambda s, t, q, v: [_scalar(s, "lagrangian", s.lagrangian(q, v, t))])

    def _slopes(self, one: Any = 1.0) -> Enclosed:
        """Return the graph of dL/dq and dL/dq', of the same inputs as that of L."""
        moving = [*self._q, *self._v]

        def slopes(system: Any, t: Any, q: Any, v: Any) -> Sequence[Any]:
            written = system._written()
            x = system._inputs(t, list(q), list(v))
            found: list[Any] = written.pull(written.values(x), moving, [one])
            return found

        return self._enclosed(slopes)

    def _masses_of(self, slopes: Enclosed, values: Sequence[Any], one: Any) -> list[list[Any]]:
        """Return the lower triangle of the mass matrix dp/dq', row by row."""
        n = self._n
        columns = [slopes.push(values, {k: one}) for k in self._v]
        return [[columns[j][n + i] for j in range(i + 1)] for i in range(n)]

    def _derived(self, t: Any, state: list[Any]) -> list[Any]:
        n = self._n
        q, v = state[:n], state[n:]
        x = self._inputs(t, q, v)
        one = one_like(x)
        slopes = self._slopes(one)
        values = slopes.values(x)
        along = slopes.push(values, {0: one, **dict(zip(self._q, v, strict=True))})
        added = self._added(t, q, v)
        right = [values[slopes.outputs[i]] - along[n + i] + added[i] for i in range(n)]
        return [*v, *solve_symmetric(self._masses_of(slopes, values, one), right)]

    def energy(self, state: Any, t: Any = 0.0) -> Any:
        """Return ``q' . p - L`` in J of ``state`` (2 n, *batch) at time ``t``, of shape (*batch)."""
        return self._energy_graph()(self._at(state, t))[0]

    def _energy_graph(self) -> Enclosed:
        def energy(system: Any, t: Any, q: Any, v: Any) -> Sequence[Any]:
            written = system._written()
            values = written.values(system._inputs(t, list(q), list(v)))
            total = -values[written.outputs[0]]
            for velocity, momentum in zip(list(v), written.pull(values, system._v, [1.0]), strict=True):
                total = total + velocity * momentum
            return [total]

        return self._enclosed(energy)

    def _at(self, state: Any, t: Any) -> list[Any]:
        components, n = list(state), self._n
        return self._inputs(t, components[:n], components[n:])

    def momenta(self, state: Any, t: Any = 0.0) -> Any:
        """Return the momenta dL/dq' of ``state`` (2 n, *batch) at time ``t``, of shape (n, *batch)."""
        return stacked(self._momenta(self._at(state, t)))

    def _momenta(self, x: Sequence[Any]) -> list[Any]:
        written = self._written()
        return written.pull(written.values(x), self._v, [one_like(x)])

    # -- structure --------------------------------------------------------------------------------------------------

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        """The energy and the momenta that are conserved, by name."""
        structure = self._structure()
        found: dict[str, Callable[[Any], Any]] = {"energy": self.energy} if structure.conserves_energy else {}
        for i, name in enumerate(self.coordinates):
            if structure.cyclic[i] and structure.unforced[i]:
                found[f"p_{name}"] = Momentum(self, i)
        return found


@dataclass(frozen=True)
class Momentum:
    """One momentum of a system, as a function of its state."""

    system: LagrangianSystem
    index: int

    def __call__(self, state: Any) -> Any:
        """Return the momentum."""
        return self.system._momenta(self.system._at(state, 0.0))[self.index]
