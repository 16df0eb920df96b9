"""SymPy in and out: systems from expressions, expressions and LaTeX from systems.  Needs the extra `sympy`."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from diffsim import ops
from diffsim.enclosed import enclose
from diffsim.errors import ArgumentError, KindError, must
from diffsim.graph import Graph, trace
from diffsim.primitive import TABLE
from diffsim.protocols import is_system, with_parameters
from diffsim.tree import leaves
from systems._base import System
from systems._from_function import Traits, system_of
from systems._hamiltonian import HamiltonianSystem

__all__ = ["system_from_sympy", "to_latex", "to_sympy"]

_SAME = (
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
    *("exp", "log", "erf", "floor", "sign", "atan2"),
)
"""Functions that both call by the same name."""


def _sympy() -> Any:
    try:
        import sympy
    except ImportError:
        raise KindError("sympy is not installed. Install it: pip install sympy.") from None
    return sympy


# --- from SymPy ------------------------------------------------------------------------------------------------------


def system_from_sympy(
    expressions: Any,
    state: Sequence[Any],
    parameters: Mapping[Any, float] | None = None,
    *,
    time: Any = None,
    name: str = "FromSympy",
    angles: Sequence[int] = (),
) -> System:
    """Return a system from SymPy's expressions.

    Parameters
    ----------
    expressions : sequence of sympy.Expr, or one
        The rates, one a component; or one expression, the Hamiltonian, whose `state` is positions and then momenta.
    state : sequence of sympy.Symbol
    parameters : mapping of sympy.Symbol to float, optional
        With their defaults.
    time : sympy.Symbol, optional
    name : str
        Of the class.
    angles : sequence of int
        Components that are angles.

    Returns
    -------
    System
        A `HamiltonianSystem` for one expression.

    Raises
    ------
    ArgumentError
        A symbol is neither in `state` nor in `parameters` nor `time`; not one expression a component.
    KindError
        A function that the table of primitives does not have; SymPy is not installed.

    Examples
    --------
    >>> import pytest; sympy = pytest.importorskip("sympy")
    >>> x, p, k = sympy.symbols("x p k")
    >>> spring = system_from_sympy(p**2 / 2 + k * x**2 / 2, [x, p], {k: 4.0})
    >>> spring(0.0, [1.0, 3.0]), spring.separable
    (array([ 3., -4.]), True)
    """
    sympy, given = _sympy(), dict(parameters or {})
    energy = isinstance(expressions, sympy.Expr)
    asked = [sympy.sympify(e) for e in ([expressions] if energy else expressions)]
    n = len(state)
    if energy and (n == 0 or n % 2):
        raise must("system_from_sympy", "state", "must be positions and as many momenta", list(state))
    if not energy and len(asked) != n:
        raise must("system_from_sympy", "expressions", f"must be {n}, one for each of {list(state)}", len(asked))
    inputs = [sympy.Symbol("t") if time is None else time, *state, *given]
    unknown = set().union(*(e.free_symbols for e in asked)) - set(inputs[0 if time is not None else 1 :])
    if unknown:
        names = ", ".join(sorted(map(str, unknown)))
        raise ArgumentError(f"system_from_sympy: {names} is neither in state nor in parameters, nor time=.")
    table = _functions(sympy)
    graph = trace(
        lambda x: [_number(sympy, e, dict(zip(inputs, list(x), strict=True)), table) for e in asked],
        np.zeros(len(inputs)),
    )
    written = Written(_as_code(graph), name)
    values = {str(symbol): float(value) for symbol, value in given.items()}
    names_of = tuple(map(str, state))
    if energy:
        return _hamiltonian_system(written, names_of, tuple(angles), values)
    return system_of(written, Traits(names_of, angles=tuple(angles), elementwise=True), values)


@dataclasses.dataclass(frozen=True)
class Written:
    """The rates, or the Hamiltonian, as lines of Python: ``written(t, state, *parameters)`` returns a list.

    Attributes
    ----------
    text : str
        Of a function of t, the components and the parameters.
    name : str
        Of the system.
    """

    text: str
    name: str

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, t: Any, y: Any, *numbers: Any) -> Any:
        components = y.tolist() if y.__class__ is np.ndarray and y.ndim == 1 else y  # floats need no warnings
        return _compiled(self.text, self.name)(t, *components, *numbers)


def _hamiltonian_system(
    written: Written, names: tuple[str, ...], angles: tuple[int, ...], values: Mapping[str, float]
) -> System:
    system: System = _hamiltonian_class(written, names, angles, tuple(values))(**values)
    return system


@functools.lru_cache(maxsize=256)
def _hamiltonian_class(
    written: Written, names: tuple[str, ...], angles: tuple[int, ...], parameters: tuple[str, ...]
) -> type[Any]:
    """Return the class of the systems of one Hamiltonian."""
    n = len(names) // 2

    def hamiltonian(self: Any, q: Any, p: Any, t: Any) -> Any:
        return written(t, [*q, *p], *self.parameters.values())[0]

    def reduced(self: Any) -> Any:
        return _hamiltonian_system, (written, names, angles, self.parameters)

    space = {"coordinates": names[:n], "state_names": names, "hamiltonian": hamiltonian, "angles": angles}
    entries = [(key, float) for key in parameters]
    return dataclasses.make_dataclass(
        written.name, entries, bases=(HamiltonianSystem,), namespace={**space, "__reduce__": reduced}, frozen=True
    )


def _functions(sympy: Any) -> dict[Any, Callable[..., Any]]:
    """Return the functions of the table by SymPy's classes."""
    found: dict[Any, Callable[..., Any]] = {getattr(sympy, name): getattr(ops, name) for name in _SAME}
    found |= {sympy.Abs: ops.abs, sympy.Mod: ops.remainder}
    found |= {
        sympy.sec: lambda x: 1.0 / ops.cos(x),
        sympy.csc: lambda x: 1.0 / ops.sin(x),
        sympy.cot: lambda x: ops.cos(x) / ops.sin(x),
    }
    for kind, row in _conditions(sympy).items():
        found[kind] = TABLE[row]
    return found


def _conditions(sympy: Any) -> dict[Any, str]:
    return {
        sympy.StrictLessThan: "less",
        sympy.LessThan: "less_equal",
        sympy.StrictGreaterThan: "greater",
        sympy.GreaterThan: "greater_equal",
        sympy.Equality: "equal",
        sympy.Unequality: "not_equal",
        sympy.Not: "logical_not",
    }


def _number(sympy: Any, e: Any, known: Mapping[Any, Any], table: Mapping[Any, Callable[..., Any]]) -> Any:
    """Return the value of an expression for given values of its symbols."""

    def value(x: Any) -> Any:
        return _number(sympy, x, known, table)

    if e.is_Symbol:
        return known[e]
    if e.is_number and not e.free_symbols and e.is_real:
        return float(e)
    if e.is_Add:
        return _joined(ops.add, [value(x) for x in e.args])
    if e.is_Mul:
        above, below = e.as_numer_denom()
        if below != 1 and not below.is_number:
            return value(above) / value(below)
        return _joined(ops.multiply, [value(x) for x in e.args])
    if e.is_Pow:
        return _power(sympy, e, value)
    if isinstance(e, sympy.Piecewise):
        return _pieces(sympy, e, value)
    if e in (sympy.true, sympy.false):
        return bool(e)
    for kind, name in {"Max": "maximum", "Min": "minimum", "And": "logical_and", "Or": "logical_or"}.items():
        if isinstance(e, getattr(sympy, kind)):
            return _joined(TABLE[name], [value(x) for x in e.args])
    if e.func in table:
        return table[e.func](*[value(x) for x in e.args])
    raise KindError(f"system_from_sympy: {e.func.__name__} has no counterpart among diffsim's functions, in {e}.")


def _joined(row: Callable[..., Any], numbers: Sequence[Any]) -> Any:
    total = numbers[0]
    for x in numbers[1:]:
        total = row(total, x)
    return total


def _power(sympy: Any, e: Any, value: Callable[[Any], Any]) -> Any:
    base, exponent = e.args
    if exponent == sympy.Rational(1, 2):
        return ops.sqrt(value(base))
    if exponent.is_number and exponent.is_negative:
        return 1.0 / value(sympy.Pow(base, -exponent))
    if base == sympy.E:
        return ops.exp(value(exponent))
    return value(base) ** value(exponent)


def _pieces(sympy: Any, e: Any, value: Callable[[Any], Any]) -> Any:
    """Return nested selections; nowhere defined is NaN."""
    total: Any = math.nan
    for piece, condition in reversed(e.args):
        total = value(piece) if condition == sympy.true else ops.where(value(condition), value(piece), total)
    return total


def _as_code(graph: Graph) -> str:
    """Return lines of Python: a function of the graph's inputs, one by one."""
    lines, inputs = [], []
    for i, node in enumerate(graph.nodes):
        if node.row is not None:
            lines.append(f"    v{i} = _{node.row.name}({', '.join(f'v{j}' for j in node.operands)})")
        elif node.value is None:
            inputs.append(f"v{i}")
        else:
            lines.append(f"    v{i} = {node.value!r}" if node.value == node.value else f"    v{i} = _nan")
    ends = ", ".join(f"v{int(i)}" for leaf in leaves(graph.result) for i in np.ravel(leaf))
    return "\n".join([f"def written({', '.join(inputs)}):", *lines, f"    return [{ends}]"])


@functools.lru_cache(maxsize=256)
def _compiled(text: str, name: str) -> Callable[..., Any]:
    """Return the function that `_as_code` has written."""
    rows = {f"_{row.name}": row for row in TABLE.values() if f"_{row.name}(" in text}
    space: dict[str, Any] = {**rows, "_nan": math.nan, "inf": math.inf, "__name__": f"sympy_{name}"}
    exec(compile(text, f"<{name} from SymPy>", "exec"), space)
    written: Callable[..., Any] = space["written"]
    return written


# --- to SymPy --------------------------------------------------------------------------------------------------------


def to_sympy(x: Any) -> list[Any]:
    """Return the rates of a system, or the results of a graph, as SymPy's expressions.

    Parameters
    ----------
    x : System or Graph
        The symbols bear the names of the state components, of the parameters (as symbols, not as their values), and
        ``t``; those of a graph the names of its inputs.

    Returns
    -------
    list of sympy.Expr
        One a component, or a result.  Floats that are simple fractions become fractions.

    Raises
    ------
    KindError
        `x` is neither; the graph holds an operation without counterpart; SymPy is not installed.

    Examples
    --------
    >>> import pytest; sympy = pytest.importorskip("sympy")
    >>> from systems import Pendulum, HarmonicOscillator
    >>> to_sympy(HarmonicOscillator())
    [p/mass, -damping*p/mass - stiffness*x]
    """
    sympy = _sympy()
    if isinstance(x, Graph):
        names = [node.name for node in x.nodes if node.row is None and node.value is None]
        return _expressions(sympy, x, [int(i) for leaf in leaves(x.result) for i in np.ravel(leaf)], names)
    if not is_system(x):
        raise KindError(f"to_sympy: takes a System or a Graph; got {type(x).__name__}.")
    system: Any = x
    n, parameters = len(system.state_names), system.parameter_names

    def rates(inputs: list[Any]) -> Sequence[Any]:
        twin: Any = with_parameters(system, inputs[1 + n :])
        return list(twin(inputs[0], inputs[1 : 1 + n]))

    names = ["t", *system.state_names, *parameters]
    found = enclose(rates, names)
    return _expressions(sympy, found.graph, found.outputs, names)


def to_latex(x: Any) -> str:
    """Return the equations of a system in LaTeX, one a line; of a graph its results.

    Parameters
    ----------
    x : System or Graph
        See `to_sympy`.

    Examples
    --------
    >>> import pytest; sympy = pytest.importorskip("sympy")
    >>> from systems import HarmonicOscillator
    >>> print(to_latex(HarmonicOscillator()))
    \\dot{x} = \\frac{p}{mass}
    \\dot{p} = - \\frac{damping p}{mass} - stiffness x
    """
    sympy, found = _sympy(), to_sympy(x)
    right = [sympy.latex(e) for e in found]
    if isinstance(x, Graph):
        return "\n".join(right)
    left = [f"\\dot{{{sympy.latex(sympy.Symbol(name))}}}" for name in x.state_names]
    return "\n".join(f"{a} = {b}" for a, b in zip(left, right, strict=True))


def _expressions(sympy: Any, graph: Graph, outputs: Sequence[int], names: Sequence[str]) -> list[Any]:
    symbols = iter([sympy.Symbol(name) for name in names])
    rules, values = _expression_rules(sympy), []
    for node in graph.nodes:
        if node.row is None:
            values.append(next(symbols) if node.value is None else _constant(sympy, node.value))
            continue
        rule = rules.get(node.row.name)
        if rule is None:
            raise KindError(f"to_sympy: {node.row.name!r} has no counterpart in SymPy.")
        values.append(rule(*[values[i] for i in node.operands]))
    return [values[i] for i in outputs]


def _constant(sympy: Any, x: Any) -> Any:
    if isinstance(x, bool):
        return sympy.true if x else sympy.false
    if not math.isfinite(x):
        return sympy.nan if math.isnan(x) else sympy.oo * int(math.copysign(1, x))
    for denominator in (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 64, 100):
        if abs(x) < 1e6 and round(x * denominator) / denominator == x:
            return sympy.Rational(round(x * denominator), denominator)
    return sympy.Float(x)


def _expression_rules(sympy: Any) -> dict[str, Callable[..., Any]]:
    """Return what SymPy writes for each primitive."""
    rules: dict[str, Callable[..., Any]] = {name: getattr(sympy, name) for name in _SAME}
    rules |= {row: kind for kind, row in _conditions(sympy).items()}
    rules |= {
        "add": lambda x, y: x + y,
        "subtract": lambda x, y: x - y,
        "multiply": lambda x, y: x * y,
        "divide": lambda x, y: x / y,
        "negative": lambda x: -x,
        "power": lambda x, y: x**y,
        "square": lambda x: x**2,
        "remainder": sympy.Mod,
        "abs": sympy.Abs,
        "frozen": lambda x: x,
        "sqrt": sympy.sqrt,
        "cbrt": lambda x: sympy.sign(x) * sympy.Abs(x) ** sympy.Rational(1, 3),
        "expm1": lambda x: sympy.exp(x) - 1,
        "exp2": lambda x: sympy.Integer(2) ** x,
        "log1p": lambda x: sympy.log(1 + x),
        "log2": lambda x: sympy.log(x) / sympy.log(2),
        "log10": lambda x: sympy.log(x) / sympy.log(10),
        "sigmoid": lambda x: 1 / (1 + sympy.exp(-x)),
        "softplus": lambda x: sympy.log(1 + sympy.exp(x)),
        "relu": lambda x: sympy.Max(x, 0),
        "maximum": sympy.Max,
        "minimum": sympy.Min,
        "hypot": lambda x, y: sympy.sqrt(x**2 + y**2),
        "where": lambda c, x, y: sympy.Piecewise((x, c), (y, True)),
        "logical_and": sympy.And,
        "logical_or": sympy.Or,
    }
    return rules
