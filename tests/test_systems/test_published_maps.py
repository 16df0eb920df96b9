"""Published numbers of the discrete maps, each with its source."""

from __future__ import annotations

import numpy as np

import diffsim as ds
from integrators import solve_ivp
from systems import HenonMap, LogisticMap, StandardMap


def exponents(system: object, start: object, n_blocks: int, length: int) -> np.ndarray:
    """Lyapunov exponents by the tangents of short solves, orthonormalised in between (Benettin's way)."""
    state, frame, total = np.asarray(start, dtype=float), np.eye(len(start)), np.zeros(len(start))  # type: ignore[arg-type]
    for _ in range(n_blocks):
        sol = solve_ivp(system, (0, length), state, t_eval=[length], sensitivities="y0")
        state = sol.y[:, -1]
        frame, triangle = np.linalg.qr(sol.dy_dy0[..., -1] @ frame)
        total += np.log(np.abs(np.diag(triangle)))
    return total / (n_blocks * length)


def test_the_exponent_of_the_logistic_map_at_four_is_the_logarithm_of_two() -> None:
    # SOURCE: Strogatz, Nonlinear Dynamics and Chaos, 2nd edition, example 10.5.1 and exercise 10.5.4: lambda = ln 2.
    (found,) = exponents(LogisticMap(), [0.3], 400, 20)
    assert abs(found - np.log(2.0)) < 2e-3


def test_the_exponents_of_henons_map_are_the_published_ones() -> None:
    # SOURCE: Sprott, Chaos and Time-Series Analysis, section A.3.1 (Henon map): 0.41922, -1.62319.
    found = exponents(HenonMap(), [0.1, 0.1], 1200, 10)
    assert abs(found[0] - 0.41922) < 6e-3
    assert abs(found.sum() - np.log(0.3)) < 1e-8, "areas shrink by b"  # rounding, times e^20 in a block


def test_the_exponent_of_the_standard_map_tends_to_chirikovs_formula() -> None:
    # SOURCE: Chirikov, Physics Reports 52 (1979) 263, equation (5.40): ln(K / 2) for K much larger than 4.
    found = exponents(StandardMap(kick=30.0), [1.0, 0.5], 1500, 4)
    assert abs(found[0] - np.log(15.0)) < 0.03
    assert abs(found.sum()) < 1e-5, "areas are kept"  # rounding, times e^22 in a block


def superstable(n: int, guess: float) -> float:
    """The parameter r at which x = 1/2, where the slope is 0, has the period 2^n: by Newton with our derivative."""

    def miss(r: object) -> object:
        return solve_ivp(LogisticMap(r=r), (0, 2**n), [0.5], t_eval=[2**n]).y[0, -1] - 0.5

    r = guess
    for _ in range(12):
        value, slope = ds.value_and_grad(miss)(r)
        if value == 0.0 or abs(value / slope) < 4e-16 * r:
            break
        r -= value / slope
    return r


def test_superstable_parameters_give_feigenbaums_number() -> None:
    # SOURCE: Feigenbaum, J. Stat. Phys. 19 (1978) 25, table I: delta = 4.6692016..., and alpha = 2.5029078...;
    # Strogatz, section 10.3 and exercise 10.7.1: R_0 = 2 and R_1 = 1 + sqrt(5).
    found = [superstable(0, 2.1), superstable(1, 3.2)]
    delta = 4.0
    for n in range(2, 10):
        guess = found[-1] + (found[-1] - found[-2]) / delta
        found.append(superstable(n, guess))
        delta = (found[-2] - found[-3]) / (found[-1] - found[-2])
    assert found[0] == 2.0
    assert abs(found[1] - (1.0 + np.sqrt(5.0))) < 1e-14
    assert abs(delta - 4.669201609) < 2e-4
    middle = [solve_ivp(LogisticMap(r=r), (0, 2 ** (n - 1)), [0.5]).y[0, -1] - 0.5 for n, r in enumerate(found) if n]
    assert abs(-middle[-2] / middle[-1] - 2.502907875) < 1e-3


def test_doublings_accumulate_at_the_published_parameter() -> None:
    # SOURCE: Strogatz, table 10.2.1 (r_infinity = 3.569946); May, Nature 261 (1976) 459, table 1 (3.5700).
    a, b, c = (superstable(n, guess) for n, guess in ((6, 3.5697), (7, 3.56989), (8, 3.569934)))
    limit = c + (c - b) * (c - b) / ((b - a) - (c - b))  # of a geometric series
    assert abs(limit - 3.5699457) < 5e-7
