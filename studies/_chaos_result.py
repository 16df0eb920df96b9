"""`ChaosVerdict`: what the indicators of `is_chaotic` say, each by itself and together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from diffsim.errors import RunError
from studies import _output
from studies._checks import Floats
from studies._record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ChaosVerdict"]

_COLORS = {"chaotic": "tab:red", "regular": "tab:green", "undecided": "tab:orange", "does not apply": "0.5"}


@dataclass(frozen=True, eq=False, repr=False)
class ChaosVerdict(Record):
    """What each indicator says, and its series over time.

    Attributes
    ----------
    system : System or callable
    call : mapping
        The arguments of the call that made it.
    names : tuple of str
        Of the indicators.
    values : ndarray
        Of each at the end.
    says : tuple of str
        ``"chaotic"``, ``"regular"``, ``"undecided"`` or ``"does not apply"``, one an indicator.
    rules : tuple of str
        How each is read.
    times : ndarray (q,)
        In s (iterations).
    exponent, megno, log_sali, log_gali : ndarray (q,)
        Largest exponent as it converges; MEGNO; natural logarithms of the alignment indices.
    gali_order : int
        Number of vectors of `log_gali`.
    path : ndarray (2, N)
        The walk of the 0-1 test, for its last frequency.
    """

    study: ClassVar[str] = "is_chaotic"
    axes_of: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "names": ("indicator",),
        "values": ("indicator",),
        "says": ("indicator",),
        "rules": ("indicator",),
        **dict.fromkeys(("times", "exponent", "megno", "log_sali", "log_gali"), ("time",)),
        "path": ("side", "step"),
    }

    names: tuple[str, ...]
    values: Floats
    says: tuple[str, ...]
    rules: tuple[str, ...]
    times: Floats
    exponent: Floats
    megno: Floats
    log_sali: Floats
    log_gali: Floats
    gali_order: int
    path: Floats
    method: str
    title: str
    time_unit: str

    @property
    def verdict(self) -> str:
        """``"chaotic"`` or ``"regular"`` where all indicators that apply say so; ``"undecided"`` otherwise."""
        told = {says for says in self.says if says != "does not apply"}
        return told.pop() if len(told) == 1 else "undecided"

    @property
    def agree(self) -> bool:
        """Whether all indicators that apply say the same, and decide."""
        return self.verdict != "undecided"

    @property
    def table(self) -> list[tuple[str, float, str, str]]:
        """Name, value, verdict and rule of each indicator."""
        return list(zip(self.names, self.values.tolist(), self.says, self.rules, strict=True))

    def __bool__(self) -> bool:
        """Answer the question.

        Raises
        ------
        RunError
            The indicators do not agree.
        """
        if not self.agree:
            raise RunError(f"is_chaotic: the indicators do not agree: {self._words()}. Look at a longer t_total.")
        return self.verdict == "chaotic"

    def _words(self) -> str:
        return ", ".join(
            f"{name} says {says}" if says != "does not apply" else f"{name} does not apply"
            for name, says in zip(self.names, self.says, strict=True)
        )

    def __repr__(self) -> str:
        span = f"{self.times[-1]:g} {self.time_unit}"
        return f"ChaosVerdict({self.title}: {self.verdict} over {span}; {self._words()}; {self.method})"

    def plot(self) -> Figure:
        """Return a figure: exponent, MEGNO, alignment indices over time, and the walk of the 0-1 test."""
        figure = _output.new_figure(10.0, 7.2)
        panels = figure.subplots(2, 2)
        colors = {name: _COLORS[says] for name, says in zip(self.names, self.says, strict=True)}
        shown = np.unique(np.geomspace(1, len(self.times), min(len(self.times), 800)).astype(int)) - 1
        top, bottom = panels
        seen = self.exponent[shown]
        decades = bool((seen > 0.0).any()) and float(seen.max()) > 10.0 * float(seen[seen > 0.0].min())
        top[0].semilogx(
            self.times[shown], np.where(seen > 0.0, seen, np.nan) if decades else seen, color=colors["lyapunov"]
        )
        top[0].set_yscale("log" if decades else "linear")
        top[0].set_ylabel(f"largest exponent so far [1/{self.time_unit}]")
        top[1].loglog(self.times[shown], np.where(self.megno > 0.0, self.megno, np.nan)[shown], color=colors["megno"])
        top[1].axhline(2.0, color="0.4", linestyle=":", linewidth=1.0)
        top[1].set_ylabel("MEGNO")
        if self.log_sali.size:
            for name, values, line in (("sali", self.log_sali, "-"), ("gali", self.log_gali, "--")):
                label = "SALI" if name == "sali" else f"GALI$_{{{self.gali_order}}}$"
                bottom[0].semilogx(
                    self.times[shown], values[shown] / np.log(10.0), line, color=colors[name], label=label
                )
            bottom[0].legend(fontsize=9)
        bottom[0].set_ylabel("alignment indices, $\\log_{10}$")
        bottom[1].plot(*self.path, color=colors["zero_one"], linewidth=0.7)
        bottom[1].set_aspect("equal", adjustable="datalim")
        bottom[1].set_xlabel("p")
        bottom[1].set_ylabel("q")
        for panel, name in zip(panels.ravel(), ("lyapunov", "megno", "sali", "zero_one"), strict=True):
            _output.quiet(panel)
            if panel is not bottom[1]:
                panel.set_xlabel(f"time [{self.time_unit}]")
            if name in self.names:
                panel.set_title(self._title(name), fontsize=10)
        figure.suptitle(f"{self.title}: {self.verdict} ({self.method})", fontsize=11)
        return figure

    def _title(self, name: str) -> str:
        names = {"lyapunov": "Lyapunov exponent", "megno": "MEGNO", "sali": "SALI and GALI", "zero_one": "0-1 test"}
        value = f", K = {abs(round(self.values[self.names.index(name)], 2)):.2f}" if name == "zero_one" else ""
        said = [self.says[self.names.index(one)] for one in ("sali", "gali") if name == "sali"]
        told = " and ".join(dict.fromkeys(said)) if said else self.says[self.names.index(name)]
        return f"{names[name]}{value}: {told}"
