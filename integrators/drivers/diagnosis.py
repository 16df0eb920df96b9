"""Why a trajectory failed, and what to try: the sentences that follow the one that says where.

It looks at the right-hand side where the trajectory stood: its fastest rates (eigenvalues of the Jacobian, by our own
derivative), the first operation that was not finite, jumps.  A few evaluations, made only after a failure.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.derivatives import jvp, pushforward
from diffsim.number import raw
from diffsim.watch import first_fault
from integrators._methods import method_names
from integrators.drivers.control import DEFAULT_MAX_STEPS
from integrators.drivers.endings import KEPT, Ending, Fall, called
from integrators.drivers.problem import Problem
from integrators.drivers.run import Run

__all__: list[str] = []

DIAGNOSED = 64
"""Failed trajectories of a batch whose message gets a diagnosis; it costs some milliseconds each."""

_DENSE = 64
"""Components up to which all eigenvalues are computed; beyond, the largest one by power iteration."""

_ITERATIONS = 12
_STABLE = 1.0
"""Rate times step from which on the stability of an explicit method, not its accuracy, may limit the step."""

_SLOW = 0.05
"""Seconds of an evaluation beyond which none is made for a diagnosis."""

_REPEATED = 2_000
"""Steps that are made once more to find the state at which machine code failed."""

_STIFF_METHODS = ("Radau", "BDF", "Rodas5P", "Kvaerno5", "LSODA", "Trapezoid", "ImplicitEuler")
_EPS = float(np.finfo(np.float64).eps)


def diagnosed(problem: Problem, run: Run) -> Run:
    """Return the run with messages that name causes and remedies as well, plain text all of them."""
    if isinstance(run.message, str):
        if not isinstance(run.message, Ending):
            return run
        return dataclasses.replace(run, message=_told(problem, run.message, run.nfev, run.y))
    message = run.message.copy()
    nfev = np.broadcast_to(run.nfev, message.shape)
    failed = [spot for spot in np.ndindex(message.shape) if isinstance(message[spot], Ending)]
    if not failed:
        return run
    for count, spot in enumerate(failed):
        if count < DIAGNOSED:
            own = run.y[(slice(None), *spot, slice(int(run.n_times[spot])))]
            message[spot] = _told(problem.at(spot), message[spot], int(nfev[spot]), own)
        else:
            message[spot] = str(message[spot])
    return dataclasses.replace(run, message=message)


def _told(problem: Problem, ending: Ending, nfev: int, y: Any) -> str:
    """Return the message of one trajectory with its diagnosis."""
    if ending.kind in ("callback", "interrupt"):
        return str(ending)
    if ending.kind == "derivative":
        return f"{ending} A shorter span keeps it finite; check where the right-hand side is not differentiable."
    slow = ending.kind == "time" and nfev * _SLOW < (problem.guard.max_seconds or 0.0)
    with np.errstate(all="ignore"):
        fall = _again(problem, ending, y) if ending.fall is None else ending.fall
        if fall is None:
            return " ".join([str(ending), *_without_place(ending)])
        case = _Case(problem, ending, fall, slow)
        return " ".join([str(ending), *case.history(), *case.causes()])


def _again(problem: Problem, ending: Ending, y: Any) -> Fall | None:
    """Return where a solve with fixed steps stood, found by making its last steps once more; None if they are many.

    Machine code keeps no states but those that are saved.
    """
    grid = problem.grid
    if grid is None or ending.kind not in ("not finite", "fixed steps"):
        return None
    plain = np.asarray(raw(y))
    nodes = [j for j in range(plain.shape[-1]) if not grid.aside[j]]
    k, state = (int(grid.nodes[nodes[-1]]), plain[:, nodes[-1]]) if nodes else (0, np.asarray(raw(problem.y0)))
    last = grid.n_steps if ending.kind == "not finite" else min(problem.control.max_steps or 0, grid.n_steps)
    f, steps = problem.right_hand_side(column=problem.vectorized), [abs(grid.h)] * min(k, KEPT)
    for node in range(k, min(k + _REPEATED, last)):
        t, h = float(raw(grid.time(node))), float(raw(grid.step(node)))
        try:
            reached = np.asarray(raw(problem.method.propagate(f, t, state, h)))
        except Exception:  # noqa: BLE001  # a diagnosis must not hide what it is about
            return None
        if not np.isfinite(reached).all():
            return Fall(t, state, h, tuple(steps))
        state, steps = reached, [*steps, abs(h)][-KEPT:]
    if ending.kind == "fixed steps" and last - k <= _REPEATED:
        return Fall(float(raw(grid.time(last))), state, float(raw(grid.step(last))), tuple(steps))
    return None


def _without_place(ending: Ending) -> list[str]:
    """Return what can be said without knowing the state."""
    if ending.kind in ("steps", "fixed steps"):
        return ["Give a larger max_steps."]
    if ending.kind == "not finite":
        return ["Try a smaller step, or end the span before."]
    return []


@final
class _Case:
    """One failed trajectory."""

    def __init__(self, problem: Problem, ending: Ending, fall: Fall, slow: bool) -> None:
        self._problem, self._ending, self._fall, self._slow = problem, ending, fall, slow
        self._fixed = problem.method.h is not None and not problem.method.adaptive
        self._n = len(fall.y)
        self._end = float(raw(problem.ends[1]))
        self._span = abs(self._end - float(raw(problem.ends[0])))
        self._step = abs(fall.steps[-1]) if fall.steps else abs(fall.h)

    def f(self, t: Any, y: Any) -> Any:
        """Evaluate the right-hand side, uncounted."""
        return self._problem.right_hand_side(column=self._problem.vectorized)(t, y)

    def history(self) -> list[str]:
        """Return the steps that led there."""
        fall = self._fall
        if self._problem.method.discrete:
            return []
        if not fall.steps:
            return [f"It failed in its first step, of size {abs(fall.h):.3g}."] if fall.h == fall.h else []
        steps = ", ".join(f"{abs(h):.3g}" for h in fall.steps)
        return [f"The last steps were {steps}; then {abs(fall.h):.3g}."]

    def causes(self) -> list[str]:
        """Return causes and remedies."""
        kind = self._ending.kind
        if self._problem.method.discrete:
            return self._escape() if kind == "not finite" else ["Give a larger max_steps."]
        if np.iscomplexobj(self._fall.y):  # rates and growth are those of real numbers
            return []
        if kind == "not finite":
            return self._not_finite()
        if kind == "too small":
            return self._too_small()
        if kind == "chattering":
            return [
                "No method with a tolerance gets across: make the jump smooth (tanh(y / width) for sign(y)), "
                "or end the solve there with an event."
            ]
        if kind == "time":
            return [*self._stiffness(), "Otherwise give a larger max_seconds, looser tolerances or a shorter span."]
        if kind in ("steps", "fixed steps"):
            return [*self._stiffness(), *self._pace()]
        return []

    # -- a state that is not finite ------------------------------------------------------------------------------

    def _not_finite(self) -> list[str]:
        fault = self._fault()
        found = [f"First not finite: {fault}."] if fault else []
        if self._fixed:
            return [*found, self._long_step()]
        growth = self._growth()
        if growth is not None:
            return [*found, growth]
        rate = self._rate(self._fall.t, self._fall.y)
        if rate is not None and not fault:
            return [f"Its rates reach {abs(rate):.3g} there. Try max_step, or end the span before."]
        return [
            *found,
            "No step is short enough to avoid it: the solution leaves the domain of the right-hand side there, or "
            "its formula needs a form that stays finite (where, maximum, expm1). An event can end the solve before.",
        ]

    def _escape(self) -> list[str]:
        """Return what to say of a map whose state left the finite numbers."""
        fault = self._fault()
        found = [f"First not finite: {fault}."] if fault else []
        return [*found, "The orbit escapes: start it where the map keeps it, change the parameters, or iterate less."]

    def _long_step(self) -> str:
        """Return what to say of fixed steps that led beyond all bounds."""
        rate = self._rate(float(raw(self._problem.ends[0])), np.asarray(raw(self._problem.y0)))
        if rate is not None and abs(rate) * self._step > _STABLE:
            return (
                f"At the start its rates reach {abs(rate):.3g}, and times the step that is "
                f"{abs(rate) * self._step:.3g}: explicit methods are unstable beyond 2 or 3. Try "
                f"step={0.5 / abs(rate):.1g}, {_stiff_methods()} or an adaptive method."
            )
        growth = self._growth()
        if growth is not None:
            return f"{growth} Or the step is too long; an adaptive method tells which."
        return "Try a smaller step or an adaptive method, or end the span before."

    def _fault(self) -> str:
        """Return the first operation that was not finite in the step that failed, with its line; empty if not found."""
        fall, method = self._fall, self._problem.method
        tries: list[Callable[[Any, Any], Any]] = [self.f]
        if fall.h == fall.h and np.isfinite(fall.h):
            tries.append(lambda t, y: method.propagate(self.f, t, y, fall.h))
        for function in tries:
            try:
                fault = first_fault(function, fall.t, np.array(fall.y))
            except Exception:  # noqa: BLE001  # a diagnosis must not hide what it is about
                continue
            if fault is not None:
                return str(fault)
        return ""

    def _at(self, t: float, y: Any) -> Any:
        return self.f(t, y)

    # -- a step that is too small --------------------------------------------------------------------------------

    def _too_small(self) -> list[str]:
        fall = self._fall
        if fall.scale is not None and (np.asarray(fall.scale) == 0.0).any():
            i = int(np.argmin(np.asarray(fall.scale)))
            return [f"atol=0 leaves {called(i, self._problem.names)}=0 no tolerance at all: give an atol > 0."]
        growth = self._growth()
        if growth is not None:
            return [growth]
        found = self._stiffness()
        if found:
            return found
        if self._problem.control.min_step:
            return ["Give a smaller min_step, looser tolerances, or a method of higher order."]
        if float(np.min(self._problem.control.rtol)) < 1e-11:
            return [
                "The solution may blow up there, or rtol and atol ask for more than doubles have: try rtol=1e-9. For "
                "more digits there is the Taylor method on mpmath numbers."
            ]
        return [
            "The solution may blow up there, or rtol and atol ask for more than doubles have; or the right-hand side "
            "has a jump or a singularity, before which an event can end the solve."
        ]

    def _growth(self) -> str | None:
        """Return what to say of a component that grows to infinity within a moment; None if none does."""
        fall = self._fall
        slope = self._safely(lambda: np.array(raw(self.f(fall.t, fall.y)), dtype=np.float64).ravel())
        if slope is None or not np.isfinite(slope).all() or not np.isfinite(fall.y).all():
            return None
        way = 1.0 if self._end >= fall.t else -1.0
        with np.errstate(divide="ignore"):
            left = np.where(slope * way * np.sign(fall.y) > 0.0, np.abs(fall.y) / np.abs(slope), np.inf)
        i = int(np.argmin(left))
        if not left[i] < 1e-2 * self._span or not abs(fall.y[i]) > 1e3:
            return None
        return (
            f"{called(i, self._problem.names)}={fall.y[i]:.3g} doubles there within {left[i]:.2g}: the solution blows "
            f"up at about t={fall.t + way * left[i]:.6g}. End t_span before, stop it with an event, or solve for "
            "its reciprocal or logarithm."
        )

    # -- too many steps ------------------------------------------------------------------------------------------

    def _stiffness(self) -> list[str]:
        """Return what to say where stability limits the steps."""
        rate = None if self._slow else self._rate(self._fall.t, self._fall.y)
        if rate is None:
            return []
        product = abs(rate) * self._step
        fast = abs(rate) * self._span
        if product < 0.3 or fast < 100.0 or rate.real > 0.1 * abs(rate):
            return []
        if abs(rate.imag) > abs(rate.real):
            return [
                f"Its fastest rate there is {_worded(rate)}, an oscillation whose every period needs steps (rate times "
                f"step: {product:.2g}). A method of higher order takes longer ones."
            ]
        return [
            f"It looks stiff: the fastest rate there is {_worded(rate)}, and times the step that is {product:.2g}, "
            f"the limit of stability, while the span is {fast:.2g} of its times long. Try method={_stiff_methods()}."
        ]

    def _pace(self) -> list[str]:
        """Return how many steps the whole span would take."""
        gone = abs(self._fall.t - float(raw(self._problem.ends[0])))
        limit = self._problem.control.max_steps
        if not gone > 0.0:
            return ["No time was covered. Give a larger max_steps, or first_step."]
        used = limit if limit is not None else DEFAULT_MAX_STEPS
        needed = used * self._span / gone
        other = "a longer step" if self._fixed else "looser tolerances or a method of higher order"
        return [f"At this pace the span takes about {needed:.2g} steps: give a larger max_steps, {other}."]

    # -- rates ---------------------------------------------------------------------------------------------------

    def _rate(self, t: float, y: Any) -> complex | None:
        """Return the eigenvalue of largest size of the Jacobian at a point; None where it cannot be told."""
        if not np.isfinite(y).all():
            return None
        found = self._safely(lambda: self._largest(t, np.asarray(y, dtype=np.float64)))
        return found if found is not None and np.isfinite(found) and abs(found) > 0.0 else None

    def _largest(self, t: float, y: NDArray[np.float64]) -> complex:
        n = self._n
        if n <= _DENSE:
            matrix = self._matrix(t, y)
            values = np.linalg.eigvals(matrix)
            return complex(values[int(np.argmax(np.abs(values)))])
        v = np.random.default_rng(0).standard_normal(n)
        size = 0.0
        for _ in range(_ITERATIONS):
            v = v / np.linalg.norm(v)
            w = np.asarray(raw(jvp(functools.partial(self._at, t), (y,), (v,))[1]))
            size = float(v @ w)
            v = w
        return complex(size)

    def _matrix(self, t: float, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the Jacobian, by our derivative; by differences of a function that takes nothing but floats."""
        try:
            columns = pushforward(functools.partial(self._at, t), (y,), (np.eye(self._n),))[1]
            return np.asarray(raw(columns), dtype=np.float64).T
        except Exception:  # noqa: BLE001  # whatever the function raises on numbers that are not floats
            base = np.asarray(self.f(t, y))
            steps = np.sqrt(_EPS) * np.maximum(np.abs(y), 1e-3)
            return np.stack([(self.f(t, y + h * e) - base) / h for h, e in zip(steps, np.eye(self._n), strict=True)], 1)

    def _safely(self, compute: Callable[[], Any]) -> Any:
        """Return what a diagnosis needs, None where the right-hand side does not give it."""
        try:
            return compute()
        except Exception:  # noqa: BLE001  # a diagnosis must not hide what it is about
            return None


def _worded(rate: complex) -> str:
    """Return an eigenvalue in short.

    >>> _worded(complex(-1000.0, 0.0)), _worded(complex(-1.0, 20.0))
    ('-1e+03', '-1 +- 20 i')
    """
    return f"{rate.real:.3g}" if abs(rate.imag) < 1e-9 * abs(rate) else f"{rate.real:.3g} +- {abs(rate.imag):.3g} i"


@functools.cache
def _stiff_methods() -> str:
    """Return the names of methods for stiff problems that are there, the best two."""
    there = [repr(name) for name in _STIFF_METHODS if name in method_names()]
    return " or ".join(there[:2]) or "an implicit method"
