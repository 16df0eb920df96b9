"""Lattice reduction, which `balance` finds its doubles with: its laws, and the nearest points of small lattices."""

from __future__ import annotations

import mpmath
import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from studies._balance_lattice import _along, _Box, reduced_basis


@st.composite
def bases(draw):
    n = draw(st.integers(2, 4))
    return [[draw(st.integers(-(10**6), 10**6)) for _ in range(n)] for _ in range(n)]


@given(bases())
def test_reduced_basis_spans_the_same_lattice_and_is_reduced(columns):
    matrix = np.array(columns, dtype=float).T
    assume(abs(np.linalg.det(matrix)) > 0.5)
    with mpmath.workdps(50):
        found, made = reduced_basis([[mpmath.mpf(v) for v in column] for column in columns])
        determinant = mpmath.det(mpmath.matrix(made))
        assert abs(abs(determinant) - 1) < mpmath.mpf(10) ** -20
        for j, column in enumerate(found):
            again = [sum(columns[k][i] * made[k][j] for k in range(len(made))) for i in range(len(made))]
            assert again == [int(v) for v in column]
        # Lenstra, Lenstra and Lovasz, equation (1.8): the product of the lengths is within 2^(n (n - 1) / 4) of the
        # determinant, for delta = 3/4 and a fortiori for 0.99
        n = len(columns)
        product = mpmath.fprod([mpmath.sqrt(mpmath.fdot(c, c)) for c in found])
        assert product <= mpmath.mpf(2) ** (n * (n - 1) / 4) * abs(mpmath.det(mpmath.matrix(columns))) * (1 + 1e-12)


@given(st.integers(1, 49), st.integers(1, 49), st.integers(0, 400), st.integers(2, 10))
def test_best_point_along_a_curve_is_that_of_trying_all(x, y, bend, skew):
    """A box of width 1 by 1 around the parabola c_0 = bend c_1^2, on a skewed lattice of some hundred points."""
    basis, offset, bend = np.array([[0.31, 0.01 * skew], [0.02, 0.23]]), np.array([0.01 * x, 0.01 * y]), 0.1 * bend
    rates, borders = np.array([3.0, 1.0]), np.array([5.0, 5.0])
    box = _Box(np.eye(2), np.ones(2), 1, np.array([[0.0, 0.0, bend], [0.0, 1.0, 0.0]]))
    steps, stay = _along(box, basis, offset, rates, borders)[0]
    grid = np.stack(np.meshgrid(np.arange(-250, 251), np.arange(-30, 31), indexing="ij")).reshape(2, -1)
    c = basis @ (grid - offset[:, None])
    c = c[:, np.abs(c[1]) < 1.0]
    all_stays = (np.log(borders[:, None] / np.abs([c[0] - bend * c[1] ** 2, c[1]])) / rates[:, None]).min(axis=0)
    assert stay >= all_stays.max() - 1e-9
    found = basis @ (np.array(steps) - offset)
    away = np.abs([found[0] - bend * found[1] ** 2, found[1]])
    assert abs(float((np.log(borders / away) / rates).min()) - stay) < 1e-6
