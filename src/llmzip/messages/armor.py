"""Codes of messages as text: for chat lines, URLs, QR codes. Whitespace does no harm to it.

In base45 a space is a character like any other; but no code ends with one, and line ends and
tabs are none.

base64url: RFC 4648, section 5, without padding. base45: RFC 9285, the characters that a QR code
holds cheapest. base91: 13 or 14 bits in two printable characters (docs/FORMAT.md, *Messages*).
ascii85: as Adobe's, without its marks. qr: base45, drawn.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from llmzip.errors import CorruptError, UsageError

_BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_BASE91 = (
    'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&()*+,./:;<=>?@[]^_`{|}~"'
)
_BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_ASCII85 = "".join(map(chr, range(33, 118)))
_SPACE = re.compile(r"\s+")
_SPACE_BUT_BLANKS = re.compile(r"[^\S ]+")


@dataclass(frozen=True)
class Armor:
    """A way to write bytes as text.

    shown: what a person is given, where that is not `encode`. space: what is passed over.
    """

    encode: Callable[[bytes], str]
    decode: Callable[[str], bytes]
    shown: Callable[[bytes], str] | None = None
    space: re.Pattern[str] = _SPACE


def armored(code: bytes, name: str) -> str:
    """Return the text of a code, one line (or a drawing) without its end. Raises UsageError."""
    armor = ARMORS[name]
    return (armor.shown or armor.encode)(code)


def disarmed(text: str, name: str) -> bytes:
    """Return the code that a text holds.

    Raises CorruptError, which says where, for what no code is written like; characters are
    counted without whitespace.
    """
    armor = ARMORS[name]
    return armor.decode(armor.space.sub("", text.rstrip()))


def _refuse_otherwise_written(text: str, as_written: str, name: str) -> None:
    """Raise CorruptError where a text is not how its code is written."""
    if text != as_written:
        pairs = enumerate(zip(text, as_written, strict=False))
        at = next((i for i, (one, other) in pairs if one != other), min(len(text), len(as_written)))
        raise CorruptError(
            f"from character {at + 1} on this is not how {name} is written: it was cut or changed"
        )


def _refuse_others(text: str, alphabet: str, name: str) -> None:
    for at, char in enumerate(text):
        if char not in alphabet:
            raise CorruptError(f"{char!r}, character {at + 1}, is none of {name}'s")


def _to_base64url(code: bytes) -> str:
    return base64.urlsafe_b64encode(code).decode("ascii").rstrip("=")


def _from_base64url(text: str) -> bytes:
    text = text.rstrip("=").replace("+", "-").replace("/", "_")
    _refuse_others(text, _BASE64URL, "base64url")
    if len(text) % 4 == 1:
        raise CorruptError(
            f"after character {len(text)} one of base64url is missing, or that is one too many"
        )
    code = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    _refuse_otherwise_written(text, _to_base64url(code), "base64url")
    return code


def _to_base45(code: bytes) -> str:
    digits = []
    for at in range(0, len(code), 2):
        number, count = int.from_bytes(code[at : at + 2]), 3 if at + 1 < len(code) else 2
        for _ in range(count):
            number, digit = divmod(number, 45)
            digits.append(_BASE45[digit])
    return "".join(digits)


def _from_base45(text: str) -> bytes:
    _refuse_others(text, _BASE45, "base45")
    code = bytearray()
    for at in range(0, len(text), 3):
        group = text[at : at + 3]
        number = sum(_BASE45.index(char) * 45**place for place, char in enumerate(group))
        n_bytes = len(group) - 1
        if not n_bytes or number >= 256**n_bytes:
            raise CorruptError(f"{group!r}, from character {at + 1} on, is no group of base45")
        code += number.to_bytes(n_bytes)
    return bytes(code)


def _to_base91(code: bytes) -> str:
    bits, n_bits, chars = 0, 0, []
    for byte in code:
        bits |= byte << n_bits
        n_bits += 8
        if n_bits > 13:
            size = 13 if bits & 8191 > 88 else 14
            pair, bits, n_bits = bits & (1 << size) - 1, bits >> size, n_bits - size
            chars += [_BASE91[pair % 91], _BASE91[pair // 91]]
    if n_bits:
        chars.append(_BASE91[bits % 91])
        if n_bits > 7 or bits > 90:
            chars.append(_BASE91[bits // 91])
    return "".join(chars)


def _from_base91(text: str) -> bytes:
    _refuse_others(text, _BASE91, "base91")
    bits, n_bits, code = 0, 0, bytearray()
    for at in range(0, len(text) - 1, 2):
        pair = _BASE91.index(text[at]) + 91 * _BASE91.index(text[at + 1])
        bits |= pair << n_bits
        n_bits += 13 if pair & 8191 > 88 else 14
        while n_bits > 7:
            code.append(bits & 255)
            bits, n_bits = bits >> 8, n_bits - 8
    if len(text) % 2:
        code.append((bits | _BASE91.index(text[-1]) << n_bits) & 255)
    _refuse_otherwise_written(text, _to_base91(bytes(code)), "base91")
    return bytes(code)


def _to_ascii85(code: bytes) -> str:
    return base64.a85encode(code).decode("ascii")


def _from_ascii85(text: str) -> bytes:
    _refuse_others(text, _ASCII85 + "z", "ascii85")
    code, at = bytearray(), 0
    while at < len(text):
        group = text[at : at + (1 if text[at] == "z" else 5)]
        code += _ascii85_group(group, at)
        at += len(group)
    return bytes(code)


def _ascii85_group(group: str, at: int) -> bytes:
    """Return what a group from that place on stands for; four zeros may be z or !!!!!."""
    with suppress(ValueError):
        code = base64.a85decode(group)
        if _to_ascii85(code) in (group, "z"):
            return code
    raise CorruptError(f"{group!r}, from character {at + 1} on, is no group of ascii85")


def _drawn(code: bytes) -> str:
    """Return a QR code in blocks of text. Raises UsageError where the library is missing."""
    import io

    try:
        import segno  # type: ignore[import-untyped,unused-ignore]
    except ImportError as exc:
        raise UsageError("drawing QR codes needs segno: pip install 'llmzip[qr]'") from exc
    drawing = io.StringIO()
    try:
        segno.make(_to_base45(code), micro=False).terminal(drawing, compact=True)
    except segno.DataOverflowError as exc:
        raise UsageError(
            f"a code of {len(code):,} bytes is too long for a QR code, which holds some 2,860"
        ) from exc
    return drawing.getvalue().rstrip("\n")


ARMORS = {
    "base64url": Armor(_to_base64url, _from_base64url),
    "base91": Armor(_to_base91, _from_base91),
    "base45": Armor(_to_base45, _from_base45, space=_SPACE_BUT_BLANKS),
    "ascii85": Armor(_to_ascii85, _from_ascii85),
    "qr": Armor(_to_base45, _from_base45, _drawn, space=_SPACE_BUT_BLANKS),
}
"""Every armor by its name."""
