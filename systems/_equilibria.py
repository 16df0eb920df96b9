"""Where a system rests, and how it moves nearby: equilibria by Newton's method, modes, stability."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.derivatives import hessian
from diffsim.enclosed import enclose
from diffsim.errors import ArgumentError, RunError, TraceError, must, unknown_name
from diffsim.number import raw
from systems._angles import state_difference, wrap_angles
from systems._newton import Floats, at_rest, is_map, jacobians, newton, residuals

__all__ = ["Equilibrium", "equilibrium_near", "find_equilibria"]

_ZERO = 1e-7
"""Eigenvalues below this part of the largest count as 0: a double 0 is found to the root of the rounding error only."""


@final
@dataclass(frozen=True, eq=False)
class Equilibrium:
    """A state at which a system rests, and its linearisation ``d(delta)/dt = A delta``; see `find_equilibria`.

    Attributes
    ----------
    system : System
    state : array, shape (n,)
        Angles in (-pi, pi].
    t : float
        The time at which it was looked for.
    residual : float
        Largest rate there.
    """

    system: Any
    state: Floats
    t: float = 0.0
    residual: float = 0.0

    @functools.cached_property
    def matrix(self) -> Floats:
        """The exact Jacobian A of the rates, shape (n, n)."""
        matrix: Floats = jacobians(self.system, self.t, self.state[:, None])[1][0]
        return matrix

    @functools.cached_property
    def _spectrum(self) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        values, vectors = np.linalg.eig(self.matrix)
        order = np.lexsort((-values.imag, -values.real.round(9)))
        return values[order].astype(np.complex128), vectors[:, order].astype(np.complex128)

    @property
    def eigenvalues(self) -> NDArray[np.complex128]:
        """Eigenvalues of A in 1/s, shape (n,), the fastest growing first."""
        return self._spectrum[0]

    @property
    def eigenvectors(self) -> NDArray[np.complex128]:
        """Eigenvectors of A, shape (n, n): column k belongs to eigenvalue k."""
        return self._spectrum[1]

    @property
    def isolated(self) -> bool:
        """Whether no other equilibrium lies arbitrarily near: A (for a map A - 1) has an inverse."""
        matrix = self.matrix - np.eye(len(self.state)) if is_map(self.system) else self.matrix
        sizes = np.linalg.svd(matrix, compute_uv=False)
        return bool(sizes[-1] > _ZERO * sizes[0])

    @property
    def frequencies(self) -> Floats:
        """Angular frequencies in rad/s of the motions that neither grow nor decay, ascending: the normal modes'."""
        return np.array([value.imag for value, _ in self._oscillations()])

    @property
    def modes(self) -> NDArray[Any]:
        """Shapes of these motions in all components, shape (n, n_modes); see `frequencies`.

        The largest entry is 1, of a mechanical system the largest among the coordinates.  The motion is the real part
        of ``shape * exp(i omega t)``: an imaginary entry swings a quarter period behind.
        """
        n = len(self.state)
        first = n // 2 if hasattr(self.system, "coordinates") or self.system.canonical else n
        shapes = [vector / vector[np.argmax(np.abs(vector[:first]))] for _, vector in self._oscillations()]
        return np.array(shapes, dtype=np.complex128).reshape(-1, len(self.state)).T

    def _oscillations(self) -> list[tuple[complex, NDArray[np.complex128]]]:
        if is_map(self.system):
            return []
        limit = _ZERO * self._largest
        pairs = zip(self.eigenvalues, self.eigenvectors.T, strict=True)
        found = [(complex(x), v) for x, v in pairs if abs(x.real) <= limit < x.imag]
        return sorted(found, key=lambda pair: pair[0].imag)

    @property
    def _largest(self) -> float:
        return float(np.max(np.abs(self.eigenvalues), initial=1e-300))

    @property
    def stability(self) -> str:
        """What follows from the linearisation, and from the energy where it is conserved.

        "unstable": an eigenvalue has a positive real part (for a map: lies outside the unit circle).  "asymptotically
        stable": all are negative (for a map: inside).  "stable": the energy is an invariant and has a strict minimum or
        maximum here (Lagrange and Dirichlet).  "undecided": none of these.
        """
        real, limit = self.eigenvalues.real, _ZERO * self._largest
        if is_map(self.system):
            real, limit = np.abs(self.eigenvalues) - 1.0, _ZERO
        if np.any(real > limit):
            return "unstable"
        if np.all(real < -limit):
            return "asymptotically stable"
        energy = self.system.invariants.get("energy")
        if energy is not None:
            values = np.linalg.eigvalsh(np.asarray(hessian(energy)(self.state)))
            if values[0] > _ZERO * values[-1] or values[-1] < _ZERO * values[0]:
                return "stable"
        return "undecided"

    def __repr__(self) -> str:
        names = self.system.state_names
        shown = ", ".join(f"{name}={float(x):.6g}" for name, x in zip(names, self.state, strict=True))
        return f"Equilibrium({shown}; {self.stability})"


def find_equilibria(
    system: Any,
    within: Mapping[str, tuple[float, float]] | None = None,
    *,
    starts: int = 200,
    t: float = 0.0,
    seed: int = 0,
) -> tuple[Equilibrium, ...]:
    """Look for the states at which a system rests, by Newton's method from many starts.

    Jacobians are exact.  Of a discrete map these are its fixed points.  What is found is compared modulo 2 pi in the
    angles.  Components on which no rate depends (a cart's place, a cyclic coordinate) stay at 0;
    of a line of equilibria one is kept.

    NOTE: a search from random starts proves no completeness.  Widen `within`, or give more `starts`, to be surer.

    Parameters
    ----------
    system : System
    within : mapping of str to (low, high), optional
        Where starts are drawn, by the names of components; default [-pi, pi] for angles, [-2, 2] for others, wider
        where `default_state` is.  The search may leave it; what it finds outside a given interval is left out.
    starts : int
        How many.
    t : float
        Time in s at which the rates are to vanish; matters where they depend on it.
    seed : int

    Returns
    -------
    tuple of Equilibrium
        The most stable first (by the largest growth rate).

    Raises
    ------
    ArgumentError
        An unknown component, an interval that is none, fewer than one start.

    References
    ----------
    Dennis and Schnabel, Numerical Methods for Unconstrained Optimization and Nonlinear Equations, section 6.3
    (Newton's method with backtracking).

    Examples
    --------
    >>> from systems import DoublePendulum
    >>> for found in find_equilibria(DoublePendulum()):
    ...     print(abs(found.state[:2].round(6)), found.stability)
    [0. 0.] stable
    [3.141593 0.      ] unstable
    [0.       3.141593] unstable
    [3.141593 3.141593] unstable
    """
    if starts < 1:
        raise must("find_equilibria", "starts", "must be >= 1", starts)
    low, high = _box(system, within)
    frozen = _idle(system)
    rng = np.random.default_rng(seed)
    given = [name in (within or ()) for name in system.state_names]
    y = rng.uniform(low[:, None], high[:, None], (len(low), starts))
    wide = ~np.array(given) & ~np.isin(np.arange(len(low)), system.angles)
    y[wide] *= np.where(np.arange(starts) % 3 == 2, 10.0 ** rng.uniform(0.0, 2.0, starts), 1.0)
    y[:, 0] = np.clip(0.0, low, high)
    y[frozen] = 0.0
    y, sizes, done = newton(system, t, y, frozen)
    kept: list[Equilibrium] = []
    for j in np.flatnonzero(done):
        state = _tidy(system, y[:, j])
        outside = np.any(given & ((state < low - 1e-9) | (state > high + 1e-9)))
        if not outside and not any(_same(system, t, state, other) for other in kept):
            kept.append(Equilibrium(system, state, t, float(sizes[j])))

    def rank(one: Equilibrium) -> tuple[float, ...]:
        return (round(float(one.eigenvalues.real.max()), 6), *(round(float(x), 6) for x in one.state))

    return tuple(sorted(kept, key=rank))


def equilibrium_near(system: Any, state: Sequence[float], *, t: float = 0.0) -> Equilibrium:
    """Return the equilibrium that Newton's method finds from one start.

    Parameters
    ----------
    system : System
    state : sequence of float, shape (n,)
    t : float
        Time in s at which the rates are to vanish.

    Raises
    ------
    RunError
        The search did not come to rest.

    Examples
    --------
    >>> from systems import Pendulum
    >>> equilibrium_near(Pendulum(), [0.1, 0.0]).frequencies.round(6)  # sqrt(g / l)
    array([3.130495])
    """
    y = np.array(state, dtype=np.float64)
    if y.shape != (len(system.state_names),):
        raise must("equilibrium_near", "state", f"must have shape ({len(system.state_names)},)", y.shape)
    frozen = np.zeros(len(y), dtype=bool)
    found, sizes, done = newton(system, t, y[:, None], frozen)
    if not done[0]:
        raise RunError(
            f"equilibrium_near: Newton's method did not come to rest from {y.tolist()}; the largest rate where it "
            f"stopped is {sizes[0]:.3g}. Start nearer, or use find_equilibria."
        )
    return Equilibrium(system, _tidy(system, found[:, 0]), t, float(sizes[0]))


def _box(system: Any, within: Mapping[str, tuple[float, float]] | None) -> tuple[Floats, Floats]:
    """Return the corners of the box in which the search starts."""
    names = system.state_names
    size = np.array([2.0 * max(1.0, abs(float(raw(x)))) for x in _default_state(system)])
    size[list(system.angles)] = np.pi
    low, high = -size, size.copy()
    for name, interval in (within or {}).items():
        if name not in names:
            raise unknown_name("find_equilibria", "state component", name, names)
        a, b = interval
        if not (np.isfinite(a) and np.isfinite(b) and a <= b):
            raise must("find_equilibria", f"within[{name!r}]", "must be a finite interval (low, high)", interval)
        low[names.index(name)], high[names.index(name)] = a, b
    return low, high


def _default_state(system: Any) -> Sequence[Any]:
    """The default state, zeros where a system has none."""
    try:
        found: Sequence[Any] = system.default_state
    except TypeError:
        return [0.0] * len(system.state_names)
    return found


def _idle(system: Any) -> NDArray[np.bool_]:
    """Say of each component whether no rate depends on it."""
    n = len(system.state_names)
    try:
        graph = enclose(lambda x: list(system(x[0], list(x[1:]))), ["t", *system.state_names])
    except (TraceError, ArgumentError):  # what cannot be traced is searched in all components
        return np.zeros(n, dtype=bool)
    return np.array([not graph.uses([1 + i]) for i in range(n)])


def _tidy(system: Any, y: Floats) -> Floats:
    """Return a state with its angles in (-pi, pi], and 0 for what is 0 but for rounding."""
    state = np.array(wrap_angles(system, y), dtype=np.float64)
    for i in system.angles:
        if state[i] < 1e-9 - np.pi:
            state[i] += 2.0 * np.pi
    return np.where(np.abs(state) < 1e-13, 0.0, state)


def _same(system: Any, t: float, a: Floats, other: Equilibrium) -> bool:
    """Say whether two states are one, or ends of a line of equilibria."""
    gap = np.asarray(state_difference(system, a, other.state))
    if np.all(np.abs(gap) <= 1e-6 * (1.0 + np.abs(a))):
        return True
    if other.isolated:
        return False
    between = (other.state + 0.5 * gap)[:, None]
    residual, slopes = residuals(system, t, between)
    return bool(at_rest(between, residual, slopes, 1e-9)[0])
