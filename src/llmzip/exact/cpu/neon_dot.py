"""NEON with products of bytes (Arm's FEAT_DotProd): 16 of them in one instruction, both signed."""

from __future__ import annotations

import platform
from functools import cache
from typing import Any, ClassVar

from llmzip.compiled.compiler import binding, ir
from llmzip.exact.cpu.instruction_set import Dot, call, i8, i16, i32, shuffled
from llmzip.exact.cpu.simd import ARM
from llmzip.exact.distribution import StepCosts

_SUMS, _BYTES, _WORDS = ir.VectorType(i32, 4), ir.VectorType(i8, 16), ir.VectorType(i16, 8)


class NeonDot(Dot):
    """Thirty-two registers of 4 sums; a four of bytes is taken from where it is in one."""

    FEATURES: ClassVar[tuple[str, ...]] = ("dotprod",)
    MACHINES: ClassVar[tuple[str, ...]] = ARM
    # a guess: no such processor was at hand
    COSTS: ClassVar = StepCosts(few=4, row=0.15, more=0.2, lane=0.04, second=0.05)
    LANES, ROWS, OUTPUTS, FOURS = 4, 4, 16, 4
    MEMBERS, COLUMNS = 4, 16

    @classmethod
    def lacking(cls) -> list[str]:
        """See `InstructionSet.lacking`."""
        return [name for name in cls.FEATURES if name not in known_features()]

    @classmethod
    def dot(cls, builder: ir.IRBuilder, total: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
        """See `Dot.dot`."""
        terms = (builder.bitcast(x, _BYTES) for x in (a, b))
        return call(builder, "llvm.aarch64.neon.sdot.v4i32.v16i8", _SUMS, total, *terms)

    @classmethod
    def pairs_of(cls, builder: ir.IRBuilder, even: ir.Value, odd: ir.Value) -> list[ir.Value]:
        """See `Dot.pairs_of`: four numbers of the even row, then of the odd one."""
        found = []
        for first in range(0, 16, 4):
            four = range(first, first + 4)
            both = shuffled(builder, even, odd, [*four, *(16 + i for i in four)])
            found.append(builder.sext(both, _WORDS))
        return found

    @classmethod
    def dot_pairs(
        cls, builder: ir.IRBuilder, total: ir.Value, pairs: ir.Value, weights: ir.Value
    ) -> ir.Value:
        """See `Dot.dot_pairs`."""
        alike = builder.bitcast(weights, _WORDS)
        for first, order in ((0, [0] * 4), (4, [1] * 4)):
            own = builder.sext(shuffled(builder, pairs, pairs, range(first, first + 4)), _SUMS)
            weight = builder.sext(shuffled(builder, alike, alike, order), _SUMS)
            total = builder.add(total, builder.mul(own, weight))
        return total


@cache
def known_features() -> frozenset[str]:
    """What LLVM will use on this processor: of these features it knows by the name alone."""
    if platform.machine() not in ARM:
        return frozenset()
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    name, others = binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()
    target = binding.Target.from_default_triple()
    return features_made(target.create_target_machine(cpu=name, features=others))


def features_made(machine: Any) -> frozenset[str]:
    """Which features LLVM has a use for in products of bytes, for a machine of its own."""
    found = []
    for feature, extended, instruction in (("dotprod", "sext", "sdot"), ("i8mm", "zext", "usdot")):
        module = binding.parse_assembly(_PRODUCTS.format(extended=extended))
        module.triple = machine.triple
        if instruction in machine.emit_assembly(module):
            found.append(feature)
    return frozenset(found)


_PRODUCTS = """
    define i32 @product(<16 x i8> %a, <16 x i8> %b) {{
        %x = {extended} <16 x i8> %a to <16 x i32>
        %y = sext <16 x i8> %b to <16 x i32>
        %products = mul <16 x i32> %x, %y
        %sum = call i32 @llvm.vector.reduce.add.v16i32(<16 x i32> %products)
        ret i32 %sum
    }}
    declare i32 @llvm.vector.reduce.add.v16i32(<16 x i32>)
"""
