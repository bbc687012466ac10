"""About how many bits characters take in some languages: less where they are more frequent."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint8]
"""Of each character below U+10000."""

_RARE = 18

_WESTERN = {
    3: "é",
    4: "äüöáóíñçãàè",
    5: "’“”–—…«»„",
    6: "ßêåøæúõâôî",
    8: "ëïûùœÉÄÖÜÅØÆÀÇÁÓÍÑ‘\u00a0§°€£©®·¿¡ºª",
}
_CYRILLIC = {
    3: "о",
    4: "еаинтс",
    5: "рвлкмдп",
    6: "уяыьгзбч",
    7: "йхжш",
    8: "юцщ",
    9: "эфіїєґ«»—№…“”„\u00a0",
    11: "ъё",
}
_CAPITAL = 4  # more bits than the small letter

_JAPANESE = {
    5: "、。",
    7: "ー",
    8: "「」・（）　？！の日人年大本中一会国出上行生分者見事合手前後自気時間用場合文字設定使",
}
_SIMPLIFIED = {
    5: "，。",
    7: "、：；！？“”（）《》",
    8: "的一是不了在人有我他这个们中来上大为和国地到以说时要"
    "就出会可也你对生能而子那得于着下自之年过发后作里",
}
_TRADITIONAL = {
    5: "，。",
    7: "、：；！？「」（）《》",
    8: "的一是不了在人有我他這個們中來上大為和國地到以說時要"
    "就出會可也你對生能而子那得於著下自之年過發後作裡",
}
_KOREAN = {7: "이다는의에가을하고지를한로은기사도인서시대자리어해있으나정수일그라", 9: "“”‘’·"}


def of_any() -> Bits:
    """What any character takes of which nothing is known."""
    return _table({}, rest=10)


def of_western() -> Bits:
    """German, French, Spanish, Portuguese, Italian, the Nordic languages, English."""
    bits = _table(_WESTERN)
    letters = bits[0xC0:0x100]
    letters[letters == _RARE] = 11
    return bits


def of_cyrillic() -> Bits:
    """Russian, and something of its neighbours; frames of boxes."""
    bits = _table(_CYRILLIC)
    bits[0x2500:0x25A0] = 11
    bits[0x410:0x430] = bits[0x430:0x450] + _CAPITAL
    bits[[0x401, 0x404, 0x406, 0x407, 0x490]] = 14
    return bits


def of_japanese() -> Bits:
    """Kana, kanji by the levels of JIS X 0208."""
    bits = _table({})
    bits[_rows("euc_jp", 0xD0, 0xF5)] = 17
    bits[_rows("euc_jp", 0xB0, 0xD0)] = 13
    bits[0x3041:0x3097], bits[0x30A1:0x30FB] = 6, 8
    bits[0xFF01:0xFF5F], bits[0xFF61:0xFFA0] = 11, 16
    return _table(_JAPANESE, bits)


def of_simplified() -> Bits:
    """Chinese characters by the levels of GB 2312."""
    return _chinese(_SIMPLIFIED, "gb2312", {16: (0xD8, 0xF8), 12: (0xB0, 0xD8)})


def of_traditional() -> Bits:
    """Chinese characters by the levels of Big5."""
    return _chinese(_TRADITIONAL, "cp950", {17: (0xC9, 0xFA), 13: (0xA4, 0xC7)})


def of_korean() -> Bits:
    """The syllables of KS X 1001."""
    bits = _table({})
    bits[_rows("euc_kr", 0xB0, 0xC9)] = 11
    return _table(_KOREAN, bits)


def _chinese(chars: dict[int, str], codec: str, levels: Mapping[int, tuple[int, int]]) -> Bits:
    """Return the bits of frequent characters, and of each level by its first bytes."""
    bits = _table({})
    for value, (first, stop) in levels.items():
        bits[_rows(codec, first, stop)] = value
    bits[0xFF01:0xFF5F] = 11
    return _table(chars, bits)


def _table(chars: dict[int, str], bits: Bits | None = None, rest: int = _RARE) -> Bits:
    """Return `bits`, or `rest` for all, with those of `chars` put in."""
    found = np.full(1 << 16, rest, dtype=np.uint8) if bits is None else bits
    for value, those in chars.items():
        found[[ord(char) for char in those]] = value
    return found


def _rows(codec: str, first: int, stop: int) -> list[int]:
    """Return the characters of two bytes whose first is `first` to `stop` (exclusive)."""
    pairs = bytes(
        byte
        for lead in range(first, stop)
        for trail in range(0x40, 0xFF)
        for byte in (lead, trail, 0x0A)
    )
    chars = [ord(char) for char in pairs.decode(codec, "ignore")]
    return [char for char in chars if char >= 0x2000]
