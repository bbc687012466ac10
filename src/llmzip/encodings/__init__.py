"""Encodings of text other than UTF-8: a fixed table, and finding out which one some bytes are in.

What an encoding makes of a text is part of the format (docs/FORMAT.md, *Encodings*), so it may
not depend on anything installed: single bytes have their tables here, UTF-16 and UTF-32 are
arithmetic, and of those with several bytes a character, which Python brings, the whole table is
known by its hash.
"""

from __future__ import annotations

from llmzip.encodings.encoding import Encoding
from llmzip.encodings.multibyte import MultiByte
from llmzip.encodings.single import SingleByte
from llmzip.encodings.single_tables import KOI8_R, WINDOWS_1251, WINDOWS_1252
from llmzip.encodings.wide import WIDE

__all__ = ["ENCODINGS", "Encoding"]

ENCODINGS: dict[str, Encoding] = {
    one.name: one
    for one in (
        *WIDE,
        SingleByte("WINDOWS-1252", WINDOWS_1252),
        SingleByte("WINDOWS-1251", WINDOWS_1251),
        SingleByte("KOI8-R", KOI8_R),
        MultiByte(
            "SHIFT-JIS",
            "cp932",
            "e1769f425e4b66d78ae1526328aabfad4a23417ccfa535025bb7e2ef9b7c4960",
        ),
        MultiByte(
            "EUC-JP",
            "euc_jp",
            "b5e8d85e912148c0ebea2631278dd5cc2a0653b428893d7b9c410ae41181e9bb",
        ),
        MultiByte(
            "GB18030",
            "gb18030",
            "e7b4fb7408e57194ad832115069f54077a4435161404eb6e304cb58ab011239f",
        ),
        MultiByte(
            "BIG5",
            "cp950",
            "c1c4553b4964f35d5d2f415674a6c654076e5d7a8c122059f53e00ad1a3b476a",
        ),
        MultiByte(
            "EUC-KR",
            "cp949",
            "730275d0d53a22b8c2a06a4b25e76fb71b423ee47e2bc566d461f5f613916b57",
        ),
    )
}
"""By the names that chunk kinds have."""
