"""How likely it is that bytes are text in UTF-16 or UTF-32: by which characters they would be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from llmzip.encodings.frequencies import of_japanese, of_korean, of_simplified, of_traditional
from llmzip.encodings.wide import Wide

_SPACE_BITS, _ASCII_BITS, _LETTER_BITS, _IDEOGRAPH_BITS = 3, 5, 8, 11
BAD_BITS = 24
"""What a unit that is no text takes, and a byte that is part of none."""

_LETTERS = (
    *((0xA0, 0x250), (0x370, 0x530), (0x590, 0x700), (0x900, 0xE80), (0x2010, 0x2040)),
    *((0x20A0, 0x2300), (0x2500, 0x2600), (0x3000, 0x3100), (0xFE30, 0xFE50), (0xFEFF, 0xFFF0)),
)
_IDEOGRAPHS = ((0x3400, 0xA000), (0xAC00, 0xE000), (0xF900, 0xFB00))
_KANA = (0x3041, 0x3100)
_ALPHABETS_STOP = 0x2000
_MIN_ASCII_SHARE = 1 / 64
"""Of as many letters some are spaces, stops or line ends, all ASCII; numbers know none."""
_MAX_BAD_SHARE = 1 / 32
_MAX_BITS_OF_IDEOGRAPHS = 14
"""What they may take on average; where all are as frequent they take more."""
_MAX_ASCII_PAIRS = 1 / 2
"""Of units that are printable ASCII in every byte, kana aside: such text would be ideographs."""


@dataclass(frozen=True)
class Units:
    """What bytes are like, read as units. bits: what they need; n_bad: of them no text.

    n_bytes: of those that are part of one. n_letters: of alphabets with spaces between words.
    ideographs: those units that are one.
    """

    bits: int
    n_bytes: int
    n: int
    n_bad: int
    n_ascii_pairs: int
    n_ascii: int
    n_letters: int
    ideographs: NDArray[np.uint32]

    @classmethod
    def of(cls, octets: NDArray[np.uint8], encoding: Wide) -> Units:
        """Read bytes in an encoding; the last unit may be cut off."""
        order = "<" if encoding.codec.endswith("le") else ">"
        n = octets.size // encoding.unit
        whole = octets[: n * encoding.unit]
        units = np.frombuffer(whole.tobytes(), dtype=f"{order}u{encoding.unit}")
        is_beyond = units > 0x10FFFF if encoding.unit == 4 else np.zeros(n, dtype=bool)
        bits = _bits_of_chars()[np.minimum(units, 0xFFFF)]  # beyond it: U+FFFF is no character
        bits = np.where((units > 0xFFFF) & ~is_beyond, np.uint8(_IDEOGRAPH_BITS), bits)
        pairs = _is_printable()[whole].reshape(n, encoding.unit).all(axis=1)
        pairs &= (units < _KANA[0]) | (units >= _KANA[1])
        return cls(
            bits=int(bits.sum()),
            n_bytes=whole.size,
            n=n,
            n_bad=int((bits == BAD_BITS).sum()),
            n_ascii_pairs=int(pairs.sum()),
            n_ascii=int(((units < 0x80) & (bits != BAD_BITS)).sum()),
            n_letters=int(((units >= 0x80) & (units < _ALPHABETS_STOP)).sum()),
            ideographs=units[(bits == _IDEOGRAPH_BITS) & (units <= 0xFFFF)].astype(np.uint32),
        )

    @property
    def may_be(self) -> bool:
        """Whether it is worth reading more."""
        return self.n_bad <= self.n / 4

    @property
    def are_likely(self) -> bool:
        """Whether they may be text."""
        few_bad = self.n_bad <= _MAX_BAD_SHARE * self.n
        few_pairs = self.n_ascii_pairs <= _MAX_ASCII_PAIRS * self.n
        has_spaces = self.n_ascii >= _MIN_ASCII_SHARE * self.n_letters
        return self.n > 0 and few_bad and few_pairs and has_spaces and self._are_usual

    @property
    def _are_usual(self) -> bool:
        """Whether the ideographs, if they are many, are those of texts, as numbers seldom are."""
        bits = int(_bits_of_ideographs()[self.ideographs].sum()) if self.ideographs.size else 0
        return bits <= _MAX_BITS_OF_IDEOGRAPHS * self.ideographs.size + self.n / 2


@cache
def _bits_of_chars() -> NDArray[np.uint8]:
    """Return about how many bits a character takes, for each below U+10000."""
    bits = np.full(1 << 16, BAD_BITS, dtype=np.uint8)
    for ranges, value in ((_LETTERS, _LETTER_BITS), (_IDEOGRAPHS, _IDEOGRAPH_BITS)):
        for start, stop in ranges:
            bits[start:stop] = value
    bits[0x430:0x450] = bits[0x3041:0x3097] = bits[0x3001:0x3003] = _LETTER_BITS - 1
    bits[0x21:0x7F] = _ASCII_BITS + 1
    bits[ord("a") : ord("z") + 1] = bits[[0x09, 0x0A, 0x0D]] = _ASCII_BITS
    bits[0x20] = _SPACE_BITS
    return bits


@cache
def _bits_of_ideographs() -> NDArray[np.uint8]:
    """Return about how many bits each takes in the language that it is most frequent in."""
    languages = (of_japanese, of_simplified, of_traditional, of_korean)
    least: NDArray[np.uint8] = np.minimum.reduce([table() for table in languages])
    return least


@cache
def _is_printable() -> NDArray[np.bool_]:
    """Return of each byte whether it is printable ASCII."""
    found = np.zeros(256, dtype=bool)
    found[0x20:0x7F] = True
    return found
