"""Names and units of states whose length is an option: the sites of a ring, the links of a chain, a number of bodies.

Such a system has a field that is no parameter, checks it, and makes properties of what other systems declare::

    sites: int = field(default=40, kw_only=True, metadata={"parameter": False})

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "sites", checked_count(type(self).__name__, "sites", self.sites, least=4))

    @property
    def state_names(self) -> tuple[str, ...]:
        return numbered(self.sites, "x")

    @property
    def state_units(self) -> tuple[str, ...]:
        return repeated(self.sites, "1")
"""

from __future__ import annotations

import functools

__all__: list[str] = []


@functools.lru_cache(maxsize=256)
def numbered(count: int, *names: str, first: int = 1) -> tuple[str, ...]:
    """Return the names with numbers, all of the first name before all of the second.

    >>> numbered(2, "q", "p")
    ('q_1', 'q_2', 'p_1', 'p_2')
    """
    return tuple(f"{name}_{i}" for name in names for i in range(first, first + count))


@functools.lru_cache(maxsize=256)
def repeated(count: int, *units: str) -> tuple[str, ...]:
    """Return each unit as often as there are components that have it.

    >>> repeated(2, "m", "kg m/s")
    ('m', 'm', 'kg m/s', 'kg m/s')
    """
    return tuple(unit for unit in units for _ in range(count))
