"""An unstable equilibrium seen from itself: deviation coordinates, and the linear flow around it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.derivatives import pushforward
from diffsim.errors import must, unknown_name
from diffsim.protocols import is_elementwise
from studies._checks import Floats

__all__: list[str] = []

_AT_REST = 1e-9
_MARGINAL = 1e-6


@runtime_checkable
class _FromHalfTurns(Protocol):
    """A System that can measure its angles from any half turn without losing digits (`systems.AngularSystem`)."""

    half_turns: tuple[int, ...]
    resting: ClassVar[Mapping[str, tuple[int, ...]]]

    def replace(self, **changes: Any) -> Any: ...

    def to_absolute(self, state: Any) -> Any: ...

    def from_absolute(self, state: Any) -> Any: ...


@dataclass(frozen=True)
class _Moved:
    """Any other System with its zero at ``rest``; near it, digits below half an ulp of ``rest`` are lost in f."""

    system: Any
    rest: tuple[float, ...]

    def __call__(self, t: Any, x: Any) -> Any:
        return self.system(t, [x[i] + r for i, r in enumerate(self.rest)])

    def energy(self, x: Any) -> Any:
        return self.system.energy([x[i] + r for i, r in enumerate(self.rest)])


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """An unstable equilibrium x* of a System, and x = state - x* as coordinates.

    Attributes
    ----------
    system : System
        As the caller gave it.
    name : str
        The equilibrium's name in ``system.equilibria``.
    turns : tuple of int
        Full turns of each angle between the equilibrium as it is declared and this copy of it.
    fun : callable
        ``dx/dt = fun(t, x)`` in deviation coordinates; also ``fun.energy(x)`` where the System has an energy.
    vectorized : bool
        Whether ``fun`` takes a batch ``(n, *batch)``.
    jacobian : ndarray (n, n)
        A = d fun / d x at x = 0, by exact tangents.
    left : ndarray (n_unstable, n)
        Basis L of the left unstable eigenspace: eigenvectors of A transposed with Re(eigenvalue) > 0, fastest first
        (real and imaginary part for a complex pair).  The stable manifold is tangent to L x = 0.
    growth : ndarray (n_unstable, n_unstable)
        B with L A = B L, so that L x(t) = expm(B t) L x(0) for small x.
    rates : ndarray (n_unstable,)
        Real parts of the unstable eigenvalues, per unit of time, falling.
    """

    # NOTE: `left`, `growth` and `rates` belong together; `with_drift` replaces all three.

    system: Any
    name: str
    turns: tuple[int, ...]
    fun: Any
    vectorized: bool
    jacobian: Floats
    left: Floats
    growth: Floats
    rates: Floats

    def to_deviation(self, state: Any) -> Floats:
        """Return x of a state (n, *batch) in the coordinates of the caller's System."""
        if isinstance(self.system, _FromHalfTurns):
            return np.asarray(self.fun.from_absolute(self.system.to_absolute(state)), dtype=np.float64)
        return np.asarray(state, dtype=np.float64) - _spread(self.fun.rest, np.ndim(state))

    def to_state(self, x: Any) -> Floats:
        """Return the state, in the coordinates of the caller's System, of a deviation x (n, *batch)."""
        if isinstance(self.system, _FromHalfTurns):
            return np.asarray(self.system.from_absolute(self.fun.to_absolute(x)), dtype=np.float64)
        return np.asarray(x, dtype=np.float64) + _spread(self.fun.rest, np.ndim(x))

    def wrapped(self, x: Floats) -> Floats:
        """Return x (n, *batch) with its angles brought into [-pi, pi]: deviations from the nearest copy of x*."""
        near = np.array(x)
        for i in self.system.angles:
            near[i] -= 2.0 * np.pi * np.round(near[i] / (2.0 * np.pi))
        return near

    def angles_of(self, x: Floats) -> Floats:
        """Return the wrapped angles of x that must be near those of x*, shape (n_held, *batch)."""
        return self.wrapped(x)[list(self.held)]

    @functools.cached_property
    def held(self) -> tuple[int, ...]:
        """The angles that count: not the one about which a Furuta pendulum, say, rests wherever it points."""
        from scipy.linalg import null_space

        moves = np.abs(null_space(self.jacobian, rcond=_MARGINAL)).max(axis=1, initial=0.0)
        return tuple(i for i in self.system.angles if moves[i] < 0.5) or tuple(self.system.angles)

    def moved(self, turns: tuple[int, ...]) -> Equilibrium:
        """Return the copy of this equilibrium whose angles are ``turns`` full turns further."""
        return unstable_equilibrium("balance", self.system, self.name, turns)

    @property
    def eigenvalues(self) -> NDArray[np.complex128]:
        """All eigenvalues of A (n,), per unit of time, the fastest growing first."""
        values = np.asarray(np.linalg.eigvals(self.jacobian), dtype=np.complex128)
        return values[np.lexsort((-values.imag, -values.real))]

    @property
    def n_neutral(self) -> int:
        """Number of directions that neither grow nor decay: small oscillations, which no start damps."""
        values = np.linalg.eigvals(self.jacobian)
        return int((np.abs(values.real) <= _floor(values)).sum())

    @property
    def stable(self) -> Floats:
        """Orthonormal basis (n, n_stable) of the stable eigenspace: what the stable manifold is tangent to."""
        return _decaying_space(self.jacobian)

    @property
    def unstable(self) -> Floats:
        """Orthonormal basis (n, n_unstable) of the unstable eigenspace."""
        return _decaying_space(-self.jacobian)

    @property
    def slowest(self) -> float:
        """Smallest rate of growth."""
        return float(self.rates[self.rates > 0.0].min())

    def borders(self, tolerance: float) -> Floats:
        """Return the values of L x (n_conditions,) at which one of the angles is ``tolerance`` from x*.

        Infinite for a drift, which does not lead away.
        """
        grows = self.rates > 0.0
        along = self.unstable @ np.linalg.inv(self.left[grows] @ self.unstable)  # L along = 1
        reach = np.full(len(self.rates), 0.0)
        reach[grows] = np.abs(along[list(self.held)]).max(axis=0)
        with np.errstate(divide="ignore"):
            return np.asarray(tolerance / reach)

    def carried(self, time: float) -> Floats:
        """Return the matrix that takes L x over a ``time`` (which may be negative) by the linear flow."""
        from scipy.linalg import expm

        return np.asarray(expm(self.growth * time))

    def with_drift(self) -> Equilibrium:
        """Return this equilibrium with the drift among what must vanish: a rate of growth 0, where there is any.

        A cart-pole that balances may roll on for ever: its equilibria are a line v (A v = 0), and a left eigenvector w
        with w A = 0 and w v = 0 is the speed along it.  Only where w x = 0 as well does the orbit come to rest.
        """
        rows = _drift(self.jacobian)
        left = np.concatenate([self.left, rows])
        growth = np.zeros((len(left), len(left)))
        growth[: len(self.growth), : len(self.growth)] = self.growth
        return replace(self, left=left, growth=growth, rates=np.append(self.rates, np.zeros(len(rows))))

    @property
    def conserves_energy(self) -> bool:
        """Whether the energy is a constant of the motion, so that only one level of it leads to x*."""
        return bool(self.system.has_energy) and "energy" in self.system.invariants

    def energy(self, x: Any) -> Any:
        """Return the energy at deviation x (n, *batch)."""
        return self.fun.energy(x)


def unstable_equilibrium(who: str, system: Any, name: str, turns: tuple[int, ...] | None = None) -> Equilibrium:
    """Return the equilibrium ``name`` of ``system`` with its linear flow.

    Raises
    ------
    ArgumentError
        The System declares no equilibrium of that name; the state is not at rest (a driven System has no
        equilibrium); it is stable, so that there is nothing to balance.
    """
    equilibria: Mapping[str, Any] = system.equilibria
    if name not in equilibria:
        raise unknown_name(f"{who}: {type(system).__name__}", "equilibrium", name, equilibria)
    turns = (0,) * len(system.angles) if turns is None else turns
    fun = _seen_from(system, name, turns)
    n = len(system.state_names)
    rest = np.zeros(n)
    pull = max(float(np.abs(np.asarray(fun(t, rest))).max()) for t in (0.0, 0.37, 1.1))
    _, columns = pushforward(lambda x: array_ops.stack(list(fun(0.0, x))), (rest,), (np.eye(n),))
    jacobian = np.asarray(columns).T
    if not pull <= _AT_REST * (1.0 + np.abs(jacobian).max()):
        raise must(who, "target", "must be at rest at all times", name, f"Its rate is {pull:.3g}; is it driven?")
    left, growth, rates = _unstable_part(jacobian)
    if not len(rates):
        raise must(who, "target", "must be unstable", name, "A stable equilibrium needs no balancing.")
    return Equilibrium(system, name, turns, fun, is_elementwise(system), jacobian, left, growth, rates)


def _seen_from(system: Any, name: str, turns: tuple[int, ...]) -> Any:
    """Return the right-hand side in deviation coordinates."""
    if isinstance(system, _FromHalfTurns):
        half_turns = tuple(k + 2 * turn for k, turn in zip(system.resting[name], turns, strict=True))
        return system.replace(half_turns=half_turns)
    rest = [float(value) for value in system.equilibria[name]]
    for i, turn in zip(system.angles, turns, strict=True):
        rest[i] += 2.0 * np.pi * turn
    return _Moved(system, tuple(rest))


def _unstable_part(jacobian: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the basis L of the left unstable eigenspace, B with L A = B L, and the growth rates, fastest first."""
    values, vectors = np.linalg.eig(jacobian.T)
    floor = _floor(values)
    rows, rates = [], []
    for k in np.argsort(-values.real, kind="stable"):
        if values[k].real <= floor or values[k].imag < 0.0:
            continue
        parts = [vectors[:, k].real] if values[k].imag == 0.0 else [vectors[:, k].real, vectors[:, k].imag]
        # NOTE: the sign of an eigenvector is arbitrary; fixed here, so that signs never differ between machines.
        flip = np.sign(parts[0][np.abs(parts[0]).argmax()])
        rows += [flip * part for part in parts]
        rates += [values[k].real] * len(parts)
    left = np.array(rows).reshape(len(rows), len(jacobian))
    growth = left @ jacobian @ np.linalg.pinv(left) if rows else np.zeros((0, 0))
    return left, growth, np.array(rates)


def _decaying_space(jacobian: Floats) -> Floats:
    """Return an orthonormal basis (n, k) of the space of all that decays under x' = A x."""
    from scipy.linalg import schur

    floor = _floor(np.linalg.eigvals(jacobian))

    def decays(real: float, imaginary: float) -> bool:
        return real < -floor

    _, basis, k = schur(jacobian, output="real", sort=decays)
    basis = np.asarray(basis[:, :k])
    for column in basis.T:  # as with the eigenvectors: no sign is left to the machine
        column *= np.sign(column[np.abs(column).argmax()])
    return basis


def _drift(jacobian: Floats) -> Floats:
    """Return a basis (k, n) of the left null vectors of A that vanish on its null space: speeds along equilibria."""
    from scipy.linalg import null_space

    still, kept = null_space(jacobian, rcond=_MARGINAL), null_space(jacobian.T, rcond=_MARGINAL)
    if not kept.shape[1]:
        return np.zeros((0, len(jacobian)))
    return np.asarray((kept @ null_space(still.T @ kept, rcond=_MARGINAL)).T)


def _floor(values: Any) -> float:
    """Return the real part up to which an eigenvalue counts as neutral."""
    return _MARGINAL * max(1.0, float(np.abs(values).max()))


def _spread(rest: tuple[float, ...], ndim: int) -> Floats:
    """Return ``rest`` as a column that broadcasts against a state with ``ndim`` axes."""
    return np.array(rest).reshape((-1,) + (1,) * (ndim - 1))
