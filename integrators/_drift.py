"""How far a solution has drifted from what its System conserves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, final

import numpy as np

from diffsim.number import Number, raw, shape_of
from diffsim.protocols import invariants, is_system, parameter_names, with_parameters

__all__: list[str] = []


@final
class Drift(Mapping[str, Any]):
    """Invariants along a solution, less their values at the start: by name, computed when asked for.

    Parameters
    ----------
    fun : callable
        A System, or a plain function, which declares nothing.
    y0 : state, shape (n, *batch)
    y : states, shape (n, *batch, n_times)
    """

    def __init__(self, fun: Any, y0: Any, y: Any) -> None:
        self._fun, self._y0, self._y = fun, y0, y

    def __getitem__(self, name: str) -> Any:
        now, then = invariants(_along_time(self._fun))[name], invariants(self._fun)[name]
        with np.errstate(all="ignore"):  # NaN where a trajectory had ended
            start = then(self._y0)
            return now(self._y) - (start[..., None] if shape_of(start) else start)

    def __iter__(self) -> Iterator[str]:
        return iter(invariants(self._fun))

    def __len__(self) -> int:
        return len(invariants(self._fun))

    def __repr__(self) -> str:
        largest = {name: float(np.nanmax(np.abs(np.asarray(raw(self[name]))), initial=0.0)) for name in self}
        return f"Drift({', '.join(f'{name}: at most {x:.3g}' for name, x in largest.items())})"


def _along_time(fun: Any) -> Any:
    """Return a System whose parameters that differ between trajectories have an axis for time."""
    if not is_system(fun):
        return fun
    wide = {name: getattr(fun, name) for name in parameter_names(fun) if shape_of(getattr(fun, name))}
    return with_parameters(fun, {name: _wide(x) for name, x in wide.items()}) if wide else fun


def _wide(x: Any) -> Any:
    numbers: Any = x if isinstance(x, Number) else np.asarray(x)
    return numbers[..., None]
