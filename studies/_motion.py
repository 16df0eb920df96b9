"""What the studies of chaos ask of a right-hand side: its names, whether it is a map, its divergence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffsim import array_ops
from diffsim.compiled_function import jit
from diffsim.derivatives import jvp
from diffsim.errors import KindError, TraceError, must
from diffsim.graph import Graph, trace
from diffsim.protocols import event_functions, is_system
from studies import _checks
from studies._checks import Floats

__all__: list[str] = []


@final
@dataclass(frozen=True, eq=False)
class Motion:
    """A System or a plain function ``f(t, y)`` of n components, as the studies of chaos see it.

    Attributes
    ----------
    fun : callable
    names, units : tuple of str
        Of the components.
    canonical : bool
        Whether these are Hamilton's equations.
    discrete : bool
        Whether it is a map, so that time counts iterations.
    autonomous : bool
        Whether it is known not to depend on time.
    jumps : bool
        Whether it has events of its own.
    """

    fun: Any
    names: tuple[str, ...]
    units: tuple[str, ...]
    canonical: bool
    discrete: bool
    autonomous: bool
    jumps: bool = False

    @property
    def n(self) -> int:
        """Number of components."""
        return len(self.names)

    @property
    def title(self) -> str:
        """Name of the System, or of the function."""
        return type(self.fun).__name__ if is_system(self.fun) else getattr(self.fun, "__name__", "f")

    @property
    def time_unit(self) -> str:
        """What one unit of time is called."""
        return "iteration" if self.discrete else "s"


def motion_of(who: str, fun: Any, y0: Any) -> tuple[Motion, Floats]:
    """Return the motion and its starts (n, m).

    Raises
    ------
    KindError
        ``fun`` is neither a System nor a function, or the start is not of real numbers.
    ArgumentError
        The start has the wrong length, or is not finite; a plain function without a start.
    """
    if is_system(fun):
        system: Any = fun
        names = tuple(system.state_names)
        starts = _starts(who, system.default_state if y0 is None else y0, len(names), f": {', '.join(names)}")
        units = tuple(system.state_units) or ("",) * len(names)
        canonical, discrete = bool(getattr(fun, "canonical", False)), bool(getattr(fun, "discrete", False))
        jumps = bool(event_functions(fun))
        return Motion(fun, names, units, canonical, discrete, _ignores_time(fun, starts[:, 0]), jumps), starts
    if isinstance(fun, type) or not callable(fun):
        _checks.system_of(who, fun)
    if y0 is None:
        raise KindError(f"{who}: a plain function has no start of its own; give y0.")
    starts = _starts(who, y0, None, "")
    names = tuple(f"y_{i}" for i in range(len(starts)))
    return Motion(fun, names, ("",) * len(names), False, False, _ignores_time(fun, starts[:, 0])), starts


def _starts(who: str, y0: Any, n: int | None, of: str) -> Floats:
    """Return the starts as an array (n, m)."""
    try:
        plain = np.asarray(y0)
    except ValueError:
        plain = np.empty(0, dtype=object)
    if plain.dtype.kind not in "iuf":
        raise KindError(f"{who}: y0 must be real numbers, of shape (n,) or (n, m) for m starts; got y0={y0!r}.")
    flat = _checks.vector(who, "y0", plain.ravel())
    if plain.ndim not in (1, 2) or not plain.size or (n is not None and plain.shape[0] != n):
        size = "n" if n is None else str(n)
        raise must(who, "y0", f"must have shape ({size},) or ({size}, m) for m starts{of}", plain.shape)
    return flat.reshape(plain.shape[0], -1)


def _ignores_time(fun: Any, state: Floats) -> bool:
    """Say whether the right-hand side is known not to depend on time; False where it cannot be traced."""

    def rates(t: Any, y: Any) -> Any:
        return array_ops.stack(list(fun(t, y)))

    return _depends(rates, np.array(state), 1) is False


def _depends(f: Any, state: Floats, n_inputs: int) -> bool | None:
    """Say whether f(t, y) depends on the first of its scalar inputs (time first); None where it cannot be traced."""
    try:
        graph = trace(f, 0.0, state)
    except TraceError:
        return None
    return _uses_inputs(graph, n_inputs)


def _uses_inputs(graph: Graph, count: int) -> bool:
    """Say whether the result of a graph depends on any of its first `count` scalar inputs."""
    inputs = [k for k, node in enumerate(graph.nodes) if node.row is None and node.value is None]
    reached = set(inputs[:count])
    for k, node in enumerate(graph.nodes):
        if any(i in reached for i in node.operands):
            reached.add(k)
    return any(int(i) in reached for i in np.ravel(graph.result))


@final
class Mapped:
    """A function of one time and one state, for many: machine code where it can be traced, one by one otherwise."""

    def __init__(self, function: Any) -> None:
        self._function, self._many, self._compiled = function, jit(function), True

    def __call__(self, times: Floats, states: Floats) -> Floats:
        """Return the values (..., m) for times (m,) and states (n, m)."""
        if self._compiled:
            try:
                return np.asarray(self._many.map(times, states))
            except TraceError:
                self._compiled = False
        values = [np.asarray(self._function(t, y)) for t, y in zip(times.tolist(), states.T, strict=True)]
        return np.stack(values, axis=-1)


def rates_of(motion: Motion) -> Mapped:
    """Return the right-hand side for many states at once."""
    fun = motion.fun
    return Mapped(lambda t, y: array_ops.stack(list(fun(t, y))))


@final
class Divergence:
    """How fast volumes grow: trace of the Jacobian of a flow, logarithm of the determinant of that of a map.

    Attributes
    ----------
    constant : bool
        Whether it is known to be the same everywhere.
    """

    def __init__(self, motion: Motion) -> None:
        fun, n = motion.fun, motion.n

        def jacobian(t: Any, y: Any) -> Any:
            columns = [jvp(lambda s: array_ops.stack(list(fun(t, s))), (y,), (e,))[1] for e in np.eye(n)]
            return array_ops.stack(columns, axis=1)

        def divergence(t: Any, y: Any) -> Any:
            slopes = jacobian(t, y)
            return sum(slopes[i, i] for i in range(n))

        self._discrete = motion.discrete
        self._many = Mapped(jacobian if motion.discrete else divergence)
        self.constant = not motion.discrete and _depends(divergence, np.zeros(n), n + 1) is False

    def __call__(self, times: Floats, states: Floats) -> Floats:
        """Return the divergence (m,) of the states (n, m) at the times (m,)."""
        found = self._many(times, states)
        if not self._discrete:
            return found
        with np.errstate(divide="ignore"):
            return np.asarray(np.linalg.slogdet(np.moveaxis(found, 2, 0))[1])
