"""What the results of all maps share beyond a `Record`: axes, and computing them anew in a smaller range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from diffsim.errors import ArgumentError, must, unknown_name
from studies import _checks, _output
from studies._checks import Floats
from studies._record import Record

__all__: list[str] = []


@dataclass(frozen=True, eq=False)
class MapResult(Record):
    """Base of the results of maps: their call has ``axes``.

    Attributes
    ----------
    system : System
    call : mapping
        The arguments of the call that made it, but for the system, and for where and how fast it ran.
    """

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the numbers by name."""
        raise NotImplementedError

    def dims(self) -> dict[str, tuple[str, ...]]:
        """Return the names of the axes of each of `arrays`."""
        raise NotImplementedError

    def coordinates(self) -> dict[str, tuple[Floats, str]]:
        """Return the values and the unit of each named axis that has values."""
        raise NotImplementedError

    @classmethod
    def restored(cls, system: Any, call: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the result of saved numbers."""
        raise NotImplementedError

    def readable(self) -> dict[str, Any]:
        """Return what is in an ``.npz`` for people who read it by NumPy alone."""
        return {
            "axes": np.array(list(self.call["axes"])),
            "state_names": np.array(self.system.state_names),
            "system": np.array(_output.describe(self.system)),
        }

    def zoom(self, n: int | None = None, **ranges: Any) -> Self:
        """Compute the map anew over smaller (or other) ranges of its axes.

        Parameters
        ----------
        n : int, optional
            Values of each axis; as many as now by default.
        **ranges : (low, high)
            By the axis' name; an axis that is not named keeps its range.

        Examples
        --------
        >>> from studies import sensitivity_map
        >>> from systems import Pendulum
        >>> axes = {"theta": np.linspace(-3.0, 3.0, 7), "p": np.linspace(-1.0, 1.0, 3)}
        >>> chart = sensitivity_map(Pendulum(), axes, t_end=0.5)
        >>> chart.zoom(theta=(2.0, 3.0), n=5).axes["theta"]
        array([2.  , 2.25, 2.5 , 2.75, 3.  ])
        """
        old: Mapping[str, Floats] = self.call["axes"]
        if not ranges and n is None:
            raise ArgumentError(f"{self.study}: zoom needs a range, such as zoom({next(iter(old))}=(low, high)).")
        for name in ranges:
            if name not in old:
                raise unknown_name(f"{self.study}: zoom", "axis", name, old)
        axes = {}
        for name, values in old.items():
            ends = _checks.vector(f"{self.study}: zoom", name, ranges.get(name, (values[0], values[-1])), 2)
            if not ends[0] < ends[1] and len(values) > 1:
                raise must(f"{self.study}: zoom", name, "must be (low, high) with low < high", ends.tolist())
            count = len(values) if n is None else _checks.count(f"{self.study}: zoom", "n", n, 2)
            axes[name] = np.linspace(ends[0], ends[1], count)
        return self.rerun(axes=axes)
