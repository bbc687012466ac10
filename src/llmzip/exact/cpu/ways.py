"""Which way the CPU's engine takes: what the processor has, and what a model's widths allow.

All ways give the same integers. The fastest is taken, unless one is asked for, by an argument or
by LLMZIP_WAY: that one or none, so that whoever compares ways knows which has answered.
"""

from __future__ import annotations

import os
from enum import StrEnum

from llmzip.compiled.compiler import binding
from llmzip.errors import DeviceError
from llmzip.exact.cpu import pairs, simd, tiles
from llmzip.exact.shape import ModelShape

WAY_VARIABLE = "LLMZIP_WAY"


class Way(StrEnum):
    """How products of int8 are computed, and so how weights and caches lie in memory.

    In order of speed, slowest first.
    """

    PLAIN = "plain"  # torch's products and plain loops
    AVX2 = "avx2"  # pairs of int16, for prefill and steps
    VNNI = "vnni"  # AVX512-VNNI: bytes by bytes, for prefill and steps
    AMX = "amx"  # tiles, for prefill and steps


FEATURES: dict[Way, tuple[str, ...]] = {
    Way.PLAIN: (),
    Way.AVX2: pairs.FEATURES,
    Way.VNNI: simd.FEATURES,
    Way.AMX: (*simd.FEATURES, *tiles.FEATURES),
}
"""The instruction sets that a way asks for, by LLVM's names."""


def lacking(way: Way) -> list[str]:
    """The instruction sets of a way that this processor lacks, or that are kept from it."""
    features = binding.get_host_cpu_features()
    return [name for name in FEATURES[way] if not features.get(name, False)]


def runnable_ways() -> list[Way]:
    """The ways that this processor can take, slowest first."""
    there = {Way.AVX2: pairs.AVAILABLE, Way.VNNI: simd.AVAILABLE, Way.AMX: tiles.AVAILABLE}
    return [way for way in Way if there.get(way, True)]


def takes(way: Way, shape: ModelShape) -> bool:
    """Whether a way can run models of this shape."""
    widths = (shape.d_model, shape.d_ff, shape.d_heads)
    wide = shape.d_head == simd.BYTES and not any(width % simd.BYTES for width in widths)
    return way is Way.PLAIN or wide


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
        raise DeviceError(f"no way of computing is called {asked!r}; ask for {_either(Way)}")
    way = Way(asked)
    if way not in runnable_ways():
        raise DeviceError(
            f"this processor cannot compute the way {way}; ask for {_either(runnable_ways())}"
        )
    if not takes(way, shape):
        raise DeviceError(
            f"the way {way} is for heads {simd.BYTES} wide and widths that are multiples of that, "
            f"which this model's are not (heads {shape.d_head}, d_model {shape.d_model}, "
            f"d_ff {shape.d_ff}); ask for {Way.PLAIN}"
        )
    return way


def _either(ways: type[Way] | list[Way]) -> str:
    *others, last = (str(way) for way in ways)
    return f"{', '.join(others)} or {last}" if others else last
