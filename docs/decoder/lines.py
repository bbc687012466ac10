"""FORMAT.md, *Line ends*: chunks of kind 5, which spell CR LF as LF."""

from __future__ import annotations

from decoder.wire import Fields, require


def split(payload: bytes) -> tuple[list[int], bytes]:
    """The numbers of the line feeds that have no carriage return, and the rest of a payload."""
    fields = Fields(payload)
    bare, last = list[int](), -1
    for _ in range(fields.varint()):
        last += 1 + fields.varint()
        bare.append(last)
    return bare, payload[fields.at :]


def restore(text: bytes, bare: list[int]) -> bytes:
    """Put a carriage return before every line feed but the bare ones."""
    lines, exceptions = text.split(b"\n"), set(bare)
    require(not bare or bare[-1] < len(lines) - 1, "an exception beyond the last line feed")
    ends = (b"\n" if i in exceptions else b"\r\n" for i in range(len(lines) - 1))
    return b"".join(part for pair in zip(lines, ends, strict=False) for part in pair) + lines[-1]
