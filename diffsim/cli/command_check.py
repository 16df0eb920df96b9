"""Check a system: gradients of its equations against differences, invariants, equilibria, batches.

Examples:
  diffsim check DoublePendulum
  diffsim check my_systems.py:Swing --states 50

At random states the vector field is differentiated in reverse and in forward mode, by the state
and by the parameters, and compared with high-accuracy finite differences; each invariant must
have no derivative along the field.  Exit code 1 when a check fails.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from diffsim.cli.options import add_system, integer, seed

__all__ = ["HELP", "add_arguments", "run"]

HELP = "check a system's gradients and invariants"

_TOLERANCE = 1e-9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``diffsim check``."""
    add_system(parser)
    parser.add_argument("--states", type=integer, default=10, help="number of random states; default 10")
    parser.add_argument("--seed", type=seed, default=0, help="seed of the random states; default 0")


def run(arguments: argparse.Namespace) -> int:
    """Run all checks, print one line for each; 1 if one fails."""
    from diffsim.cli.options import load_system
    from diffsim.cli.tables import text_table
    from diffsim.progress import progress_bar

    system = load_system(arguments.system, arguments.parameters)
    states = random_states(system, arguments.states, arguments.seed)
    checks = _checks(system)
    rows, failures = [], []
    with progress_bar(len(checks), "checking", True, "checks") as bar:
        for check in checks:
            complaint, measure = _run_check(check, states)
            rows.append([check.name, "FAILED" if complaint else "ok", measure])
            if complaint:
                failures.append(f"{check.name}: {complaint}")
            bar.update(1)
    print(f"{system!r} at {len(states)} random states (seed {arguments.seed})\n")
    print(text_table(["check", "result", "worst"], rows))
    for failure in failures:
        print(f"\n{failure}")
    return 1 if failures else 0


def random_states(system: Any, count: int, seed: int) -> Any:
    """Return `count` states, shape (count, n): angles anywhere, other components around the default start."""
    import numpy as np

    generator = np.random.default_rng(seed)
    try:
        middle = np.array(system.default_state, dtype=float)
    except (TypeError, AttributeError):  # a system of the user's own need not have one
        middle = np.ones(system.dimension)
    states = middle + generator.normal(size=(count, middle.size)) * np.maximum(0.5, 0.5 * np.abs(middle))
    angles = list(system.angles)
    states[:, angles] = generator.uniform(-np.pi, np.pi, (count, len(angles)))
    return states


@dataclass(frozen=True)
class _Check:
    """One check: its name, a function of a state that raises or returns a measure, and what that may be at most."""

    name: str
    measure: Callable[[Any], float]
    at_most: float = _TOLERANCE


def _checks(system: Any) -> list[_Check]:
    """All checks that apply to `system`."""
    checks = [
        _Check("derivative is finite, one number a component", partial(_check_shape, system)),
        # NOTE: check_gradients raises by bounds of its own, which are wider where a difference can say less.
        _Check("gradient by the state, both modes", partial(_check_state_gradient, system), math.inf),
    ]
    if system.parameter_names:
        name = "gradient by the parameters, both modes"
        checks.append(_Check(name, partial(_check_parameter_gradient, system), math.inf))
    for name, invariant in system.invariants.items():
        title = f"{name} is constant along the field"
        checks.append(_Check(title, partial(_check_invariant, system, invariant)))
    for name, state in system.equilibria.items():
        checks.append(_Check(f"nothing moves at {name}", partial(_check_equilibrium, system, state)))
    if system.elementwise:
        checks.append(_Check("a batch gives what single states give", partial(_check_batch, system)))
    return checks


def _run_check(check: _Check, states: Any) -> tuple[str, str]:
    """Return the first complaint of `check` over all states (or ""), and its worst measure as text."""
    worst = 0.0
    for state in states:
        try:
            measure = check.measure(state)
        except Exception as error:  # noqa: BLE001 - a fault of the system under test is a result, not an end
            return f"{type(error).__name__}: {error}", ""
        worst = max(worst, measure)
        if not measure <= check.at_most:
            return f"{measure:.2e} at the state {[round(float(x), 4) for x in state]}", f"{measure:.1e}"
    return "", f"{worst:.0e}"


def _check_shape(system: Any, y: Any) -> float:
    """Raise unless the derivative has the shape of the state and is finite."""
    import numpy as np

    value = np.asarray(system(0.0, y))
    if value.shape != y.shape or not np.all(np.isfinite(value)):
        raise ValueError(f"system(0, {y.tolist()}) gives {value!r}.")
    return 0.0


def _check_state_gradient(system: Any, y: Any) -> float:
    """Largest disagreement of the derivatives by the state; raises where it is too large."""
    from diffsim.testing import check_gradients

    return check_gradients(lambda state: system(0.0, state), y, unresolved="ignore").max_disagreement


def _check_parameter_gradient(system: Any, y: Any) -> float:
    """The same by the parameters."""
    import numpy as np

    from diffsim.protocols import with_parameters
    from diffsim.testing import check_gradients

    values = np.array([float(value) for value in system.parameters.values()])

    def field(p: Any) -> Any:
        return with_parameters(system, [p[i] for i in range(len(values))])(0.0, y)

    return check_gradients(field, values, unresolved="ignore").max_disagreement


def _check_invariant(system: Any, invariant: Callable[[Any], Any], y: Any) -> float:
    """Derivative of an invariant along the field, relative to the size of its terms."""
    import numpy as np

    from diffsim.derivatives import grad

    terms = np.asarray(grad(invariant)(y)) * np.asarray(system(0.0, y))
    return float(abs(terms.sum()) / max(1.0, np.abs(terms).sum()))


def _check_equilibrium(system: Any, state: Any, _y: Any) -> float:
    """Largest component of the field at an equilibrium."""
    import numpy as np

    return float(np.max(np.abs(system(0.0, np.array(state, dtype=float)))))


def _check_batch(system: Any, y: Any) -> float:
    """Relative difference between a batch of three and its single states."""
    import numpy as np

    batch = np.stack([y, 0.5 * y, y + 0.1], axis=1)
    together = np.asarray(system(0.0, batch))
    single = np.stack([system(0.0, batch[:, i]) for i in range(3)], axis=1)
    return float(np.max(np.abs(together - single) / np.maximum(1.0, np.abs(single))))
