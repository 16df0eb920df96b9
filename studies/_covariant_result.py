"""`CovariantVectors`: what `covariant_vectors` found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from diffsim.errors import must
from studies import _output
from studies._checks import Floats
from studies._record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CovariantVectors"]


@dataclass(frozen=True, eq=False, repr=False)
class CovariantVectors(Record):
    """Covariant Lyapunov vectors along a trajectory.

    Attributes
    ----------
    system : System or callable
    call : mapping
        The arguments of the call that made it.
    times : ndarray (q,)
    states : ndarray (n, q)
    vectors : ndarray (n, k, q)
        Vector i at time j is ``vectors[:, i, j]``, of length 1; its sign carries no meaning.
    growth : ndarray (k, q - 1)
        Rate at which each vector grows from one time to the next.
    names : tuple of str
        Of the components.
    """

    study: ClassVar[str] = "covariant_vectors"
    axes_of: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "times": ("time",),
        "states": ("component", "time"),
        "vectors": ("component", "vector", "time"),
        "growth": ("vector", "interval"),
        "names": ("component",),
    }

    times: Floats
    states: Floats
    vectors: Floats
    growth: Floats
    names: tuple[str, ...]
    method: str
    title: str
    time_unit: str

    @property
    def exponents(self) -> Floats:
        """Mean rates of growth (k,): the Lyapunov exponents."""
        return np.asarray(self.growth.mean(axis=1))

    def angles(self, i: int, j: int) -> Floats:
        """Return the angle (q,) between vectors i and j (counted from 0), in rad, from 0 to pi / 2.

        Raises
        ------
        ArgumentError
            There is no such vector.
        """
        for name, value in (("i", i), ("j", j)):
            if not 0 <= value < self.vectors.shape[1]:
                raise must("CovariantVectors.angles", name, f"must be 0 to {self.vectors.shape[1] - 1}", value)
        a, b = self.vectors[:, i], self.vectors[:, j]
        # NOTE: by the half angle; the arc cosine knows nothing of angles below 1e-8.
        near = np.minimum(np.linalg.norm(a - b, axis=0), np.linalg.norm(a + b, axis=0))
        return np.asarray(2.0 * np.arcsin(0.5 * near))

    def __repr__(self) -> str:
        figures = ", ".join(f"{value:.4g}" for value in self.exponents)
        return (
            f"CovariantVectors({self.title}: {self.vectors.shape[1]} vectors at {len(self.times)} times, exponents "
            f"{figures} [1/{self.time_unit}]; {self.method})"
        )

    def plot(self) -> Figure:
        """Return a figure: how often neighbouring vectors meet at which angle, and the trajectory in their light."""
        figure = _output.new_figure(10.0, 4.4)
        left, right = figure.subplots(1, 2)
        k = self.vectors.shape[1]
        bins = np.linspace(0.0, 90.0, 46)
        for i in range(min(k - 1, 6)):
            label = f"vectors {i + 1} and {i + 2}"
            left.hist(
                np.degrees(self.angles(i, i + 1)), bins, density=True, histtype="step", linewidth=1.4, label=label
            )
        left.set_xlabel("angle [degrees]")
        left.set_ylabel("density")
        _output.quiet(left)
        x, y = self.states[0], self.states[min(1, len(self.states) - 1)]
        if len(self.states) > 2:
            y = self.states[-1]
        color = np.degrees(self.angles(0, 1)) if k > 1 else self.times
        dots = right.scatter(x, y, c=color, s=4, cmap="viridis", linewidths=0)
        right.set_xlabel(_output.symbol(self.names[0]))
        right.set_ylabel(_output.symbol(self.names[-1]))
        figure.colorbar(
            dots, ax=right, label="angle of vectors 1 and 2 [degrees]" if k > 1 else f"time [{self.time_unit}]"
        )
        if k > 1:
            left.legend(fontsize=9)
        figure.suptitle(f"{self.title}: covariant Lyapunov vectors ({self.method})", fontsize=11)
        return figure
