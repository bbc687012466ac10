"""Range coding of integer intervals, in many lanes side by side."""

from llmzip.coder.decoder import RangeDecoder
from llmzip.coder.encoder import SymbolIntervals, encode_lanes
from llmzip.coder.partition import MAX_TOTAL

__all__ = ["MAX_TOTAL", "RangeDecoder", "SymbolIntervals", "encode_lanes"]
