"""Rosenbrock methods: the Jacobian is part of the formula, and a step solves linear systems only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np

from diffsim import array_ops
from diffsim.derivatives import jvp
from diffsim.errors import RunError
from diffsim.number import Number, depth_of, raw
from integrators._combination import State
from integrators._field import Field
from integrators._implicit_method import ImplicitMethod, is_traced, weighted
from integrators._integrator import RightHandSide, Step
from integrators._linear_systems import TracedFactors, shifted
from integrators._rosenbrock_tableau import RosenbrockTableau

__all__ = ["Rodas5P"]

# SOURCE: G. Steinebach, "Construction of Rosenbrock-Wanner method Rodas5P and numerical benchmarks within the Julia
# Differential Equations package", BIT 63 (2023), 27, in the transformed variables in which OrdinaryDiffEq.jl has them.
_RODAS5P = RosenbrockTableau(
    gamma=0.21193756319429014,
    a=(
        (),
        (3.0,),
        (2.849394379747939, 0.45842242204463923),
        (-6.954028509809101, 2.489845061869568, -10.358996098473584),
        (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
        (-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946),
    ),
    c=(
        (),
        (-14.155112264123755,),
        (-17.97296035885952, -2.859693295451294),
        (147.12150275711716, -1.41221402718213, 71.68940251302358),
        (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
        (24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471),
        (
            30.91273214028599,
            -3.1208243349937974,
            77.79954646070892,
            34.28646028294783,
            -19.097331116725623,
            -28.087943162872662,
        ),
        (
            37.80277123390563,
            -3.2571969029072276,
            112.26918849496327,
            66.9347231244047,
            -40.06618937091002,
            -54.66780262877968,
            -9.48861652309627,
        ),
    ),
    nodes=(0.0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1.0, 1.0, 1.0),
    drift=(0.21193756319429014, -0.42387512638858027, -0.3384627126235924, 1.8046452872882734, 2.325825639765069),
    dense=(
        (
            25.948786856663858,
            -2.5579724845846235,
            10.433815404888879,
            -2.3679251022685204,
            0.524948541321073,
            1.1241088310450404,
            0.4272876194431874,
            -0.17202221070155493,
        ),
        (
            -9.91568850695171,
            -0.9689944594115154,
            3.0438037242978453,
            -24.495224566215796,
            20.176138334709044,
            15.98066361424651,
            -6.789040303419874,
            -6.710236069923372,
        ),
        (
            11.419903575922262,
            2.8879645146136994,
            72.92137995996029,
            80.12511834622643,
            -52.072871366152654,
            -59.78993625266729,
            -0.15582684282751913,
            4.883087185713722,
        ),
    ),
    order=4,
)


@final
class Rodas5P(ImplicitMethod):
    """Rodas5P of Steinebach, order 5(4): eight stages, L-stable, stiffly accurate, no iterations.

    Each stage solves a linear system with the one matrix ``I / (gamma h) - J``; the Jacobian and the derivative of f by
    the time are exact.  The method of choice for small stiff systems at accuracies of 1e-3 to 1e-8: nothing has to
    converge.  A step is plain arithmetic, so with fixed steps it is compiled as a whole, with an elimination that
    chooses its pivots.  The interpolant is of order 4.

    Parameters
    ----------
    step : float, optional
        Step size, > 0, for fixed steps.  Without it the step is chosen by ``rtol`` and ``atol``.

    Notes
    -----
    The Jacobian is a part of the formula: derivatives of a solve contain second derivatives of f, by our own rules.  A
    ``jac=`` that is wrong costs the order of the method.

    References
    ----------
    G. Steinebach, "Construction of Rosenbrock-Wanner method Rodas5P and numerical benchmarks within the Julia
    Differential Equations package", BIT Numerical Mathematics 63 (2023), 27; Hairer, Wanner, "Solving Ordinary
    Differential Equations II", section IV.7.

    Examples
    --------
    >>> from integrators import solve_ivp
    >>> sol = solve_ivp(lambda t, y: -1e6 * (y - t), (0.0, 1.0), [1.0], method="Rodas5P")
    >>> bool(abs(sol.y[0, -1] - (1.0 - 1e-6)) < 1e-5)
    True
    """

    TABLEAU: ClassVar[RosenbrockTableau] = _RODAS5P

    @property
    def formula(self) -> RosenbrockTableau:
        return self.TABLEAU

    @property
    def order(self) -> int:
        return 5

    @property
    def error_order(self) -> int:
        return self.TABLEAU.order

    @property
    def dense_order(self) -> int:
        return 4

    @property
    def traceable(self) -> bool:
        return True

    def _advance(self, field: Field, t: Any, y: Any, h: Any, carry: Any) -> Step:
        tableau = self.TABLEAU
        system = _System(tableau.gamma, field, t, y, h)
        if not system.regular:
            return Step(y, None, None, (), False)
        found: list[Any] = []
        at: Any = y
        for i, node in enumerate(tableau.nodes):
            if i == 0:
                right = field(t, y) if carry is None else carry
            else:
                # NOTE: the last two stages begin where the one before has ended
                at = y + weighted(tableau.a[i], found) if i < len(tableau.a) else at + found[-1]
                right = field(t + node * h, at) + weighted(tableau.c[i], found) / h
            if i < len(tableau.drift):
                right = right + (tableau.drift[i] * h) * system.drift
            found.append(system.solve(right))
        return Step(at + found[-1], found[-1], None, tuple(found))

    def dense(self, f: RightHandSide, t: Any, y: State, h: Any, step: Step) -> Sequence[State]:
        k_1, k_2, k_3 = (weighted(row, step.stages) for row in self.TABLEAU.dense)
        return [step.y - y + k_1, k_2 - k_1, k_3 - k_2, -k_3]


class _System:
    """The matrix ``I / (gamma h) - J`` of a step, for right-hand sides of any kind of number.

    Attributes
    ----------
    drift : state
        The derivative of f by the time; 0.0 where it does not depend on it.
    """

    def __init__(self, gamma: float, field: Field, t: Any, y: Any, h: Any) -> None:
        self._gamma, self._field, self._t, self._y, self._h = gamma, field, t, y, h
        self._recording = field.recording or any(isinstance(x, Number) and x.liftable for x in (t, y, h))
        traced = any(is_traced(x) for x in (t, y, h))
        if traced:
            from integrators._field import by_duals

            self._factors: Any = TracedFactors(shifted(1.0 / (gamma * h), by_duals(field, t, y, np.eye(len(y)))))
        else:
            slope = field.jacobian(raw(t), raw(y), exact=self._recording)
            self._recording = self._recording or field.recording
            self._factors = field.factorise(shifted(1.0 / (gamma * raw(h)), slope))
        if self._recording and not traced and not self._factors.regular:
            raise RunError("Rodas5P: the equations of a step are singular (or nearly so), so it has no derivative.")
        self.drift = _by_time(field, t, y) if self._recording or traced else field.drift(t, y)

    @property
    def regular(self) -> bool:
        return bool(self._factors.made)

    def solve(self, right: Any) -> Any:
        """Return u of ``u / (gamma h) - J u = right``."""
        if not self._recording:
            return self._factors.solve(right)
        u: Any = self._factors.solve(raw(right))
        # the system is linear in u: Newton's step in recording numbers, see `_implicit`, with J u as a derivative of f
        residual = self._residual(u, right)
        depth = depth_of(residual)
        for k in range(depth):
            u = u - self._factors.apply(self._residual(u, right) if k else residual)
        return u

    def _residual(self, u: Any, right: Any) -> Any:
        moved = jvp(lambda y: self._field(self._t, y), (self._y,), (u,))[1]
        return u / (self._gamma * self._h) - moved - right


def _by_time(field: Field, t: Any, y: Any) -> Any:
    """Return the derivative of f by the time, with its own derivatives."""
    return jvp(lambda t: array_ops.array(field(t, y)), (t,), (1.0,))[1]
