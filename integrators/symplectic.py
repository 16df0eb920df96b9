"""Explicit symplectic methods for separable Hamiltonian systems, from Euler's to order 8."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar, final

from integrators._splitting import SplittingMethod, composed, mirrored

__all__ = ["BlanesMoan4", "BlanesMoan6", "StormerVerlet", "SymplecticEuler", "Yoshida4", "Yoshida6", "Yoshida8"]

_HALF = Fraction(1, 2)


@final
class SymplecticEuler(SplittingMethod):
    """The symplectic Euler method, order 1: a kick, then a drift with the new momentum.

        p_1 = p_0 + h p'(q_0),    q_1 = q_0 + h q'(p_1)

    Also known as semi-implicit Euler and Euler-Cromer.  Not to be confused with the implicit Euler method.  The state
    is ``[q, p]``; see the notes on separable systems in ``docs/symplectic.md``.

    Parameters
    ----------
    step : float, optional
        Step size, > 0.

    References
    ----------
    Hairer, Lubich, Wanner, "Geometric Numerical Integration", 2nd edition, equation (VI.3.1).

    Examples
    --------
    >>> SymplecticEuler().step(lambda t, y: [y[1], -y[0]], 0.0, [1.0, 0.0], 0.5)
    [0.75, -0.5]
    """

    DRIFTS: ClassVar[tuple[Fraction, ...]] = (Fraction(0), Fraction(1))
    KICKS: ClassVar[tuple[Fraction, ...]] = (Fraction(1),)
    ORDER: ClassVar[int] = 1


@final
class StormerVerlet(SplittingMethod):
    """The Stoermer-Verlet method, order 2, symmetric: half a drift, a kick, half a drift.

    Also known as leapfrog and position Verlet.  The same points staggered by half a step are those of velocity Verlet,
    which begins with half a kick.  One force a step.

    Parameters
    ----------
    step : float, optional
        Step size, > 0; stable for ``step * omega < 2``, omega the largest frequency.

    References
    ----------
    Hairer, Lubich, Wanner, "Geometric Numerical Integration Illustrated by the Stoermer-Verlet Method", Acta Numerica
    12 (2003), 399-450, equation (1.17).

    Examples
    --------
    >>> StormerVerlet().step(lambda t, y: [y[1], -y[0]], 0.0, [1.0, 0.0], 0.5)
    [0.875, -0.5]
    """

    DRIFTS: ClassVar[tuple[Fraction, ...]] = (_HALF, _HALF)
    KICKS: ClassVar[tuple[Fraction, ...]] = (Fraction(1),)
    ORDER: ClassVar[int] = 2


@final
class Yoshida4(SplittingMethod):
    """Three leapfrog steps, the middle one backwards: order 4, symmetric, 3 forces a step.

    Also known as Forest-Ruth, and as Yoshida's triple jump.  `BlanesMoan4` is more accurate for equal work.

    Parameters
    ----------
    step : float, optional
        Step size, > 0.

    References
    ----------
    E. Forest, R. D. Ruth, "Fourth-order symplectic integration", Physica D 43 (1990), 105-117; H. Yoshida,
    "Construction of higher order symplectic integrators", Physics Letters A 150 (1990), 262-268, equation (2.11).
    """

    # SOURCE: Yoshida (2.11), 1 / (2 - 2**(1/3))
    DRIFTS, KICKS = composed(["1.35120719195965763404768780897146082692199937621714482832871"])
    ORDER: ClassVar[int] = 4


@final
class Yoshida6(SplittingMethod):
    """Seven leapfrog steps: order 6, symmetric, 7 forces a step.

    Parameters
    ----------
    step : float, optional
        Step size, > 0.

    References
    ----------
    H. Yoshida, "Construction of higher order symplectic integrators", Physics Letters A 150 (1990), 262-268, table 1,
    solution A.
    """

    # SOURCE: Yoshida, table 1, solution A (w_3, w_2, w_1), carried from its 15 digits on by Newton's method on the
    # order conditions (changed by 3e-15)
    DRIFTS, KICKS = composed(
        [
            "0.784513610477557263819497633866349875776824417451493384567948",
            "0.235573213359358133684793182978534601686468082103401119003493",
            "-1.17767998417887100694641568096431573463926925263459848447537",
        ]
    )
    ORDER: ClassVar[int] = 6


@final
class Yoshida8(SplittingMethod):
    """Fifteen leapfrog steps: order 8, symmetric, 15 forces a step.

    Parameters
    ----------
    step : float, optional
        Step size, > 0.

    References
    ----------
    H. Yoshida, "Construction of higher order symplectic integrators", Physics Letters A 150 (1990), 262-268, table 2,
    solution D.
    """

    # SOURCE: Yoshida, table 2, solution D (w_7 ... w_1), carried from its 15 digits on by Newton's method on the order
    # conditions (changed by 4e-13)
    DRIFTS, KICKS = composed(
        [
            "0.91484424622979156674879348984750960451811970872885837179726",
            "0.253693336566211354146146020689942076097653164732474096632268",
            "-1.44485223686060515769473065753739035495591010179550560248891",
            "-0.158240635368050175204066776759754247755445115675751568082098",
            "1.93813913762252598657918648744364176095359335744765027207279",
            "-1.96061023297531080760763337639966364079243281982600530191041",
            "0.102799849391796440698115131601225862911015601278442768271702",
        ]
    )
    ORDER: ClassVar[int] = 8


@final
class BlanesMoan4(SplittingMethod):
    """The splitting S6 of Blanes and Moan: order 4, symmetric, 6 forces a step, very small error constants.

    Parameters
    ----------
    step : float, optional
        Step size, > 0.

    References
    ----------
    S. Blanes, P. C. Moan, "Practical symplectic partitioned Runge-Kutta and Runge-Kutta-Nystroem methods", Journal of
    Computational and Applied Mathematics 142 (2002), 313-330, table 2, S6 of order 4.
    """

    # SOURCE: table 2, order 4, S6: a_1 to a_3, b_1 and b_2, carried from its 15 digits on by Newton's method on the
    # order conditions (changed by 5e-17)
    DRIFTS, KICKS = mirrored(
        [
            "0.0792036964311956694336634958882688733080195574519094103607837",
            "0.353172906049773988481061311573121056530370873154175449104665",
            "-0.0420650803577195353681102983025170387204097163819649858221733",
        ],
        [
            "0.209515106613362021274072640029501016902138216169779661674881",
            "-0.143851773179818008275115057856527725648238471059656730878516",
        ],
    )
    ORDER: ClassVar[int] = 4


@final
class BlanesMoan6(SplittingMethod):
    """The splitting S10 of Blanes and Moan: order 6, symmetric, 10 forces a step, very small error constants.

    Parameters
    ----------
    step : float, optional
        Step size, > 0.

    References
    ----------
    S. Blanes, P. C. Moan, "Practical symplectic partitioned Runge-Kutta and Runge-Kutta-Nystroem methods", Journal of
    Computational and Applied Mathematics 142 (2002), 313-330, table 2, S10 of order 6.
    """

    # SOURCE: table 2, order 6, S10: a_1 to a_5, b_1 to b_4, carried from its 15 digits on by Newton's method on the
    # order conditions (changed by 2e-15)
    DRIFTS, KICKS = mirrored(
        [
            "0.050262764400392686021221654402074109406012748832587512611819",
            "0.41351430042834381506306372013388443897526941644878845677637",
            "0.0450798897943980629688970521245134711617180221893740279397307",
            "-0.188054853819568914799128488918870542487818872011107698845596",
            "0.541960678450780134831414740933072496348172763335789975737405",
        ],
        [
            "0.148816447901043231920901005535577588877396719265256810125968",
            "-0.132385865767783647448845426598939921574489309424130363372268",
            "0.0673076046921844581502578965926010468993631441993461468994585",
            "0.432666402578173597527667970883545298058183941414303988883608",
        ],
    )
    ORDER: ClassVar[int] = 6
