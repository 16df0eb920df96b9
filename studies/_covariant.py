"""`covariant_vectors`: the directions in which small changes grow or shrink at each of the Lyapunov exponents."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.errors import must
from diffsim.progress import progress_bar
from studies import _checks
from studies._checks import Floats
from studies._covariant_result import CovariantVectors
from studies._frames import framed, random_frame
from studies._plan import plan_of

__all__ = ["covariant_vectors"]

_WHO = "covariant_vectors"


def covariant_vectors(
    system: Any,
    y0: Any = None,
    *,
    t_transient: float,
    t_total: float,
    t_renorm: float,
    k: int | None = None,
    method: Any = None,
    rng: int = 0,
    progress: bool = False,
    **options: Any,
) -> CovariantVectors:
    """Return the covariant Lyapunov vectors along a trajectory, by the algorithm of Ginelli and others.

    Vector i at a time is carried by the tangents onto vector i at any other time, and grows at exponent i on the
    average; unlike the frames of `lyapunov_spectrum` the vectors are not orthogonal.  Frames are carried forwards, and
    upper triangular matrices C backwards through their factors, ``C_j = R_j^-1 C_(j+1)``; then ``V_j = Q_j C_j``.

    Parameters
    ----------
    system, y0, method, rng, progress, **options
        As for `lyapunov_spectrum`, with one start.
    t_transient : float
        Time to forget the start, in s, before the vectors that are returned, and again after them for the way back.
    t_total : float
        Time along which vectors are returned, in s; a whole number of `t_renorm`.
    t_renorm : float
        Time between two of them, in s.
    k : int, optional
        Number of vectors; all n by default.

    Returns
    -------
    CovariantVectors
        ``.vectors`` (n, k, q) at the ``.times`` (q,) and ``.states`` (n, q), ``.exponents`` (k,), ``.angles``.

    Raises
    ------
    ArgumentError, KindError, RunError
        As for `lyapunov_spectrum`; more than one start.

    Notes
    -----
    Where two exponents are equal, only the plane of their vectors has a meaning.  Memory: 8 (n + k) k bytes for each
    `t_renorm`.

    References
    ----------
    Ginelli, Poggi, Turchi, Chate, Livi and Politi, "Characterizing dynamics with covariant Lyapunov vectors", Phys.
    Rev. Lett. 99 (2007) 130601.

    Examples
    --------
    >>> from systems import Lorenz63
    >>> found = covariant_vectors(
    ...     Lorenz63(), t_transient=20, t_total=50, t_renorm=0.1, method="RK4", step=0.01
    ... )
    >>> found.vectors.shape
    (3, 3, 501)
    """
    plan = plan_of(_WHO, system, y0, (t_transient, t_total, t_renorm), method, options)
    if plan.n_starts != 1:
        raise must(_WHO, "y0", "must be one start", plan.starts.shape)
    n = plan.motion.n
    k = n if k is None else _checks.count(_WHO, "k", k)
    if k > n:
        raise must(_WHO, "k", f"must be at most {n}, the number of components", k)
    back = max(1, plan.n_first)
    frame = random_frame(n, k, 1, rng)[0]
    frames, factors, states = [], [], []
    with progress_bar(plan.n_first + plan.count + back, _WHO, progress, unit="intervals") as bar:
        for part in plan.parts(more=back):
            found, ratios = framed(part.maps[:, 0], frame)
            frame = found[-1]
            low = max(0, plan.n_first - part.first)
            frames.append(found[low:-1])
            factors.append(ratios[low:])
            states.append(part.states[:, 0, low:-1])
            bar.update(len(ratios))
    every = np.concatenate([*frames, frame[None]])
    coefficients, growth = _backwards(np.concatenate(factors), plan.count, rng)
    vectors = every[: plan.count + 1] @ coefficients
    start = plan.rest + plan.n_first * plan.length
    time = {"t_transient": t_transient, "t_total": t_total, "t_renorm": t_renorm}
    return CovariantVectors(
        system=system,
        call={"y0": plan.starts[:, 0], **time, "k": k, "method": method, "rng": rng, **options},
        times=start + plan.length * np.arange(plan.count + 1, dtype=np.float64),
        states=np.concatenate(states, axis=1)[:, : plan.count + 1],
        vectors=np.ascontiguousarray(vectors.transpose(1, 2, 0)),
        growth=growth / plan.length,
        names=plan.motion.names,
        method=plan.method,
        title=plan.motion.title,
        time_unit=plan.motion.time_unit,
    )


def _backwards(factors: Floats, count: int, rng: int) -> tuple[Floats, Floats]:
    """Return the coefficients (count + 1, k, k) of the vectors in their frames, and the growth (k, count).

    NOTE: each column is divided by its length at every step, on the way back as on the way forth; the length is what
    the vector grows by forwards.
    """
    k = factors.shape[1]
    columns = np.triu(np.random.default_rng(rng).normal(size=(k, k))) + np.eye(k)
    columns /= np.linalg.norm(columns, axis=0)
    found, growth = np.empty((count + 1, k, k)), np.empty((k, count))
    for j in range(len(factors), -1, -1):
        if j < len(factors):
            columns = np.linalg.solve(factors[j], columns)
            lengths = np.linalg.norm(columns, axis=0)
            columns = columns / lengths
            if j < count:
                growth[:, j] = -np.log(lengths)
        if j <= count:
            found[j] = columns
    return found, growth
