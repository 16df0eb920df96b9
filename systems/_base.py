"""`System`, the base of every physical system: names, checks, and the component on the first axis of a state."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, Self

import numpy as np

from diffsim import array_ops, protocols
from diffsim.derivatives import jacobian
from diffsim.errors import ArgumentError, KindError, must, unknown_name
from diffsim.number import raw
from systems._checks import check_arguments, check_declaration, checked

__all__ = ["System"]


@dataclass(frozen=True)
class System(abc.ABC):
    """A physical system ``d state / dt = f(t, state; parameters)``: base of frozen dataclasses.

    A subclass is decorated with ``@dataclass(frozen=True)``.  Its fields are its physical parameters, its equations
    stand in `rates`, written with ``diffsim.ops`` and plain operators, number by number, so that the same lines run on
    floats, arrays, `Value`, `Dual`, `Tracer` and mpmath numbers.

    Attributes
    ----------
    state_names, state_units : tuple of str
        One entry a state component, in order.  Class attributes, like `angles`; a system whose size is an option (the
        sites of a ring, the links of a chain) makes properties of them, see `systems._sizes`.
    parameter_units : mapping of str to str
        Unit of each parameter.
    angles : tuple of int
        Indices of the state components that are angles in radians.
    positive, non_negative : frozenset of str
        Parameters that must be > 0, or >= 0.
    default_time : float
        Time in s from the start in which `default_state` shows what the system is known for: how long it is drawn.
    stiff : bool
        Whether what decays fastest does so more than 20,000 times in `default_time`: take an implicit method.
    discrete : bool
        Whether a call gives the next state instead of the time derivative: set by `DiscreteMap`.
    elementwise : bool
        Whether a batch ``(n, *batch)`` may be given at once; True for all that use no linear algebra.
    has_energy, drawable : bool
        Whether `energy` and `positions` are there.  Set by the base: whoever writes the method declares it.

    Raises
    ------
    ArgumentError
        An unknown or superfluous parameter (with the nearest name), one that is not finite, or not > 0 where it must.
    KindError
        A parameter that is no real number; a subclass without state names or without its decorator.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Decay(System):
    ...     rate: float = 2.0
    ...     state_names = ("amount",)
    ...     def rates(self, t, state):
    ...         (amount,) = state
    ...         return (-self.rate * amount,)
    >>> Decay(rate=3)(0.0, [2.0])
    array([-6.])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {}
    positive: ClassVar[frozenset[str]] = frozenset()
    non_negative: ClassVar[frozenset[str]] = frozenset()
    default_time: ClassVar[float] = 10.0
    stiff: ClassVar[bool] = False
    discrete: ClassVar[bool] = False
    elementwise: ClassVar[bool] = True
    has_energy: ClassVar[bool] = False
    drawable: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.has_energy = cls.energy is not System.energy
        cls.drawable = cls.positions is not System.positions

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Check the names of the arguments, so that a misspelt one is answered with the nearest name."""
        if args or kwargs:
            check_arguments(cls, args, kwargs)
        check_declaration(cls, cls.state_names is not System.state_names)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name in self.parameter_names:
            positive, non_negative = name in self.positive, name in self.non_negative
            value = checked(type(self).__name__, name, getattr(self, name), positive, non_negative)
            object.__setattr__(self, name, value)

    @staticmethod
    def from_function(
        f: Callable[..., Any],
        *,
        state_names: Sequence[str],
        parameters: Mapping[str, Any] | None = None,
        state_units: Sequence[str] = (),
        parameter_units: Mapping[str, str] | None = None,
        angles: Sequence[int] = (),
        default_state: Sequence[float] | None = None,
        elementwise: bool = False,
    ) -> System:
        """Return a system whose rates are those of a plain function.

        Parameters
        ----------
        f : callable
            ``f(t, y, *parameters)`` of an array y of shape (n,), as `solve_ivp` takes it; returns n derivatives.
        state_names : sequence of str
            One name a component.
        parameters : mapping of str to float, optional
            Values of the further arguments, in order; by default their defaults in the signature.
        state_units, parameter_units, angles, default_state, elementwise
            As of a `System`.

        Raises
        ------
        KindError
            f is no function.
        ArgumentError
            No names, or an argument of f that has no value.

        Examples
        --------
        >>> decay = System.from_function(lambda t, y, rate=2.0: -rate * y, state_names=["amount"])
        >>> decay.parameters, decay(0.0, [3.0]), decay.replace(rate=1.0)(0.0, [3.0])
        ({'rate': 2.0}, array([-6.]), array([-3.]))
        """
        from systems._from_function import Traits, system_of  # which is built on this class

        names = state_names if isinstance(state_names, str) else tuple(state_names)
        start = None if default_state is None else tuple(default_state)
        units = tuple((parameter_units or {}).items())
        traits = Traits(names, tuple(state_units), units, tuple(angles), start, elementwise)  # type: ignore[arg-type]
        return system_of(f, traits, parameters)

    def rates(self, t: Any, state: Any) -> Sequence[Any]:
        """Return the time derivatives of the components, as a sequence: **this is what a system writes**.

        ``state`` unpacks into its components, each a scalar or an array ``(*batch)`` of any kind of number.
        """
        self._lacks("rates", "Write the equations as rates(self, t, state), returning one derivative a component.")

    def __call__(self, t: Any, state: Any) -> Any:
        """Return the time derivative of ``state``.

        Parameters
        ----------
        t : number
            Time in s.
        state : sequence or array
            A list of n numbers of any kind, or an array, `Value` or `Dual` of shape ``(n,)`` or ``(n, *batch)``.

        Returns
        -------
        array, Value or Dual
            Of the shape of ``state``; plain numbers give a plain array.

        Raises
        ------
        ArgumentError
            The first axis of ``state`` does not have n entries.
        KindError
            `rates` did not return n derivatives.
        """
        try:
            fits = len(state) == len(self.state_names)
        except TypeError:
            fits = False
        if not fits:
            raise self._misfit(state)
        if state.__class__ is np.ndarray and state.ndim == 1 and state.dtype.char == "d":
            # PERF: the double pendulum takes 1.8 us on Python floats, 12 us on NumPy scalars.
            try:
                rates = self.rates(t, state.tolist())
            except (ZeroDivisionError, OverflowError):  # a singular point: NumPy's arithmetic answers inf or nan
                rates = self.rates(t, state)
        else:
            rates = self.rates(t, state)
        if rates.__class__ is not tuple or len(rates) != len(self.state_names):
            self._check_rates(rates)
        return array_ops.stack(rates)

    def jacobian(self, t: Any, state: Any) -> Any:
        """Return the exact matrix of derivatives of the rates by the state, shape (n, n), at one ``state`` (n,)."""
        return jacobian(lambda y: self(t, y), mode="forward")(array_ops.array(state))

    # -- names and parameters ------------------------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def state_names(self) -> tuple[str, ...]:
        """Names of the state components, in order."""
        self._lacks("state_names", 'Declare its state, for example state_names = ("x", "v").')

    @property
    def state_units(self) -> tuple[str, ...]:
        """Units of the state components, in order."""
        return ()

    @property
    def angles(self) -> tuple[int, ...]:
        """Indices of the state components that are angles in radians."""
        return ()

    @property
    def dimension(self) -> int:
        """Number n of state components."""
        return len(self.state_names)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the physical parameters, in order."""
        return protocols.parameter_names(self)

    @property
    def parameters(self) -> dict[str, Any]:
        """Physical parameters by name, in order."""
        return {name: getattr(self, name) for name in self.parameter_names}

    def replace(self, **changes: Any) -> Self:
        """Return the same system with some parameters changed; checked as at construction."""
        return dataclasses.replace(self, **changes)

    def index(self, name: str) -> int:
        """Return the index of a state component; an unknown name is answered with the nearest one."""
        if name not in self.state_names:
            raise unknown_name(type(self).__name__, "state component", name, self.state_names)
        return self.state_names.index(name)

    # -- physics: what a system declares where it has it ---------------------------------------------------------

    @property
    def canonical(self) -> bool:
        """Whether these are Hamilton's equations of `energy`, positions first, momenta second; of a map: symplectic."""
        return False

    @property
    def separable(self) -> bool:
        """Whether the first half of `rates` depends on the second half of the state only, and the other way round."""
        return False

    @property
    def invariants(self) -> Mapping[str, Callable[[Any], Any]]:
        """Functions of the state that stay constant along each solution, by name."""
        return {}

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        """States at which nothing moves, by name."""
        return {}

    @property
    def events(self) -> tuple[Callable[..., Any], ...]:
        """Events that belong to the physics, such as impacts: `Event`, or functions as `solve_ivp` takes them."""
        return ()

    @property
    def default_state(self) -> tuple[Any, ...]:
        """An initial state that shows what the system is known for."""
        self._lacks("default_state", "Give an initial state.")

    @property
    def rods(self) -> tuple[tuple[int, int], ...]:
        """Pairs of points of `positions`, by index, whose distance stays the same."""
        return ()

    def energy(self, state: Any) -> Any:
        """Return the energy in J of ``state`` (n, *batch), of shape (*batch)."""
        self._lacks("energy", "Ask `has_energy` first.")

    def positions(self, state: Any) -> Any:
        """Return the Cartesian points to draw, in m, of shape (n_points, 2, *batch); the first is the pivot, if any."""
        self._lacks("positions", "It has no points in the plane; plot its state against time instead.")

    # -- checks --------------------------------------------------------------------------------------------------

    def _lacks(self, what: str, mend: str) -> NoReturn:
        raise KindError(f"{type(self).__name__}: has no {what}. {mend}")

    def _check_rates(self, rates: Any) -> None:
        """Raise unless the equations gave one derivative a component."""
        try:
            got = f"{len(rates)} of them"
        except TypeError:
            got = "None (a missing return?)" if rates is None else repr(rates)
        else:
            if len(rates) == self.dimension:
                return
        written, numbers = ("image", "numbers") if self.discrete else ("rates", "derivatives")
        raise KindError(
            f"{type(self).__name__}: {written} must return {self.dimension} {numbers}, one for each of "
            f"{', '.join(self.state_names)}; got {got}."
        )

    def _misfit(self, state: Any) -> ArgumentError:
        """Return the error for a state of the wrong length."""
        n, names = self.dimension, ", ".join(self.state_names)
        shape = np.shape(raw(state))
        turned = len(shape) > 1 and shape[-1] == n
        mend = "The component comes first: use state.T." if turned else ""
        return must(type(self).__name__, "state", f"must have {n} components ({names}) on its first axis", shape, mend)
