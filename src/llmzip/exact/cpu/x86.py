"""Products of bytes on x86: VNNI, in registers of any width.

One instruction multiplies unsigned by signed bytes and adds the products in fours to int32, without
saturation; another does the same for int16 in pairs.
"""

from __future__ import annotations

from typing import ClassVar

from llmzip.compiled.compiler import cgutils, ir
from llmzip.exact.cpu.instruction_set import Dot, call, i8, i16, i32, shuffled

MACHINES = "x86_64", "AMD64", "i386", "i686"
"""What `platform.machine` calls processors of this kind."""
_FLUSH = 0x8000
"""The bit of the processor's floating-point state that makes subnormal results 0."""


class Vnni(Dot):
    """What its encodings share; the intrinsics of all are named for AVX-512."""

    MACHINES: ClassVar[tuple[str, ...]] = MACHINES
    SIGN_BITS: ClassVar = 128

    @classmethod
    def dot(cls, builder: ir.IRBuilder, total: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
        """See `Dot.dot`."""
        return call(builder, f"llvm.x86.avx512.vpdpbusd.{32 * cls.LANES}", total.type, total, a, b)

    @classmethod
    def pairs_of(cls, builder: ir.IRBuilder, even: ir.Value, odd: ir.Value) -> list[ir.Value]:
        """See `Dot.pairs_of`; in the order of 128-bit parts, within which shuffles are cheap."""
        n, pairs = 4 * cls.LANES, ir.VectorType(i16, 2 * cls.LANES)
        low = [i for part in range(0, n, 16) for c in range(8) for i in (part + c, n + part + c)]
        found = []
        for half in (0, 1):
            for order in (low, [i + 8 for i in low]):
                both = shuffled(builder, even, odd, order)
                bytes_ = shuffled(builder, both, both, range(half * n // 2, (half + 1) * n // 2))
                wide = builder.sext(bytes_, pairs)
                found.append(builder.bitcast(wide, ir.VectorType(i32, cls.LANES)))
        return found

    @classmethod
    def dot_pairs(
        cls, builder: ir.IRBuilder, total: ir.Value, pairs: ir.Value, weights: ir.Value
    ) -> ir.Value:
        """See `Dot.dot_pairs`."""
        name = f"llvm.x86.avx512.vpdpwssd.{32 * cls.LANES}"
        return call(builder, name, total.type, total, pairs, weights)

    @classmethod
    def in_columns(cls, builder: ir.IRBuilder, sums: list[ir.Value]) -> list[ir.Value]:
        """See `Dot.in_columns`: a vector of 8 has neighbours, one of 16 two times 8."""
        if cls.LANES == 8:
            return sums
        first = [*range(8), *range(16, 24)]
        second = [i + 8 for i in first]
        return [
            shuffled(builder, sums[half], sums[half + 1], order)
            for half in (0, 2)
            for order in (first, second)
        ]

    @classmethod
    def flush_subnormals(cls, builder: ir.IRBuilder, on: ir.Value) -> None:
        """Operations take 100 times as long for them."""
        place = cgutils.alloca_once(builder, i32)
        pointer = builder.bitcast(place, i8.as_pointer())
        call(builder, "llvm.x86.sse.stmxcsr", ir.VoidType(), pointer)
        state, bit = builder.load(place), ir.Constant(i32, _FLUSH)
        unset = builder.and_(state, ir.Constant(i32, ~_FLUSH))
        builder.store(builder.select(on, builder.or_(state, bit), unset), place)
        call(builder, "llvm.x86.sse.ldmxcsr", ir.VoidType(), pointer)
