"""Sprott's simple chaotic flows, cases A to S: long, because nineteen relatives are read side by side.

A search through three-dimensional flows with few terms found these: five terms two of which are quadratic, or six terms
one of which is quadratic, each simpler than Lorenz's and Roessler's.  The coefficients that are not 1 are parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from diffsim import ops
from systems._sprott import SprottFlow

__all__ = [
    "SprottA",
    "SprottB",
    "SprottC",
    "SprottD",
    "SprottE",
    "SprottF",
    "SprottG",
    "SprottH",
    "SprottI",
    "SprottJ",
    "SprottK",
    "SprottL",
    "SprottM",
    "SprottN",
    "SprottO",
    "SprottP",
    "SprottQ",
    "SprottR",
    "SprottS",
]


@final
@dataclass(frozen=True)
class SprottA(SprottFlow):
    """Conservative: a thermostatted oscillator, also known as the Nose-Hoover oscillator.

        x' = y
        y' = -x + y z
        z' = a - y^2

    Parameters

    ======  =======  ====  =============================
    symbol  default  unit  meaning
    ======  =======  ====  =============================
    a       1.0      1     temperature of the thermostat
    ======  =======  ====  =============================

    Equilibria: none for a > 0.

    Chaotic at the defaults, in a sea around islands of regular motion, with largest Lyapunov exponent 0.014.

    Examples
    --------
    >>> SprottA()(0.0, [1.0, 2.0, 3.0])
    array([ 2.,  5., -3.])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a"})

    a: float = 1.0

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return y, y * z - x, self.a - y * y

    @property
    def default_state(self) -> tuple[Any, ...]:
        """In the chaotic sea."""
        return (0.0, 5.0, 0.0)


@final
@dataclass(frozen=True)
class SprottB(SprottFlow):
    """Two quadratic terms, with the symmetry (x, y, z) -> (-x, -y, z).

        x' = y z
        y' = x - y
        z' = a - x y

    Parameters

    ======  =======  ====  ====================
    symbol  default  unit  meaning
    ======  =======  ====  ====================
    a       1.0      1     constant source of z
    ======  =======  ====  ====================

    Equilibria: plus and minus, +-(sqrt(a), sqrt(a), 0).

    Chaotic at the defaults, with largest Lyapunov exponent 0.21.

    Examples
    --------
    >>> SprottB()(0.0, [1.0, 2.0, 3.0])
    array([ 6., -1., -1.])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a"})

    a: float = 1.0

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return y * z, x - y, self.a - x * y

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        r = ops.sqrt(self.a)
        return {"plus": (r, r, 0.0), "minus": (-r, -r, 0.0)}


@final
@dataclass(frozen=True)
class SprottC(SprottFlow):
    """Two quadratic terms, with the symmetry (x, y, z) -> (-x, -y, z).

        x' = y z
        y' = x - y
        z' = a - x^2

    Parameters

    ======  =======  ====  ====================
    symbol  default  unit  meaning
    ======  =======  ====  ====================
    a       1.0      1     constant source of z
    ======  =======  ====  ====================

    Equilibria: plus and minus, +-(sqrt(a), sqrt(a), 0).

    Chaotic at the defaults, with largest Lyapunov exponent 0.163.

    Examples
    --------
    >>> SprottC()(0.0, [1.0, 2.0, 3.0])
    array([ 6., -1.,  0.])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a"})

    a: float = 1.0

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return y * z, x - y, self.a - x * x

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        r = ops.sqrt(self.a)
        return {"plus": (r, r, 0.0), "minus": (-r, -r, 0.0)}


@final
@dataclass(frozen=True)
class SprottD(SprottFlow):
    """A rotation that is pulled along its own axis.

        x' = -y
        y' = x + z
        z' = x z + a y^2

    Parameters

    ======  =======  ====  ====================
    symbol  default  unit  meaning
    ======  =======  ====  ====================
    a       3.0      1     strength of the pull
    ======  =======  ====  ====================

    Equilibria: origin.

    Chaotic at the defaults, with largest Lyapunov exponent 0.103.

    Examples
    --------
    >>> SprottD()(0.0, [1.0, 2.0, 3.0])
    array([-2.,  4., 15.])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a"})

    a: float = 3.0

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return -y, x + z, x * z + self.a * y * y

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"origin": (0.0, 0.0, 0.0)}


@final
@dataclass(frozen=True)
class SprottE(SprottFlow):
    """Two quadratic terms and a line of slow motion.

        x' = y z
        y' = x^2 - y
        z' = 1 - a x

    Parameters

    ======  =======  ====  ==================
    symbol  default  unit  meaning
    ======  =======  ====  ==================
    a       4.0      1     feedback of x on z
    ======  =======  ====  ==================

    Equilibria: rest (1/a, 1/a^2, 0).

    Chaotic at the defaults, with largest Lyapunov exponent 0.078.

    Examples
    --------
    >>> SprottE()(0.0, [1.0, 2.0, 3.0])
    array([ 6., -1., -3.])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a"})

    a: float = 4.0

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return y * z, x * x - y, 1.0 - self.a * x

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        r = 1.0 / self.a
        return {"rest": (r, r * r, 0.0)}


@final
@dataclass(frozen=True)
class SprottF(SprottFlow):
    """A growing spiral with one quadratic term.

        x' = y + z
        y' = -x + a y
        z' = x^2 - z

    Parameters

    ======  =======  ====  ====================
    symbol  default  unit  meaning
    ======  =======  ====  ====================
    a       0.5      1     growth of the spiral
    ======  =======  ====  ====================

    Equilibria: origin; outer (-1/a, -1/a^2, 1/a^2).

    Chaotic at the defaults, with largest Lyapunov exponent 0.117.

    Examples
    --------
    >>> SprottF()(0.0, [1.0, 2.0, 3.0])
    array([ 5.,  0., -2.])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a"})

    a: float = 0.5

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return y + z, self.a * y - x, x * x - z

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        r = -1.0 / self.a
        return {"origin": (0.0, 0.0, 0.0), "outer": (r, -r * r, r * r)}


@final
@dataclass(frozen=True)
class SprottG(SprottFlow):
    """A growing spiral that its product with z turns back.

        x' = a x + z
        y' = x z - y
        z' = -x + y

    Parameters

    ======  =======  ====  ===========
    symbol  default  unit  meaning
    ======  =======  ====  ===========
    a       0.4      1     growth of x
    ======  =======  ====  ===========

    Equilibria: origin; outer (-1/a, -1/a, 1).

    Chaotic at the defaults, with largest Lyapunov exponent 0.034.

    Examples
    --------
    >>> SprottG()(0.0, [1.0, 2.0, 3.0])
    array([3.4, 1. , 1. ])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a"})

    a: float = 0.4

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return self.a * x + z, x * z - y, y - x

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"origin": (0.0, 0.0, 0.0), "outer": (-1.0 / self.a, -1.0 / self.a, 1.0)}


@final
@dataclass(frozen=True)
class SprottH(SprottFlow):
    """A growing spiral that the square of z pulls back.

        x' = -y + z^2
        y' = x + a y
        z' = x - z

    Parameters

    ======  =======  ====  ====================
    symbol  default  unit  meaning
    ======  =======  ====  ====================
    a       0.5      1     growth of the spiral
    ======  =======  ====  ====================

    Equilibria: origin; outer (-1/a, 1/a^2, -1/a).

    Chaotic at the defaults, with largest Lyapunov exponent 0.117.

    Examples
    --------
    >>> SprottH()(0.0, [1.0, 2.0, 3.0])
    array([ 7.,  2., -2.])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a"})

    a: float = 0.5

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return z * z - y, x + self.a * y, x - z

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        r = -1.0 / self.a
        return {"origin": (0.0, 0.0, 0.0), "outer": (r, r * r, r)}


@final
@dataclass(frozen=True)
class SprottI(SprottFlow):
    """The weakest chaos of the nineteen.

        x' = -a y
        y' = x + z
        z' = x + y^2 - z

    Parameters

    ======  =======  ====  ==================
    symbol  default  unit  meaning
    ======  =======  ====  ==================
    a       0.2      1     feedback of y on x
    ======  =======  ====  ==================

    Equilibria: origin.

    Chaotic at the defaults, with largest Lyapunov exponent 0.012.

    Examples
    --------
    >>> SprottI()(0.0, [1.0, 2.0, 3.0])
    array([-0.4,  4. ,  2. ])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a"})

    a: float = 0.2

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return -self.a * y, x + z, x + y * y - z

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"origin": (0.0, 0.0, 0.0)}


@final
@dataclass(frozen=True)
class SprottJ(SprottFlow):
    """A flow of third order in y with one square.

        x' = a z
        y' = -2 y + z
        z' = -x + y + y^2

    Parameters

    ======  =======  ====  ==================
    symbol  default  unit  meaning
    ======  =======  ====  ==================
    a       2.0      1     feedback of z on x
    ======  =======  ====  ==================

    Equilibria: origin.

    Chaotic at the defaults, with largest Lyapunov exponent 0.076.

    Examples
    --------
    >>> SprottJ()(0.0, [1.0, 2.0, 3.0])
    array([ 6., -1.,  5.])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a"})

    a: float = 2.0

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return self.a * z, z - 2.0 * y, y + y * y - x

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"origin": (0.0, 0.0, 0.0)}


@final
@dataclass(frozen=True)
class SprottK(SprottFlow):
    """A growing spiral in z with one product.

        x' = x y - z
        y' = x - y
        z' = x + a z

    Parameters

    ======  =======  ====  ===========
    symbol  default  unit  meaning
    ======  =======  ====  ===========
    a       0.3      1     growth of z
    ======  =======  ====  ===========

    Equilibria: origin; outer (-1/a, -1/a, 1/a^2).

    Chaotic at the defaults, with largest Lyapunov exponent 0.038.

    Examples
    --------
    >>> SprottK()(0.0, [1.0, 2.0, 3.0])
    array([-1. , -1. ,  1.9])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a"})

    a: float = 0.3

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return x * y - z, x - y, x + self.a * z

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        r = -1.0 / self.a
        return {"origin": (0.0, 0.0, 0.0), "outer": (r, r, r * r)}


@final
@dataclass(frozen=True)
class SprottL(SprottFlow):
    """One square, with a linear chain back.

        x' = y + a z
        y' = b x^2 - y
        z' = 1 - x

    Parameters

    ======  =======  ====  ======================
    symbol  default  unit  meaning
    ======  =======  ====  ======================
    a       3.9      1     feedback of z on x
    b       0.9      1     strength of the square
    ======  =======  ====  ======================

    Equilibria: rest (1, b, -b/a).

    Chaotic at the defaults, with largest Lyapunov exponent 0.061.

    Examples
    --------
    >>> SprottL()(0.0, [1.0, 2.0, 3.0])
    array([13.7, -1.1,  0. ])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1", "b": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a", "b"})

    a: float = 3.9
    b: float = 0.9

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return y + self.a * z, self.b * x * x - y, 1.0 - x

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"rest": (1.0, self.b, -self.b / self.a)}


@final
@dataclass(frozen=True)
class SprottM(SprottFlow):
    """One square, with a constant drive.

        x' = -z
        y' = -x^2 - y
        z' = a + a x + y

    Parameters

    ======  =======  ====  =============================
    symbol  default  unit  meaning
    ======  =======  ====  =============================
    a       1.7      1     drive, and feedback of x on z
    ======  =======  ====  =============================

    Equilibria: low and high, (x, -x^2, 0) with x^2 = a + a x.

    Chaotic at the defaults, with largest Lyapunov exponent 0.044.

    Examples
    --------
    >>> SprottM()(0.0, [1.0, 2.0, 3.0])
    array([-3. , -3. ,  5.4])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a"})

    a: float = 1.7

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return -z, -x * x - y, self.a + self.a * x + y

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        r = 0.5 * ops.sqrt(self.a * self.a + 4.0 * self.a)
        low, high = 0.5 * self.a - r, 0.5 * self.a + r
        return {"low": (low, -low * low, 0.0), "high": (high, -high * high, 0.0)}


@final
@dataclass(frozen=True)
class SprottN(SprottFlow):
    """A rotation that the square of z drives.

        x' = -2 y
        y' = x + z^2
        z' = 1 + y - a z

    Parameters

    ======  =======  ====  ==========
    symbol  default  unit  meaning
    ======  =======  ====  ==========
    a       2.0      1     decay of z
    ======  =======  ====  ==========

    Equilibria: rest (-1/a^2, 0, 1/a).

    Chaotic at the defaults, with largest Lyapunov exponent 0.076.

    Examples
    --------
    >>> SprottN()(0.0, [1.0, 2.0, 3.0])
    array([-4., 10., -3.])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a"})

    a: float = 2.0

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return -2.0 * y, x + z * z, 1.0 + y - self.a * z

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        r = 1.0 / self.a
        return {"rest": (-r * r, 0.0 * r, r)}


@final
@dataclass(frozen=True)
class SprottO(SprottFlow):
    """A product of x and z in a chain.

        x' = y
        y' = x - z
        z' = x + x z + a y

    Parameters

    ======  =======  ====  ==================
    symbol  default  unit  meaning
    ======  =======  ====  ==================
    a       2.7      1     feedback of y on z
    ======  =======  ====  ==================

    Equilibria: origin; outer (-1, 0, -1).

    Chaotic at the defaults, with largest Lyapunov exponent 0.049.

    Examples
    --------
    >>> SprottO()(0.0, [1.0, 2.0, 3.0])
    array([ 2. , -2. ,  9.4])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a"})

    a: float = 2.7

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return y, x - z, x + x * z + self.a * y

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"origin": (0.0, 0.0, 0.0), "outer": (-1.0, 0.0, -1.0)}


@final
@dataclass(frozen=True)
class SprottP(SprottFlow):
    """A rotation with the square of y.

        x' = a y + z
        y' = -x + y^2
        z' = x + y

    Parameters

    ======  =======  ====  ==================
    symbol  default  unit  meaning
    ======  =======  ====  ==================
    a       2.7      1     feedback of y on x
    ======  =======  ====  ==================

    Equilibria: origin; outer (1, -1, a).

    Chaotic at the defaults, with largest Lyapunov exponent 0.087.

    Examples
    --------
    >>> SprottP()(0.0, [1.0, 2.0, 3.0])
    array([8.4, 3. , 3. ])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a"})

    a: float = 2.7

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return self.a * y + z, y * y - x, x + y

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"origin": (0.0, 0.0, 0.0), "outer": (1.0, -1.0, self.a)}


@final
@dataclass(frozen=True)
class SprottQ(SprottFlow):
    """A growing z that the square of y turns back.

        x' = -z
        y' = x - y
        z' = a x + y^2 + b z

    Parameters

    ======  =======  ====  ==================
    symbol  default  unit  meaning
    ======  =======  ====  ==================
    a       3.1      1     feedback of x on z
    b       0.5      1     growth of z
    ======  =======  ====  ==================

    Equilibria: origin; outer (-a, -a, 0).

    Chaotic at the defaults, with largest Lyapunov exponent 0.109.

    Examples
    --------
    >>> SprottQ()(0.0, [1.0, 2.0, 3.0])
    array([-3. , -1. ,  8.6])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1", "b": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a", "b"})

    a: float = 3.1
    b: float = 0.5

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return -z, x - y, self.a * x + y * y + self.b * z

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"origin": (0.0, 0.0, 0.0), "outer": (-self.a, -self.a, 0.0)}


@final
@dataclass(frozen=True)
class SprottR(SprottFlow):
    """Two constant drives and one product.

        x' = a - y
        y' = b + z
        z' = x y - z

    Parameters

    ======  =======  ====  ==========
    symbol  default  unit  meaning
    ======  =======  ====  ==========
    a       0.9      1     drive of x
    b       0.4      1     drive of y
    ======  =======  ====  ==========

    Equilibria: rest (-b/a, a, -b).

    Chaotic at the defaults, with largest Lyapunov exponent 0.062.

    Examples
    --------
    >>> SprottR()(0.0, [1.0, 2.0, 3.0])
    array([-1.1,  3.4, -1. ])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1", "b": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a", "b"})

    a: float = 0.9
    b: float = 0.4

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return self.a - y, self.b + z, x * y - z

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"rest": (-self.b / self.a, self.a, -self.b)}


@final
@dataclass(frozen=True)
class SprottS(SprottFlow):
    """A damped rotation that the square of z drives.

        x' = -x - a y
        y' = x + z^2
        z' = 1 + x

    Parameters

    ======  =======  ====  ==================
    symbol  default  unit  meaning
    ======  =======  ====  ==================
    a       4.0      1     feedback of y on x
    ======  =======  ====  ==================

    Equilibria: above and below, (-1, 1/a, +-1).

    Chaotic at the defaults, with largest Lyapunov exponent 0.188.

    Examples
    --------
    >>> SprottS()(0.0, [1.0, 2.0, 3.0])
    array([-9., 10.,  2.])
    """

    parameter_units: ClassVar[Mapping[str, str]] = {"a": "1"}
    positive: ClassVar[frozenset[str]] = frozenset({"a"})

    a: float = 4.0

    def rates(self, t: Any, state: Any) -> tuple[Any, Any, Any]:
        x, y, z = state
        return -x - self.a * y, x + z * z, 1.0 + x

    @property
    def equilibria(self) -> Mapping[str, tuple[Any, ...]]:
        return {"above": (-1.0, 1.0 / self.a, 1.0), "below": (-1.0, 1.0 / self.a, -1.0)}
