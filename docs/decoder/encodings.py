"""FORMAT.md, *Encodings*: text in encodings other than UTF-8, kinds 16 to 27.

The tables of single bytes are those of the document, read from there. Python brings those of more
bytes; the document has their hashes.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

from decoder.wire import RefusedError, UnsupportedError

UNITS = {16: "utf-16-le", 17: "utf-16-be", 18: "utf-32-le", 19: "utf-32-be"}
SINGLE = {20: "windows-1252", 21: "windows-1251", 22: "koi8-r"}
SEVERAL = {23: "cp932", 24: "euc_jp", 25: "gb18030", 26: "cp950", 27: "cp949"}
DOCUMENT = Path(__file__).parent.parent / "FORMAT.md"


def least_bytes(kind: int) -> int:
    """What a character takes at least."""
    return {16: 2, 17: 2, 18: 4, 19: 4}.get(kind, 1)


def encode(kind: int, text: str) -> bytes:
    """The bytes of a text, all of whose characters the encoding must have."""
    try:
        if kind in SINGLE:
            table = single(SINGLE[kind])
            return bytes([table[char] for char in text])
        return text.encode(UNITS.get(kind) or several(kind))
    except (KeyError, UnicodeEncodeError) as exc:
        raise RefusedError("a character that the encoding lacks") from exc


@cache
def single(name: str) -> dict[str, int]:
    """The byte of each character, from the document's table of this name."""
    found = re.search(rf"\n    {name}:\n((?:    [0-9A-F ]+\n){{8}})", DOCUMENT.read_text("utf-8"))
    assert found is not None
    upper = [int(number, 16) for number in found[1].split()]
    assert len(upper) == 128
    return {chr(char): byte for byte, char in enumerate([*range(128), *upper])}


@cache
def several(kind: int) -> str:
    """Python's name of an encoding, if its table is the one that the document means."""
    codec = SEVERAL[kind]
    chars = (chr(c) for c in range(0x10000) if not 0xD800 <= c < 0xE000)
    table = "".join(f"{char}\n" for char in chars).encode(codec, "ignore")
    if hashlib.sha256(table).hexdigest() not in DOCUMENT.read_text("utf-8"):
        raise UnsupportedError(f"the table of {codec} in this Python is another")
    return codec
