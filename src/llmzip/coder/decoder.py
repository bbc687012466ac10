"""The decoding side of the range coder: lanes that are opened and closed while others run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmzip.coder.partition import (
    DIGIT_BITS,
    FIRST_WIDTH,
    MIN_WIDTH,
    U64,
    shortest_offset,
    spans,
    unit_at,
)
from llmzip.errors import CorruptError

Lanes = NDArray[np.int64]

_WINDOW_BYTES = 8


class RangeDecoder:
    """Decodes several payloads of `encode_lanes` side by side.

    For each symbol: ask `targets` with the totals of the lanes' distributions, find the
    symbols whose intervals hold them, tell `consume` what they are. `close` a lane after
    its last symbol. Lanes are named by number; those in one call must be distinct. A
    damaged payload gives wrong symbols, never an exception but CorruptError.

    Of a lane's number the decoder keeps how far it lies above the lower end of the
    interval (`offset`, always less than the width), and the last 64 bits that it has read
    (`window`), from which `close` can tell the lower end itself.
    """

    def __init__(self, n_lanes: int) -> None:
        self._offset = np.zeros(n_lanes, dtype=np.uint64)
        self._width = np.full(n_lanes, FIRST_WIDTH, dtype=np.uint64)
        self._window = np.zeros(n_lanes, dtype=np.uint64)
        self._n_read = np.zeros(n_lanes, dtype=np.int64)
        self._n_bytes = [0] * n_lanes
        # Payloads, padded with zeros as the format wants; the last column stays zero.
        self._payloads: NDArray[np.uint8] = np.zeros((n_lanes, 1), dtype=np.uint8)

    def open(self, lane: int, payload: bytes) -> None:
        """Start decoding `payload` in `lane`, whatever was there before.

        Raises:
            CorruptError: no encoder writes such a payload.
        """
        if payload.endswith(b"\0"):
            raise CorruptError("coded data ends in a zero byte; the file is damaged")
        first = int.from_bytes(payload[:_WINDOW_BYTES].ljust(_WINDOW_BYTES, b"\0"))
        if first >= FIRST_WIDTH:
            raise CorruptError("coded data lies outside every interval; the file is damaged")
        self._offset[lane] = self._window[lane] = first
        self._width[lane] = FIRST_WIDTH
        self._n_read[lane] = _WINDOW_BYTES
        self._n_bytes[lane] = len(payload)
        self._store(lane, payload)

    def _store(self, lane: int, payload: bytes) -> None:
        missing = len(payload) + 1 - self._payloads.shape[1]
        if missing > 0:
            self._payloads = np.pad(self._payloads, ((0, 0), (0, missing)))
        self._payloads[lane, : len(payload)] = np.frombuffer(payload, dtype=np.uint8)
        self._payloads[lane, len(payload) :] = 0

    def targets(self, lanes: Lanes, totals: U64) -> U64:
        """Return which unit, 0 .. total - 1, of its distribution each of `lanes` has coded."""
        return unit_at(self._width[lanes], self._offset[lanes], totals)

    def consume(self, lanes: Lanes, low: U64, freq: U64, totals: U64) -> None:
        """Go on to the next symbol of `lanes`: the present one is [low, low + freq) of totals.

        The interval must hold the target: low <= target < low + freq.
        """
        begin, size = spans(self._width[lanes], low, freq, totals)
        self._offset[lanes] -= begin
        self._width[lanes] = size
        narrow = lanes[size < MIN_WIDTH]
        while narrow.size:
            self._shift(narrow)
            narrow = narrow[self._width[narrow] < MIN_WIDTH]

    def _shift(self, lanes: Lanes) -> None:
        """Read one digit in each of `lanes`."""
        columns = np.minimum(self._n_read[lanes], self._payloads.shape[1] - 1)
        digits = self._payloads[lanes, columns].astype(np.uint64)
        self._n_read[lanes] += 1
        self._offset[lanes] = (self._offset[lanes] << DIGIT_BITS) | digits
        self._window[lanes] = (self._window[lanes] << DIGIT_BITS) | digits
        self._width[lanes] <<= DIGIT_BITS

    def settled(self, lane: int) -> int:
        """Return how many of the payload's first bytes the symbols of `lane` leave no doubt of.

        Every payload that is decoded to these symbols, whatever comes after them, begins with
        those bytes; zeros that a payload is padded with count.
        """
        n = int(self._n_read[lane]) - _WINDOW_BYTES
        low = int(self._window[lane]) - int(self._offset[lane])
        if 0 <= low <= (1 << 64) - int(self._width[lane]):
            return n
        # The interval reaches beyond the last digits' own: a borrow from above, or a carry into it.
        digits = self._payloads[lane, :n].tobytes().ljust(n, b"\0")
        return max(0, len(digits.rstrip(b"\0" if low < 0 else b"\xff")) - 1)

    def close(self, lane: int) -> None:
        """End `lane` after its last symbol, and verify that its payload ends there too.

        Raises:
            CorruptError: the encoder would have ended the payload otherwise: it is damaged,
                or the symbols consumed are not those that were coded.
        """
        if self._n_bytes[lane] > self._n_read[lane]:
            surplus = self._n_bytes[lane] - int(self._n_read[lane])
            raise CorruptError(f"coded data has {surplus} bytes too many; the file is damaged")
        offset = int(self._offset[lane])
        low = (int(self._window[lane]) - offset) % (1 << 64)
        if offset != shortest_offset(low, int(self._width[lane])):
            raise CorruptError("coded data does not end where its symbols do; the file is damaged")
