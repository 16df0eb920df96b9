"""`Field`: a right-hand side as implicit methods see it: values and Jacobians in plain numbers, counted."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from diffsim import array_ops
from diffsim.derivatives import jvp, pushforward
from diffsim.errors import ArgumentError, InterpretedWarning, KindError, TraceError, must
from diffsim.number import Number, raw
from diffsim.tracer import Tracer
from integrators._linear_systems import Factors, factorise
from integrators._machine_field import MachineField, machine_field, plain_values

__all__: list[str] = []

SPARSE_FROM = 60
"""Components from which a sparse Jacobian is factorised as such."""
_DENSITY = 0.15


@dataclass(frozen=True)
class Slope:
    """What the caller says about the Jacobian.

    Attributes
    ----------
    jac : callable, array, sparse matrix or None
        ``jac(t, y, *args)``, or the constant Jacobian.
    sparsity : sparse matrix or None
        Where it may differ from zero.
    compiled : bool
        Whether machine code may be used.
    """

    jac: Any = None
    sparsity: Any = None
    compiled: bool = True


@dataclass(frozen=True)
class Origin:
    """The function behind a right-hand side.

    Attributes
    ----------
    fun, args
        As the caller of `solve_ivp` gave them.
    column : bool
        Whether `fun` takes ``y`` of shape (n, 1).
    values : sequence or None
        Numbers in the place of those that `fun` brings along.
    """

    fun: Any
    args: tuple[Any, ...] = ()
    column: bool = False
    values: Any = None


@final
class Field:
    """Values, Jacobian and factorisations of ``f(t, y)`` for states of shape (n,).

    Parameters
    ----------
    f : callable
        ``f(t, y)`` of numbers of any kind, shape (n,) to shape (n,).
    slope : Slope, optional
    origin : Origin, optional
        The caller's function, for machine code.

    Attributes
    ----------
    njev, nlu : int
        Jacobians and factorisations so far.
    recording : bool
        Whether f is known to give recording numbers for plain ones.
    """

    def __init__(
        self,
        f: Callable[[Any, Any], Any],
        slope: Slope | None = None,
        origin: Origin | None = None,
    ) -> None:
        self._f, self._slope, self._origin = f, slope or Slope(compiled=False), origin
        self.njev = self.nlu = 0
        self._machine: MachineField | None = None
        self._parameters: Any = None
        self._looked = False
        self._groups: Any = None
        self._last: tuple[Any, Any, Any] | None = None
        self.recording = False

    # --- values ------------------------------------------------------------------------------------------------------

    def __call__(self, t: Any, y: Any) -> Any:
        """Return f(t, y) for numbers of any kind."""
        return self._f(t, y)

    def value(self, t: Any, y: Any) -> Any:
        """Return f(t, y) in plain numbers, for a plain t and y."""
        if y.dtype == np.float64:
            machine = self._code(len(y))
            if machine is not None and machine.compiles:
                if self._origin is not None:
                    self._f.nfev += 1  # type: ignore[attr-defined]  # a RightHandSide has an origin
                return machine.value(float(t), y, self._parameters)
        found = self._f(t, y)
        if isinstance(found, Number):
            self.recording = True
            found = raw(found)
        return found

    def _code(self, n: int) -> MachineField | None:
        """Return the machine code; None where there is none."""
        if not self._looked:
            self._looked = True
            if self._origin is not None and self._slope.compiled:
                origin = self._origin
                try:
                    self._machine, values = machine_field(origin.fun, origin.args, n, origin.column)
                except TraceError:  # then it runs interpreted, which is what the solve has told where it tells
                    return None
                values = values if origin.values is None else origin.values
                self.recording = any(isinstance(x, Number) for x in values)
                self._parameters = plain_values(values)
        return self._machine

    # --- Jacobian ----------------------------------------------------------------------------------------------------

    @property
    def constant(self) -> bool:
        """Whether the caller gave a constant Jacobian."""
        return self._slope.jac is not None and not callable(self._slope.jac)

    def jacobian(self, t: Any, y: Any, *, exact: bool = False) -> Any:
        """Return df/dy at a plain state: an array (n, n), or a sparse matrix where that pays.

        Parameters
        ----------
        t : number
        y : array, shape (n,)
            Floats, complex numbers, or objects (mpmath.mpf, Fraction).
        exact : bool
            Whether the caller's `jac`, which may be an approximation, must be left aside.
        """
        last = self._last
        if last is not None and last[0] == t and last[1] is y and not exact:
            return last[2]
        self.njev += exact or not self.constant
        found = self._jacobian(t, y, exact)
        if not exact:
            self._last = (t, y, found)
        return found

    def drift(self, t: Any, y: Any) -> Any:
        """Return df/dt at a plain state, shape (n,); 0.0 where f is known not to depend on t."""
        if y.dtype == np.float64:
            machine = self._code(len(y))
            if machine is not None and machine.compiles:
                found = machine.drift(float(t), y, self._parameters)
                if found is not None and np.isfinite(found).all():
                    return found
        if y.dtype.kind == "c":
            h = 1e-6 * max(abs(t), 1.0)
            return (self.value(t + h, y) - self.value(t - h, y)) / (2.0 * h)
        try:
            with self._uncounted():
                return raw(jvp(lambda t: array_ops.array(self._f(t, y)), (t,), (_one(t),))[1])
        except (KindError, TraceError) as error:
            _tell(str(error))
            h = 1e-6 * max(abs(t), 1.0)
            return (self.value(t + h, y) - self.value(t - h, y)) / (2.0 * h)

    def _jacobian(self, t: Any, y: Any, exact: bool) -> Any:
        n, jac = len(y), self._slope.jac
        if jac is not None and not exact:
            return _checked(jac(t, y) if callable(jac) else jac, n, y.dtype)
        if y.dtype.kind == "c":
            return self._by_differences(t, y)
        if y.dtype == object:
            return by_duals(self._f, t, y, np.eye(n))
        machine = self._code(n)
        if machine is not None and machine.compiles:
            entries = machine.slope(float(t), y, self._parameters)
            if np.isfinite(entries).all():
                return _placed(machine, entries, n)
        return self._interpreted(t, y, machine)

    def _interpreted(self, t: Any, y: Any, machine: MachineField | None) -> Any:
        """Return the Jacobian by our own derivatives in Python, compressed where its sparsity is known."""
        n = len(y)
        if self._groups is None:
            self._groups = _grouped(self._pattern(machine, n), n)
        pattern, group = self._groups
        seeds = np.eye(n) if pattern is None else np.equal.outer(np.arange(group.max() + 1), group).astype(np.float64)
        try:
            with self._uncounted():
                columns = by_duals(self._f, t, y, seeds)
        except (KindError, TraceError) as error:
            _tell(str(error))
            return self._by_differences(t, y)
        if pattern is None:
            return columns
        from scipy.sparse import csc_matrix

        rows, at = pattern
        return csc_matrix((columns[rows, group[at]], (rows, at)), shape=(n, n))

    def _pattern(self, machine: MachineField | None, n: int) -> Any:
        """Return (rows, columns) of what may differ from zero, None where the Jacobian is to be dense."""
        if self._slope.sparsity is not None:
            coordinates = self._slope.sparsity.tocoo()
            return coordinates.row, coordinates.col
        if machine is not None and n >= SPARSE_FROM and len(machine.rows) <= _DENSITY * n * n:
            return machine.rows, machine.columns
        return None

    def _by_differences(self, t: Any, y: Any) -> Any:
        """Return the Jacobian by central differences: for complex states, and for code that takes no other numbers."""
        n = len(y)
        found = np.empty((n, n), dtype=y.dtype)
        with self._uncounted():
            for j in range(n):
                h = 6e-6 * max(abs(y[j]), 1e-3)
                there, back = y.copy(), y.copy()
                there[j] += h
                back[j] -= h
                found[:, j] = (self.value(t, there) - self.value(t, back)) / (there[j] - back[j])
        return found

    @contextmanager
    def _uncounted(self) -> Iterator[None]:
        """Leave out of `nfev` what is evaluated for a derivative, as SciPy does; machine code does not call at all."""
        if self._origin is None:
            yield
            return
        counted = cast(Any, self._f)  # a RightHandSide has an origin
        calls = counted.nfev
        try:
            yield
        finally:
            counted.nfev = calls

    def factorise(self, m: Any) -> Factors:
        """Return the factors of a matrix, counted."""
        self.nlu += 1
        return factorise(m)


def _one(t: Any) -> Any:
    return 1.0 if isinstance(t, float | int) else t * 0 + 1


def by_duals(f: Callable[[Any, Any], Any], t: Any, y: Any, seeds: Any) -> Any:
    """Return df/dy times the transposed seeds, shape (n, k), by forward derivatives."""
    if y.dtype == object and not any(isinstance(x, Tracer) for x in y):
        return _by_duals_of_objects(f, t, y)
    _, tangents = pushforward(lambda z: f(t, z), (y,), (seeds,))
    return array_ops.transpose(raw(tangents) if y.dtype != object else tangents, (1, 0))


def _by_duals_of_objects(f: Callable[[Any, Any], Any], t: Any, y: Any) -> Any:
    """Return the Jacobian at multiprecision numbers, component by component."""
    from diffsim.dual import dual, split
    from diffsim.number import new_level

    n = len(y)
    found = np.empty((n, n), dtype=object)
    for j in range(n):
        with new_level() as level:
            moved = np.empty(n, dtype=object)
            moved[:] = [dual(x, y[i] * 0 + (1 if i == j else 0), level) for i, x in enumerate(y)]
            out = f(t, moved)
        for i in range(n):
            x = out[i]
            found[i, j] = split(x, level)[1] if isinstance(x, Number) else y[0] * 0
    return found


def _placed(machine: MachineField, entries: Any, n: int) -> Any:
    if n >= SPARSE_FROM and len(machine.rows) <= _DENSITY * n * n:
        from scipy.sparse import csc_matrix

        return csc_matrix((entries, (machine.rows, machine.columns)), shape=(n, n))
    found = np.zeros((n, n))
    found[machine.rows, machine.columns] = entries
    return found


def _checked(found: Any, n: int, dtype: Any) -> Any:
    """Return a Jacobian of the caller's as an array or a sparse matrix."""
    if hasattr(found, "tocsc"):
        found = found.tocsc().astype(dtype)
    else:
        found = np.asarray(raw(found), dtype=dtype)
    if found.shape != (n, n):
        raise ArgumentError(f"solve_ivp: jac must have shape ({n}, {n}); got shape {found.shape}.")
    return found


def _grouped(pattern: Any, n: int) -> tuple[Any, Any]:
    """Return a pattern and, for each column, its group: columns of one group have no row in common."""
    if pattern is None:
        return None, None
    rows, columns = pattern
    members: list[list[int]] = [[] for _ in range(n)]
    for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
        members[j].append(i)
    taken: list[set[int]] = []
    group: NDArray[np.intp] = np.zeros(n, dtype=np.intp)
    for j in range(n):
        own = set(members[j])
        free = next((k for k, used in enumerate(taken) if used.isdisjoint(own)), len(taken))
        if free == len(taken):
            taken.append(set())
        taken[free] |= own
        group[j] = free
    return pattern, group


@functools.lru_cache(maxsize=64)
def _tell(reason: str) -> None:
    """Warn, once for each reason, that a Jacobian is made of differences."""
    warnings.warn(
        f"The Jacobian of this right-hand side is taken by differences: {reason} Pass jac= to have it exact.",
        InterpretedWarning,
        stacklevel=8,
    )


# --- what the caller says --------------------------------------------------------------------------------------------


def check_slope(
    jac: Any, sparsity: Any, lband: Any, uband: Any, n: int, args: tuple[Any, ...], compiled: bool
) -> Slope:
    """Return what ``jac=``, ``jac_sparsity=``, ``lband=`` and ``uband=`` of `solve_ivp` mean.

    Raises
    ------
    ArgumentError
        A shape does not fit, a band is negative.
    KindError
        `jac` is neither callable nor a matrix.
    """
    if jac is not None and not callable(jac):
        try:
            jac = _checked(jac, n, np.float64)
        except (TypeError, ValueError) as error:
            if isinstance(error, ArgumentError):
                raise
            raise KindError(
                f"solve_ivp: jac must be a function jac(t, y), a matrix or None; got {type(jac).__name__}."
            ) from None
    elif jac is not None and args:
        jac = functools.partial(_with_args, jac, args)
    bands = [_band("lband", lband, n), _band("uband", uband, n)]
    if sparsity is not None:
        from scipy.sparse import csc_matrix

        sparsity = csc_matrix(sparsity)
        if sparsity.shape != (n, n):
            raise ArgumentError(f"solve_ivp: jac_sparsity must have shape ({n}, {n}); got shape {sparsity.shape}.")
    elif lband is not None or uband is not None:
        from scipy.sparse import csc_matrix

        below, above = bands
        rows, columns = np.indices((n, n))
        sparsity = csc_matrix((rows - columns <= below) & (columns - rows <= above))
    return Slope(jac, sparsity, compiled)


def _with_args(jac: Any, args: tuple[Any, ...], t: Any, y: Any) -> Any:
    return jac(t, y, *args)


def _band(name: str, width: Any, n: int) -> int:
    if width is None:
        return 0
    if isinstance(width, bool) or not isinstance(width, int | np.integer):
        raise KindError(f"solve_ivp: {name} must be an integer >= 0 or None; got {width!r}.")
    if width < 0:
        raise must("solve_ivp", name, "must be >= 0", width)
    return min(int(width), n - 1)
