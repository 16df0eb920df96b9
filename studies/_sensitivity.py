"""`sensitivity_map`: how much a small change of the start changes the end, over a grid of starts or parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from diffsim.derivatives import pushforward
from diffsim.errors import ArgumentError, KindError, must
from diffsim.progress import progress_bar
from diffsim.protocols import is_discrete
from integrators._solve import solve_ivp
from studies import _checks
from studies._checks import Floats
from studies._sensitivity_result import SensitivityMap

__all__ = ["sensitivity_map"]

_WHO = "sensitivity_map"
_MEASURES = ("gradient", "singular_value", "ftle")
_STEP = 0.01
# PERF: a block's tangents (4 x 4 x 8192 doubles, 1 MB) are all that is kept of it; solve_ivp cuts it further, to what
# fits the cache.  Larger blocks are not faster, smaller ones repeat the overhead of a call.
_BLOCK = 8192


def sensitivity_map(
    system: Any,
    axes: Mapping[str, Any],
    *,
    y0: Any = None,
    t_end: float = 10.0,
    measure: str = "gradient",
    observable: str | Callable[[Any], Any] | None = None,
    wrt: Any = None,
    method: Any = None,
    step: float | None = None,
    progress: bool = False,
    **options: Any,
) -> SensitivityMap:
    """Map how sensitive the end of a trajectory is to its start, over a grid of two quantities.

    With the flow map y(T) = F(y0) and its derivative D = dF / dy0, by exact tangents of the discrete solution,

    - ``"gradient"``: the Euclidean norm of the gradient of a chosen observable g(y(T)), that is, of D^T grad g;
    - ``"singular_value"``: the largest singular value sigma of D, the growth of the worst small change;
    - ``"ftle"``: the finite-time Lyapunov exponent ln(sigma) / T.

    Parameters
    ----------
    system : System
    axes : mapping of str to array_like (n_1,), (n_2,)
        Two names of state components or parameters, and the values of each.
    y0 : array_like (n,), optional
        Start; what the axes name is replaced.  By default the System's own.
    t_end : float
        Time T of the end, in s; the start is at 0.
    measure : {"gradient", "singular_value", "ftle"}
    observable : str or callable, optional
        For the gradient: the name of a component, or a function of the final states (n, cells) that acts cell by cell
        and returns (cells,), written with ``diffsim``'s functions or NumPy's.  By default the last angle, or the last
        component.
    wrt : sequence of str, optional
        Components of the start that may change; all by default.  (They may have different units; then so has the
        norm.)
    method, **options
        As for `solve_ivp`; ``"RK4"`` by default.  A map is iterated, and `t_end` counts its iterations.
    step : float, optional
        Step of a fixed-step method, in s; 0.01 for the default RK4.
    progress : bool
        Show a progress bar.

    Returns
    -------
    SensitivityMap
        A cell whose trajectory fails is NaN and counted in ``n_failed``; its neighbours are untouched.

    Raises
    ------
    KindError
        ``system`` is no System, an axis is not of real numbers, the observable has no derivative.
    ArgumentError
        Not two axes, an unknown name (with the nearest one), an axis that is empty or does not rise, values out of a
        parameter's range, an observable that does not give one number a cell.

    Notes
    -----
    Memory is flat: 8192 cells at a time are integrated with their tangents.  256 x 256 cells of the double pendulum to
    T = 10 with RK4 at 0.01 are 65 million steps with 4 tangents each.

    References
    ----------
    Shadden, Lekien and Marsden, "Definition and properties of Lagrangian coherent structures from finite-time Lyapunov
    exponents", Physica D 212 (2005) 271, section 2.

    Examples
    --------
    >>> from systems import HarmonicOscillator
    >>> grid = {"x": [0.0, 1.0], "p": [0.0, 0.5, 1.0]}
    >>> result = sensitivity_map(HarmonicOscillator(), grid, t_end=1.0, measure="singular_value")
    >>> result.values.shape  # linear, so that all starts are equally sensitive
    (2, 3)
    """
    system = _checks.system_of(_WHO, system)
    names, grid = _grid(system, axes)
    t_end = _checks.positive(_WHO, "t_end", t_end)
    measure = _checks.one_of(_WHO, "measure", measure, _MEASURES)
    start = _checks.start(_WHO, system, y0)
    if measure != "gradient" and observable is not None:
        raise must(_WHO, "observable", "is for measure='gradient' only", observable)
    observable = _observable(system, observable)
    columns = _checks.components(_WHO, "wrt", system, system.state_names if wrt is None else wrt)
    if method is None:
        method = "Iteration" if is_discrete(system) else "RK4"
    if step is None and method == "RK4":
        step = _STEP
    solver = {"method": method, **options} | ({} if step is None else {"step": step})
    solver |= {"t_eval": [t_end], "sensitivities": [system.state_names[i] for i in columns]}
    cells = [axis.ravel() for axis in np.meshgrid(*grid, indexing="ij")]
    values, failed = np.empty(len(cells[0])), np.empty(len(cells[0]), dtype=bool)
    with progress_bar(len(values), _WHO, progress, unit="cells") as bar:
        for low in range(0, len(values), _BLOCK):
            block = slice(low, low + _BLOCK)
            moved, starts = _placed(system, names, [axis[block] for axis in cells], start)
            solution = solve_ivp(moved, (0.0, t_end), starts, **solver)
            failed[block] = np.asarray(solution.status) < 0
            with np.errstate(all="ignore"):
                values[block] = _measured(measure, observable, solution, t_end)
            bar.update(solution.y.shape[1])
    values[failed] = np.nan
    return SensitivityMap(
        system=system,
        axes=dict(zip(names, grid, strict=True)),
        values=values.reshape([len(axis) for axis in grid]),
        measure=measure,
        observable=observable if isinstance(observable, str) else _name_of(observable),
        wrt=tuple(system.state_names[i] for i in columns),
        y0=start,
        t_end=t_end,
        method=_method_text(method, step),
        failed=failed.reshape([len(axis) for axis in grid]),
    )


def _grid(system: Any, axes: Any) -> tuple[tuple[str, ...], list[Floats]]:
    """Return the names and values of the two axes."""
    if not isinstance(axes, Mapping):
        raise KindError(f'{_WHO}: axes must be a mapping such as {{"theta_1": values, "p_1": values}}; got {axes!r}.')
    if len(axes) != 2:
        raise must(_WHO, "axes", "must name two state components or parameters", tuple(axes))
    names = tuple(_checks.quantity(_WHO, system, name) for name in axes)
    grid = [_checks.vector(_WHO, f"axes[{name!r}]", axes[name]) for name in names]
    for name, values in zip(names, grid, strict=True):
        if not len(values) or not (np.diff(values) > 0.0).all():
            raise must(_WHO, f"axes[{name!r}]", "must have at least one value and rise", values.tolist())
        if name not in system.state_names:
            system.replace(**{name: values})  # the system's own check of its parameters
        values.setflags(write=False)
    return names, grid


def _placed(system: Any, names: Sequence[str], cells: Sequence[Floats], start: Floats) -> tuple[Any, Floats]:
    """Return the System and the starts (n, cells) of a block of cells."""
    starts, changes = np.repeat(start[:, None], len(cells[0]), axis=1), {}
    for name, values in zip(names, cells, strict=True):
        if name in system.state_names:
            starts[system.state_names.index(name)] = values
        else:
            changes[name] = values
    return (system.replace(**changes) if changes else system), starts


def _observable(system: Any, observable: Any) -> str | Callable[[Any], Any]:
    """Return the observable as a name or a function."""
    if observable is None:
        name: str = system.state_names[system.angles[-1] if system.angles else -1]
        return name
    if isinstance(observable, str):
        return str(system.state_names[_checks.component(_WHO, system, observable)])
    if not callable(observable):
        raise KindError(f"{_WHO}: observable must be a component's name or a function; got {observable!r}.")
    return observable  # type: ignore[no-any-return] # a caller's function


def _measured(measure: str, observable: str | Callable[[Any], Any], solution: Any, t_end: float) -> Floats:
    """Return the measure of each cell (cells,), NaN where it is not finite."""
    tangents = solution.dy_dy0[..., -1]  # (n, n_wrt, cells)
    if measure == "gradient":
        return np.asarray(np.sqrt((_gradient(observable, solution, tangents) ** 2).sum(axis=0)))
    sound = np.isfinite(tangents).all(axis=(0, 1))
    sigma = np.full(tangents.shape[2], np.nan)
    sigma[sound] = np.linalg.svd(np.moveaxis(tangents[:, :, sound], 2, 0), compute_uv=False)[:, 0]
    return sigma if measure == "singular_value" else np.log(sigma) / t_end


def _gradient(observable: str | Callable[[Any], Any], solution: Any, tangents: Floats) -> Floats:
    """Return the gradient (n_wrt, cells) of the observable of the final states."""
    if isinstance(observable, str):
        return np.asarray(tangents[solution.state_names.index(observable)])
    final = solution.y[..., -1]
    value, gradient = pushforward(observable, (final,), (np.moveaxis(tangents, 1, 0),))
    if np.shape(value) != final.shape[1:]:
        raise ArgumentError(
            f"{_WHO}: observable must give one number a cell, an array of shape {final.shape[1:]} for states of shape "
            f"{final.shape}; got shape {np.shape(value)}. Take components by y[0], y[1], ..."
        )
    return np.asarray(gradient)


def _name_of(function: Any) -> str:
    """Return the name of a function; ``observable`` for one that has none."""
    name = getattr(function, "__name__", "")
    return name if name.isidentifier() else "observable"


def _method_text(method: Any, step: float | None) -> str:
    """``RK4, h = 0.01 s``."""
    name = method if isinstance(method, str) else getattr(method, "__name__", repr(method))
    return name if step is None else f"{name}, h = {step:g} s"
