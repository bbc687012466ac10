"""FORMAT.md, *Line ends*: CR LF that is spelled as LF."""

from __future__ import annotations

from decoder.wire import Fields, require


def split(payload: bytes) -> tuple[list[int], bytes]:
    """The exceptions of a payload of kind 5, and the rest of it."""
    fields = Fields(payload)
    bare = take(fields, fields.varint())
    return bare, payload[fields.at :]


def take(fields: Fields, number: int) -> list[int]:
    """Take so many exceptions: the numbers of the line feeds that have no carriage return."""
    bare, last = list[int](), -1
    for _ in range(number):
        last += 1 + fields.varint()
        bare.append(last)
    return bare


def restore(text: bytes, bare: list[int]) -> bytes:
    """Put a carriage return before every line feed but the bare ones."""
    lines, exceptions = text.split(b"\n"), set(bare)
    require(not bare or bare[-1] < len(lines) - 1, "an exception beyond the last line feed")
    ends = (b"\n" if i in exceptions else b"\r\n" for i in range(len(lines) - 1))
    return b"".join(part for pair in zip(lines, ends, strict=False) for part in pair) + lines[-1]
