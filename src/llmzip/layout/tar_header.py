"""The header of a tar: 512 bytes, and the fields in them. ustar, pax and GNU agree so far."""

from __future__ import annotations

from dataclasses import dataclass

BLOCK_BYTES = 512
MAGIC_AT = 257
MAGIC = b"ustar"
"""What both begin with: POSIX's ustar, NUL, 00, and GNU's ustar, two spaces, NUL."""

BEFORE_DATA = b"xgLK"
"""Types of headers whose data describes the header that comes next: pax, and GNU's long names."""

WITHOUT_CONTENT = b"123456"
"""Types of headers that nothing follows: links, devices, folders, FIFOs."""


@dataclass(frozen=True)
class Field:
    """Bytes start to stop (exclusive) of a header."""

    start: int
    stop: int

    def of(self, header: bytes) -> bytes:
        """Return what a header has there, without the zeros at its end."""
        return header[self.start : self.stop].rstrip(b"\0")

    def padded(self, value: bytes) -> bytes:
        """Return `value` as it stands in a header."""
        return value.ljust(self.stop - self.start, b"\0")


NAME = Field(0, 100)
MODE = Field(100, 108)
UID = Field(108, 116)
GID = Field(116, 124)
SIZE = Field(124, 136)
MTIME = Field(136, 148)
CHECKSUM = Field(148, 156)
TYPE = Field(156, 157)
LINK = Field(157, 257)
MAGIC_FIELD = Field(257, 265)
USER = Field(265, 297)
GROUP = Field(297, 329)
MAJOR = Field(329, 337)
MINOR = Field(337, 345)
REST = Field(345, 512)
"""The prefix of ustar's names; what GNU has there instead."""

MAX_OCTAL = 8**11 - 1


def octal(number: int) -> bytes:
    """Return 0 to MAX_OCTAL as sizes and times are written, without the zero that ends them."""
    return b"%011o" % number


def octal_number(field: bytes) -> int | None:
    """Return the number of a field that `octal` gives, None for any other."""
    is_octal = len(field) == 11 and not field.strip(b"01234567")
    return int(field, 8) if is_octal else None


def checksum(header: bytes | bytearray) -> bytes:
    """Return the checksum of a header as it is usually written."""
    return b"%06o\0 " % sum_of(header)


def sum_of(header: bytes | bytearray) -> int:
    """Return the sum of a header's bytes, those of its checksum being spaces."""
    return sum(header) - sum(header[148:156]) + 8 * 32


def size_of(header: bytes) -> int | None:
    """Return the number of bytes that a header says follow it; None if that is no number."""
    field = header[SIZE.start : SIZE.stop]
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        return None
    return int(digits or b"0", 8)


def is_header(header: bytes) -> bool:
    """Whether these bytes are a header: 512, magic and checksum being right."""
    if len(header) < BLOCK_BYTES or header[MAGIC_AT : MAGIC_AT + len(MAGIC)] != MAGIC:
        return False
    digits = CHECKSUM.of(header).strip(b" \0")
    return bool(digits) and not digits.strip(b"01234567") and int(digits, 8) == sum_of(header)
