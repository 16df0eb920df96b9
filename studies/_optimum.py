"""`Optimum`: what the results of `minimise` and `fit` share: what was free, what was found, the call made again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from diffsim.errors import ArgumentError
from studies._checks import Floats
from studies._map_result import Lost
from studies._record import Record

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
