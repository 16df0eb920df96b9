"""`FiniteTimeExponent`: what `finite_time_exponent` found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from studies import _output
from studies._checks import Floats
from studies._record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FiniteTimeExponent"]


@dataclass(frozen=True, eq=False, repr=False)
class FiniteTimeExponent(Record):
    """A finite-time Lyapunov exponent and its gradient.

    Attributes
    ----------
    system : System or callable
    call : mapping
        The arguments of the call that made it.
    value : float
        In 1/s (1/iteration).
    direction, stretched : ndarray (n,)
        The small change of the start that grows most, and what becomes of it, both at length 1.
    by_start : ndarray (n,)
        Derivatives of the value by the components of the start; NaN where they were not asked for.
    by_parameter : ndarray (P,)
        Derivatives by the parameters.
    parameters, names : tuple of str
        Of the parameters, and of the components of the state.
    """

    study: ClassVar[str] = "finite_time_exponent"
    axes_of: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **dict.fromkeys(("direction", "stretched", "by_start", "names"), ("component",)),
        "by_parameter": ("parameter",),
        "parameters": ("parameter",),
    }

    value: float
    direction: Floats
    stretched: Floats
    by_start: Floats
    by_parameter: Floats
    parameters: tuple[str, ...]
    names: tuple[str, ...]
    title: str
    time_unit: str

    @property
    def gradient(self) -> dict[str, float]:
        """Derivatives of the value by the name of a component of the start or of a parameter."""
        values = [*self.by_start.tolist(), *self.by_parameter.tolist()]
        return dict(zip((*self.names, *self.parameters), values, strict=True))

    def __float__(self) -> float:
        return self.value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """The value, for `numpy.asarray`."""
        return np.array(self.value, dtype=dtype)

    def __repr__(self) -> str:
        told = ", ".join(f"{name}: {value:.4g}" for name, value in self.gradient.items())
        unit = "s" if self.time_unit == "s" else f"{self.time_unit}s"
        return (
            f"FiniteTimeExponent({self.title}: {self.value:.6g} [1/{self.time_unit}] over {self.call['t']:g} {unit}; "
            f"gradient by {told})"
        )

    def plot(self) -> Figure:
        """Return a figure: the direction that grows most and what becomes of it, and the gradient."""
        figure = _output.new_figure(9.6, 3.8)
        left, right = figure.subplots(1, 2)
        places = np.arange(len(self.names))
        left.bar(places - 0.2, self.direction, 0.4, label="change of the start")
        left.bar(places + 0.2, self.stretched, 0.4, label="of the end")
        left.set_xticks(places, [_output.symbol(name) for name in self.names])
        left.set_title("the change that grows most, at length 1", fontsize=10)
        left.legend(fontsize=9)
        gradient = self.gradient
        right.bar(np.arange(len(gradient)), list(gradient.values()), 0.6, color="tab:red")
        turn = 30 if len(gradient) > 6 else 0
        right.set_xticks(
            np.arange(len(gradient)),
            [_output.symbol(n) for n in gradient],
            rotation=turn,
            ha="right" if turn else "center",
        )
        right.set_title("derivative of the exponent", fontsize=10)
        for panel in (left, right):
            panel.axhline(0.0, color="0.4", linewidth=0.7)
            _output.quiet(panel)
        span = f"{self.call['t']:g} {self.time_unit}" + ("" if self.time_unit == "s" else "s")
        figure.suptitle(f"{self.title}: exponent {self.value:.5g} per {self.time_unit} over {span}", fontsize=11)
        return figure
