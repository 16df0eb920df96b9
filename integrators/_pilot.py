"""`Pilot`: how a method with a memory of its own (factorised matrices, orders, past states) chooses its steps."""

from __future__ import annotations

import abc
from typing import Any

from integrators._integrator import Step

__all__: list[str] = []


class Pilot(abc.ABC):
    """The memory of one solve of one trajectory; made by `Integrator.pilot`.

    Steps are tried in plain numbers; the one that is accepted is made once more with derivatives, where there are any.
    """

    @abc.abstractmethod
    def start(self, t: Any, y: Any, slope: Any, h: float) -> None:
        """Begin from a state without a past.

        Parameters
        ----------
        t, y, slope : numbers of any kind
            Time, state (n,), derivative there.
        h : float
            The step that will be tried first, with its sign.
        """

    @abc.abstractmethod
    def resize(self, factor: float, kind: str) -> None:
        """Be told that the next step is longer by a factor.

        Parameters
        ----------
        factor : float
        kind : str
            Why: ``"limit"`` (the largest or smallest step), ``"end"`` (of the span), ``"newton"`` (the equations have
            not been solved), ``"error"`` (it was too large).
        """

    @abc.abstractmethod
    def attempt(self, t: float, y: Any, h: float, t_new: float, rejected: bool) -> tuple[Any, Any, float] | None:
        """Try a step in plain numbers; return the state, its error and the error's size in units of the tolerance.

        None where the equations of the step have not been solved.
        """

    @abc.abstractmethod
    def shrunk(self, h: float, norm: float) -> float:
        """Return by which factor to shorten a step whose error was too large."""

    @abc.abstractmethod
    def accept(self, t: Any, y: Any, h: Any) -> Step | None:
        """Make the step that was tried last with recording numbers, where t, y, h or f are such.

        None where the equations have not been solved to the accuracy that derivatives ask for.
        """

    @property
    def choice(self) -> object:
        """What has to be known, besides its ends, to make the last accepted step again."""
        return None

    @abc.abstractmethod
    def repeat(self, choice: object, t: Any, y: Any, h: Any, t_new: float) -> Step | None:
        """Make a step that was accepted in an earlier solve, to rounding; None where it cannot be made.

        Differences of solves are compared with derivatives: they repeat the steps and, like derivatives, ask for stages
        that have been found to rounding.
        """

    @abc.abstractmethod
    def grown(self, h: float, norm: float, t: Any, y: Any) -> float:
        """Return the size of the next step, without its sign, and be ready for it."""
