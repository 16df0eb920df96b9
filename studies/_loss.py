"""A loss of a trajectory as a function of free starts and parameters, with its exact gradient in either mode."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim import array_ops
from diffsim.derivatives import pushforward, value_and_grad
from diffsim.errors import KindError, RunError, must
from diffsim.number import raw
from diffsim.protocols import with_parameters
from integrators._solve import solve_ivp
from studies._checks import Floats

__all__: list[str] = []


@dataclass(frozen=True, eq=False)
class Loss:
    """``loss(y(t_1))`` or ``loss(t, y)`` as a function of x, the values of the ``free`` components and parameters.

    Attributes
    ----------
    who : str
        Who asks; begins the messages.
    system : System
    loss : callable
    with_time : bool
        Whether the loss takes ``(t, y)`` rather than the final state.
    start : ndarray (n,)
        What is not free stays as it is here.
    free : tuple of str
        Names of components and parameters.
    t_span, t_eval, solver
        Of `solve_ivp`.
    forward : bool
        Forward sensitivities, or the reverse mode through the solve.
    """

    who: str
    system: Any
    loss: Callable[..., Any]
    with_time: bool
    start: Floats
    free: tuple[str, ...]
    t_span: Any
    t_eval: Any
    forward: bool
    solver: Mapping[str, Any]

    @property
    def x0(self) -> Floats:
        """The values of what is free, at the start (n_free,)."""
        known = dict(zip(self.system.state_names, self.start.tolist(), strict=True))
        return np.array([known[name] if name in known else float(self.system.parameters[name]) for name in self.free])

    def placed(self, x: Any) -> tuple[Any, Any]:
        """Return the System and the start (n,) at x, which may be recording numbers."""
        given = {name: x[i] for i, name in enumerate(self.free)}
        changes = {name: value for name, value in given.items() if name not in self.system.state_names}
        system = with_parameters(self.system, changes) if changes else self.system
        names = self.system.state_names
        start = [given.get(name, value) for name, value in zip(names, self.start.tolist(), strict=True)]
        return system, array_ops.stack(start)

    def solve(self, x: Any, sensitivities: tuple[str, ...] = ()) -> Any:
        """Return the Solution at x; RunError where it does not reach the end."""
        system, start = self.placed(x)
        t_eval = self.t_eval if self.with_time else None
        solution = solve_ivp(system, self.t_span, start, t_eval=t_eval, sensitivities=sensitivities, **self.solver)
        if solution.status < 0:
            raise RunError(f"{self.who}: the solve fails at {self._where(x)}. {solution.message} Bounds may keep away.")
        return solution

    def of(self, t: Any, y: Any) -> Any:
        """Return the loss of a trajectory y (n, n_times); what is not finite is reported by the callers."""
        with np.errstate(all="ignore"):
            return self.loss(t, y) if self.with_time else self.loss(y[:, -1])

    def check(self, x: Floats) -> Any:
        """Return the Solution at the start after checking that the loss gives one finite number there.

        Raises
        ------
        KindError
            The loss returns None, text, or anything but a number.
        ArgumentError
            It returns an array, NaN or infinity.
        """
        solution = self.solve(x)
        value = self.of(solution.t, solution.y)
        plain = np.asarray(raw(value)) if value is not None else np.asarray(None)
        if plain.dtype.kind not in "iuf":
            raise KindError(
                f"{self.who}: loss must return a real number; got {value!r} of type {type(value).__name__}."
            )
        if plain.shape != ():
            mend = "Sum it, or take one entry."
            raise must(
                self.who, "loss", "must return one number, not an array of shape " + str(plain.shape), value, mend
            )
        if not np.isfinite(plain):
            raise must(self.who, "loss", f"must be finite at the start, {self._where(x)}", float(plain))
        return solution

    def __call__(self, x: Floats) -> tuple[float, Floats]:
        """Return the loss at x and its gradient (n_free,)."""
        value, gradient = self._forward(x) if self.forward else self._reverse(x)
        if not np.isfinite(value) or not np.isfinite(gradient).all():
            raise RunError(
                f"{self.who}: the loss or its gradient is not finite at {self._where(x)}: "
                f"loss={value!r}, gradient={gradient.tolist()}. Bounds may keep away."
            )
        return value, gradient

    def _forward(self, x: Floats) -> tuple[float, Floats]:
        """One solve with a tangent for each free quantity."""
        solution = self.solve(x, self.free)
        columns = []
        for name in self.free:
            by_start = name in self.system.state_names
            known = solution.y0_names if by_start else solution.param_names
            derivative = solution.dy_dy0 if by_start else solution.dy_dparams
            columns.append(derivative[:, known.index(name)])
        value, gradient = pushforward(lambda y: self.of(solution.t, y), (solution.y,), (np.stack(columns),))
        return float(value), np.asarray(gradient, dtype=np.float64)

    def _reverse(self, x: Floats) -> tuple[float, Floats]:
        """One solve that records itself, and one pass back."""

        def of_free(values: Any) -> Any:
            solution = self.solve(values)
            return self.of(solution.t, solution.y)

        value, gradient = value_and_grad(of_free)(x)
        return float(value), np.asarray(gradient, dtype=np.float64)

    def _where(self, x: Any) -> str:
        """``p_1=1.0, p_2=4.0``."""
        return ", ".join(f"{name}={float(raw(x[i]))!r}" for i, name in enumerate(self.free))


def wants_time(who: str, loss: Any) -> bool:
    """Say whether ``loss`` takes ``(t, y)``, by the number of its required arguments.

    Raises
    ------
    KindError
        It is no function, or takes neither one nor two arguments.
    """
    if not callable(loss):
        raise KindError(f"{who}: loss must be a function, loss(y) or loss(t, y); got {loss!r}.")
    try:
        parameters = inspect.signature(loss).parameters.values()
    except (TypeError, ValueError):
        return False  # a built-in without a signature: it gets the final state
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in parameters if p.kind in kinds and p.default is inspect.Parameter.empty]
    if len(needed) not in (1, 2):
        raise KindError(
            f"{who}: loss must take the final state, loss(y), or the trajectory, loss(t, y); "
            f"it takes {len(needed)} arguments."
        )
    return len(needed) == 2
