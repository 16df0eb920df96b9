"""Times of a solve, checked: the ends of its span and the save times, common ones or those of each trajectory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import ArgumentError, KindError, must
from diffsim.number import Number, raw, shape_of
from integrators._plain import real

__all__: list[str] = []

_WHO = "solve_ivp"


def check_t_span(t_span: Any, batch: tuple[int, ...] = (), *, endless: bool = False) -> tuple[Any, Any]:
    """Return the two ends: floats, arrays of shape batch, or recording numbers of these shapes.

    An `endless` solve, one that an event ends, may have a plain infinite t1.

    Raises
    ------
    ArgumentError
        Not two; NaN or infinite; of a shape that does not broadcast to the batch.
    KindError
        No numbers.
    """
    try:
        ends = list(t_span)
    except TypeError:
        raise KindError(f"{_WHO}: t_span must be two numbers (t0, t1); got {type(t_span).__name__}.") from None
    if len(ends) != 2:
        raise ArgumentError(f"{_WHO}: t_span must be two numbers (t0, t1); got {len(ends)} numbers.")
    if endless and isinstance(ends[1], float) and math.isinf(ends[1]):
        return _end("t0", ends[0], ends, batch), float(ends[1])
    return _end("t0", ends[0], ends, batch), _end("t1", ends[1], ends, batch)


def _end(name: str, end: Any, ends: list[Any], batch: tuple[int, ...]) -> Any:
    """Return one end of the span."""
    plain = raw(end)
    if np.shape(plain) == ():
        if not math.isfinite(real("t_span", plain)):
            mend = "" if name == "t0" else "With method='RK45' or the like and a terminal event t1 may be infinite."
            raise must(_WHO, "t_span", "must be finite", tuple(raw(e) for e in ends), mend)
        return end if isinstance(end, Number) else float(end)
    if not isinstance(end, Number):
        plain = _numbers("t_span", plain)
    try:
        fits = np.broadcast_shapes(np.shape(plain), batch) == batch
    except ValueError:
        fits = False
    if not fits:
        rule = f"must hold scalars, or arrays of the shape of the batch, {batch}" if batch else "must hold scalars"
        raise ArgumentError(f"{_WHO}: t_span {rule}; got {name} of shape {np.shape(plain)}.")
    bad = ~np.isfinite(plain)
    if bad.any():
        spot = _first(bad)
        raise ArgumentError(f"{_WHO}: t_span must be finite; got {name}[{_listed(spot)}]={plain[spot]}.")
    if isinstance(end, Number):
        from diffsim import array_ops  # not needed by a plain solve, which should start fast

        return array_ops.broadcast_to(end, batch)
    return np.broadcast_to(plain, batch).copy()


def _numbers(name: str, given: Any) -> NDArray[np.float64]:
    """Return an array of plain real numbers in doubles."""
    try:
        found = np.asarray(given)
    except ValueError:
        raise ArgumentError(f"{_WHO}: {name} must not be ragged; got lists of different lengths.") from None
    if found.dtype.kind not in "fiu":
        for x in np.asarray(given, dtype=object).flat:
            real(name, x)
    return found.astype(np.float64)


def split_times(t_eval: Any) -> tuple[Any, Any]:
    """Return the save times in plain numbers, and as a recording number where they are one, else None."""
    if t_eval is None or (t_eval.__class__ is np.ndarray and t_eval.dtype != object):
        return t_eval, None
    listed = _as_list(t_eval)
    if not _records(listed):
        return t_eval, None
    from diffsim import array_ops  # not needed by a plain solve, which should start fast

    try:
        moving = array_ops.array(listed)
    except ValueError:
        raise ArgumentError(
            f"{_WHO}: t_eval of different lengths must hold plain numbers; got a recording number. Give each "
            "trajectory as many times."
        ) from None
    return raw(moving), moving


def check_t_eval(t_eval: Any, ends: tuple[Any, Any], batch: tuple[int, ...] = ()) -> NDArray[np.float64] | None:
    """Return the save times, sorted in the direction of integration and within the span, or None.

    Parameters
    ----------
    t_eval : array_like, shape (n_times,) or (*batch, n_times), or nested lists of different lengths, or None
        Those of each trajectory may be padded with NaN behind their end.
    ends : (t0, t1)
        Floats or arrays of shape batch, plain.
    batch : tuple of int

    Returns
    -------
    array, shape (n_times,) or (*batch, n_times), or None
    """
    if t_eval is None:
        return None
    listed = _as_list(t_eval)
    if _depth(listed) > 1:
        return _ragged(listed, ends, batch)
    times = np.array(listed, dtype=np.float64) if len(listed) else np.zeros(0)
    if not np.isfinite(times).all():
        i = int(np.argmax(~np.isfinite(times)))
        raise ArgumentError(f"{_WHO}: t_eval must be finite; got t_eval[{i}]={times[i]}.")
    if shape_of(ends[0]) == () == shape_of(ends[1]):
        _check_order(times, float(ends[0]), float(ends[1]), "")
        return times
    for spot in np.ndindex(*batch):
        t0, t1 = (float(np.broadcast_to(end, batch)[spot]) for end in ends)
        _check_order(times, t0, t1, f" of trajectory [{_listed(spot)}]")
    return times


def _ragged(listed: Any, ends: tuple[Any, Any], batch: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the save times of each trajectory, padded with NaN."""
    if not batch or _depth(listed) != len(batch) + 1:
        rule = "must be one-dimensional" + (f" or have the shape (*batch, n_times) with batch {batch}" if batch else "")
        raise ArgumentError(f"{_WHO}: t_eval {rule}; got {_shape_in_words(listed)}.")
    rows = dict(_rows(listed, len(batch), ()))
    if set(rows) != set(np.ndindex(*batch)):
        raise ArgumentError(
            f"{_WHO}: t_eval must have one list of times for each trajectory of the batch {batch}; got "
            f"{_shape_in_words(listed)}."
        )
    lists = {spot: _numbers("t_eval", row) for spot, row in rows.items()}
    found = np.full((*batch, max((len(x) for x in lists.values()), default=0)), np.nan)
    for spot, row in lists.items():
        n_times = int((~np.isnan(row)).sum())
        own = row[:n_times]
        if not np.isfinite(own).all():
            i = int(np.argmax(~np.isfinite(own)))
            raise ArgumentError(
                f"{_WHO}: t_eval must be finite, with NaN only behind the last time of a trajectory; got "
                f"t_eval[{_listed((*spot, i))}]={own[i]}."
            )
        t0, t1 = (float(np.broadcast_to(end, batch)[spot]) for end in ends)
        _check_order(own, t0, t1, f" of trajectory [{_listed(spot)}]", spot)
        found[(*spot, slice(n_times))] = own
    return found


def _check_order(times: NDArray[np.float64], t0: float, t1: float, whose: str, spot: tuple[int, ...] = ()) -> None:
    """Raise unless the times lie within the span, in its direction."""
    low, high = min(t0, t1), max(t0, t1)
    outside = (times < low) | (times > high)
    if outside.any():
        i = int(np.argmax(outside))
        raise ArgumentError(
            f"{_WHO}: t_eval must lie within t_span=({t0!r}, {t1!r}){whose}; got "
            f"t_eval[{_listed((*spot, i))}]={times[i]}."
        )
    steps = np.diff(times) * (1.0 if t1 >= t0 else -1.0)
    if (steps <= 0.0).any():
        i = int(np.argmax(steps <= 0.0))
        way = "increasing" if t1 >= t0 else "decreasing, since t_span runs backwards"
        raise ArgumentError(
            f"{_WHO}: t_eval must be strictly {way}; got t_eval[{_listed((*spot, i))}]={times[i]}, "
            f"t_eval[{_listed((*spot, i + 1))}]={times[i + 1]}."
        )


def _as_list(t_eval: Any) -> Any:
    """Return save times as a list, an array, or the recording number that they are."""
    if isinstance(t_eval, Number) and shape_of(t_eval) != ():
        return t_eval
    try:
        if not isinstance(t_eval, str | Number):
            return t_eval if isinstance(t_eval, np.ndarray) and t_eval.ndim else list(t_eval)
    except TypeError:
        pass
    raise KindError(f"{_WHO}: t_eval must be a list or array of times; got {t_eval!r}. Write t_eval=[{t_eval!r}].")


def _is_list(x: Any) -> bool:
    return isinstance(x, list | tuple) or (isinstance(x, np.ndarray) and x.ndim > 0)


def _depth(listed: Any) -> int:
    """Return the number of axes of an array, or of nested lists of any lengths."""
    depth = 0
    while _is_list(listed):
        depth += 1
        if not len(listed):
            break
        listed = next((x for x in listed if not _is_list(x) or len(x)), listed[0])
    return depth


def _rows(listed: Any, n_axes: int, spot: tuple[int, ...]) -> Any:
    """Yield the place and the list of each trajectory."""
    if not n_axes:
        yield spot, listed
        return
    if _is_list(listed):
        for i, part in enumerate(listed):
            yield from _rows(part, n_axes - 1, (*spot, i))


def _records(listed: Any) -> bool:
    """Whether there is a recording number somewhere in nested lists."""
    if isinstance(listed, Number):
        return True
    if isinstance(listed, np.ndarray):
        return listed.dtype == object and any(_records(x) for x in listed.flat)
    return isinstance(listed, list | tuple) and any(_records(x) for x in listed)


def _shape_in_words(listed: Any) -> str:
    if isinstance(listed, np.ndarray):
        return f"shape {listed.shape}"
    try:
        return f"shape {np.shape(listed)}"
    except ValueError:
        return f"{len(listed)} lists of different lengths"


def _first(bad: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(bad)[0])


def _listed(spot: tuple[int, ...]) -> str:
    return ", ".join(map(str, spot))
