"""Formulas that a command takes, such as ``theta_1 - pi`` or ``y[0] * cos(t)``: read and checked, never executed.

A formula is parsed as Python's grammar for expressions and then walked: numbers, names of components and parameters,
``t``, ``pi``, ``y[0]``, ``+ - * / **``, brackets, and the functions of the table.  Everything else is refused, with
the place.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from diffsim.errors import ArgumentError, unknown_name

__all__ = ["FUNCTIONS", "Formula", "parse"]

FUNCTIONS = (
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"),
    *("exp", "log", "sqrt", "abs", "sign", "atan2", "hypot", "minimum", "maximum"),
)
"""What a formula may call."""

Formula = Callable[[Any, Any], Any]
"""``formula(t, y)``, for any kind of number."""

_LONGEST = 500
_TWO = frozenset({"atan2", "hypot", "minimum", "maximum"})
_OPERATORS: Mapping[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "truediv",
    ast.Pow: "pow",
    ast.USub: "neg",
    ast.UAdd: "pos",
}


def parse(option: str, text: str, names: Sequence[str], parameters: Mapping[str, Any]) -> Formula:
    """Return the function of time and state that a formula writes.

    Parameters
    ----------
    option : str
        Who asks, such as ``"--event"``; begins the messages.
    text : str
    names : sequence of str
        Of the state's components.
    parameters : mapping of str to number

    Raises
    ------
    ArgumentError
        It is no formula, or names something that is not there.

    Examples
    --------
    >>> formula = parse("--event", "theta - pi / 2 + 0 * y[1]", ("theta", "p"), {})
    >>> formula(0.0, [3.0, 1.0]) == 3.0 - math.pi / 2
    True
    >>> parse("--event", "__import__('os')", ("theta",), {})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    diffsim.errors.ArgumentError: --event: unknown function '__import__'; it has sin, cos, tan, asin, acos, atan, ...
    """
    if len(text) > _LONGEST:
        raise ArgumentError(f"{option}: a formula must have at most {_LONGEST} characters; got {len(text)}.")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ArgumentError(f"{option}: must be a formula such as {names[0]} - 1; got {text!r}.") from None
    try:
        return _Reader(option, text, names, parameters).read(tree.body)
    except RecursionError:
        raise ArgumentError(f"{option}: the formula {text!r} is nested too deeply.") from None


class _Reader:
    """Turns a syntax tree into a function, node by node."""

    def __init__(self, option: str, text: str, names: Sequence[str], parameters: Mapping[str, Any]) -> None:
        self._option, self._text, self._names, self._parameters = option, text, names, parameters

    def read(self, node: ast.expr) -> Formula:
        """Return the function of a node."""
        if isinstance(node, ast.Constant):
            return self._constant(node)
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.Subscript):
            return self._component(node)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            left, right, apply = self.read(node.left), self.read(node.right), _operator(node.op)
            return lambda t, y: apply(left(t, y), right(t, y))
        if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
            inner, apply = self.read(node.operand), _operator(node.op)
            return lambda t, y: apply(inner(t, y))
        if isinstance(node, ast.Call):
            return self._call(node)
        raise self._refused(node)

    def _constant(self, node: ast.Constant) -> Formula:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise self._refused(node)
        value = _as_float(node.value)
        if not math.isfinite(value):
            raise self._refused(node)
        return lambda t, y: value

    def _name(self, name: str) -> Formula:
        if name in self._names:
            i = self._names.index(name)
            return lambda t, y: y[i]
        if name in self._parameters:
            parameter = self._parameters[name]
            return lambda t, y: parameter
        if name == "t":
            return lambda t, y: t
        if name == "pi":
            return lambda t, y: math.pi
        raise unknown_name(self._option, "name", name, (*self._names, *self._parameters, "t", "pi"))

    def _component(self, node: ast.Subscript) -> Formula:
        index = node.slice
        fits = isinstance(node.value, ast.Name) and node.value.id == "y" and isinstance(index, ast.Constant)
        if not fits or not isinstance(index, ast.Constant) or type(index.value) is not int:
            raise self._refused(node)
        i: int = index.value
        if not 0 <= i < len(self._names):
            raise ArgumentError(f"{self._option}: y[{i}] must be one of y[0] to y[{len(self._names) - 1}].")
        return lambda t, y: y[i]

    def _call(self, node: ast.Call) -> Formula:
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise self._refused(node)
        name = node.func.id
        if name not in FUNCTIONS:
            raise unknown_name(self._option, "function", name, FUNCTIONS)
        wanted = 2 if name in _TWO else 1
        if len(node.args) != wanted:
            raise ArgumentError(
                f"{self._option}: {name} takes {wanted} argument{'s'[: wanted - 1]}; see {self._text!r}."
            )
        from diffsim import ops

        function = getattr(ops, name)
        inner = [self.read(argument) for argument in node.args]
        return lambda t, y: function(*(part(t, y) for part in inner))

    def _refused(self, node: ast.AST) -> ArgumentError:
        part = ast.get_source_segment(self._text.strip(), node) or self._text
        return ArgumentError(
            f"{self._option}: {part!r} cannot stand in a formula. There are numbers, names, y[0], + - * / ** and the "
            f"functions {', '.join(FUNCTIONS)}."
        )


def _operator(node: ast.AST) -> Callable[..., Any]:
    import operator

    found: Callable[..., Any] = getattr(operator, _OPERATORS[type(node)])
    return found


def _as_float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
