"""Searching the steps of trajectories that choose their own: the kernels run, their logs gathered."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffsim.compiler import engine
from diffsim.compiler.kernel import Call, Kernel, address, n_threads, run_blocks
from integrators._bdf_tableau import BdfTableau
from integrators._esdirk_tableau import EsdirkTableau
from integrators._radau_tableau import RadauTableau
from integrators._rosenbrock_tableau import RosenbrockTableau
from integrators._taylor_formula import TaylorFormula
from integrators._theta_tableau import ThetaTableau
from integrators.compiled.asked import Bounds, Saves
from integrators.compiled.kernel_control import KEPT
from integrators.compiled.kernel_search import HEADER, LOGGED, N_COUNTS, NEXT, RUNNING, SearchKernel
from integrators.compiled.kernel_start import StartKernel
from integrators.compiled.machine import SLICE_SECONDS, operation_seconds, pack, pad
from integrators.compiled.program import Formula, Pair, Program
from integrators.compiled.series import series_of
from integrators.compiled.slope import slope_of
from integrators.compiled.steps import Steps, ordered
from integrators.drivers.run import Tick

__all__: list[str] = []

_SMALLEST_LOG, _LARGEST_LOG = 512, 65_536
_LARGEST_ROOM = 8_000_000
"""Numbers that a log has room for, where a step is many of them."""
_CONTROL = 60
"""Operations of the control of a step, about."""
_SLOWER = 4.0
"""How many times longer an attempt takes than its operations side by side: one stage waits for the other."""
_ITERATIONS = 5
"""Newton's iterations of an attempt, about."""
_NOT_BEGUN = -1
_AT_ONCE = -1
"""Budget of attempts with which every trajectory ends where it stands."""


@final
@dataclass(frozen=True, eq=False)
class Found:
    """What a search gave, for m trajectories.

    Attributes
    ----------
    steps : Steps
    y : array, shape (n, m)
        State where it ended.
    t, h : array, shape (m,)
        Time where it ended, and the size of the next step.
    tried : array, shape (m,)
        The last step that was tried, with its sign; NaN where none was.
    recent : array, shape (4, m)
        Sizes of the last accepted steps, the latest last; NaN where there are fewer.
    slope : array, shape (n, m)
        The derivative at the start.
    why, attempts, accepted : array of int, shape (m,)
    save : array of int, shape (m,)
        Number of the first save time that was not reached.
    cut : bool
        Whether the search was cut off: a deadline or Ctrl-C.
    told : array of int, shape (3, m)
        Calls of the right-hand side, Jacobians and factorisations in the attempts, of a method that counts them.
    """

    steps: Steps
    y: NDArray[np.float64]
    t: NDArray[np.float64]
    h: NDArray[np.float64]
    tried: NDArray[np.float64]
    recent: NDArray[np.float64]
    slope: NDArray[np.float64]
    why: NDArray[np.int64]
    attempts: NDArray[np.int64]
    accepted: NDArray[np.int64]
    save: NDArray[np.int64]
    cut: bool
    told: NDArray[np.int64]


@final
@dataclass(frozen=True)
class _Machine:
    """The search in machine code.

    Attributes
    ----------
    kernel : Kernel
    block : int
        Lanes of a block.
    bytes : int
        Of the workspace.
    cost : float
        Seconds that an attempt of all lanes takes, about.
    places : tuple of int
        Where in the workspace the lanes' trajectories and times lie, in bytes.
    n_logged, n_bare, n_noted : int
        Rows of the log, with the polynomials of the steps and without, and those that the method has noted.
    """

    kernel: Kernel
    block: int
    bytes: int
    cost: float
    places: tuple[int, int]
    n_logged: int
    n_bare: int
    n_noted: int


@functools.lru_cache(maxsize=128)
def _search_machine(program: Program, formula: Formula, n_ratios: int, lanes: int, groups: int) -> _Machine:
    """Return the machine code of the search; made once."""
    writer = SearchKernel(program, formula, n_ratios, engine.host().shape(lanes), groups)
    frame, control = writer.frame, writer.control
    operations = attempt_operations(program, formula) + _CONTROL + 3 * program.n * formula.n_stages
    trajectory, time = (HEADER + slot * groups * frame.register_bytes for slot in (control.trajectory, control.t))
    iterations = 1 if isinstance(formula, Pair | RosenbrockTableau | TaylorFormula) else _ITERATIONS
    cost = _SLOWER * operation_seconds(operations) * groups * iterations
    rows = writer.n_logged, writer.n_bare, writer.n_noted
    return _Machine(Kernel(writer.text()), frame.block, writer.bytes, cost, (trajectory, time), *rows)


@functools.lru_cache(maxsize=128)
def _start_machine(program: Program, order: int, lanes: int) -> Kernel:
    return Kernel(StartKernel(program, order, engine.host().shape(lanes)).text())


def attempt_operations(program: Program, formula: Formula) -> int:
    """Return the arithmetic operations of an attempt, about."""
    stages = program.graph.n_operations * formula.n_stages
    if isinstance(formula, Pair):
        return stages
    if isinstance(formula, TaylorFormula):
        series = series_of(program, formula.degree)
        return stages if series is None else series.graph.n_operations
    n = program.n
    size = 2 * n if isinstance(formula, RadauTableau) else n  # of the largest matrix
    return stages + slope_of(program).program.graph.n_operations + size * size * (2 * size // 3 + 2 * formula.n_stages)


@final
class _Arrays:
    """What the kernels read and write, for all trajectories."""

    def __init__(
        self,
        y0: NDArray[np.float64],
        parameters: Sequence[Any],
        span: tuple[NDArray[np.float64], NDArray[np.float64]],
        saves: Saves,
        bounds: Bounds,
        stride: int,
    ) -> None:
        n = len(y0)
        self.stride = stride
        self.start, self.given = pad(y0, stride), pack(parameters, stride)
        self.t_start, self.t_end = (pad(x[None], stride) for x in span)
        self.tolerance = np.ascontiguousarray(bounds.tolerance)
        self.slope, self.first_step = np.zeros((n, stride)), np.zeros(stride)
        self.first, self.last = _padded(saves.first, stride), _padded(saves.last, stride)
        self.times = np.array(saves.times) if len(saves.times) else np.zeros(1)
        self.end, self.counts = np.full((n + 3 + KEPT, stride), np.nan), np.zeros((N_COUNTS, stride), dtype=np.int64)
        self.end[:n], self.end[n], self.counts[-1] = self.start, self.t_start, self.first

    def begin(self, program: Program, formula: Formula, lanes: int, bounds: Bounds) -> None:
        """Compute the derivatives at the start, and the sizes of the first steps; 0 where the search finds its own."""
        given = (self.start, self.given, self.t_start, self.t_end, self.tolerance, self.slope, self.first_step)
        call = Call([address(a) for a in given], (self.stride,), (bounds.max_step,))
        _start_machine(program, formula.order, lanes)(call, 0, self.stride // lanes)
        if bounds.first_step is not None:
            self.first_step.fill(bounds.first_step)
        elif isinstance(formula, TaylorFormula):
            self.first_step.fill(0.0)

    def addresses(self) -> list[int]:
        """Return where the arrays lie that the search reads, in its order."""
        found = (self.start, self.given, self.slope, self.first_step, self.t_start, self.t_end, self.times)
        return [address(a) for a in (*found, self.first, self.last, self.tolerance)]


@dataclass
class _Log:
    """Room for logged steps, and how many there are once it is left."""

    rows: NDArray[np.float64]
    count: int | None = None


@final
class _Worker:
    """One workspace of lanes on a part of the trajectories."""

    def __init__(self, machine: _Machine, arrays: _Arrays, bounds: Bounds, saves: Saves, part: tuple[int, int]) -> None:
        self._machine, self._arrays, self._bounds = machine, arrays, bounds
        self._wanted = int(saves.every), int(not saves.bare)
        self._n_rows = _rows_of(machine, saves)
        self.first, self.count = part
        self._space = np.zeros(machine.bytes // 8 + 8)
        self._skipped = -address(self._space) % 64 // 8
        self._header = self._space[self._skipped :].view(np.int64)
        self._header[NEXT], self._header[RUNNING] = self.first, _NOT_BEGUN
        self._before = arrays.addresses()
        self._real = (bounds.max_step, bounds.min_step, *bounds.factors, bounds.newton, *bounds.exponents)
        self._logs: list[_Log] = []

    @property
    def running(self) -> bool:
        """Whether trajectories are left."""
        return bool(self._header[RUNNING] != 0)

    @property
    def logs(self) -> list[NDArray[np.float64]]:
        """What was logged so far."""
        filled = ((log.rows, int(self._header[LOGGED]) if log.count is None else log.count) for log in self._logs)
        return [rows[:, :count] for rows, count in filled if count]

    def go_on(self, limit: int) -> None:
        """Make a slice of attempts; with the budget `_AT_ONCE` end all trajectories."""
        machine, arrays = self._machine, self._arrays
        largest = max(min(_LARGEST_LOG, _LARGEST_ROOM // self._n_rows), 4 * machine.block)
        capacity = min(max(_SMALLEST_LOG << len(self._logs), 4 * machine.block), largest)
        log = np.empty((self._n_rows, capacity))
        # NOTE: Ctrl-C may be heard between any two lines, in particular right after the kernel has returned
        if self._logs and self._logs[-1].count is None:
            self._logs[-1].count = int(self._header[LOGGED])
        self._header[LOGGED] = 0
        self._logs.append(_Log(log))
        begin = self.first if self._header[RUNNING] == _NOT_BEGUN else -1
        work = address(self._space) + 8 * self._skipped
        pointers = [work, *self._before, address(log), address(arrays.end), address(arrays.counts)]
        budget = max(1, int(SLICE_SECONDS / machine.cost))
        whole = (arrays.stride, capacity, budget, self._wanted[0], limit, self._wanted[1])
        machine.kernel(Call(pointers, whole, self._real), begin, self.count)

    def covered(self) -> float:
        """Return the length of time that the trajectories have covered so far."""
        begin, end = self._arrays.t_start[0], self._arrays.t_end[0]
        who, t = (self._space[self._skipped + place // 8 :][: self._machine.block] for place in self._machine.places)
        lanes = who.view(np.int64)
        active = lanes >= 0
        begun = slice(self.first, int(self._header[NEXT]))
        ended = float(np.abs(end - begin)[begun].sum() - np.abs(end - begin)[lanes[active]].sum())
        return ended + float(np.abs(t[active] - begin[lanes[active]]).sum())


def search(
    program: Program,
    formula: Formula,
    y0: NDArray[np.float64],
    parameters: Sequence[Any],
    span: tuple[NDArray[np.float64], NDArray[np.float64]],
    saves: Saves,
    bounds: Bounds,
    *,
    threads: int | None = None,
    tick: Tick | None = None,
    late: Callable[[], bool] = lambda: False,
    catches: Callable[[], bool] = lambda: False,
) -> Found:
    """Integrate trajectories with steps of their own choice.

    Parameters
    ----------
    program : Program
        The right-hand side.
    formula : Formula
    y0 : array, shape (n, m)
    parameters : sequence of float or array of shape (m,)
    span : (t0, t1), arrays of shape (m,)
    saves : Saves
    bounds : Bounds
    threads : int, optional
    tick : callable, optional
        Told the length of time that was covered since the last call.
    late : callable
        Whether all trajectories are to end where they stand.
    catches : callable
        Whether a KeyboardInterrupt has this effect, too, rather than to end the program.

    Returns
    -------
    Found
    """
    n, m = y0.shape
    lanes = 1 if m == 1 else engine.host().lanes
    # NOTE: lanes that iterate wait for each other: the fewer, the better; and series are long
    alone = isinstance(formula, EsdirkTableau | ThetaTableau | RadauTableau | BdfTableau | TaylorFormula)
    groups = 1 if m <= lanes or alone else 2
    machine = _search_machine(program, formula, len(bounds.exponents), lanes, groups)
    arrays = _Arrays(y0, parameters, span, saves, bounds, -(-m // lanes) * lanes)
    if m:
        arrays.begin(program, formula, lanes, bounds)
    used = 1 if m <= machine.block else n_threads(threads)
    workers: dict[int, _Worker] = {}
    cut = False

    def work(first: int, count: int) -> Iterator[float]:
        nonlocal cut
        worker = workers[first] = _Worker(machine, arrays, bounds, saves, (first, count))
        done = 0.0
        while worker.running:
            if late():
                cut = True
            worker.go_on(_AT_ONCE if cut else bounds.max_steps)
            covered = done if tick is None else worker.covered()
            yield covered - done
            done = covered

    try:
        run_blocks(work, m, _chunk(m, machine.block, used), used, tick)
    except KeyboardInterrupt:
        if not catches():
            raise
        cut = True
        for worker in workers.values():
            while worker.running:
                worker.go_on(_AT_ONCE)
    logs = [log for first in sorted(workers) for log in workers[first].logs]
    log = logs[0] if len(logs) == 1 else np.concatenate([np.empty((_rows_of(machine, saves), 0)), *logs], axis=1)
    end, counts = arrays.end[:, :m], arrays.counts[:, :m]
    steps = ordered(log, counts[3], n, machine.n_noted)
    slope = arrays.slope[:, :m]
    rows = end[n], end[n + 1], end[n + 2], end[n + 3 :], slope, counts[0], counts[1], counts[2], counts[7]
    return Found(steps, end[:n], *rows, cut, counts[4:7])


def _rows_of(machine: _Machine, saves: Saves) -> int:
    """Return the rows of the log."""
    return machine.n_bare if saves.bare else machine.n_logged


def _chunk(m: int, block: int, threads: int) -> int:
    """Return how many trajectories a worker takes at a time: many, so that its lanes are refilled."""
    if threads == 1:
        return max(m, 1)
    return max(4 * block, -(-m // (4 * threads)))


def _padded(x: NDArray[np.int64], n_padded: int) -> NDArray[np.int64]:
    """Return a contiguous copy with the last number repeated."""
    out = np.empty(n_padded, dtype=np.int64)
    out[: len(x)] = x
    out[len(x) :] = x[-1:]
    return out
