"""Derivatives as functions of functions: `grad`, `jacobian`, `hessian` and the products they are made of.

Each enters a level of its own (`diffsim.number.new_level`), so they nest to any depth and in any order, close
over differentiable numbers of outer levels, and never confuse their perturbations.  Arguments may be floats, arrays,
or lists, tuples and dicts of them; derivatives come back in the same form.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from diffsim import array_ops
from diffsim.data import checked, tidy
from diffsim.dual import dual, split
from diffsim.errors import ArgumentError, KindError
from diffsim.number import AnyNumber, Number, as_wide_as, new_level, raw, shape_of
from diffsim.tape import Tape, check_numbers, check_results
from diffsim.tree import Tree, leaves, leaves_like, paths, rebuild

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "pushforward", "value_and_grad", "vjp"]

Argnums = int | Sequence[int]
Function = Callable[..., Any]


# --- arguments and results -------------------------------------------------------------------------------------------


def _positions(who: str, argnums: Argnums, n: int) -> tuple[int, ...]:
    given = tuple(argnums) if isinstance(argnums, Sequence) else (argnums,)
    whole = all(isinstance(i, int | np.integer) and not isinstance(i, bool) and -n <= i < n for i in given)
    found = tuple(int(i) % n for i in given) if whole else ()
    if not whole or len(set(found)) < len(found):
        raise ArgumentError(
            f"{who}: argnums must be different positions among the {n} arguments that are not passed by name; "
            f"got argnums={argnums!r}."
        )
    return found


def _like(argnums: Argnums, results: list[Any]) -> Any:
    return tuple(results) if isinstance(argnums, Sequence) else results[0]


def _tangents_for(who: str, primals: Sequence[Tree], tangents: Sequence[Tree], lead: tuple[int, ...]) -> list[Any]:
    """Checked leaves of the tangents, each of the shape of its primal (behind a leading axis)."""
    if not isinstance(primals, list | tuple) or not isinstance(tangents, list | tuple):
        raise KindError(
            f"{who}: primals and tangents must be tuples, one entry an argument; write {who}(f, (x,), (v,))."
        )
    at, where = leaves(list(primals)), paths(list(primals))
    out = []
    for v, x, path in zip(leaves_like(f"{who}: tangents", primals, tangents), at, where, strict=True):
        v = v if isinstance(v, Number) else checked(v, f"{who}: tangents{path}")
        wanted = (*lead, *shape_of(x))
        if shape_of(v) != wanted:
            rule = "one leading axis and the shape of its primal," if lead else "the shape of its primal,"
            raise ArgumentError(f"{who}: tangents{path} must have {rule} shape {wanted}; got shape {shape_of(v)}.")
        out.append(v)
    return out


# --- forward ---------------------------------------------------------------------------------------------------------


def jvp(f: Function, primals: Sequence[Tree], tangents: Sequence[Tree]) -> tuple[Tree, Tree]:
    """Value of f and its directional derivative, in one forward pass.

    Parameters
    ----------
    f : callable
        Of ``len(primals)`` arguments; returns a number, an array or a tree of them.
    primals, tangents : tuple
        The point, and the direction: of the same form and shapes.

    Returns
    -------
    value, tangent : of the form of what f returns

    Examples
    --------
    >>> jvp(lambda x: x**3, (2.0,), (1.0,))
    (8.0, 12.0)
    """
    return _push("jvp", f, primals, tangents, None)


def pushforward(f: Function, primals: Sequence[Tree], tangents: Sequence[Tree]) -> tuple[Tree, Tree]:
    """Value of f and its directional derivatives in k directions at once.

    As `jvp`, but each tangent has one leading axis of length k, and so have the tangents that are returned.
    """
    given = leaves(list(tangents))
    if not given or not shape_of(given[0]):
        raise ArgumentError("pushforward: each tangent needs a leading axis, one entry a direction. See jvp for one.")
    return _push("pushforward", f, primals, tangents, shape_of(given[0])[0])


def _push(who: str, f: Function, primals: Sequence[Tree], tangents: Sequence[Tree], k: int | None) -> tuple[Tree, Tree]:
    primals = check_numbers(who, tuple(primals) if isinstance(primals, list | tuple) else primals, "primals")
    moved = _tangents_for(who, primals, tangents, () if k is None else (k,))
    with new_level() as level:
        duals = (dual(x, v, level, k) for x, v in zip(leaves(primals), moved, strict=True))
        out = check_results(who, f(*rebuild(tuple(primals), duals)), level)
    pairs = [split(x, level, k) for x in leaves(out)]
    return rebuild(out, iter([tidy(p) for p, _ in pairs])), rebuild(out, iter([tidy(t) for _, t in pairs]))


# --- reverse ---------------------------------------------------------------------------------------------------------


def _scalar(who: str, y: Tree) -> AnyNumber:
    found = leaves(y)
    if len(found) != 1 or shape_of(found[0]):
        shapes = [shape_of(x) for x in found]
        raise ArgumentError(f"{who}: the function must return one scalar; got {shapes}. Use jacobian or vjp for more.")
    return found[0]


def value_and_grad(f: Function, argnums: Argnums = 0, *, certify: bool = False) -> Function:
    """The function that returns f's value and its gradient.

    Parameters
    ----------
    f : callable
        Returns one scalar.
    argnums : int or sequence of int
        Which arguments to differentiate by; a sequence gives a tuple of gradients.
    certify : bool
        Whether to hold each gradient against forward mode and finite differences, at many times the cost; see
        `diffsim.certify`.

    Returns
    -------
    callable
        Of f's arguments; returns ``(value, gradient)``, the gradient in the form and shapes of the argument; with
        `certify` ``(value, gradient, certificate)``.

    Raises
    ------
    ArgumentError
        f returns something that is not one scalar.
    KindError
        An argument to differentiate by holds something that is not a real number.
    CertificateError
        With `certify`: the derivatives disagree.

    Notes
    -----
    Costs a small multiple of f whatever the number of arguments; keeps every intermediate result in memory.

    Examples
    --------
    >>> value_and_grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    (5.0, array([2., 4.]))
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        tape = Tape("grad", f, args, _positions("grad", argnums, len(args)), kwargs)
        _scalar("grad", tape.out)
        y = leaves(tape.out)[0]
        tape.pull(y, 1.0)
        return leaves(tape.value)[0], _like(argnums, tape.cotangents())

    @functools.wraps(f)
    def certified(*args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        from diffsim.certificate import certify as hold_against

        found = hold_against(functools.partial(f, **kwargs), *args, argnums=argnums)
        return found.value, found.gradient, found

    return certified if certify else wrapped


def grad(f: Function, argnums: Argnums = 0) -> Function:
    """The gradient of f as a function of the same arguments; see `value_and_grad`.

    Examples
    --------
    >>> grad(grad(lambda x: x**3))(2.0)
    12.0
    """
    both = value_and_grad(f, argnums)

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return wrapped


def vjp(f: Function, *primals: Tree) -> tuple[Tree, Callable[[Tree], Any]]:
    """Value of f, and the function that takes a cotangent of the value back to the arguments.

    Returns
    -------
    value : of the form of what f returns
    pullback : callable
        ``pullback(cotangent)`` returns a tuple, one cotangent an argument, each in the form of that argument.  May be
        called again; keeps the recorded evaluation alive.

    Examples
    --------
    >>> value, pullback = vjp(lambda x, y: x * y, 2.0, 5.0)
    >>> value, pullback(1.0)
    (10.0, (5.0, 2.0))
    """
    tape = Tape("vjp", f, primals, range(len(primals)), {})

    def pullback(cotangent: Tree) -> Any:
        found, given = leaves(tape.out), []
        what = "pullback: the cotangent"
        for y, g, path in zip(found, leaves_like(what, tape.out, cotangent), paths(tape.out), strict=True):
            g = g if isinstance(g, Number) else checked(g, what + path)
            if shape_of(g) != shape_of(y):
                raise ArgumentError(f"{what}{path} must have shape {shape_of(y)}; got shape {shape_of(g)}.")
            given.append(g)
        tape.clear()
        for y, g in zip(found, given, strict=True):
            tape.pull(y, g)
        return tuple(tape.cotangents())

    return tape.value, pullback


# --- matrices --------------------------------------------------------------------------------------------------------


def jacobian(f: Function, argnums: Argnums = 0, mode: str = "auto") -> Function:
    """The matrix of all first derivatives of f, as a function of the same arguments.

    Parameters
    ----------
    f : callable
        Returns an array (or a number, or a tree of them).
    argnums : int or sequence of int
    mode : {"auto", "forward", "reverse"}
        Forward costs one pass with as many directions as there are inputs; reverse one sweep an output.

    Returns
    -------
    callable
        Returns an array of shape ``(*shape of the result, *shape of the argument)``; for trees, the tree of results
        in whose leaves stands the tree of arguments.

    Examples
    --------
    >>> jacobian(lambda x: np.array([x[0] * x[1], x[0]]))(np.array([2.0, 3.0]))
    array([[3., 2.],
           [1., 0.]])
    """
    if mode not in ("auto", "forward", "reverse"):
        raise ArgumentError(f"jacobian: mode must be 'auto', 'forward' or 'reverse'; got mode={mode!r}.")

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        positions = _positions("jacobian", argnums, len(args))
        trees = [check_numbers("jacobian", args[i], f"argument {i}") for i in positions]
        n_inputs = sum(math.prod(shape_of(x)) for x in leaves(trees))
        if mode == "forward":
            blocks, out = _forward(f, args, kwargs, positions, trees, n_inputs)
        else:
            tape = Tape("jacobian", f, args, positions, kwargs)
            n_outputs = sum(math.prod(shape_of(y)) for y in leaves(tape.out))
            # PERF: a forward direction costs about a third of a reverse sweep, and the tape is there already
            if mode == "reverse" or n_outputs <= n_inputs or not leaves(trees):
                blocks, out = _reverse(tape), tape.out
            else:
                blocks, out = _forward(f, args, kwargs, positions, trees, n_inputs)
        rows = [rebuild(_like(argnums, trees), iter(row)) for row in blocks]
        return rebuild(out, iter(rows))

    return wrapped


def _forward(
    f: Function, args: Sequence[Any], kwargs: Any, positions: Sequence[int], trees: list[Tree], n: int
) -> tuple[list[list[AnyNumber]], Tree]:
    """Blocks [output leaf][input leaf] of the Jacobian, by all directions in one pass."""

    def inner(*moving: Any) -> Any:
        arguments = list(args)
        for i, x in zip(positions, moving, strict=True):
            arguments[i] = x
        return f(*arguments, **kwargs)

    sizes = [math.prod(shape_of(x)) for x in leaves(trees)]
    starts = np.cumsum([0, *sizes])
    unit = np.eye(n)
    directions = [
        as_wide_as(unit[:, a : a + size].reshape(n, *shape_of(x)), raw(x))
        for x, a, size in zip(leaves(trees), starts, sizes, strict=False)
    ]
    out, tangents = pushforward(inner, trees, rebuild(trees, iter(directions)))
    blocks = []
    for t in leaves(tangents):
        order = (*range(1, len(shape_of(t))), 0)
        last = array_ops.transpose(t, order)  # (*out, n)
        blocks.append(
            [
                array_ops.reshape(last[..., a : a + size], (*shape_of(t)[1:], *shape_of(x)))
                if shape_of(x)
                else last[..., a]
                for x, a, size in zip(leaves(trees), starts.tolist(), sizes, strict=False)
            ]
        )
    return [[tidy(b) for b in row] for row in blocks], out


def _reverse(tape: Tape) -> list[list[AnyNumber]]:
    """Blocks [output leaf][input leaf] of the Jacobian, by one sweep for each element of the outputs."""
    blocks = []
    for y in leaves(tape.out):
        shape = shape_of(y)
        if not math.prod(shape):
            blocks.append([np.zeros((*shape, *shape_of(x))) for data in tape.data for x in data])
            continue
        rows = []
        for j in range(math.prod(shape)):
            seed = np.zeros(math.prod(shape))
            seed[j] = 1.0
            tape.clear()
            tape.pull(y, seed.reshape(shape) if shape else 1.0)
            rows.append(leaves(tape.cotangents()))
        columns = zip(*rows, strict=True)
        blocks.append(
            [
                array_ops.reshape(array_ops.stack(column), (*shape, *shape_of(column[0]))) if shape else column[0]
                for column in columns
            ]
        )
    return blocks


def hessian(f: Function, argnums: Argnums = 0) -> Function:
    """The matrix of second derivatives of a scalar function, by forward over reverse.

    Returns
    -------
    callable
        Returns an array of shape ``(*shape of x, *shape of x)``; for trees, a tree of trees.

    Examples
    --------
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return jacobian(grad(f, argnums), argnums, mode="forward")


def hvp(f: Function, primals: Tree, tangents: Tree) -> Any:
    """Product of the Hessian of a scalar function with a vector, at the cost of a few gradients.

    Parameters
    ----------
    f : callable
        Returns one scalar.
    primals, tangents : number, array or tree; or tuples of them, one entry an argument
        The point and the vector.

    Returns
    -------
    In the form of `primals` (a tuple for a tuple of several arguments, the single product for one argument).

    Examples
    --------
    >>> hvp(lambda x: (x**3).sum(), np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])
    """
    if not isinstance(primals, tuple):
        primals, tangents = (primals,), (tangents,)
    product = jvp(grad(f, tuple(range(len(primals)))), primals, tangents)[1]
    return product[0] if len(primals) == 1 else tuple(product)
