"""Which way the CPU's engine takes: what the processor has, and what a model's widths allow."""

from __future__ import annotations

from enum import Enum

from llmzip.exact.cpu import pairs, simd, tiles
from llmzip.exact.model import ModelShape


class Way(Enum):
    """How products of int8 are computed, and so how weights and caches lie in memory."""

    TILES = "AMX tiles, for prefill and steps"
    VECTORS = "AVX512-VNNI for steps, torch's products for prefill"
    PAIRS = "AVX2 on pairs of int16, for prefill and steps"
    PLAIN = "torch's products and plain loops"


def way_of(shape: ModelShape) -> Way:
    """The fastest way for a model of this shape on this processor."""
    widths = (shape.d_model, shape.d_ff, shape.n_heads * shape.d_head)
    if shape.d_head != simd.BYTES or any(width % simd.BYTES for width in widths):
        return Way.PLAIN
    if tiles.AVAILABLE:
        return Way.TILES
    if simd.AVAILABLE:
        return Way.VECTORS
    return Way.PAIRS if pairs.AVAILABLE else Way.PLAIN
