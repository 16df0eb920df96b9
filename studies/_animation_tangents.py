"""Ghosts and arrows of an animation: a cloud of neighbours, and what the exact tangents say of the motion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops, protocols
from diffsim.derivatives import grad, jvp
from diffsim.errors import KindError, RunError, must
from studies._animation_drawing import Drawing
from studies._animation_panels import apart
from studies._output import symbol
from studies._solver import solved

__all__: list[str] = []

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Arrows:
    """What the arrows show.

    Attributes
    ----------
    vectors : array, shape (n_frames, n_points, 2)
        In the units of the scene; only their directions and ratios within a frame are drawn.
    size : array, shape (n_frames,)
        Of the whole: the largest singular value, or the norm of the gradient.
    label : str
        Of `size`.
    """

    vectors: Floats
    size: Floats
    label: str


def cloud(who: str, system: Any, start: Floats, count: int, spread: Any, seed: int) -> Floats:
    """Return starts (n, count) at the distance `spread` from a start (n,), in random directions."""
    try:
        scale = np.broadcast_to(np.asarray(spread, dtype=float), start.shape)
    except (TypeError, ValueError):
        scale = np.full(start.shape, np.nan)
    if not np.isfinite(scale).all() or (scale < 0.0).any() or not (scale > 0.0).any():
        raise must(who, "spread", f"must be a number > 0, or {len(start)} numbers >= 0, one a component", spread)
    drawn = np.random.default_rng(seed).normal(size=(count, len(start)))
    drawn[:, scale == 0.0] = 0.0
    directions = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return np.asarray(start[:, None] + scale[:, None] * directions.T)


def flow_tangents(
    who: str, system: Any, start: Floats, span: tuple[float, float], times: Floats, solver: Mapping[str, Any]
) -> Floats:
    """Return the exact tangents of the flow map at each frame, shape (n_frames, n, n)."""
    found = solved(system, span, start, t_eval=times, sensitivities=("y0",), **solver)
    if np.any(np.asarray(found.status) < 0):
        raise RunError(f"{who}: the reference does not reach the end. {found.message}")
    return np.ascontiguousarray(np.moveaxis(np.asarray(found.dy_dy0, dtype=float), -1, 0))


def separations(system: Any, tangents: Floats, states: Floats, ghosts: Floats) -> tuple[Floats, Floats]:
    """Return the median distance of the ghosts, as it is and as predicted: ``|D phi(t) (y_k(0) - y(0))|``.

    Parameters
    ----------
    tangents : array, shape (n_frames, n, n)
    states : array, shape (n, 1, n_frames)
    ghosts : array, shape (n, n_ghosts, n_frames)
    """
    deltas = ghosts[:, :, 0] - states[:, :, 0]
    predicted = np.linalg.norm(tangents @ deltas, axis=1)
    found = apart(system, ghosts, states)
    return np.nanmedian(found, axis=0), np.median(predicted, axis=1)


def stretch_arrows(system: Any, drawing: Drawing, tangents: Floats, states: Floats) -> Arrows:
    """Return where the flow has pulled neighbours apart most: the first left singular vector of its tangent.

    The sign, which is free, is the one nearer to that of the frame before.
    """
    left, values, _ = np.linalg.svd(tangents)
    direction = left[:, :, 0]
    turned = np.sign(np.sum(direction[1:] * direction[:-1], axis=1))
    direction[1:] *= np.cumprod(np.where(turned < 0.0, -1.0, 1.0))[:, None]
    vectors = _pushed(system, drawing, states[:, 0], direction.T)
    return Arrows(vectors, np.asarray(values[:, 0]), "largest stretching")


def gradient_arrows(
    who: str,
    system: Any,
    drawing: Drawing,
    observable: Any,
    states: Floats,
    times: Floats,
    solver: Mapping[str, Any],
) -> Arrows:
    """Return in which direction a push at each frame raises the final value of an observable most.

    The gradient ``l(t) = d J(y(T)) / d y(t)`` goes backwards from frame to frame along exact tangents.  Of Hamilton's
    equations an arrow is the gradient by a kick of its point, ``(d x_k / d q) dJ/dp``; otherwise it is where the point
    moves when the state goes along the gradient.
    """
    value, words = _observable(who, system, observable)
    y = states[:, 0]
    n, count = y.shape
    gradient = np.empty((n, count))
    gradient[:, -1] = np.asarray(grad(value)(np.array(y[:, -1])), dtype=float)
    if count > 1:
        steps = solved(
            system, (times[:-1], times[1:]), y[:, :-1], t_eval=times[1:, None], sensitivities=("y0",), **solver
        )
        maps = np.moveaxis(np.asarray(steps.dy_dy0, dtype=float).reshape(n, n, count - 1), -1, 0)
        if not np.isfinite(maps).all():
            raise RunError(f"{who}: the tangents are not finite; take a shorter t_span.")
        for k in range(count - 2, -1, -1):
            gradient[:, k] = maps[k].T @ gradient[:, k + 1]
    along = gradient
    if getattr(system, "canonical", False) and drawing.components is None:
        along = np.concatenate([gradient[n // 2 :], np.zeros((n - n // 2, count))])
    vectors = _pushed(system, drawing, y, along)
    return Arrows(vectors, np.linalg.norm(gradient, axis=0), f"gradient of final {words}")


def _observable(who: str, system: Any, observable: Any) -> tuple[Callable[[Any], Any], str]:
    """Return a function of the final state, and its name."""
    if callable(observable):
        return observable, getattr(observable, "__name__", "value").replace("<lambda>", "value")
    names = protocols.state_names(system)
    if not isinstance(observable, str) or observable not in names:
        rule = "must be 'stretch', a state component" + (f" ({', '.join(names)})" if names else "")
        raise must(who, "arrows", f"{rule}, or a function of the final state", observable)
    index = names.index(observable)
    return (lambda y: y[index]), symbol(observable)


def _pushed(system: Any, drawing: Drawing, y: Floats, direction: Floats) -> Floats:
    """Return how the points move (n_frames, n_points, 2) when states (n, n_frames) go along directions."""
    if drawing.components is not None:
        return drawing.place(system, direction[:, None, :])[:, 0]
    positions = jvp(lambda s: array_ops.array(system.positions(s)), (np.array(y),), (np.array(direction),))[1]
    found = np.asarray(positions, dtype=float)
    if found.ndim != 3 or found.shape[1] != 2:
        raise KindError(f"{type(system).__name__}: positions must have the shape (n_points, 2, ...) to carry arrows.")
    return np.ascontiguousarray(np.broadcast_to(found, (*found.shape[:2], y.shape[1])).transpose(2, 0, 1))
