"""Which way the CPU's engine takes: what the processor has, and what a model's widths allow.

All ways give the same integers. The fastest is taken, unless one is asked for, by an argument or
by LLMZIP_WAY: that one or none, so that whoever compares ways knows which has answered.
"""

from __future__ import annotations

import os
from enum import StrEnum

from llmzip.errors import DeviceError
from llmzip.exact.checks import MOST_WIDTH
from llmzip.exact.cpu import simd
from llmzip.exact.cpu.avx512_vnni import Avx512Vnni
from llmzip.exact.cpu.avx_vnni import AvxVnni
from llmzip.exact.cpu.head_blocks import in_blocks
from llmzip.exact.cpu.instruction_set import Dot, InstructionSet
from llmzip.exact.cpu.neon_dot import NeonDot
from llmzip.exact.cpu.neon_i8mm import NeonI8mm
from llmzip.exact.cpu.pairs import Avx2
from llmzip.exact.cpu.tiles import Amx
from llmzip.exact.shape import ModelShape

WAY_VARIABLE = "LLMZIP_WAY"


class Way(StrEnum):
    """How products of int8 are computed, and so how weights and caches lie in memory.

    Each with the instruction set that kernels are compiled for. In order of speed, slowest first;
    those of ARM after those of x86.
    """

    isa: InstructionSet

    def __new__(cls, name: str, isa: InstructionSet | None = None) -> Way:
        """Make a way that is called by its name."""
        way = str.__new__(cls, name)
        way._value_, way.isa = name, InstructionSet() if isa is None else isa
        return way

    PLAIN = "plain"  # torch's products and plain loops
    AVX2 = "avx2", Avx2()  # pairs of int16, for prefill and steps
    AVX_VNNI = "avx-vnni", AvxVnni()  # bytes by bytes in registers of 256 bits
    VNNI = "vnni", Avx512Vnni()  # bytes by bytes, for prefill and steps
    AMX = "amx", Amx()  # tiles, for prefill and steps
    NEON_DOT = "neon-dot", NeonDot()  # bytes by bytes on ARM
    NEON_I8MM = "neon-i8mm", NeonI8mm()  # and matrices of them

    @property
    def dot(self) -> Dot | None:
        """The instruction set, if it is for products of `fours`."""
        return self.isa if isinstance(self.isa, Dot) and not self.isa.IS_TILED else None


def lacking(way: Way) -> list[str]:
    """The instruction sets of a way that this processor lacks, or that are kept from it."""
    return way.isa.lacking()


def known_ways() -> list[Way]:
    """The ways that processors of this kind may have, slowest first."""
    return [way for way in Way if way.isa.is_known()]


def runnable_ways() -> list[Way]:
    """The ways that this processor can take, slowest first."""
    return [way for way in Way if way.isa.is_there()]


def takes(way: Way, shape: ModelShape) -> bool:
    """Whether a way can run models of this shape."""
    fits = not (shape.d_model % simd.BYTES or shape.d_ff % simd.BYTES)
    fits = fits and in_blocks(shape).d_heads <= MOST_WIDTH
    return way is Way.PLAIN or fits


def way_of(shape: ModelShape, asked: str | None = None) -> Way:
    """The way `asked` for, else that in LLMZIP_WAY, else the fastest for a model of this shape.

    Raises DeviceError if the one asked for is not to be had: never is another taken for it.
    """
    if asked:
        return _way_asked_for(asked, shape)
    if from_environment := os.environ.get(WAY_VARIABLE):
        try:
            return _way_asked_for(from_environment, shape)
        except DeviceError as exc:
            raise DeviceError(f"{exc}, or unset {WAY_VARIABLE}") from None
    return next(way for way in reversed(runnable_ways()) if takes(way, shape) and _is_wanted(way))


def _is_wanted(way: Way) -> bool:
    """Whoever tells oneDNN to be an older machine means all of this one but what is asked for."""
    return way is not Way.AMX or "ONEDNN_MAX_CPU_ISA" not in os.environ


def _way_asked_for(asked: str, shape: ModelShape) -> Way:
    if asked not in list(Way):
        raise DeviceError(
            f"no way of computing is called {asked!r}; ask for {_either(runnable_ways())}"
        )
    way = Way(asked)
    if way not in runnable_ways():
        raise DeviceError(
            f"this processor cannot compute the way {way}; ask for {_either(runnable_ways())}"
        )
    if not takes(way, shape):
        raise DeviceError(
            f"the way {way} is for widths that are multiples of {simd.BYTES}, and heads that fill "
            f"blocks of it, which this model's are not (d_model {shape.d_model}, d_ff "
            f"{shape.d_ff}, {shape.n_heads} heads of {shape.d_head}); ask for {Way.PLAIN}"
        )
    return way


def _either(ways: list[Way]) -> str:
    *others, last = (str(way) for way in ways)
    return f"{', '.join(others)} or {last}" if others else last
