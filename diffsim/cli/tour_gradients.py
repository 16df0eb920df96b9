"""The gradient table of the tour: one derivative, three ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["GradientRow", "gradient_rows", "rows_as_text"]


@dataclass(frozen=True)
class GradientRow:
    """The derivative of an end component by one start component or parameter.

    Attributes
    ----------
    name : str
        By what.
    reverse, forward, difference : float
        By the tape backwards through all steps, by tangents along with them, by extrapolated finite differences.
    bound : float
        Of the error of the difference.
    """

    name: str
    reverse: float
    forward: float
    difference: float
    bound: float

    @property
    def modes_apart(self) -> float:
        """Distance of reverse from forward, relative."""
        return abs(self.reverse - self.forward) / max(abs(self.reverse), abs(self.forward), 1e-300)

    @property
    def agrees(self) -> bool:
        """Whether the modes agree to rounding, and the difference within its bound."""
        return self.modes_apart < 1e-9 and abs(self.reverse - self.difference) <= self.bound + 1e-9 * abs(self.reverse)


def gradient_rows(
    system: Any, y0: Sequence[float], component: str, t_end: float, step: float, bar: Any
) -> list[GradientRow]:
    """Return d component(t_end) / d start and / d parameters through RK4, each by three methods.

    Parameters
    ----------
    system : System
    y0 : sequence of float (n,)
        Start.
    component : str
        State component at the end.
    t_end, step : float
        In s.
    bar : Progress
        Moved once a row.
    """
    import numpy as np

    from diffsim.derivatives import grad
    from diffsim.protocols import with_parameters
    from diffsim.testing.differences import slope
    from integrators import solve_ivp

    index = system.index(component)
    names = [*system.state_names, *system.parameter_names]
    n = len(system.state_names)
    point = np.array([*map(float, y0), *(float(value) for value in system.parameters.values())])
    options: dict[str, Any] = {"method": "RK4", "step": step}

    def end(x: Any) -> Any:
        chosen = with_parameters(system, [x[i] for i in range(n, len(names))])
        return solve_ivp(chosen, (0.0, t_end), [x[i] for i in range(n)], **options).y[index, -1]

    tangents = solve_ivp(system, (0.0, t_end), point[:n], sensitivities=("y0", "params"), **options)
    forward = np.concatenate([tangents.dy_dy0[index, :, -1], tangents.dy_dparams[index, :, -1]])
    reverse = grad(end)(point)

    def difference(direction: Any) -> Any:
        return slope(lambda s: np.array([end(point + s * direction)]), np.array([end(point)]), 1.0, 0.25)

    rows = []
    for i, name in enumerate(names):
        found = difference(np.eye(len(names))[i])
        rows.append(
            GradientRow(name, float(reverse[i]), float(forward[i]), float(found.value[0]), float(found.error[0]))
        )
        bar.update(1)
    return rows


def rows_as_text(rows: Sequence[GradientRow]) -> tuple[list[str], list[list[str]]]:
    """Return header and cells of the table."""
    header = ["by", "reverse", "forward", "differences", "+-", "reverse - forward", "agree"]
    cells = [
        [
            row.name,
            f"{row.reverse:.10g}",
            f"{row.forward:.10g}",
            f"{row.difference:.10g}",
            f"{row.bound:.0e}",
            f"{row.reverse - row.forward:.0e}",
            "yes" if row.agrees else "NO",
        ]
        for row in rows
    ]
    return header, cells
