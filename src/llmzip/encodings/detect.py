"""Which encoding some bytes seem to be text in: a guess that costs size where it is wrong.

Every encoding that might be is asked how many bits it needs, by frequencies of characters that
stand here, so that the guess is the same everywhere; a detector from elsewhere would change with
its releases, and files with it.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmzip.encodings.likely import CANDIDATES, UTF_8, Reading
from llmzip.encodings.wide import WIDE, Wide
from llmzip.encodings.wide_likely import BAD_BITS, Units

MAX_SAMPLE_BYTES = 1 << 16
MAX_CONTROL_SHARE = 1 / 64
"""Data with more control characters, but for separators, is no text of single bytes."""

SEPARATORS = (0x01, 0x08, *range(0x1C, 0x20))
"""Control characters that texts have: between fields and records, and of overstriking."""

_IS_LOW = np.zeros(256, dtype=bool)
_IS_LOW[:9] = True
"""Bytes that text of single bytes hardly has, and UTF-16 and UTF-32 cannot do without."""

_IS_NOISE = np.zeros(256, dtype=bool)
_IS_NOISE[[*range(0x09), 0x0B, *range(0x0E, 0x1B), 0x7F]] = True
_IS_NOISE[list(SEPARATORS)] = False


_MIN_ZEROS = {2: 0, 4: 0.45}
_MAX_ZEROS = {2: 0.55, 4: 0.8}
"""Of the bytes of text in such units: of ASCII a half, or three quarters, of others less."""
_MOST_CUT = 4  # bytes of a character of UTF-8
_MIN_OTHERS = 8
"""Of fewer bytes beyond ASCII nothing is gained: a chunk takes two bytes more, a file some ten."""
_FIRST_BYTES = 512
"""What is looked at first: most binary data is told by it."""


@dataclass(frozen=True)
class Found:
    """An encoding, and how many bytes stand before its first character."""

    encoding: str
    n_before: int = 0


def is_plain(data: bytes) -> bool:
    """Whether `data` is UTF-8, and has none of what only text in wide units has much of.

    A character may be cut off at its start, and at its end.
    """
    octets = np.frombuffer(data, dtype=np.uint8)
    is_start = (octets[:_MOST_CUT] & 0xC0) != 0x80  # of a character, not a byte within it
    n_before = int(is_start.argmax()) if is_start.any() else 0
    try:
        codecs.utf_8_decode(data[n_before:], "strict", False)
    except UnicodeDecodeError:
        return False
    return not _IS_LOW[octets].any()


def is_nearly_utf_8(data: bytes) -> bool:
    """Whether `data` is UTF-8 but for stray bytes, as a log has that several programs write to."""
    octets = np.frombuffer(data, dtype=np.uint8)
    n_stray = len(data) - len(data.decode("utf-8", "ignore").encode())
    return n_stray + int(_IS_NOISE[octets].sum()) <= MAX_CONTROL_SHARE * len(data)


def tells_nothing(data: bytes) -> bool:
    """Whether it is hardly anything but ASCII: text in many an encoding may be like that."""
    octets = np.frombuffer(data, dtype=np.uint8)
    return _has_few_others(octets) and not _IS_LOW[octets].any()


def _has_few_others(octets: NDArray[np.uint8]) -> bool:
    return int((octets >= 0x80).sum()) < _MIN_OTHERS


def detect(data: bytes) -> Found | None:
    """Return what `data` seems to be text in; None for UTF-8, and where it seems to be no text."""
    sample = data[:MAX_SAMPLE_BYTES]
    octets = np.frombuffer(sample, dtype=np.uint8)
    if _IS_LOW[octets].any():
        wide = _detect_wide(octets)
        if wide is not None:
            return wide
    if _has_few_others(octets) or _IS_NOISE[octets].sum() > MAX_CONTROL_SHARE * octets.size:
        return None
    return _detect_bytes(sample)


def _detect_wide(octets: NDArray[np.uint8]) -> Found | None:
    """Return the encoding of units, and where they begin, that is likeliest, if one is likely."""
    zeros = 1 - np.count_nonzero(octets) / octets.size
    readings = [
        (units.bits + BAD_BITS * (octets.size - units.n_bytes), n_before, encoding)
        for encoding in WIDE
        if _MIN_ZEROS[encoding.unit] <= zeros <= _MAX_ZEROS[encoding.unit]
        for n_before in range(encoding.unit)
        if Units.of(octets[n_before:_FIRST_BYTES], encoding).may_be
        and (units := Units.of(octets[n_before:], encoding)).are_likely
    ]
    if not readings:
        return None
    _, n_before, encoding = min(readings, key=_bits_and_place)
    return Found(encoding.name, n_before)


def _bits_and_place(reading: tuple[int, int, Wide]) -> tuple[int, int]:
    bits, n_before, _ = reading
    return bits, n_before


def _detect_bytes(sample: bytes) -> Found | None:
    """Return the encoding of one or more bytes a character in which `sample` is likeliest."""
    if is_plain(sample):
        return None
    utf_8 = UTF_8.read(sample)
    best = min((utf_8, *(one.read(sample) for one in CANDIDATES)), key=_bits)
    return None if best is utf_8 or not best.is_likely else Found(best.name)


def _bits(reading: Reading) -> int:
    return reading.bits
