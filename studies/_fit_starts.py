"""Where multiple shooting begins: a start for each window, found by short fits, one window after the other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from studies._checks import Floats
from studies._fit_unknowns import Unknowns
from studies._fit_windows import Windows

__all__: list[str] = []

_FIRST, _NEXT = 30, 12  # most steps of a short fit: from nowhere, and from the end of the window before
_TURNS = 6
_MOST = 40
_AS_GOOD = 1.05
_LOOSE = 0.5
"""How far a window's start may lie from the end of the window before, as a part of each component's range."""


def march(windows: Windows, unknowns: Unknowns, scale: Floats, limit: float) -> tuple[Floats | None, int]:
    """Return starts (n, W) of all windows, and the number of evaluations.

    None where a window cannot be fitted: its sum of squares stays above `limit` for each of its numbers.

    Each window is fitted by itself, from the end of the one before.  The first has several guesses: the start that was
    given, with the components that were observed as observed, and with the angles turned.
    """
    parameters = unknowns.first[: unknowns.n_parameters]
    held = np.ones(len(unknowns.start), dtype=bool)
    held[list(unknowns.components)] = False
    guesses = _guesses(windows, unknowns)
    settled, chi2, spent = settle(windows, parameters, 0, guesses, scale, held, _FIRST, pull=False)
    good = np.flatnonzero(chi2 <= _AS_GOOD * chi2.min())  # the first of those that differ by full turns
    starts = [settled[:, int(good[0])]]
    if not chi2.min() <= limit * max(1, windows.numbers(0)):
        return None, spent
    free = np.zeros(len(held), dtype=bool)
    for w in range(1, windows.count):
        before = windows.evaluate(parameters, starts[-1][:, None], [w - 1]).ends
        guess = np.where(np.isfinite(before), before, starts[-1][:, None])
        settled, chi2, n = settle(windows, parameters, w, guess, scale, free, _NEXT, pull=True)
        starts.append(settled[:, 0])
        spent += n + 1
        if not chi2[0] <= limit * max(1, windows.numbers(w)):
            return None, spent
    return np.stack(starts, axis=1), spent


def _guesses(windows: Windows, unknowns: Unknowns) -> Floats:
    """Return guesses (n, m) of the first start, the best known first."""
    base = unknowns.start.copy()
    data = windows.data
    row = 0
    seen = set()
    for one in data.observables:
        if one.component in unknowns.components:
            there = np.flatnonzero(data.there[row])
            base[one.component] = data.values[row, there[0]]
            seen.add(one.component)
        row += one.count
    angles = [i for i in windows.system.angles if i in unknowns.components and i not in seen]
    count = _TURNS if len(angles) == 1 else int(max(2, np.floor(_MOST ** (1.0 / max(1, len(angles))))))
    turns = np.arange(count) * (2.0 * np.pi / count)
    guesses = [unknowns.start, base]
    for turned in itertools.islice(itertools.product(turns, repeat=len(angles)), _MOST):
        guesses.append(base.copy())
        guesses[-1][angles] += turned
    return np.stack(guesses, axis=1)


def settle(
    windows: Windows,
    parameters: Floats,
    w: int,
    starts: Floats,
    scale: Floats,
    held: Sequence[bool] | np.ndarray,
    steps: int,
    pull: bool,
) -> tuple[Floats, Floats, int]:
    """Fit one window by itself from m guesses side by side, by Levenberg's and Marquardt's method.

    Parameters
    ----------
    starts : ndarray (n, m)
    scale : ndarray (n,)
        Ranges of the components.
    held : sequence of bool (n,)
        Components that stay.
    pull : bool
        Whether the guess is a prior, with a deviation of half the range: a window with few data stays near it.

    Returns
    -------
    ndarray (n, m), ndarray (m,), int
        Starts, their sums of squares, and the number of evaluations.
    """
    free = np.flatnonzero(~np.asarray(held)).tolist()
    weights = (1.0 if pull else 1e-6) / (_LOOSE * scale[free])
    guess, m = starts.copy(), starts.shape[1]
    current, damping = starts.copy(), np.full(m, 1e-2)
    chi2, systems = _looked(windows, parameters, w, current, guess, free, weights)
    spent, running = 1, np.isfinite(chi2)
    for _ in range(steps):
        if not running.any():
            break
        lanes = np.flatnonzero(running).tolist()
        trial = current.copy()
        for lane in lanes:
            normal, slope = systems[lane]
            diagonal = np.diag(np.diagonal(normal))
            trial[free, lane] -= np.linalg.solve(normal + damping[lane] * diagonal, slope)
        found, again = _looked(windows, parameters, w, trial[:, lanes], guess[:, lanes], free, weights)
        spent += 1
        for k, lane in enumerate(lanes):
            if found[k] < chi2[lane]:
                running[lane] = chi2[lane] - found[k] > 1e-3 * found[k]
                current[:, lane], chi2[lane], systems[lane] = trial[:, lane], found[k], again[k]
                damping[lane] = max(1e-6, damping[lane] / 5.0)
            else:
                damping[lane] *= 8.0
                running[lane] = damping[lane] < 1e8
    return current, chi2, spent


def _looked(
    windows: Windows, parameters: Floats, w: int, starts: Floats, guess: Floats, free: list[int], weights: Floats
) -> tuple[Floats, list[tuple[Floats, Floats]]]:
    """Return sums of squares (m,), infinite where a trajectory fails, and normal equations of the free components."""
    found = windows.evaluate(parameters, starts, [w] * starts.shape[1])
    chi2, systems = np.full(starts.shape[1], np.inf), []
    for lane, piece in enumerate(found.pieces):
        away = (starts[free, lane] - guess[free, lane]) * weights
        jacobian = piece.by_start[:, free]
        if found.good[lane] and np.isfinite(jacobian).all():
            chi2[lane] = piece.residuals @ piece.residuals + away @ away
        systems.append((
            jacobian.T @ jacobian + np.diag(weights * weights),
            jacobian.T @ piece.residuals + away * weights,
        ))  # fmt: skip
    return chi2, systems
