"""`Optimum`: what the results of `minimise` and `fit` share: what was free, what was found, the call made again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from diffsim.errors import ArgumentError
from diffsim.protocols import is_discrete
from integrators._solve import solve_ivp
from studies._checks import Floats
from studies._record import Record
from studies._record_text import Lost
from studies._solver import solver_arguments

__all__: list[str] = []


@dataclass(frozen=True, eq=False, repr=False)
class Optimum(Record):
    """Base of results that hold a System with the parameters found.

    Attributes
    ----------
    system : System
        With the parameters found.
    call : mapping
        The arguments of the call that made it.
    free : tuple of str
        What was free: parameters and state components.
    first : ndarray (n_free,)
        Their values where the search began.
    x : ndarray (n_free,)
        Their values where it ended.
    y0 : ndarray (n,)
        The whole start that was found.
    """

    own: ClassVar[frozenset[str]] = frozenset()
    """Arguments of the call that are the study's own; the others are the solver's."""
    usual: ClassVar[tuple[str, str]] = ("RK45", "RK45")
    """The method where none was given, and that for stiff systems."""

    free: tuple[str, ...]
    first: Floats
    x: Floats
    y0: Floats

    @property
    def found(self) -> dict[str, float]:
        """What was found, by name."""
        return dict(zip(self.free, self.x.tolist(), strict=True))

    @property
    def asked(self) -> Any:
        """The System that was asked, with the parameters with which the search began."""
        values = zip(self.free, self.first.tolist(), strict=True)
        return self.system.replace(**{name: x for name, x in values if name not in self.system.state_names})

    def solve(self, system: Any, t_span: Any, y0: Any, t_eval: Any) -> Any:
        """Return the Solution from a start, by the solver of the call."""
        options = {name: value for name, value in self.call.items() if name not in self.own}
        method, rtol, atol = (options.pop(name) for name in ("method", "rtol", "atol"))
        if method is None:
            method = "Iteration" if is_discrete(system) else self.usual[bool(getattr(system, "stiff", False))]
        solver = solver_arguments(method, rtol, atol, options, (1e-9, 1e-9))
        return solve_ivp(system, t_span, y0, t_eval=t_eval, **solver)

    def rerun(self, **changes: Any) -> Self:
        """Make the same call again, with some arguments changed; without changes it gives the same bits.

        Raises
        ------
        ArgumentError
            The result was loaded, and its call held a function, which a file cannot keep: give it.
        """
        import studies

        for name, value in self.call.items():
            lost = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
            if name not in changes and any(isinstance(one, Lost) for one in lost):
                raise ArgumentError(f"{self.study}: a file cannot keep {name}={value}; give it: rerun({name}=...).")
        again: Self = getattr(studies, self.study)(self.asked, **{**self.call, **changes})
        return again
