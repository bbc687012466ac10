"""Where a copy had better begin and end: what is cut off of it goes to the model as text.

A character that is cut in two is no text for the model, and half a word is a poor one. A few
bytes more for the model cost less than that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_TRIMMED_BYTES = 16
_CONTINUED, _BEGINS = 0x80, 0xC0  # the least of the bytes that go on with, or begin, a character
_MOST_CONTINUED = 3
_WIDE_BYTES = 4
_LINE_END, _NUL = 0x0A, 0x00


def trimmed(group: NDArray[np.uint8], start: int, stop: int) -> tuple[int, int]:
    """Return start and stop of a copy within a group, moved inwards a little where that is good.

    The edges of the group stay, as there is nothing beyond.
    """
    if start > 0:
        start = _later(group, start, stop)
    if stop < len(group):
        stop = _earlier(group, start, stop)
    return start, stop


def _later(group: NDArray[np.uint8], start: int, stop: int) -> int:
    ahead = group[start : min(stop, start + MOST_TRIMMED_BYTES)].tobytes()
    if _NUL in ahead:  # characters of two or four bytes, or no text
        return min(stop, -(-start // _WIDE_BYTES) * _WIDE_BYTES)
    if group[start - 1] == _LINE_END:
        return start
    line_end = ahead.find(_LINE_END)
    return start + (line_end + 1 if line_end >= 0 else _n_continued(ahead))


def _earlier(group: NDArray[np.uint8], start: int, stop: int) -> int:
    behind = group[max(start, stop - MOST_TRIMMED_BYTES) : stop].tobytes()
    if _NUL in behind:
        return max(start, stop // _WIDE_BYTES * _WIDE_BYTES)
    line_end = behind.rfind(_LINE_END)
    if line_end >= 0:
        return stop - len(behind) + line_end + 1
    if not _n_continued(group[stop : stop + _MOST_CONTINUED].tobytes()):
        return stop
    for n in range(1, min(_MOST_CONTINUED, len(behind)) + 1):
        if not _is_continued(behind[-n]):
            return stop - n if behind[-n] >= _BEGINS else stop
    return stop


def _n_continued(data: bytes) -> int:
    """Return with how many bytes that continue a character `data` begins; 0 if it is too many."""
    n = 0
    while n < len(data) and _is_continued(data[n]):
        n += 1
    return n if n <= _MOST_CONTINUED else 0


def _is_continued(byte: int) -> bool:
    return _CONTINUED <= byte < _BEGINS
