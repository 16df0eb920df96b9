"""`HamiltonianSystem`: write H(q, p, t); everything else is derived."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diffsim.enclosed import Enclosed
from systems._mechanics import MechanicalSystem, _scalar, kinetic, one_like, solve_symmetric

__all__ = ["HamiltonianSystem"]


@dataclass(frozen=True)
class HamiltonianSystem(MechanicalSystem):
    """A system written by its Hamiltonian H(q, p, t); base of frozen dataclasses.

        q' =  dH/dp
        p' = -dH/dq + Q(q, q', t) - dF/dq'

    A subclass declares `coordinates` and writes `hamiltonian`.  Where the energy is kinetic plus potential it may
    write `mass_matrix` and `potential` instead: H = p . M(q)^-1 p / 2 + V(q, t) is then never differentiated through
    the inverse (dH/dq = -v . dM/dq v / 2 + dV/dq with M v = p), as one would do by hand; it is the cheapest.  What has
    no potential stands in `forces` (Q) and `dissipation` (Rayleigh's F).

    The state is (q, p); the momenta are named ``p_`` and the coordinate.

    Attributes
    ----------
    coordinates : tuple of str
        Names of q.
    canonical, separable : bool
        Found in the graph of the equations with the parameters as they are: a damping of 0 is none.
    cyclic : tuple of str
        Coordinates on which H does not depend: their momenta are conserved, and among `invariants`.
    invariants : mapping
        The energy, where H does not depend on t and nothing drives or damps; the momenta of cyclic coordinates.

    Raises
    ------
    TraceError
        `hamiltonian` branches on its arguments or calls foreign code: it must be written with ``diffsim.ops``, NumPy
        and plain operators, as everything that is compiled.

    References
    ----------
    Landau and Lifshitz, Mechanics, sections 25 (dissipation function) and 40 (Hamilton's equations).

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from diffsim import ops
    >>> @dataclass(frozen=True)
    ... class Swing(HamiltonianSystem):
    ...     gravity: float = 9.8
    ...     coordinates = ("theta",)
    ...     def hamiltonian(self, q, p, t):
    ...         return p[0] ** 2 / 2 - self.gravity * ops.cos(q[0])
    >>> Swing()(0.0, [0.5, 2.0]).round(6)
    array([ 2.     , -4.69837])
    >>> Swing().state_names, Swing().separable, list(Swing().invariants)
    (('theta', 'p_theta'), True, ['energy'])
    """

    @staticmethod
    def _named(coordinates: tuple[str, ...]) -> tuple[str, ...]:
        return (*coordinates, *(f"p_{name}" for name in coordinates))

    def hamiltonian(self, q: Any, p: Any, t: Any) -> Any:
        """Return H in J: **this is what a subclass writes** (or `mass_matrix` and `potential`).

        Parameters
        ----------
        q, p : array, shape (n,)
            Coordinates and momenta, traced numbers that unpack: ``theta_1, theta_2 = q``.
        t : number
            Time in s.
        """
        if not self._natural():
            self._lacks("hamiltonian", "Write hamiltonian(self, q, p, t), or mass_matrix and potential.")
        rows = [row[: i + 1] for i, row in enumerate(self._masses(self, q))]
        v = solve_symmetric(rows, list(p))
        total: Any = _scalar(self, "potential", self.potential(q, t))
        for a, b in zip(list(p), v, strict=True):
            total = total + 0.5 * (a * b)
        return total

    # -- derived ----------------------------------------------------------------------------------------------------

    def _written(self) -> Enclosed:
        """Return the graph of H."""
        return self._enclosed(lambda s, t, q, p: [_scalar(s, "hamiltonian", s.hamiltonian(q, p, t))], "p")

    def _derived(self, t: Any, state: list[Any]) -> list[Any]:
        n = self._n
        q, p = state[:n], state[n:]
        qdot, force = self._free(t, q, p)
        added = self._added(t, q, qdot)
        return [*qdot, *(a + b for a, b in zip(force, added, strict=True))]

    def _free(self, t: Any, q: Sequence[Any], p: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Return dH/dp and -dH/dq."""
        n = self._n
        if self._natural() and type(self).hamiltonian is HamiltonianSystem.hamiltonian:
            qdot = solve_symmetric(self._mass_rows(t, q), p)
            lagrangian = self._enclosed(self._lagrangian)
            x = self._inputs(t, q, qdot)
            return qdot, lagrangian.pull(lagrangian.values(x), self._q, [one_like(x)], self._still)
        energy, x = self._written(), self._inputs(t, q, p)
        slopes = energy.pull(energy.values(x), range(1, 1 + 2 * n), [one_like(x)], self._still)
        return slopes[n:], [-slope for slope in slopes[:n]]

    def _lagrangian(self, system: Any, t: Any, q: Any, v: Any) -> list[Any]:
        rows = [row[: i + 1] for i, row in enumerate(self._masses(system, q))]
        return [kinetic(rows, list(v)) - _scalar(system, "potential", system.potential(q, t))]

    def energy(self, state: Any, t: Any = 0.0) -> Any:
        """Return H in J of ``state`` (2 n, *batch) at time ``t``, of shape (*batch)."""
        components, n = list(state), self._n
        return self._written()(self._inputs(t, components[:n], components[n:]))[0]

    # -- structure --------------------------------------------------------------------------------------------------

    @property
    def canonical(self) -> bool:
        """Whether nothing but H drives: no forces, no dissipation, for the parameters as they are."""
        return self._structure().free

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        """The energy and the momenta that are conserved, by name."""
        structure, names = self._structure(), self.state_names
        found: dict[str, Callable[[Any], Any]] = {"energy": self.energy} if structure.conserves_energy else {}
        for i in range(self._n):
            if structure.cyclic[i] and structure.unforced[i]:
                found[names[self._n + i]] = Component(self._n + i)
        return found


@dataclass(frozen=True)
class Component:
    """One component of a state, as a function of it."""

    index: int

    def __call__(self, state: Any) -> Any:
        """Return the component."""
        return state[self.index]
