"""How likely it is that bytes are text in an encoding of one or more bytes a character.

A reading of some bytes takes so many bits, by frequencies of characters in the languages that the
encoding is for, in whole bits; what is likelier takes less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from llmzip.encodings import frequencies
from llmzip.encodings.frequencies import Bits
from llmzip.encodings.single_tables import KOI8_R, WINDOWS_1251, WINDOWS_1252

_ASCII_BITS = 5
_BAD_BITS = 24
_REPLACEMENT = 0xFFFD  # what Python makes of bytes that are no text
_MAX_BITS = 13
_MAX_BITS_OF_ALPHABETS = 10
"""What a character that is not ASCII may take on average: noise takes more in any encoding."""
_MAX_BAD_SHARE = 1 / 32
_N_CUT = 2  # characters that may be cut off, at the start and at the end

Chars = NDArray[np.uint32]


@dataclass(frozen=True)
class Reading:
    """Some bytes, read in an encoding. bits: for all of them; n_bad: of them no text."""

    name: str
    bits: int
    n_ascii: int
    n_other: int
    n_bad: int
    max_bits: int

    @property
    def is_likely(self) -> bool:
        """Whether it may be text."""
        few_bad = self.n_bad <= _MAX_BAD_SHARE * self.n_other + _N_CUT
        return few_bad and self.bits - _ASCII_BITS * self.n_ascii <= self.max_bits * self.n_other


@dataclass(frozen=True)
class Candidate:
    """An encoding that bytes may be in.

    read_chars: bytes to characters, U+FFFD for what is none. table: the bits of characters.
    more: bits for how they stand beside each other. max_bits: that a character may take on average.
    """

    name: str
    read_chars: Callable[[bytes], Chars]
    table: Callable[[], Bits]
    more: Callable[[Chars], int] = lambda _: 0
    max_bits: int = _MAX_BITS

    def read(self, sample: bytes) -> Reading:
        """Return what `sample` is like in this encoding."""
        chars = self.read_chars(sample)
        is_ascii = chars < 0x80
        n_ascii = int(is_ascii.sum())
        n_bad = int((chars == _REPLACEMENT).sum())
        others = self._bits[np.minimum(chars[~is_ascii], 0xFFFF)]
        bits = _ASCII_BITS * n_ascii + int(others.sum()) + self.more(chars)
        return Reading(self.name, bits, n_ascii, others.size, n_bad, self.max_bits)

    @cached_property
    def _bits(self) -> Bits:
        bits = self.table()
        bits[_REPLACEMENT] = _BAD_BITS
        return bits


def _by_codec(codec: str) -> Callable[[bytes], Chars]:
    def read(sample: bytes) -> Chars:
        text = sample.decode(codec, "replace")
        return np.frombuffer(text.encode("utf-32-le", "replace"), dtype="<u4")

    return read


def _by_table(upper: str) -> Callable[[bytes], Chars]:
    chars = np.array([*range(128), *map(ord, upper)], dtype=np.uint32)
    return lambda sample: chars[np.frombuffer(sample, dtype=np.uint8)]


def _of_western(chars: Chars) -> int:
    """Letters with accents seldom follow each other."""
    is_letter = (chars >= 0xC0) & (chars <= 0xFF)
    return 4 * int((is_letter[1:] & is_letter[:-1]).sum())


def _of_cyrillic(chars: Chars) -> int:
    """Words are of one alphabet, and capitals begin them or follow each other."""
    is_cyrillic = (chars >= 0x400) & (chars < 0x500)
    lower = chars | 0x20
    is_latin = (lower >= ord("a")) & (lower <= ord("z"))
    n_mixed = (is_cyrillic[1:] & is_latin[:-1]) | (is_latin[1:] & is_cyrillic[:-1])
    is_capital = is_cyrillic & (chars < 0x430)
    n_inside = is_capital[1:] & is_cyrillic[:-1] & ~is_capital[:-1]
    return 6 * int(n_mixed.sum()) + 5 * int(n_inside.sum())


def _alphabet(
    name: str, upper: str, table: Callable[[], Bits], more: Callable[[Chars], int]
) -> Candidate:
    return Candidate(name, _by_table(upper), table, more, _MAX_BITS_OF_ALPHABETS)


UTF_8 = Candidate("UTF-8", _by_codec("utf-8"), frequencies.of_any)

CANDIDATES = (
    _alphabet("WINDOWS-1252", WINDOWS_1252, frequencies.of_western, _of_western),
    _alphabet("WINDOWS-1251", WINDOWS_1251, frequencies.of_cyrillic, _of_cyrillic),
    _alphabet("KOI8-R", KOI8_R, frequencies.of_cyrillic, _of_cyrillic),
    Candidate("SHIFT-JIS", _by_codec("cp932"), frequencies.of_japanese),
    Candidate("EUC-JP", _by_codec("euc_jp"), frequencies.of_japanese),
    Candidate("GB18030", _by_codec("gb18030"), frequencies.of_simplified),
    Candidate("BIG5", _by_codec("cp950"), frequencies.of_traditional),
    Candidate("EUC-KR", _by_codec("cp949"), frequencies.of_korean),
)
