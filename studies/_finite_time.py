"""`finite_time_exponent`: the growth of the worst small change over a finite time, and its exact gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim import array_ops
from diffsim.derivatives import jvp, value_and_grad
from diffsim.errors import RunError, must
from diffsim.protocols import is_system, parameter_names, parameter_values, with_parameters
from integrators._solve import solve_ivp
from studies import _checks
from studies._checks import Floats
from studies._finite_time_result import FiniteTimeExponent
from studies._motion import motion_of
from studies._tangents import solver_of

__all__ = ["finite_time_exponent"]

_WHO = "finite_time_exponent"
_TIE = 1e-9  # relative distance of the two largest singular values below which the largest has no derivative


def finite_time_exponent(
    system: Any, y0: Any = None, *, t: float, gradient: bool = True, method: Any = None, **options: Any
) -> FiniteTimeExponent:
    """Return the finite-time Lyapunov exponent (FTLE) of a start, with its gradient by the start and the parameters.

    With the largest singular value s of the flow map's derivative D, ``D v = s u``, the exponent is ``ln(s) / t``, and

        d ln(s) = u^T (dD) v / s,

    where ``D v`` is the derivative of the solve along v: the gradient is reverse mode over forward mode through the
    discrete solution, exact to rounding.

    Parameters
    ----------
    system : System or callable
        A System, a map, or a plain function ``f(t, y)``, which has no parameters here.
    y0 : array_like (n,), optional
        Start at time 0; by default the System's own.
    t : float
        Time over which the growth is taken, in s (iterations).
    gradient : bool
        Whether the gradient is wanted.
    method, **options
        As for `lyapunov_spectrum`.

    Returns
    -------
    FiniteTimeExponent
        ``.value``, ``.direction`` v, ``.stretched`` u, ``.by_start`` (n,), ``.by_parameter`` (P,).

    Raises
    ------
    ArgumentError, KindError
        As for `lyapunov_spectrum`.
    RunError
        The two largest singular values are equal, so that there is no gradient; or a trajectory ends early.

    Notes
    -----
    For long times the gradient grows like the tangents themselves, exponentially: it is a property of this finite time,
    and says nothing about the Lyapunov exponent.

    References
    ----------
    Magnus, "On differentiating eigenvalues and eigenvectors", Econometric Theory 1 (1985) 179, section 2.

    Examples
    --------
    >>> from systems import HarmonicOscillator
    >>> found = finite_time_exponent(HarmonicOscillator(stiffness=4.0), t=1.0)
    >>> round(found.value, 6), found.parameters
    (0.637836, ('mass', 'stiffness', 'damping'))
    """
    t = _checks.positive(_WHO, "t", t)
    motion, starts = motion_of(_WHO, system, y0)
    if starts.shape[1] != 1:
        raise must(_WHO, "y0", "must be one start", starts.shape, "For many starts there is `sensitivity_map`.")
    start = starts[:, 0]
    solver = {**solver_of(_WHO, motion, method, t, options, "t"), "t_eval": [t]}
    run = solve_ivp(system, (0.0, t), start, sensitivities="y0", **solver)
    if run.status != 0:
        raise RunError(f"{_WHO}: the trajectory does not go on. {run.message}")
    left, sizes, right = np.linalg.svd(run.dy_dy0[..., -1])
    names = parameter_names(system) if is_system(system) else ()
    by_start, by_parameter = np.full(motion.n, np.nan), np.full(len(names), np.nan)
    if gradient:
        if motion.n > 1 and sizes[0] - sizes[1] <= _TIE * sizes[0]:
            raise RunError(
                f"{_WHO}: the two largest singular values are equal ({sizes[0]:.6g}), so the exponent has no gradient "
                "here. Say gradient=False for its value."
            )
        by_start, by_parameter = _gradient(system, start, (left[:, 0], right[0]), t, solver)
        by_start, by_parameter = by_start / (sizes[0] * t), by_parameter / (sizes[0] * t)
    return FiniteTimeExponent(
        system=system,
        call={"y0": start, "t": t, "gradient": gradient, "method": method, **options},
        value=float(np.log(sizes[0]) / t),
        direction=right[0],
        stretched=left[:, 0],
        by_start=by_start,
        by_parameter=by_parameter,
        parameters=names,
        names=motion.names,
        title=motion.title,
        time_unit=motion.time_unit,
    )


def _gradient(
    system: Any, start: Floats, pair: tuple[Floats, Floats], t: float, solver: dict[str, Any]
) -> tuple[Floats, Floats]:
    """Return the gradient of ``u^T D v`` by the start (n,) and by the parameters (P,), u and v held."""
    left, right = pair

    def stretched(y: Any, values: Any) -> Any:
        moved = with_parameters(system, list(values)) if is_system(system) else system

        def end(s: Any) -> Any:
            return solve_ivp(moved, (0.0, t), s, **solver).y[:, -1]

        return array_ops.sum(jvp(end, (y,), (right,))[1] * left)

    values = np.array(parameter_values(system), dtype=float) if is_system(system) else np.zeros(0)
    if not len(values):
        _, by_start = value_and_grad(lambda y: stretched(y, values))(start)
        return np.asarray(by_start), values
    _, (by_start, by_parameter) = value_and_grad(stretched, (0, 1))(start, values)
    return np.asarray(by_start), np.asarray(by_parameter)
