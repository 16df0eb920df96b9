"""`Integrator`: what every method is, whatever drives it."""

from __future__ import annotations

import abc
import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias, final

from diffsim.errors import KindError, RunError, must
from diffsim.number import Number
from integrators._combination import State
from integrators._interpolant import hermite
from integrators._norm import rms

__all__ = ["Integrator", "Step"]

RightHandSide: TypeAlias = Callable[[Any, State], State]


class Step(NamedTuple):
    """What one step gives.

    Attributes
    ----------
    y : state
        State at t + h.
    error : state or None
        Estimate of the local error; a method with several stacks them along the first axis.  None without one.
    carry : object
        What the next step may start with: the derivative at t + h, or whatever a multistep method remembers; None where
        nothing is shared.
    stages : sequence
        What `Integrator.dense` is made of.
    ok : bool or array of bool, shape lanes
        False where the step could not be made (Newton's iterations did not converge): a shorter one is tried.
    """

    y: State
    error: Any = None
    carry: Any = None
    stages: Sequence[Any] = ()
    ok: Any = True


class Integrator(abc.ABC):
    """A one-step method for ``y' = f(t, y)``.

    A subclass says its `order`, and how it advances in plain arithmetic on whatever numbers it is given; the drivers
    of `solve_ivp` do the rest.

    Parameters
    ----------
    step : float, optional
        Fixed step size, > 0, in units of time; backward integration is a matter of ``t_span``.  A method that
        estimates its error chooses its own steps where no step is given.

    Raises
    ------
    ArgumentError
        `step` is not > 0 or not finite.
    KindError
        `step` is not a plain number.

    Examples
    --------
    >>> from integrators import RK4
    >>> RK4(step=0.01)
    RK4(step=0.01)
    >>> RK4().step(lambda t, y: -y, 0.0, 1.0, 0.1)
    0.9048375
    """

    discrete: ClassVar[bool] = False
    """Whether the method iterates maps instead of integrating flows."""

    def __init__(self, step: float | None = None) -> None:
        self._h = None if step is None else checked_step(type(self).__name__, step)

    @property
    @abc.abstractmethod
    def order(self) -> int:
        """Order p: the global error falls like ``h**p``."""

    @property
    def error_order(self) -> int | None:
        """Order of the embedded method behind the error estimate; None where there is none."""
        return None

    @property
    def dense_order(self) -> int:
        """Order of the interpolant between steps."""
        return min(self.order, 3)

    @property
    def h(self) -> float | None:
        """The fixed step size, or None."""
        return self._h

    @property
    def adaptive(self) -> bool:
        """Whether the method chooses its steps: it can estimate its error and was given no step."""
        return self._h is None and self.error_order is not None

    @abc.abstractmethod
    def advance(self, f: RightHandSide, t: Any, y: State, h: Any, carry: State | None = None) -> Step:
        """Return the whole `Step` from (t, y) to t + h; `carry` is what the step before handed on."""

    @property
    def by_lane(self) -> bool:
        """Whether a batch is integrated lane by lane: the method's arithmetic would mix trajectories."""
        return False

    @property
    def implicit(self) -> bool:
        """Whether the method asks for Jacobians of the right-hand side."""
        return False

    @property
    def one_step(self) -> bool:
        """Whether a step depends on nothing but the state it starts from, so that fixed steps can be taken."""
        return True

    @property
    def piloted(self) -> bool:
        """Whether the method chooses its steps by a memory of its own, see `pilot`."""
        return False

    @property
    def borrowed(self) -> bool:
        """Whether the steps are made by SciPy's code."""
        return False

    def pilot(self, f: Any, control: Any) -> Any:
        """Return a new `Pilot` for one solve.

        Parameters
        ----------
        f : RightHandSide
        control : Control
        """
        raise RunError(f"{type(self).__name__}: has no pilot.")

    @property
    def traceable(self) -> bool:
        """Whether a step is plain arithmetic that can be traced and compiled as a whole."""
        return True

    @property
    def formula(self) -> object | None:
        """The data by which machine code makes a step that the method has chosen itself; None where there are none.

        An explicit method with a tableau needs none.
        """
        return None

    @final
    @property
    def has_formula(self) -> bool:
        """Whether machine code chooses the method's steps by its own `formula`."""
        return self.adaptive and self.formula is not None

    @property
    def largest_traced(self) -> int | None:
        """Number of components up to which a step is compiled as a whole; None where there is no bound."""
        return None

    @property
    def pays_from(self) -> int:
        """Number of fixed steps from which ``compiled="auto"`` compiles: more where that takes seconds."""
        return 0

    @property
    def separable(self) -> bool:
        """Whether the method asks for a right-hand side whose halves depend on the other half only."""
        return False

    @property
    def canonical(self) -> bool:
        """Whether the method asks for Hamilton's equations of a state ``[q, p]``."""
        return False

    @property
    def paired(self) -> bool:
        """Whether a state must be positions and momenta, one half of it each."""
        return self.separable or self.canonical

    @property
    def symplectic(self) -> bool:
        """Whether the flow map of a step keeps the symplectic form of a Hamiltonian system."""
        return False

    @property
    def n_copies(self) -> int:
        """Number of copies of the state that a step moves: the further ones are its `carry`, from step to step."""
        return 1

    @property
    def most_derivatives(self) -> int | None:
        """Order of derivatives up to which the traced step is right; None where any will do."""
        return None

    def admits(self, fun: Any, args: tuple[Any, ...], n: int, t: Any, y: Any, column: bool) -> None:
        """Raise where the method is not for this right-hand side.

        Parameters
        ----------
        fun, args
            As the caller of `solve_ivp` gave them.
        n : int
            Number of components.
        t, y
            The start.
        column : bool
            Whether `fun` takes ``y`` of shape (n, 1).

        Raises
        ------
        ArgumentError
            It is not.
        """
        return

    def tuned(self, rtol: Any, atol: Any) -> Integrator:
        """Return the method as a solve with these tolerances uses it: one whose order follows from them says which."""
        return self

    def begin(self, f: RightHandSide, t: Any, y: State, k: State | None = None) -> Any:
        """Return what a step from (t, y) may start with, its `carry`: by default the derivative there.

        Parameters
        ----------
        f, t, y
            See `advance`.
        k : state, optional
            The derivative ``f(t, y)``, where it is known.
        """
        return f(t, y) if k is None else k

    @property
    def advises(self) -> bool:
        """Whether the method chooses its steps before it makes them, see `advised`; others have an error controlled."""
        return False

    def advised(self, carry: Any, scale: Any) -> Any:
        """Return the size of the next step that its `carry` tells, > 0, plain, shape lanes; None where it tells none.

        Parameters
        ----------
        carry : object
            Of the state from which the step starts.
        scale : array, shape (n, *lanes)
            The tolerance of each component there.
        """
        return None

    def error_ratio(self, error: Any, scale: Any) -> Any:
        """Return the error in units of the tolerance, shape lanes; below 1 a step is accepted.

        Parameters
        ----------
        error : array, shape (n, *lanes)
            `Step.error`, in plain numbers.
        scale : array, shape (n, *lanes)
            The tolerance of each component, ``atol + rtol * abs(y)``.
        """
        return rms(error / scale)

    def dense(self, f: RightHandSide, t: Any, y: State, h: Any, step: Step) -> Sequence[State]:
        """Return the interpolant of a step: the states D_1, D_2, ... of ``y(t + x h) = y + D_1 x + D_2 x**2 + ...``.

        By default the cubic Hermite polynomial through both ends, two evaluations of f.

        Parameters
        ----------
        f : callable
            For methods whose interpolant needs further stages.
        t, h : numbers, or arrays of shape lanes
        y : state
        step : Step
            What `advance` gave from there.

        References
        ----------
        Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", equation (II.6.7).
        """
        return hermite(y, step.y, f(t, y) * h, f(t + h, step.y) * h)

    def propagate(self, f: RightHandSide, t: Any, y: State, h: Any, carry: State | None = None) -> State:
        """Return the state at t + h alone; cheaper than `advance` where that also makes an error estimate."""
        return self.advance(f, t, y, h, carry).y

    @final
    def step(self, f: RightHandSide, t: Any, y: State, h: Any) -> State:
        """Return the state at t + h.

        Parameters
        ----------
        f : callable
            ``f(t, y)``, the derivative, of the kind and shape of y.
        t, h : numbers
        y : state
            Float, list, array ``(n, *batch)``, Value, Dual, Tracer, mpmath number, Fraction: whatever does arithmetic.
            A list gives a list.

        Examples
        --------
        >>> from fractions import Fraction
        >>> from integrators import RK4
        >>> RK4().step(lambda t, y: [y[1], -y[0]], 0, [Fraction(1), Fraction(0)], Fraction(1, 2))
        [Fraction(337, 384), Fraction(-23, 48)]
        """
        return self.propagate(f, t, y, h)

    def with_step(self, step: float) -> Integrator:
        """Return the same method with the fixed step size `step`."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._h = checked_step(type(self).__name__, step)
        return twin

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), self._h))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self._h is None else f'step={self._h!r}'})"


def checked_step(who: str, step: Any) -> float:
    """Return `step` as a float, or raise the error that says what it must be."""
    if isinstance(step, Number):
        raise KindError(
            f"{who}: step must be a plain number, derivatives with respect to the step size are not defined; "
            f"got step of type {type(step).__name__}."
        )
    if isinstance(step, bool) or not isinstance(step, numbers.Real):
        raise KindError(f"{who}: step must be a real number > 0; got step of type {type(step).__name__}.")
    size = float(step)
    if not math.isfinite(size):
        raise must(who, "step", "must be finite and > 0", step)
    if size <= 0.0:
        raise must(who, "step", "must be > 0", step, "To integrate backwards swap t_span.")
    return size
