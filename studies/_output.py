"""How the results of the studies are drawn and written: labels in mathematics, angles in pi, whole files or none."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diffsim.files import atomic, check_output
from diffsim.provenance import provenance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__: list[str] = []

PICTURES = (".png", ".svg", ".pdf")
_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|kappa|lambda|mu|nu|xi|rho|sigma|tau|phi|chi|psi|omega", re.IGNORECASE
)


def checked_path(who: str, path: str | os.PathLike[str]) -> Path:
    """Return the path of a result file after checking that it can be written: a picture or ``.npz``."""
    return check_output(who, path, (*PICTURES, ".npz"))


def write(
    who: str,
    path: str | os.PathLike[str],
    picture: Callable[[], Figure],
    arrays: Callable[[], Mapping[str, Any]],
) -> Path:
    """Write a picture or an ``.npz`` of named arrays, by the ending of `path`, whole or not at all.

    Every ``.npz`` also holds the versions it was made with, under ``made_with``.

    Raises
    ------
    ArgumentError
        The ending is unknown, or the folder is missing or not writable.
    """
    target = checked_path(who, path)
    with atomic(target) as temporary:
        if target.suffix.lower() == ".npz":
            with open(temporary, "wb") as file:
                np.savez_compressed(file, made_with=np.array(made_with()), **arrays())
        else:
            picture().savefig(temporary, dpi=150)
    return target


def write_by(
    who: str, path: str | os.PathLike[str], suffixes: tuple[str, ...], write_to: Callable[[Path], object]
) -> Path:
    """Write a file of another kind by a function of its path, whole or not at all."""
    target = check_output(who, path, suffixes)
    with atomic(target) as temporary:
        write_to(temporary)
    return target


def made_with() -> str:
    """Versions of Python, NumPy and diffsim, and the processor with what it can, as one line."""
    told = provenance()
    return (
        f"diffsim {told['diffsim']}, numpy {told['numpy']}, Python {told['python']}, {told['machine']}, "
        f"{told['cpu']} ({told['cpu_features']})"
    )


def describe(system: Any) -> str:
    """``DoublePendulum(gravity=9.8, mass_1=1, ...)``, for titles; arrays are named, not listed."""
    parts = []
    for name, value in system.parameters.items():
        parts.append(f"{name}={value:g}" if np.ndim(value) == 0 else f"{name}=...")
    return f"{type(system).__name__}({', '.join(parts)})"


def method_text(method: Any, step: float | None) -> str:
    """``RK4, h = 0.01 s``.

    >>> method_text("RK4", 0.01)
    'RK4, h = 0.01 s'
    """
    name = method if isinstance(method, str) else getattr(method, "__name__", repr(method))
    return name if step is None else f"{name}, h = {step:g} s"


def symbol(name: str) -> str:
    """Return a component's or parameter's name as mathematics: ``theta_1`` becomes a theta with index 1.

    >>> symbol("theta_1"), symbol("p_2"), symbol("gravity")
    ('$\\\\theta_{1}$', '$p_{2}$', 'gravity')
    """
    match = re.fullmatch(r"([A-Za-z]+?)_?(\d*)", name)
    if not match or (len(match.group(1)) > 1 and not _GREEK.fullmatch(match.group(1))):
        return name
    head = match.group(1)
    index = f"_{{{match.group(2)}}}" if match.group(2) else ""
    return f"${chr(92) + head if len(head) > 1 else head}{index}$"


def label(name: str, unit: str) -> str:
    """Return an axis label with its unit in square brackets, if it has one."""
    return f"{symbol(name)} [{pretty_unit(unit)}]" if unit and unit != "1" else symbol(name)


def pretty_unit(unit: str) -> str:
    """Return a unit with its exponents raised: ``kg m^2/s`` as mathematics.

    >>> pretty_unit("kg m^2/s"), pretty_unit("rad")
    ('kg m$^{2}$/s', 'rad')
    """
    return re.sub(r"\^(-?\d+)", r"$^{\1}$", unit)


def in_units_of_pi(axis: Any, low: float, high: float) -> None:
    """Give a matplotlib axis that runs in radians from `low` to `high` ticks at fractions or multiples of pi."""
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    half_turns = abs(high - low) / np.pi
    steps = (0.125, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
    step = next((s for s in steps if half_turns / s <= 7.0), None)
    if step is None or half_turns < 0.3:
        return  # so short a piece reads better in plain radians
    axis.set_major_locator(MultipleLocator(step * np.pi))
    axis.set_major_formatter(FuncFormatter(lambda value, _: pi_text(value / np.pi)))


def pi_text(half_turns: float) -> str:
    """Return a number of half turns as text: 1.5 is ``3π/2``, 0.25 is ``π/4``.

    >>> [pi_text(x) for x in (0.0, 1.0, 0.25, 1.5, 3.0)]
    ['0', 'π', 'π/4', '3π/2', '3π']
    """
    eighths = round(half_turns * 8)
    divisor = int(np.gcd(eighths, 8)) or 1
    top, bottom = eighths // divisor, 8 // divisor
    if top == 0:
        return "0"
    sign, size = "\N{MINUS SIGN}" if top < 0 else "", abs(top)
    return f"{sign}{size if size > 1 else ''}π" + (f"/{bottom}" if bottom > 1 else "")


def new_figure(width: float, height: float) -> Figure:
    """Return a figure that belongs to nobody's pyplot state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def quiet(axes: Axes) -> None:
    """Take away the frame's upper and right line and lay a faint grid below the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
