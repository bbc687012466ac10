"""The encoding side of the range coder: all lanes at once, one symbol a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from llmzip.coder.partition import (
    DIGIT_BITS,
    FIRST_DIGIT_SHIFT,
    FIRST_WIDTH,
    MAX_TOTAL,
    MIN_WIDTH,
    U64,
    shortest_offset,
    spans,
)

_MAX_DIGITS_PER_SYMBOL = 6
_FIRST_CAPACITY = 4096  # digits a lane; doubled when needed


class SymbolIntervals(Protocol):
    """Where each symbol of a sequence lies in its distribution: uint64, shape (n_symbols,).

    1 <= freq; low + freq <= total <= MAX_TOTAL.
    """

    @property
    def low(self) -> U64:
        """Sum of the frequencies below the symbol."""

    @property
    def freq(self) -> U64:
        """The symbol's own frequency."""

    @property
    def total(self) -> U64:
        """Sum of all frequencies."""


def encode_lanes(lanes: Sequence[SymbolIntervals]) -> list[bytes]:
    """Encode each sequence by itself, all side by side; return their payloads in order.

    A payload depends on its own sequence alone. It is at most one byte longer than the
    sum of log2(total / freq) over the sequence, up to rounding; it never ends in a zero
    byte, and may be empty.

    Raises:
        ValueError: an interval breaks the rules of SymbolIntervals.
    """
    if not lanes:
        return []
    for intervals in lanes:
        _check(intervals)
    low = _by_step([intervals.low for intervals in lanes], 0)
    # A lane that has ended goes on with symbols of probability 1, which change nothing.
    freq = _by_step([intervals.freq for intervals in lanes], 1)
    total = _by_step([intervals.total for intervals in lanes], 1)
    encoder = _LaneEncoder(len(lanes))
    for step in zip(low, freq, total, strict=True):
        encoder.push(*step)
    return [encoder.finish(lane) for lane in range(len(lanes))]


def _check(intervals: SymbolIntervals) -> None:
    low, freq, total = intervals.low, intervals.freq, intervals.total
    if not (low.ndim == 1 and low.shape == freq.shape == total.shape):
        shapes = f"{low.shape}, {freq.shape}, {total.shape}"
        raise ValueError(f"low, freq and total must be vectors of one length, not {shapes}")
    if not (low.dtype == freq.dtype == total.dtype == np.uint64):
        raise ValueError(f"low, freq and total must be uint64, not {low.dtype}, {freq.dtype}, …")
    # In this order no comparison can be fooled by a sum that wraps round.
    bad = (total > MAX_TOTAL) | (freq < 1) | (freq > total) | (low > total - freq)
    if bad.any():
        i = int(np.argmax(bad))
        values = f"low {low[i]}, freq {freq[i]}, total {total[i]}"
        raise ValueError(f"interval of symbol {i} is not one: {values}")


def _by_step(columns: Sequence[U64], padding: int) -> U64:
    """Stack lanes of different lengths into shape (n_steps, n_lanes)."""
    n_steps = max(column.size for column in columns)
    table = np.full((n_steps, len(columns)), padding, dtype=np.uint64)
    for lane, column in enumerate(columns):
        table[: column.size, lane] = column
    return table


class _LaneEncoder:
    """State of all lanes.

    Digits are written at once, before it is known whether a later symbol carries into
    them. A carry is noted beside the digit it goes to, and all are added up in the end.
    An interval never reaches beyond the end of the one before, so after a carry there
    can be no second one into the same digit, and none at all above the first digit.
    """

    def __init__(self, n_lanes: int) -> None:
        self._low = np.zeros(n_lanes, dtype=np.uint64)
        self._width = np.full(n_lanes, FIRST_WIDTH, dtype=np.uint64)
        self._n_digits = np.zeros(n_lanes, dtype=np.int64)
        self._digits: NDArray[np.uint8] = np.zeros((n_lanes, _FIRST_CAPACITY), dtype=np.uint8)
        self._carries: NDArray[np.uint8] = np.zeros_like(self._digits)
        self._n_digits_bound = 0  # of any lane: cheaper than asking for the maximum each step

    def push(self, low: U64, freq: U64, total: U64) -> None:
        """Code one symbol in each lane."""
        begin, self._width = spans(self._width, low, freq, total)
        self._low += begin
        carried = np.flatnonzero(self._low < begin)
        if carried.size:
            self._carries[carried, self._n_digits[carried] - 1] = 1
        self._make_room()
        narrow = np.flatnonzero(self._width < MIN_WIDTH)
        while narrow.size:
            self._shift(narrow)
            narrow = narrow[self._width[narrow] < MIN_WIDTH]

    def _shift(self, lanes: NDArray[np.int64]) -> None:
        """Write one digit in each of `lanes`."""
        low = self._low[lanes]
        self._digits[lanes, self._n_digits[lanes]] = low >> FIRST_DIGIT_SHIFT
        self._n_digits[lanes] += 1
        self._low[lanes] = low << DIGIT_BITS
        self._width[lanes] <<= DIGIT_BITS

    def _make_room(self) -> None:
        """Widen the digits where the next symbol might not fit."""
        self._n_digits_bound += _MAX_DIGITS_PER_SYMBOL
        if self._n_digits_bound <= self._digits.shape[1]:
            return
        self._n_digits_bound = int(self._n_digits.max()) + _MAX_DIGITS_PER_SYMBOL
        if self._n_digits_bound > self._digits.shape[1]:
            self._digits = np.hstack([self._digits, np.zeros_like(self._digits)])
            self._carries = np.hstack([self._carries, np.zeros_like(self._carries)])

    def finish(self, lane: int) -> bytes:
        """Return the payload: the shortest number in the lane's interval, less trailing zeros."""
        n = int(self._n_digits[lane])
        written, carries = (d[lane, :n].tobytes() for d in (self._digits, self._carries))
        low = int(self._low[lane])
        above = int.from_bytes(written) + int.from_bytes(carries)
        number = (above << 64) + low + shortest_offset(low, int(self._width[lane]))
        return number.to_bytes(n + 8).rstrip(b"\0")
