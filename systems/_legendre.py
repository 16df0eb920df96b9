"""Legendre's transform: the Hamiltonian form of a Lagrangian system, the Lagrangian form of a Hamiltonian one."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from diffsim.enclosed import Enclosed
from diffsim.errors import KindError
from systems._hamiltonian import HamiltonianSystem
from systems._lagrangian import LagrangianSystem
from systems._mechanics import MechanicalSystem, one_like, solve_symmetric, stacked

__all__ = ["hamiltonian_form", "lagrangian_form"]


def hamiltonian_form(system: LagrangianSystem) -> Any:
    """Return the same motion in coordinates and momenta, by ``H = p . q' - L`` with ``p = dL/dq'``.

    Parameters
    ----------
    system : LagrangianSystem
        Whose L is of second degree in the velocities: then ``q' = M^-1 (p - b)`` with M and b of q and t.

    Returns
    -------
    HamiltonianSystem
        With the same coordinates, parameters, forces and dissipation; ``to_state`` and ``from_state`` of it change
        states from (q, q') to (q, p) and back.

    Raises
    ------
    KindError
        `system` is no `LagrangianSystem`, or its mass matrix depends on the velocities.

    References
    ----------
    Landau and Lifshitz, Mechanics, section 40.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Spring(LagrangianSystem):
    ...     mass: float = 2.0
    ...     coordinates = ("x",)
    ...     def lagrangian(self, q, qdot, t):
    ...         return self.mass * qdot[0] ** 2 / 2 - q[0] ** 2 / 2
    >>> form = hamiltonian_form(Spring())
    >>> form.state_names, form.to_state([1.0, 3.0]), form(0.0, [1.0, 6.0])
    (('x', 'p_x'), array([1., 6.]), array([ 3., -1.]))
    """
    if not isinstance(system, LagrangianSystem):
        raise KindError(f"hamiltonian_form: system must be a LagrangianSystem; got {type(system).__name__}.")
    if isinstance(system, _LagrangianForm):
        return system._origin_system()
    _refuse_unless_quadratic(system, "hamiltonian_form", "L", "velocities")
    return _form_of(_HamiltonianForm, system, "InMomenta")


def lagrangian_form(system: HamiltonianSystem) -> Any:
    """Return the same motion in coordinates and velocities, by ``L = p . q' - H`` with ``q' = dH/dp``.

    Parameters
    ----------
    system : HamiltonianSystem
        Whose H is of second degree in the momenta.

    Returns
    -------
    LagrangianSystem
        With the same coordinates, parameters, forces and dissipation; see `hamiltonian_form`.

    Raises
    ------
    KindError
        `system` is no `HamiltonianSystem`, or the second derivatives of H by the momenta depend on the momenta.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Spring(HamiltonianSystem):
    ...     mass: float = 2.0
    ...     coordinates = ("x",)
    ...     def hamiltonian(self, q, p, t):
    ...         return p[0] ** 2 / (2 * self.mass) + q[0] ** 2 / 2
    >>> form = lagrangian_form(Spring())
    >>> form.state_names, form(0.0, [1.0, 3.0]), hamiltonian_form(form) == Spring()
    (('x', 'x_dot'), array([ 3. , -0.5]), True)
    """
    if not isinstance(system, HamiltonianSystem):
        raise KindError(f"lagrangian_form: system must be a HamiltonianSystem; got {type(system).__name__}.")
    if isinstance(system, _HamiltonianForm):
        return system._origin_system()
    _refuse_unless_quadratic(system, "lagrangian_form", "H", "momenta")
    return _form_of(_LagrangianForm, system, "InVelocities")


@dataclass(frozen=True)
class _Form(MechanicalSystem):
    """What both directions share: a system that is made of another one, with its fields."""

    @staticmethod
    def _origin() -> type[Any]:
        """Return the class of that system."""
        raise NotImplementedError

    def _origin_system(self) -> Any:
        """Return the system that this is a form of, with the parameters of this one."""
        origin = type(self)._origin()
        made: Any = object.__new__(origin)
        for entry in dataclasses.fields(origin):
            object.__setattr__(made, entry.name, getattr(self, entry.name))
        return made

    @property
    def coordinates(self) -> tuple[str, ...]:
        names: tuple[str, ...] = self._origin_system().coordinates
        return names

    @property
    def angles(self) -> tuple[int, ...]:
        """The angles among the coordinates."""
        return tuple(i for i in self._origin_system().angles if i < self._n)

    def forces(self, q: Any, qdot: Any, t: Any) -> Any:
        return self._origin_system().forces(q, qdot, t)

    def dissipation(self, q: Any, qdot: Any, t: Any) -> Any:
        return self._origin_system().dissipation(q, qdot, t)

    def _has(self, method: str) -> bool:
        return method in ("forces", "dissipation") and bool(self._origin_system()._has(method))

    def __reduce__(self) -> Any:
        return _rebuilt, (self._origin_system(),)


@dataclass(frozen=True)
class _HamiltonianForm(_Form, HamiltonianSystem):
    """A Lagrangian system in coordinates and momenta."""

    def hamiltonian(self, q: Any, p: Any, t: Any) -> Any:
        origin = self._origin_system()
        v = _velocities(origin, t, list(q), list(p))
        written: Enclosed = origin._written()
        total = -written(origin._inputs(t, list(q), v))[0]
        for a, b in zip(list(p), v, strict=True):
            total = total + a * b
        return total

    def _free(self, t: Any, q: Sequence[Any], p: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Return the velocities and dL/dq, which is -dH/dq."""
        origin = self._origin_system()
        v = _velocities(origin, t, q, p)
        written: Enclosed = origin._written()
        x = origin._inputs(t, q, v)
        return v, written.pull(written.values(x), origin._q, [one_like(x)], origin._still)

    def to_state(self, state: Any, t: Any = 0.0) -> Any:
        """Return (q, p) of a ``state`` (q, q')."""
        components, origin = list(state), self._origin_system()
        return stacked([*components[: self._n], *origin._momenta(origin._at(state, t))])

    def from_state(self, state: Any, t: Any = 0.0) -> Any:
        """Return (q, q') of a ``state`` (q, p)."""
        q, p = list(state)[: self._n], list(state)[self._n :]
        return stacked([*q, *_velocities(self._origin_system(), t, q, p)])


@dataclass(frozen=True)
class _LagrangianForm(_Form, LagrangianSystem):
    """A Hamiltonian system in coordinates and velocities."""

    def lagrangian(self, q: Any, qdot: Any, t: Any) -> Any:
        origin = self._origin_system()
        p = _momenta(origin, t, list(q), list(qdot))
        written: Enclosed = origin._written()
        total = -written(origin._inputs(t, list(q), p))[0]
        for a, b in zip(p, list(qdot), strict=True):
            total = total + a * b
        return total

    def _derived(self, t: Any, state: list[Any]) -> list[Any]:
        """Return the velocities and the rates of dH/dp along the motion."""
        origin, n = self._origin_system(), self._n
        q, v = state[:n], state[n:]
        p = _momenta(origin, t, q, v)
        rates = origin._derived(t, [*q, *p])
        slopes = _slopes(origin)
        x = origin._inputs(t, q, p)
        one = one_like(x)
        along = {0: one, **dict(zip(range(1, 1 + 2 * n), [*v, *rates[n:]], strict=True))}
        return [*v, *slopes.push(slopes.values(x), along)]

    def to_state(self, state: Any, t: Any = 0.0) -> Any:
        """Return (q, q') of a ``state`` (q, p)."""
        origin, n = self._origin_system(), self._n
        q, p = list(state)[:n], list(state)[n:]
        slopes = _slopes(origin)
        return stacked([*q, *slopes(origin._inputs(t, q, p))])

    def from_state(self, state: Any, t: Any = 0.0) -> Any:
        """Return (q, p) of a ``state`` (q, q')."""
        q, v = list(state)[: self._n], list(state)[self._n :]
        return stacked([*q, *_momenta(self._origin_system(), t, q, v)])


def _slopes(system: Any) -> Enclosed:
    """Return the graph of the derivatives of the written function by the second half of its arguments."""

    def slopes(twin: Any, t: Any, q: Any, v: Any) -> Sequence[Any]:
        written: Enclosed = twin._written()
        x = twin._inputs(t, list(q), list(v))
        found: list[Any] = written.pull(written.values(x), twin._v, [1.0])
        return found

    graph: Enclosed = system._enclosed(slopes)
    return graph


def _inverted(system: Any, t: Any, q: Sequence[Any], second: Sequence[Any]) -> list[Any]:
    """Solve ``slopes(q, x, t) = second`` for x, where the slopes are of first degree in x."""
    n = len(second)
    slopes = _slopes(system)
    x = system._inputs(t, q, [0.0] * n)
    values, one = slopes.values(x), one_like([*x, *second])
    columns = [slopes.push(values, {k: one}) for k in system._v]
    rows = [[columns[j][i] for j in range(i + 1)] for i in range(n)]
    right = [a - values[i] for a, i in zip(second, slopes.outputs, strict=True)]
    return solve_symmetric(rows, right)


def _velocities(system: Any, t: Any, q: Sequence[Any], p: Sequence[Any]) -> list[Any]:
    """Return the velocities of a Lagrangian system at given momenta."""
    return _inverted(system, t, q, p)


def _momenta(system: Any, t: Any, q: Sequence[Any], v: Sequence[Any]) -> list[Any]:
    """Return the momenta of a Hamiltonian system at given velocities."""
    if system._natural() and type(system).hamiltonian is HamiltonianSystem.hamiltonian:
        rows = system._mass_rows(t, q)
        n = len(v)
        return [
            functools.reduce(lambda a, b: a + b, [rows[max(i, j)][min(i, j)] * v[j] for j in range(n)])
            for i in range(n)
        ]
    return _inverted(system, t, q, v)


def _refuse_unless_quadratic(system: Any, who: str, function: str, variables: str) -> None:
    """Raise where the second derivatives by velocities (momenta) depend on them."""
    n = system._n

    def curvature(twin: Any, t: Any, q: Any, v: Any) -> Sequence[Any]:
        slopes = _slopes(twin)
        values = slopes.values(twin._inputs(t, list(q), list(v)))
        return [x for k in twin._v for x in slopes.push(values, {k: 1.0})]

    graph: Enclosed = system._enclosed(curvature)
    if graph.uses(list(range(1 + n, 1 + 2 * n))):
        raise KindError(
            f"{who}: {function} of {type(system).__name__} must be of second degree in the {variables}; its second "
            f"derivatives depend on them, so that the transform has no formula."
        )


def _form_of(base: Any, system: Any, ending: str) -> Any:
    origin: Any = type(system)
    cls = _class_of(base, origin, ending)
    made: Any = object.__new__(cls)
    for entry in dataclasses.fields(cls):
        object.__setattr__(made, entry.name, getattr(system, entry.name))
    return made


@functools.lru_cache(maxsize=256)
def _class_of(base: Any, origin: Any, ending: str) -> type[Any]:
    """Return the class of a system's other form, with the same fields."""
    entries = [
        (
            entry.name,
            entry.type,
            dataclasses.field(
                default=entry.default,
                default_factory=entry.default_factory,
                kw_only=entry.kw_only,
                metadata=entry.metadata,
            )
            if entry.default_factory is not dataclasses.MISSING
            else dataclasses.field(default=entry.default, kw_only=entry.kw_only, metadata=entry.metadata),
        )
        for entry in dataclasses.fields(origin)
    ]
    names = ("parameter_units", "positive", "non_negative", "elementwise")
    space: dict[str, Any] = {name: getattr(origin, name) for name in names}
    # NOTE: a function of the origin's own module, so that what its code brings along is followed by `diffsim.capture`
    space["_origin"] = given = staticmethod(lambda: origin)
    given.__func__.__module__ = space["__module__"] = origin.__module__
    return dataclasses.make_dataclass(origin.__name__ + ending, entries, bases=(base,), namespace=space, frozen=True)


def _rebuilt(origin: Any) -> Any:
    """Return the other form of a system; what pickle calls."""
    return hamiltonian_form(origin) if isinstance(origin, LagrangianSystem) else lagrangian_form(origin)
