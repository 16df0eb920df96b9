"""`Algebra` and `Plan`: weights as monomials, and how few operations compute them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffsim import ops
from diffsim.graph import trace
from diffsim.weights import Algebra, Plan

N = 6
NODES = trace(lambda a, b, c, d, e, f: (a, b, c, d, e, f), *[1.0] * N).nodes
POINT = [3.0, -5.0, 7.0, 0.5, -11.0, 13.0]  # products and short sums of these are exact


def value(algebra: Algebra, monomial: int) -> float:
    """What a monomial stands for, computed term by term."""

    def atom(a: int) -> float:
        if a < algebra.n_nodes:
            return POINT[a]
        return math.fsum(value(algebra, m) for m in algebra.terms[a - algebra.n_nodes])

    factor, atoms = algebra.monomials[monomial]
    return factor * math.prod(atom(a) for a in atoms)


def planned(algebra: Algebra, wanted: list[int]) -> list[float]:
    size = Plan(algebra, wanted, NODES, N).emit(lambda i: POINT[i])
    return [math.copysign(1.0, algebra.monomials[m][0]) * size(m) for m in wanted]


EXPRESSIONS = st.recursive(
    st.integers(0, N - 1),
    lambda inner: st.tuples(st.sampled_from("+*-"), inner, inner),
    max_leaves=8,
)


def read(algebra: Algebra, expression: Any) -> tuple[int | None, float]:
    """The monomial of an expression (None for zero), and its value."""
    if isinstance(expression, int):
        return algebra.monomial(1.0, (expression,)), POINT[expression]
    sign, left, right = expression
    (a, x), (b, y) = read(algebra, left), read(algebra, right)
    if sign == "*":
        return (None if a is None or b is None else algebra.times(a, b)), x * y
    if b is None:
        return a, x
    b = algebra.negative(b) if sign == "-" else b
    y = -y if sign == "-" else y
    return (b if a is None else algebra.plus(a, b)), x + y


@pytest.mark.parametrize("factoring", [True, False])
@given(st.lists(EXPRESSIONS, min_size=1, max_size=4), st.lists(st.booleans(), min_size=N, max_size=N))
def test_monomials_and_their_plan_have_the_value_of_the_expression(
    factoring: bool, expressions: list[Any], fixed: list[bool]
) -> None:
    algebra = Algebra(fixed, factoring)
    pairs = [(m, x) for m, x in (read(algebra, e) for e in expressions) if m is not None]
    assert [value(algebra, m) for m, _ in pairs] == pytest.approx([x for _, x in pairs], rel=1e-13, abs=1e-9)
    wanted = [(m, x) for m, x in pairs if not algebra.constant[m]]
    assert planned(algebra, [m for m, _ in wanted]) == pytest.approx([x for _, x in wanted], rel=1e-13, abs=1e-9)


def test_products_share_what_they_have_in_common() -> None:
    algebra = Algebra([False] * N)
    wanted = [algebra.monomial(1.0, (0, 1, 2)), algebra.monomial(-1.0, (1, 2)), algebra.monomial(1.0, (1, 2, 3))]
    assert Plan(algebra, wanted, NODES, N).cost == 3


def test_products_of_the_graph_are_used() -> None:
    nodes = trace(lambda a, b, c: ops.sin(a * b) * c, 1.0, 1.0, 1.0).nodes
    algebra = Algebra([False] * len(nodes))
    assert Plan(algebra, [algebra.monomial(1.0, (0, 1, 2))], nodes, len(nodes)).cost == 1


def test_sum_takes_common_factors_out() -> None:
    algebra = Algebra([False] * N)
    total = algebra.plus(algebra.monomial(1.0, (0, 1)), algebra.monomial(1.0, (0, 2)))
    assert total is not None
    assert Plan(algebra, [total], NODES, N).cost == 2


def test_sum_of_opposites_is_nothing() -> None:
    algebra = Algebra([False] * N)
    a, b = algebra.monomial(1.0, (0,)), algebra.monomial(1.0, (1,))
    both = algebra.plus(a, b)
    assert both is not None
    assert algebra.plus(both, algebra.negative(both)) is None
    assert algebra.plus(both, algebra.negative(b)) == a


def test_product_in_a_sum_is_fused_with_the_addition() -> None:
    algebra = Algebra([False] * N)
    total = algebra.plus(algebra.monomial(1.0, (0, 1)), algebra.monomial(1.0, (2,)))
    assert total is not None
    assert Plan(algebra, [total], NODES, N).cost == 1


def test_fixed_factors_cost_nothing() -> None:
    algebra = Algebra([True, True, True, False, False, False])
    assert Plan(algebra, [algebra.monomial(2.5, (0, 1, 2))], NODES, N).cost == 0
    assert Plan(algebra, [algebra.monomial(2.5, (0, 1, 3))], NODES, N).cost == 1


def test_one_plus_something_comes_apart() -> None:
    algebra = Algebra([False] * N)
    something = algebra.monomial(-1.0, (0, 1))
    total = algebra.plus(algebra.one, something)
    assert total is not None
    assert algebra.apart(total) == (algebra.one, something)
    assert algebra.apart(something) is None


@pytest.mark.parametrize("n", [100, 1000])
def test_long_sums_and_products_are_built_of_parts(n: int) -> None:
    algebra = Algebra([False] * n)
    total: int | None = algebra.monomial(1.0, (0,))
    product = algebra.one
    for i in range(1, n):
        single = algebra.monomial(1.0, (i,))
        product = algebra.times(product, single)
        total = None if total is None else algebra.plus(total, single)
    assert sum(map(len, algebra.terms)) < 30 * n
    assert max(len(atoms) for _, atoms in algebra.monomials) <= 24
