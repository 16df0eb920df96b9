"""From what the caller writes for ``method`` and ``step`` to an integrator object."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from diffsim.errors import ArgumentError, KindError, unknown_name
from diffsim.lazy import public_names
from integrators._integrator import Integrator

# Names of the same methods elsewhere: in Matlab, Julia, JAX, Fortran.
_SAME = {
    "leapfrog": "StormerVerlet",
    "verlet": "StormerVerlet",
    "semiimpliciteuler": "SymplecticEuler",
    "forestruth": "Yoshida4",
    "ode45": "RK45",
    "dopri5": "RK45",
    "dp5": "RK45",
    "ode23": "RK23",
    "bs3": "RK23",
    "bosh3": "RK23",
    "dopri8": "DOP853",
    "dop8": "DOP853",
    "tsitouras5": "Tsit5",
    "verner6": "Vern6",
    "verner7": "Vern7",
    "verner8": "Vern8",
    "verner9": "Vern9",
    "rkv65": "Vern6",
    "rkv76": "Vern7",
    "rkv87": "Vern8",
    "rkv98": "Vern9",
    "forwardeuler": "Euler",
    "expliciteuler": "Euler",
    "rungekutta4": "RK4",
}

STEADY = "steps that follow an error estimate destroy what it keeps: an energy that does not drift"
"""Why a symplectic method takes no step control."""


def method_names() -> tuple[str, ...]:
    """Return the names of all methods: what the public files of this folder offer, without importing them."""
    found = public_names(Path(__file__).parent)
    return tuple(name for name, module in found.items() if not module.startswith("_"))


def flow_methods() -> tuple[str, ...]:
    """Return the names of the methods that integrate flows: all but those that iterate maps."""
    return tuple(name for name in method_names() if not method_class(name).discrete)


def method_class(name: str) -> type[Integrator]:
    """Return the class of a method by its name, or raise the error that lists the names."""
    names = method_names()
    if name not in names:
        error = unknown_name("solve_ivp", "method", name, names)
        plain = name.lower().replace("-", "").replace("_", "")
        if plain in _SAME:
            raise ArgumentError(f"solve_ivp: method {name!r} is called {_SAME[plain]!r} here.")
        raise error
    module = public_names(Path(__file__).parent)[name]
    found: type[Integrator] = getattr(importlib.import_module(f"integrators.{module}"), name)
    return found


def resolve_method(method: Any, step: Any) -> Integrator:
    """Return the integrator that ``method`` and ``step`` mean.

    Parameters
    ----------
    method : str, Integrator or class of Integrator
    step : float or None
        Fixed step size; None where the method object has it, or chooses its own.

    Raises
    ------
    ArgumentError
        Unknown name; a fixed-step method without a step; a step given twice; a step that is not > 0.
    KindError
        `method` is something else.
    """
    if isinstance(method, Integrator):
        if step is not None and method.h is not None:
            raise ArgumentError(f"solve_ivp: step must be given once; got method={method!r} and step={step!r}.")
        integrator = method if step is None else _with_step(method, step)
    elif isinstance(method, str):
        cls = method_class(method)
        integrator = cls() if step is None else _with_step(cls(), step)
    elif isinstance(method, type) and issubclass(method, Integrator):
        integrator = method() if step is None else _with_step(method(), step)
    else:
        got = f"the class {method.__module__}.{method.__name__}" if isinstance(method, type) else type(method).__name__
        raise KindError(
            f"solve_ivp: method must be a name or an integrator object; got {got}. "
            f"There is {', '.join(method_names())}."
        )
    if integrator.h is None and not integrator.adaptive:
        name = type(integrator).__name__
        why = f" ({STEADY})" if integrator.symplectic else ""
        raise ArgumentError(
            f"solve_ivp: {name} takes fixed steps{why}, so step must be given; write method={name!r}, step=0.01."
        )
    return integrator


def _with_step(method: Integrator, step: Any) -> Integrator:
    """Return the method with its step; the caller of `solve_ivp` is told about ``solve_ivp: step``."""
    from integrators._integrator import checked_step

    return method.with_step(checked_step("solve_ivp", step))
