"""`Emitter`: writes LLVM's intermediate representation as text, one instruction a call.

A *value* is a string: the name of an SSA register or the text of a constant.  Every floating-point value holds
`lanes` numbers of one type, one trajectory a lane; `lanes` = 1 is plain scalar code.  Nothing is contracted or
reassociated: a lane computes the same bits whatever the width.

The file is long because it is one vocabulary: every instruction that the other files use has its line here.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias, final

__all__ = ["Emitter", "Shape", "Value", "hexadecimal"]

Value: TypeAlias = str


@final
@dataclass(frozen=True, slots=True)
class Shape:
    """What a register holds: ``lanes`` numbers of ``bits`` bits; and whether the processor multiplies and adds in one.

    Attributes
    ----------
    lanes : int
        1 for scalar code.
    bits : {64, 32}
        Width of a number.
    fma : bool
        Whether ``a * b + c`` is one instruction with one rounding.
    """

    lanes: int = 1
    bits: int = 64
    fma: bool = True

    @property
    def scalar(self) -> str:
        """LLVM's type of one number."""
        return "double" if self.bits == 64 else "float"

    @property
    def real(self) -> str:
        """LLVM's type of a register of numbers."""
        return self.wide(self.scalar)

    @property
    def integer(self) -> str:
        """LLVM's type of a register of integers of the numbers' width."""
        return self.wide(f"i{self.bits}")

    @property
    def mask(self) -> str:
        """LLVM's type of a register of truth values."""
        return self.wide("i1")

    @property
    def suffix(self) -> str:
        """LLVM's suffix of intrinsics for `real`: ``f64`` or ``v8f64``."""
        return f"f{self.bits}" if self.lanes == 1 else f"v{self.lanes}f{self.bits}"

    def wide(self, scalar: str) -> str:
        """Return the type of a register of the given scalars."""
        return scalar if self.lanes == 1 else f"<{self.lanes} x {scalar}>"


@final
class Emitter:
    """Writes the body of one function.

    Parameters
    ----------
    shape : Shape

    Attributes
    ----------
    lines : list of str
        The instructions so far.
    used : set of str
        Declarations that the module needs, as text.
    at_latches : str
        Metadata at the end of each loop: what LLVM may not do to it, say.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.lines: list[str] = []
        self.used: set[str] = set()
        self.at_latches = ""
        self._number = itertools.count()

    def of_scalars(self) -> Emitter:
        """Return an emitter of scalar code that writes into the same function."""
        other = Emitter(Shape(1, self.shape.bits, self.shape.fma))
        other.lines, other.used, other._number = self.lines, self.used, self._number
        return other

    # --- constants -------------------------------------------------------------------------------------------------

    def constant(self, x: float) -> Value:
        """Return the number in every lane."""
        return self._splat(self.shape.scalar, hexadecimal(x, self.shape.bits))

    def whole(self, k: int) -> Value:
        """Return the integer in every lane (of the numbers' width; bit patterns may be given unsigned)."""
        return self._splat(f"i{self.shape.bits}", str(k))

    def truth(self, x: bool) -> Value:
        """Return the truth value in every lane."""
        return self._splat("i1", "true" if x else "false")

    def _splat(self, scalar: str, text: str) -> Value:
        return text if self.shape.lanes == 1 else f"splat ({scalar} {text})"

    # --- arithmetic ------------------------------------------------------------------------------------------------

    def add(self, a: Value, b: Value) -> Value:
        """Return a + b."""
        return self.line(f"fadd {self.shape.real} {a}, {b}")

    def sub(self, a: Value, b: Value) -> Value:
        """Return a - b."""
        return self.line(f"fsub {self.shape.real} {a}, {b}")

    def mul(self, a: Value, b: Value) -> Value:
        """Return a * b."""
        return self.line(f"fmul {self.shape.real} {a}, {b}")

    def div(self, a: Value, b: Value) -> Value:
        """Return a / b."""
        return self.line(f"fdiv {self.shape.real} {a}, {b}")

    def neg(self, a: Value) -> Value:
        """Return -a."""
        return self.line(f"fneg {self.shape.real} {a}")

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """Return a * b + c, rounded once where the processor can."""
        return self.intrinsic("fma", a, b, c) if self.shape.fma else self.add(self.mul(a, b), c)

    def fms(self, a: Value, b: Value, c: Value) -> Value:
        """Return a * b - c, rounded once where the processor can."""
        return self.fma(a, b, self.neg(c)) if self.shape.fma else self.sub(self.mul(a, b), c)

    def fnma(self, a: Value, b: Value, c: Value) -> Value:
        """Return c - a * b, rounded once where the processor can."""
        return self.fma(self.neg(a), b, c) if self.shape.fma else self.sub(c, self.mul(a, b))

    def sqrt(self, a: Value) -> Value:
        """Return the square root, correctly rounded."""
        return self.intrinsic("sqrt", a)

    def abs(self, a: Value) -> Value:
        """Return |a|."""
        return self.intrinsic("fabs", a)

    def floor(self, a: Value) -> Value:
        """Return the largest whole number not above a."""
        return self.intrinsic("floor", a)

    def rint(self, a: Value) -> Value:
        """Return the nearest whole number, ties to even."""
        return self.intrinsic("roundeven", a)

    def trunc(self, a: Value) -> Value:
        """Return a without its fraction."""
        return self.intrinsic("trunc", a)

    def copysign(self, a: Value, sign: Value) -> Value:
        """Return |a| with the sign of the other."""
        return self.intrinsic("copysign", a, sign)

    # --- comparison and selection ----------------------------------------------------------------------------------

    def compare(self, predicate: str, a: Value, b: Value) -> Value:
        """Return a mask.

        Parameters
        ----------
        predicate : str
            LLVM's: ``oeq olt ole ogt oge one`` are false where one is NaN, ``une ult ...`` true; ``ord``, ``uno``.
        """
        return self.line(f"fcmp {predicate} {self.shape.real} {a}, {b}")

    def select(self, mask: Value, a: Value, b: Value) -> Value:
        """Return a where the mask holds, else b."""
        return self._select(self.shape.real, mask, a, b)

    def choose(self, mask: Value, a: Value, b: Value) -> Value:
        """`select` for integers."""
        return self._select(self.shape.integer, mask, a, b)

    def _select(self, kind: str, mask: Value, a: Value, b: Value) -> Value:
        return self.line(f"select {self.shape.mask} {mask}, {kind} {a}, {kind} {b}")

    def both(self, a: Value, b: Value) -> Value:
        """Return a & b of masks."""
        return self.line(f"and {self.shape.mask} {a}, {b}")

    def either(self, a: Value, b: Value) -> Value:
        """Return a | b of masks."""
        return self.line(f"or {self.shape.mask} {a}, {b}")

    def differ(self, a: Value, b: Value) -> Value:
        """Return the exclusive or of masks."""
        return self.line(f"xor {self.shape.mask} {a}, {b}")

    def opposite(self, a: Value) -> Value:
        """Return the negation of a mask."""
        return self.differ(a, self.truth(True))

    def any(self, mask: Value) -> Value:
        """Return a single i1: whether the mask holds in some lane."""
        if self.shape.lanes == 1:
            return mask
        name = f"llvm.vector.reduce.or.v{self.shape.lanes}i1"
        self.used.add(f"declare i1 @{name}({self.shape.mask})")
        return self.line(f"call i1 @{name}({self.shape.mask} {mask})")

    # --- bits and integers -----------------------------------------------------------------------------------------

    def bits(self, a: Value) -> Value:
        """Return the numbers' bit patterns."""
        return self.line(f"bitcast {self.shape.real} {a} to {self.shape.integer}")

    def real(self, k: Value) -> Value:
        """Return the numbers that have these bit patterns."""
        return self.line(f"bitcast {self.shape.integer} {k} to {self.shape.real}")

    def integer(self, operation: str, a: Value, b: Value) -> Value:
        """Return ``a operation b``: LLVM's ``add sub mul and or xor shl lshr ashr``."""
        return self.line(f"{operation} {self.shape.integer} {a}, {b}")

    def integer_compare(self, predicate: str, a: Value, b: Value) -> Value:
        """Return a mask: LLVM's ``eq ne slt sle sgt sge ult ule ugt uge``."""
        return self.line(f"icmp {predicate} {self.shape.integer} {a}, {b}")

    def to_real(self, k: Value) -> Value:
        """Return the nearest number to a signed integer."""
        return self.line(f"sitofp {self.shape.integer} {k} to {self.shape.real}")

    # --- calls and control flow ------------------------------------------------------------------------------------

    def intrinsic(self, name: str, *args: Value) -> Value:
        """Return LLVM's intrinsic of numbers, ``fma`` or ``sqrt``, say."""
        full, real = f"llvm.{name}.{self.shape.suffix}", self.shape.real
        self.used.add(f"declare {real} @{full}({', '.join([real] * len(args))})")
        return self.line(f"call {real} @{full}({', '.join(f'{real} {a}' for a in args)})")

    def call(self, symbol: str, args: Sequence[Value], n_results: int = 1) -> list[Value]:
        """Call a function ``symbol(real, ...)`` of this module; it returns one number or a structure of several."""
        real = self.shape.real
        given = ", ".join(f"{real} {a}" for a in args)
        if n_results == 1:
            return [self.line(f"call {real} @{symbol}({given})")]
        kind = "{ " + ", ".join([real] * n_results) + " }"
        whole = self.line(f"call {kind} @{symbol}({given})")
        return [self.line(f"extractvalue {kind} {whole}, {i}") for i in range(n_results)]

    def each_lane(self, symbol: str, args: Sequence[Value]) -> Value:
        """Call an external function of scalars (the C library's, say) lane by lane."""
        scalar, real, lanes = self.shape.scalar, self.shape.real, self.shape.lanes
        self.used.add(f"declare {scalar} @{symbol}({', '.join([scalar] * len(args))})")
        if lanes == 1:
            return self.line(f"call {scalar} @{symbol}({', '.join(f'{scalar} {a}' for a in args)})")
        out = "poison"
        for i in range(lanes):
            picked = [self.line(f"extractelement {real} {a}, i32 {i}") for a in args]
            found = self.line(f"call {scalar} @{symbol}({', '.join(f'{scalar} {x}' for x in picked)})")
            out = self.line(f"insertelement {real} {out}, {scalar} {found}, i32 {i}")
        return out

    def lookup(self, table: str, values: Sequence[float], index: Value) -> Value:
        """Return ``values[index]``, lane by lane; the numbers become a constant array `table` of the module."""
        scalar, lanes = self.shape.scalar, self.shape.lanes
        listing = ", ".join(f"{scalar} {hexadecimal(x, self.shape.bits)}" for x in values)
        self.used.add(f"@{table} = internal constant [{len(values)} x {scalar}] [{listing}]")
        found = []
        for i in range(lanes):
            k = index if lanes == 1 else self.line(f"extractelement {self.shape.integer} {index}, i32 {i}")
            place = self.line(f"getelementptr {scalar}, ptr @{table}, i{self.shape.bits} {k}")
            found.append(self.line(f"load {scalar}, ptr {place}"))
        if lanes == 1:
            return found[0]
        out = "poison"
        for i, x in enumerate(found):
            out = self.line(f"insertelement {self.shape.real} {out}, {scalar} {x}, i32 {i}")
        return out

    @contextmanager
    def rarely(self, condition: Value, *values: Value) -> Iterator[list[Value]]:
        """Write a branch that is taken where the single i1 `condition` holds, and expected not to be.

        Yields a list: put what replaces `values` on the rare path into it; on leaving it holds the merged values.

        >>> b = Emitter(Shape())
        >>> with b.rarely("%big", "%fast") as merged:
        ...     merged.append(b.call("slow", ["%x"])[0])
        >>> len(merged)
        1
        """
        k = next(self._number)
        before, rare, after = f"usual{k}", f"rare{k}", f"after{k}"
        self.lines += [f"br label %{before}", f"{before}:"]
        self.lines.append(f"br i1 {condition}, label %{rare}, label %{after}, !prof !0")
        self.lines.append(f"{rare}:")
        changed: list[Value] = []
        yield changed
        last = f"last{k}"
        self.lines += [f"br label %{last}", f"{last}:", f"br label %{after}", f"{after}:"]
        changed[:] = [
            self.line(f"phi {self.shape.real} [ {old}, %{before} ], [ {new}, %{last} ]")
            for old, new in zip(values, changed, strict=True)
        ]

    @contextmanager
    def loop(self, count: Value) -> Iterator[Value]:
        """Write a loop whose i64 index, which is yielded, runs from 0 below `count`."""
        k = next(self._number)
        self.lines += [f"br label %before{k}", f"before{k}:", f"br label %loop{k}", f"loop{k}:"]
        index = self.line(f"phi i64 [ 0, %before{k} ], [ %next{k}, %latch{k} ]")
        inside = self.line(f"icmp slt i64 {index}, {count}")
        self.lines += [f"br i1 {inside}, label %body{k}, label %done{k}", f"body{k}:"]
        yield index
        self.lines += [f"br label %latch{k}", f"latch{k}:", f"%next{k} = add i64 {index}, 1"]
        self.lines += [f"br label %loop{k}{self.at_latches}", f"done{k}:"]

    @contextmanager
    def repeat(self, holds: Callable[[], Value]) -> Iterator[None]:
        """Write a loop that goes on as long as the single i1 that `holds` writes is true before each round."""
        k = next(self._number)
        self.lines += [f"br label %again{k}", f"again{k}:"]
        inside = holds()
        self.lines += [f"br i1 {inside}, label %round{k}, label %enough{k}", f"round{k}:"]
        yield
        self.lines += [f"br label %again{k}", f"enough{k}:"]

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Write instructions that are carried out where the single i1 `condition` holds."""
        k = next(self._number)
        self.lines += [f"br i1 {condition}, label %then{k}, label %end{k}", f"then{k}:"]
        yield
        self.lines += [f"br label %end{k}", f"end{k}:"]

    # --- memory ----------------------------------------------------------------------------------------------------

    def pointer(self, base: Value, offset: Value | int) -> Value:
        """Return the address `offset` bytes beyond `base`."""
        return self.line(f"getelementptr i8, ptr {base}, i64 {offset}")

    def load(self, address: Value) -> Value:
        """Return the register of numbers at an address (aligned as one number is)."""
        return self.line(f"load {self.shape.real}, ptr {address}, align {self.shape.bits // 8}")

    def store(self, value: Value, address: Value) -> None:
        """Write a register of numbers to an address."""
        self.lines.append(f"store {self.shape.real} {value}, ptr {address}, align {self.shape.bits // 8}")

    def whole_at(self, base: Value, index: Value | int) -> Value:
        """Return the i64 at ``base[index]``."""
        return self.line(f"load i64, ptr {self.line(f'getelementptr i64, ptr {base}, i64 {index}')}, align 8")

    def double_at(self, base: Value, index: Value | int) -> Value:
        """Return the double at ``base[index]``: one scalar."""
        return self.line(f"load double, ptr {self.line(f'getelementptr double, ptr {base}, i64 {index}')}, align 8")

    def pointer_at(self, base: Value, index: int) -> Value:
        """Return the address at ``base[index]``."""
        return self.line(f"load ptr, ptr {self.line(f'getelementptr ptr, ptr {base}, i64 {index}')}, align 8")

    def splat(self, x: Value) -> Value:
        """Return one double in every lane."""
        if self.shape.bits != 64:
            x = self.line(f"fptrunc double {x} to {self.shape.scalar}")
        if self.shape.lanes == 1:
            return x
        real = self.shape.real
        first = self.line(f"insertelement {real} poison, {self.shape.scalar} {x}, i32 0")
        zeros = f"<{self.shape.lanes} x i32> zeroinitializer"
        return self.line(f"shufflevector {real} {first}, {real} poison, {zeros}")

    def line(self, text: str) -> Value:
        """Write an instruction and return the register of its result."""
        name = f"%r{next(self._number)}"
        self.lines.append(f"{name} = {text}")
        return name

    def define(self, symbol: str, parameters: Sequence[Value], results: Sequence[Value], attributes: str = "") -> str:
        """Return the text of an internal function ``symbol`` with what has been written as its body."""
        real = self.shape.real
        takes = ", ".join(f"{real} {p}" for p in parameters)
        if len(results) == 1:
            kind, tail = real, [f"ret {real} {results[0]}"]
        else:
            kind, out, tail = "{ " + ", ".join([real] * len(results)) + " }", "poison", []
            for i, x in enumerate(results):
                tail.append(f"%out{i} = insertvalue {kind} {out}, {real} {x}, {i}")
                out = f"%out{i}"
            tail.append(f"ret {kind} {out}")
        head = f"define internal {kind} @{symbol}({takes}) {attributes}".rstrip() + " {"
        return "\n".join([head, "entry:", *self.lines, *tail, "}"])


def hexadecimal(x: float, bits: int = 64) -> str:
    """Return a number as LLVM writes it exactly: the bits of a double."""
    x = float(x) if bits == 64 else struct.unpack("f", struct.pack("f", x))[0]
    return f"0x{struct.unpack('>Q', struct.pack('>d', x))[0]:016X}"
