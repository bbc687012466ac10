"""Sentences in languages that have had encodings of their own, by the encodings' names."""

from __future__ import annotations

import random

GERMAN = "Über den Bäumen hängt früh der Nebel, und größer wird die Mühe, wenn es regnet. "
FRENCH = "L’été dernier, nous étions déjà très loin : où êtes-vous allés, à la forêt ? "
RUSSIAN = "Утром над рекой стоял туман, и никто не знал, когда придёт первый поезд. "
JAPANESE = "朝の川には霧がかかり、最初の列車がいつ来るのか誰も知らなかった。"
SIMPLIFIED = "早上河面上有雾，没有人知道第一班火车什么时候来，我们就在这里等了很久。"
TRADITIONAL = "早上河面上有霧，沒有人知道第一班火車什麼時候來，我們就在這裡等了很久。"
KOREAN = "아침에 강에는 안개가 있었고 첫 기차가 언제 오는지 아무도 알지 못했다. "
ENGLISH = "In the morning there was mist over the river, and nobody knew of a train. "

TEXTS = {
    "UTF-16LE": ENGLISH,
    "UTF-16BE": ENGLISH,
    "UTF-32LE": ENGLISH,
    "UTF-32BE": ENGLISH,
    "WINDOWS-1252": GERMAN,
    "WINDOWS-1251": RUSSIAN,
    "KOI8-R": RUSSIAN,
    "SHIFT-JIS": JAPANESE,
    "EUC-JP": JAPANESE,
    "GB18030": SIMPLIFIED,
    "BIG5": TRADITIONAL,
    "EUC-KR": KOREAN,
}

CODECS = {
    "UTF-16LE": "utf-16-le",
    "UTF-16BE": "utf-16-be",
    "UTF-32LE": "utf-32-le",
    "UTF-32BE": "utf-32-be",
    "WINDOWS-1252": "cp1252",
    "WINDOWS-1251": "cp1251",
    "KOI8-R": "koi8_r",
    "SHIFT-JIS": "cp932",
    "EUC-JP": "euc_jp",
    "GB18030": "gb18030",
    "BIG5": "cp950",
    "EUC-KR": "cp949",
}
"""Python's names."""


def varied(name: str, n_lines: int) -> bytes:
    """Return lines of random pieces of the sentence in the encoding: no codec's easy prey."""
    chance, text = random.Random(name), TEXTS[name] * 2
    starts = [chance.randrange(len(TEXTS[name])) for _ in range(5 * n_lines)]
    pieces = [text[start : start + chance.randrange(3, 12)] for start in starts]
    lines = ["".join(pieces[at : at + 5]) for at in range(0, len(pieces), 5)]
    return "\n".join(lines).encode(CODECS[name])


def written(name: str, times: int = 1) -> bytes:
    """Return lines of the sentence in the encoding."""
    return "\n".join([TEXTS[name]] * times).encode(CODECS[name])
