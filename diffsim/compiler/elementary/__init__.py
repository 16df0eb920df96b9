"""The elementary functions as vector code in plain arithmetic, written as LLVM's text.

Every function is an internal function of the module, ``<8 x double> @ds.sin.v8f64(<8 x double>)``, say; a lane computes
the same bits whatever the width and whatever its neighbours hold.  Rare arguments are served by a separate slow
function, and only their lanes take its result.  A module that holds these functions must define the metadata ``!0``
(`Emitter.rarely`).

The C library is asked, lane by lane, in two rare cases alone: ``power`` where the base or the result is not a normal
number (``pow``), ``remainder`` where the quotient is above 2**52 or the processor has no fma (``fmod``).

Largest error seen at about 40 million points for each function, over all doubles and with and without fma, in units in
the last place of the exact result.  Promised, and tested, are 1 for sin, cos, exp and log, 2 for the others.

=========  =====  =========  =====  =========  =====  =========  =====
function   error  function   error  function   error  function   error
=========  =====  =========  =====  =========  =====  =========  =====
sin, cos    0.93  log         0.85  tanh        1.00  atan        1.43
tan         1.23  log2        0.75  asinh       1.20  atan2       1.51
exp         0.92  log10       0.69  acosh       0.84  erf         1.33
exp2        0.91  log1p       0.82  atanh       1.00  sigmoid     1.47
expm1       1.27  sinh        1.38  asin        1.15  softplus    1.61
cbrt        0.50  cosh        1.32  acos        1.10  hypot       1.19
power       0.90  remainder   0
=========  =====  =========  =====  =========  =====  =========  =====
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from diffsim.compiler.elementary import circular, exponential, inverse, logarithm, special
from diffsim.compiler.elementary.pieces import Row, symbol
from diffsim.compiler.emitter import Emitter, Shape
from diffsim.errors import unknown_name

__all__ = ["FUNCTIONS", "definitions", "symbol"]

_ROWS: MappingProxyType[str, Row] = MappingProxyType(
    circular.ROWS | exponential.ROWS | logarithm.ROWS | inverse.ROWS | special.ROWS
)

FUNCTIONS: MappingProxyType[str, tuple[int, int]] = MappingProxyType(
    {name: (row.arity, row.n_results) for name, row in _ROWS.items() if not row.slow}
)
"""The functions there are: name to number of arguments and of results."""

# PERF: `optnone` brings the slow way of sincos from 24 to 9 of some 30 ms of compilation; it still runs at 4 ns each.
_SLOW = "noinline cold nounwind optnone"


def definitions(names: Iterable[str], shape: Shape, inline: bool = True) -> tuple[str, set[str]]:
    """Return the text of functions and the declarations that it needs.

    Parameters
    ----------
    names : iterable of str
        Keys of `FUNCTIONS`; what they call is added.
    shape : Shape
        32 bits are served through 64: extended, computed, rounded.
    inline : bool
        Whether their callers are to swallow them.  Slow functions stay apart in any case.

    Returns
    -------
    text : str
    declarations : set of str

    Raises
    ------
    UnknownNameError
        Where there is no such function.

    >>> text, declarations = definitions(["exp"], Shape(lanes=4))
    >>> [line.split("(")[0] for line in text.splitlines() if line.startswith("define")]
    ['define internal <4 x double> @ds.exp.slow.v4f64', 'define internal <4 x double> @ds.exp.v4f64']
    """
    wide = Shape(shape.lanes, 64, shape.fma)
    texts: dict[str, str] = {}
    used: set[str] = set()
    fast = "alwaysinline nounwind" if inline else "nounwind"
    for name in names:
        if name not in FUNCTIONS:
            raise unknown_name("elementary functions", "function", name, FUNCTIONS)
        _define(name, wide, fast, texts, used)
        if shape.bits == 32:
            texts[f"{name} of 32 bits"] = _rounded(name, shape, wide, fast)
    return "\n".join(texts.values()), used


def _define(name: str, shape: Shape, fast: str, texts: dict[str, str], used: set[str]) -> None:
    """Add a function, after those that it needs."""
    if name in texts:
        return
    row = _ROWS[name]
    for other in row.needs:
        _define(other, shape, fast, texts, used)
    b = Emitter(shape)
    parameters = ["%x", "%y"][: row.arity]
    results = row.body(b, *parameters)
    attributes = _SLOW if row.slow else fast
    texts[name] = b.define(symbol(name, shape), parameters, results, attributes)
    used |= b.used


def _rounded(name: str, shape: Shape, wide: Shape, attributes: str) -> str:
    """Return the function of 32 bits: extend, compute with 64, round."""
    row = _ROWS[name]
    b = Emitter(shape)
    parameters = ["%x", "%y"][: row.arity]
    given = ", ".join(f"{wide.real} {b.line(f'fpext {shape.real} {p} to {wide.real}')}" for p in parameters)
    kind = wide.real if row.n_results == 1 else "{ " + ", ".join([wide.real] * row.n_results) + " }"
    out = b.line(f"call {kind} @{symbol(name, wide)}({given})")
    parts = [out] if row.n_results == 1 else [b.line(f"extractvalue {kind} {out}, {i}") for i in range(row.n_results)]
    results = [b.line(f"fptrunc {wide.real} {part} to {shape.real}") for part in parts]
    return b.define(symbol(name, shape), parameters, results, attributes)
