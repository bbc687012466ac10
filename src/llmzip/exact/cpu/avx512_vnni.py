"""AVX512-VNNI: products of 64 bytes in one instruction, and passes in registers of 512 bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from llmzip.compiled.compiler import ir
from llmzip.exact.cpu.instruction_set import INTS, NUMBERS, call, i8, i16, i32, shuffled
from llmzip.exact.cpu.x86 import Vnni
from llmzip.exact.distribution import StepCosts

_PAIRS, _BYTES = ir.VectorType(i16, 2 * NUMBERS), ir.VectorType(i8, 4 * NUMBERS)
_IN_ORDER = [4 * (i % 4) + i // 4 for i in range(NUMBERS)]
"""Undoes the order in which packing within 128-bit parts leaves four vectors."""


class Avx512Vnni(Vnni):
    """Thirty-two registers of 16 sums."""

    FEATURES: ClassVar[tuple[str, ...]] = ("avx512f", "avx512bw", "avx512vnni")
    # as measured, of SmolLM2-135M with some 400 positions in view
    COSTS: ClassVar = StepCosts(few=16, row=0.08, more=0.085, lane=0.05, second=0.05)
    LANES, ROWS, OUTPUTS = 16, 8, 32
    MEMBERS, COLUMNS = 4, 64

    @classmethod
    def rounded(cls, builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
        """See `InstructionSet.rounded`."""
        rest = ir.Constant(INTS, [0] * NUMBERS), ir.Constant(i16, -1)
        as_set = ir.Constant(i32, 4)  # to the nearest, as the processor is set
        return call(builder, "llvm.x86.avx512.mask.cvtps2dq.512", INTS, x, *rest, as_set)

    @classmethod
    def squares(cls, builder: ir.IRBuilder, vectors: Sequence[ir.Value]) -> list[ir.Value]:
        """See `InstructionSet.squares`."""
        name = "llvm.x86.avx512.pmaddw.d.512"
        return [call(builder, name, INTS, pair, pair) for pair in _pairs(builder, vectors)]

    @classmethod
    def bytes_of(cls, builder: ir.IRBuilder, vectors: Sequence[ir.Value]) -> ir.Value:
        """See `InstructionSet.bytes_of`; for integers within int8."""
        return _packed(builder, "packsswb", *_pairs(builder, vectors))

    @classmethod
    def halves(
        cls, builder: ir.IRBuilder, vectors: Sequence[ir.Value], signed: bool = True
    ) -> tuple[ir.Value, ir.Value]:
        """See `InstructionSet.halves`."""
        pairs = _pairs(builder, vectors)
        numbers = 128 if signed else 0, 255, 8
        half, byte, shift = (ir.Constant(_PAIRS, [n] * (2 * NUMBERS)) for n in numbers)
        high = [builder.ashr(builder.add(pair, half), shift) for pair in pairs]
        low = [builder.and_(pair, byte) for pair in pairs]
        return _packed(builder, "packsswb", *high), _packed(builder, "packuswb", *low)


def _pairs(builder: ir.IRBuilder, vectors: Sequence[ir.Value]) -> list[ir.Value]:
    return [
        call(builder, "llvm.x86.avx512.packssdw.512", _PAIRS, a, b)
        for a, b in zip(vectors[::2], vectors[1::2], strict=True)
    ]


def _packed(builder: ir.IRBuilder, name: str, a: ir.Value, b: ir.Value) -> ir.Value:
    packed = builder.bitcast(call(builder, f"llvm.x86.avx512.{name}.512", _BYTES, a, b), INTS)
    return builder.bitcast(shuffled(builder, packed, packed, _IN_ORDER), _BYTES)
