"""What a layout has to know of a tar: how long what follows a header is."""

from __future__ import annotations

from llmzip.errors import CorruptError

BLOCK_BYTES = 512
_SIZE = slice(124, 136)
_TYPE = 156
_PSEUDO_TYPES = b"xgLK"  # say something about the next header; their data is part of the headers
_EMPTY_TYPES = b"123456"  # links, devices, folders, FIFOs: nothing follows, whatever the size says
_OCTAL_DIGITS = b"01234567"


def size_field(header: bytes) -> int:
    """Return what the size field of a header says. Raises CorruptError if it is no number."""
    field = header[_SIZE]
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.lstrip(b" ")
    n_digits = len(digits) - len(digits.lstrip(_OCTAL_DIGITS))
    if digits[n_digits : n_digits + 1] not in (b"", b" ", b"\0"):
        raise CorruptError(
            "a tar header of a layout has no size: the file is damaged, get it again"
        )
    return int(digits[:n_digits] or b"0", 8)


def is_pseudo(header: bytes) -> bool:
    """Whether the header belongs to the next one, and its data to the headers."""
    return header[_TYPE] in _PSEUDO_TYPES


def content_bytes(header: bytes) -> int:
    """Return how many bytes of content follow a header. Raises CorruptError."""
    return 0 if header[_TYPE] in _EMPTY_TYPES else size_field(header)


def padding_bytes(n_bytes: int) -> int:
    """Return how many zeros fill up the last block of `n_bytes`."""
    return -n_bytes % BLOCK_BYTES
