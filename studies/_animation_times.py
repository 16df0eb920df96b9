"""When the frames of an animation are, and what the state is then.

Frame k is shown k / fps seconds after the start of the video and shows the state at
t_0 + speed * k / fps, whatever steps the solver made.  The times are rational numbers that are
rounded once, so that the ten-thousandth frame is as punctual as the first.
"""

from __future__ import annotations

from fractions import Fraction
from numbers import Rational

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import must

__all__: list[str] = []

_MOST_FRAMES = 1_000_000


def exact(x: float) -> Fraction:
    """Return the number that ``repr`` shows, exactly: 29.97 is 2997/100, not the nearest double.

    >>> exact(29.97)
    Fraction(2997, 100)
    """
    if isinstance(x, Rational):
        return Fraction(int(x.numerator), int(x.denominator))
    return Fraction(repr(float(x)))


def frame_times(who: str, t_span: tuple[float, float], fps: Fraction, speed: Fraction) -> NDArray[np.float64]:
    """Return the simulated time of each frame, t_0 + speed * k / fps in [t_0, t_1).

    A video of 10 s at 60 fps has 600 frames; each stays for 1/60 s, so that the film lasts 10 s.
    A span that runs backwards gives falling times.

    Parameters
    ----------
    who : str
        Who asks, for the message.
    t_span : tuple of float
        First and last simulated time, in seconds.
    fps : Fraction
        Frames in a second of video.
    speed : Fraction
        Simulated seconds in a second of video.

    Returns
    -------
    array, shape (n_frames,)

    Examples
    --------
    >>> frame_times("animate", (0.0, 0.4), Fraction(10), Fraction(1))
    array([0. , 0.1, 0.2, 0.3])
    """
    t_0, t_1 = float(t_span[0]), float(t_span[1])
    start, pace = exact(t_0), speed / fps
    count = abs(exact(t_1) - start) / pace
    if count > _MOST_FRAMES:
        raise must(who, "t_span", f"must fit into {_MOST_FRAMES:,} frames at this fps and speed", (t_0, t_1))
    # The slack is for ends like 9.999999999 or 10.000000002, which come out of a solver's own grid.
    n_frames = max(1, -int(-(count - Fraction(1, 10**6)) // 1))
    step = pace if t_1 >= t_0 else -pace
    # NOTE: int / int is correctly rounded, and much faster than sums of Fractions.
    top, bottom = start.numerator * step.denominator, start.denominator * step.denominator
    rise = step.numerator * start.denominator
    times = np.array([(top + k * rise) / bottom for k in range(n_frames)])
    return np.asarray(np.clip(times, min(t_0, t_1), max(t_0, t_1)))


def hermite(
    t: NDArray[np.float64], y: NDArray[np.float64], dy: NDArray[np.float64], times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the cubic Hermite interpolant of values and slopes at `times`.

    With theta = (s - t_i) / h on [t_i, t_i + h], the interpolant is

        (1 - theta) y_i + theta y_{i+1} + theta (theta - 1) [(1 - 2 theta) (y_{i+1} - y_i)
        + (theta - 1) h y'_i + theta h y'_{i+1}],

    fourth-order accurate between the points: its error is at most h^4 / 384 max |y''''|.

    Parameters
    ----------
    t : array, shape (n_times,)
        Rising or falling times, at least two.
    y, dy : array, shape (..., n_times)
        Values and slopes there.
    times : array, shape (m,)
        Times inside the range of `t`.

    Returns
    -------
    array, shape (..., m)

    References
    ----------
    Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, 2nd ed., section II.6, eq. (6.7).

    Examples
    --------
    >>> t = np.array([0.0, 1.0])
    >>> hermite(t, t**3, 3 * t**2, np.array([0.5]))
    array([0.125])
    """
    if t[-1] < t[0]:
        t, y, dy = t[::-1], y[..., ::-1], dy[..., ::-1]
    left = np.clip(np.searchsorted(t, times, side="right") - 1, 0, t.size - 2)
    h = t[left + 1] - t[left]
    theta = (times - t[left]) / h
    low, high = y[..., left], y[..., left + 1]
    bend = (1.0 - 2.0 * theta) * (high - low) + (theta - 1.0) * h * dy[..., left] + theta * h * dy[..., left + 1]
    return np.asarray((1.0 - theta) * low + theta * high + theta * (theta - 1.0) * bend)


def refine(points: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """Put ``factor - 1`` smooth points between neighbours along axis 0 (Catmull-Rom), for curved trails.

    Parameters
    ----------
    points : array, shape (n, ...)
    factor : int
        1 returns the points as they are.

    Returns
    -------
    array, shape ((n - 1) * factor + 1, ...)
    """
    n = len(points)
    if factor == 1 or n < 2:
        return points
    grid = np.arange(n, dtype=float)
    slopes: NDArray[np.float64] = np.asarray(np.gradient(points, axis=0, edge_order=1 if n == 2 else 2))
    fine = np.arange((n - 1) * factor + 1) / factor
    return np.moveaxis(hermite(grid, np.moveaxis(points, 0, -1), np.moveaxis(slopes, 0, -1), fine), -1, 0)
