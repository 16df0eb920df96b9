"""What the graph of the equations of a mechanical system tells: what depends on what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.enclosed import Enclosed, enclose
from diffsim.number import raw
from diffsim.protocols import parameter_values, with_parameters
from diffsim.tracer import Tracer

__all__: list[str] = []


@dataclass(frozen=True)
class Structure:
    """What depends on what.

    Attributes
    ----------
    free : bool
        Neither forces nor dissipation.
    separable : bool
        The first half of the rates depends on the second half of the state only, and the other way round.
    autonomous : bool
        The rates do not depend on t.
    conserves_energy : bool
        Free, and the energy does not depend on t.
    cyclic, unforced : tuple of bool
        For each coordinate whether the written function does not depend on it, whether no force acts along it.
    """

    free: bool
    separable: bool
    autonomous: bool
    conserves_energy: bool
    cyclic: tuple[bool, ...]
    unforced: tuple[bool, ...]


def structure_of(system: Any, written: Callable[[], Enclosed]) -> Structure:
    """Look at the graphs of a system's rates, of its energy and of its forces.

    Parameters are constants here where they have one value: what a 0 takes out is not there.
    """
    n, names = len(system.coordinates), ["t", *system.state_names]
    numbers, further = _constants(system)

    def placed(x: Sequence[Any]) -> Any:
        return with_parameters(system, [x[k] if isinstance(k, int) else k[0] for k in numbers])

    def record(f: Callable[[Any, Any, list[Any]], Sequence[Any]]) -> Enclosed:
        inputs = [*names, *further]
        return enclose(lambda x: f(placed(x), x[0], list(x[1 : 1 + 2 * n])), inputs)

    rates = record(lambda s, t, y: s._derived(t, y))
    added = record(lambda s, t, y: s._added(t, y[:n], y[n:]))
    energy = record(lambda s, t, y: s._written()(s._inputs(t, y[:n], y[n:])))
    unforced = tuple(_is_zero_output(added, i) for i in range(n))
    first, second = range(1, 1 + n), range(1 + n, 1 + 2 * n)
    blocks = (_uses(rates, range(n), first), _uses(rates, range(n, 2 * n), second))
    return Structure(
        free=all(unforced),
        separable=not any(blocks),
        autonomous=not rates.uses([0]),
        conserves_energy=all(unforced) and not energy.uses([0]),
        cyclic=tuple(not energy.uses([k]) for k in first),
        unforced=unforced,
    )


def _constants(system: Any) -> tuple[list[Any], list[str]]:
    """For each parameter its one value, in a tuple, or the position of an input; names of those inputs."""
    places: list[Any] = []
    further: list[str] = []
    start = 1 + len(system.state_names)
    for name, value in zip(system.parameter_names, parameter_values(system), strict=True):
        plain = raw(value)
        if isinstance(plain, np.ndarray) and plain.size and np.all(plain == plain.flat[0]):
            plain = plain.flat[0]
        if isinstance(plain, np.ndarray | Tracer):
            places.append(start + len(further))
            further.append(name)
        else:
            places.append((float(plain),))
    return places, further


def _is_zero_output(graph: Enclosed, i: int) -> bool:
    node = graph.graph.nodes[graph.outputs[i]]
    return node.row is None and isinstance(node.value, float) and node.value == 0.0


def _uses(graph: Enclosed, outputs: Sequence[int], inputs: Sequence[int]) -> bool:
    depends = graph.depends(inputs)
    return any(depends[graph.outputs[i]] for i in outputs)
