"""AVX-VNNI: products of 32 bytes in one instruction, for processors that have no AVX-512."""

from __future__ import annotations

from typing import ClassVar

from llmzip.exact.cpu.instruction_set import lacking
from llmzip.exact.cpu.x86 import Vnni
from llmzip.exact.distribution import StepCosts


class AvxVnni(Vnni):
    """Sixteen registers of 8 sums."""

    FEATURES: ClassVar[tuple[str, ...]] = ("avx2", "avxvnni")
    # as measured, of SmolLM2-135M with some 400 positions in view, by a processor that has AVX-512
    COSTS: ClassVar = StepCosts(few=6, row=0.1, more=0.115, lane=0.05, second=0.02)
    LANES, ROWS, OUTPUTS = 8, 6, 16
    MEMBERS, COLUMNS = 3, 32

    @classmethod
    def is_had(cls) -> bool:
        """Whether the processor has it, or the same as a part of AVX-512."""
        return super().is_had() or not lacking(("avx2", "avx512vnni", "avx512vl"))
