"""`manifolds`: all orbits that end in an unstable equilibrium, and all that begin there."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.errors import ArgumentError, must
from integrators._solve import solve_ivp
from studies import _checks
from studies._checks import Floats
from studies._equilibrium import Equilibrium, unstable_equilibrium
from studies._manifolds_result import Manifolds

__all__ = ["manifolds"]

_WHO = "manifolds"
_SIZE = 3e-3  # rad along the slowest direction: where the manifold begins, and its tangent still is it to 1e-8
_FEWEST = 64
_TIMES = 160
_TOLERANCES = (1e-10, 1e-12)
_LONGEST = 7.0  # time constants of the slowest direction by default


def manifolds(
    system: Any,
    target: str = "inverted",
    *,
    t_travel: float | None = None,
    gap: float = 0.1,
    n_most: int = 3000,
) -> Manifolds:
    """Grow the stable and the unstable manifold of an unstable equilibrium x*.

    The unstable manifold is all that comes out of x*, the stable one all that goes into it.  Each begins as a small
    sphere in the eigenspace that it is tangent to, found by exact tangents, and is carried by the flow, forwards or
    backwards.  Of a one-dimensional manifold these are two orbits; of a two-dimensional one an ellipse, which grows
    into a surface: points are put in between wherever neighbours have come apart by more than ``gap``.  The ellipse is
    0.003 rad long in the slow direction and so thin in the fast one that both reach 1 rad at one time.

    Parameters
    ----------
    system : System
        With an unstable equilibrium in ``equilibria``.
    target : str
        Its name.
    t_travel : float, optional
        How long they are followed, in s, from the ellipse; by default 7 time constants of the slowest direction (2.6 s
        for the double pendulum, of which 2.2 s near the equilibrium).
    gap : float
        Largest distance of neighbours, in rad (in the units of the components where there are no angles).
    n_most : int
        Most orbits of a surface.  Where they do not suffice for ``gap``, ``complete`` says so.

    Returns
    -------
    Manifolds
        ``.stable``, ``.unstable`` (n, n_orbits, n_times), ``.plot()``.

    Raises
    ------
    KindError
        ``system`` is no System.
    ArgumentError
        An unknown target, or one that is stable or not at rest; a manifold of more than two dimensions.

    References
    ----------
    Krauskopf et al., "A survey of methods for computing (un)stable manifolds of vector fields", International Journal
    of Bifurcation and Chaos 15 (2005) 763.

    Examples
    --------
    >>> from systems import Pendulum
    >>> curves = manifolds(Pendulum())
    >>> theta, p = curves.stable
    >>> bool(np.abs(p**2 - 4 * 9.8 * np.cos(theta / 2) ** 2).max() < 1e-6)  # the separatrix, by hand
    True
    """
    call = {"target": target, "t_travel": t_travel, "gap": gap, "n_most": n_most}
    system = _checks.system_of(_WHO, system)
    gap, n_most = _checks.positive(_WHO, "gap", gap), _checks.count(_WHO, "n_most", n_most, least=_FEWEST)
    equilibrium = unstable_equilibrium(_WHO, system, target)
    for basis in (equilibrium.stable, equilibrium.unstable):
        if basis.shape[1] > 2:
            raise ArgumentError(
                f"{_WHO}: a manifold must have one or two dimensions to be drawn; that of {target!r} of "
                f"{type(system).__name__} has {basis.shape[1]}."
            )
    if t_travel is None:
        t_travel = _LONGEST / equilibrium.slowest
    t_travel = _checks.positive(_WHO, "t_travel", t_travel)
    t = np.linspace(0.0, t_travel, _TIMES)
    stable, stable_whole = _grown(equilibrium, _axes(equilibrium, -1.0), -t, gap, n_most)
    unstable, unstable_whole = _grown(equilibrium, _axes(equilibrium, 1.0), t, gap, n_most)
    return Manifolds(
        system=system,
        call=call,
        target=target,
        t=t,
        stable=stable,
        unstable=unstable,
        eigenvalues=equilibrium.eigenvalues,
        complete=stable_whole and unstable_whole,
    )


def _axes(equilibrium: Equilibrium, sign: float) -> Floats:
    """Return the half axes (n, 1 or 2) of the small ellipse: eigenvectors, or both parts of a complex one."""
    values, vectors = np.linalg.eig(equilibrium.jacobian)
    chosen = [k for k in np.argsort(values.real * sign) if values[k].real * sign > 1e-6 and values[k].imag >= 0.0]
    slowest, axes = abs(values[chosen[0]].real), list[Floats]()
    for k in chosen:
        size = _SIZE ** (abs(values[k].real) / slowest)
        for part in [vectors[:, k].real] if values[k].imag == 0.0 else [vectors[:, k].real, vectors[:, k].imag]:
            # NOTE: the sign of an eigenvector is arbitrary; fixed here, so that it does not differ between machines
            seen = part[list(equilibrium.held)] if equilibrium.held else part
            axes.append(size * part / seen[np.abs(seen).argmax()])
    return np.stack(axes, axis=1)


def _grown(equilibrium: Equilibrium, basis: Floats, times: Floats, gap: float, n_most: int) -> tuple[Floats, bool]:
    """Return states (n, n_orbits, n_times) of the manifold around ``basis``, and whether they are dense enough.

    Those of a circle are closed: the last orbit is the first.
    """
    if basis.shape[1] == 1:
        return _orbits(equilibrium, basis @ np.array([[1.0, -1.0]]), times), True
    seen = list(equilibrium.system.angles) or list(range(len(basis)))
    phase = np.linspace(0.0, 2.0 * np.pi, _FEWEST + 1)
    y = _orbits(equilibrium, basis @ np.stack([np.cos(phase), np.sin(phase)]), times)
    while True:
        apart = np.abs(np.diff(y[seen], axis=1)).max(axis=(0, 2))
        wide = np.flatnonzero(apart > gap)
        if len(phase) + len(wide) > n_most:
            wide = wide[np.argsort(-apart[wide], kind="stable")][: max(0, n_most - len(phase))]
            wide.sort()
        if not len(wide):
            return y, not (apart > gap).any()
        between = 0.5 * (phase[wide] + phase[wide + 1])
        phase = np.insert(phase, wide + 1, between)
        made = _orbits(equilibrium, basis @ np.stack([np.cos(between), np.sin(between)]), times)
        y = np.insert(y, wide + 1, made, axis=1)


def _orbits(equilibrium: Equilibrium, starts: Floats, times: Floats) -> Floats:
    """Return the states (n, lanes, n_times) of orbits that begin at deviations (n, lanes)."""
    solution = solve_ivp(
        equilibrium.fun,
        (0.0, float(times[-1])),
        starts,
        method="DOP853",
        t_eval=times,
        rtol=_TOLERANCES[0],
        atol=_TOLERANCES[1],
        vectorized=equilibrium.vectorized,
    )
    if np.any(np.asarray(solution.status) < 0):
        bad = int(np.flatnonzero(np.asarray(solution.status) < 0)[0])
        raise must(_WHO, "t_travel", f"must be shorter ({solution.message[bad]})", float(abs(times[-1])))
    return equilibrium.to_state(solution.y)
