"""An encoder in unbounded integers, slow and simple, and helpers around the decoders."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoder import rangecoder
from decoder.wire import require
from llmzip.coder import RangeDecoder

U64 = NDArray[np.uint64]
Symbol = tuple[int, int, int]  # low, freq, total


@dataclass(frozen=True)
class Lane:
    """A sequence of intervals, as `encode_lanes` takes them."""

    low: U64
    freq: U64
    total: U64


def lane(symbols: list[Symbol]) -> Lane:
    columns = np.array(symbols, dtype=np.uint64).reshape(-1, 3).T
    return Lane(*(np.ascontiguousarray(column) for column in columns))


def ideal_bytes(symbols: list[Symbol]) -> float:
    return math.fsum(math.log2(total / freq) for _, freq, total in symbols) / 8


def confined(symbols: list[Symbol]) -> tuple[int, int, int]:
    """Confine a number of ever more digits to ever smaller intervals: (low, width, n_digits)."""
    low, width, n_digits = 0, 2**64 - 256, 8
    for first, freq, total in symbols:
        unit, spare = divmod(width, total)
        begin = first * unit + min(first, spare)
        end = (first + freq) * unit + min(first + freq, spare)
        low, width = low + begin, end - begin
        while width < 2**56:
            low, width, n_digits = low * 256, width * 256, n_digits + 1
    return low, width, n_digits


def reference_encode(symbols: list[Symbol]) -> bytes:
    """Write the shortest number in the last interval."""
    low, width, n_digits = confined(symbols)
    for n in range(n_digits + 1):
        rest: int = 256 ** (n_digits - n)
        number = -(-low // rest)
        if number * rest < low + width:
            return number.to_bytes(n)
    raise AssertionError("an interval holds its own lower end")


def documented_decode(payload: bytes, symbols: list[Symbol]) -> list[int]:
    """Decode as the document tells; return the targets, or raise RefusedError."""
    decoder = rangecoder.RangeDecoder(payload)
    targets = []
    for low, freq, total in symbols:
        targets.append(decoder.target(total))
        require(low <= targets[-1] < low + freq, "other symbols")
        decoder.consume(low, freq, total)
    decoder.finish()
    return targets


def decode(decoder: RangeDecoder, i_lane: int, payload: bytes, symbols: list[Symbol]) -> bool:
    """Decode with the known intervals; return whether every target lies in its own."""
    lanes = np.array([i_lane])
    decoder.open(i_lane, payload)
    for low, freq, total in symbols:
        totals = np.array([total], dtype=np.uint64)
        target = int(decoder.targets(lanes, totals)[0])
        assert 0 <= target < total
        if not low <= target < low + freq:
            return False
        decoder.consume(
            lanes, np.array([low], dtype=np.uint64), np.array([freq], dtype=np.uint64), totals
        )
    decoder.close(i_lane)
    return True
