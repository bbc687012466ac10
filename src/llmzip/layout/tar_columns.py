"""The columns of the headers of a tar, and what the codes in them mean. docs/FORMAT.md has them."""

from __future__ import annotations

from enum import IntEnum

from llmzip.layout.tar_header import BEFORE_DATA


class Column(IntEnum):
    """What stands in which column."""

    BLOCK = 0  # HEADER or RAW_BLOCK
    TYPE = 1
    DATA = 2  # AS_EXPECTED: taken apart; NEW: as blocks
    NAME = 3
    LINK = 4
    PLAIN = 5  # the first of as many as there are plain fields
    SIZE = 14
    TIME = 15
    CHECKSUM = 16
    KEYS = 17
    VALUE = 18
    SIZE_LOW = 19
    SIZE_MIDDLE = 20
    SIZE_HIGH = 21
    TIME_STEP = 22
    VALUE_STEP = 23
    SHARED = 24  # three, of texts of different kinds
    TEXT = 27  # three
    LITERAL = 30
    RAW = 31  # blocks of 512 bytes


class Text(IntEnum):
    """Kinds of texts: each is told from the one before of its kind."""

    NAME = 0
    LINK = 1
    OTHER = 2


N_COLUMNS = 32
HEADER, RAW_BLOCK = 0, 1
AS_EXPECTED, NEW, AS_IS = 0, 1, 2
"""Of names and links: expected, as text, as a literal. Of others NEW is a literal."""

VALUE_FINE, VALUE_TEXT, VALUE_AS_IS = 1, 2, 3
"""Of records: a time in ns (expected: the last value, or a time in 100 ns); text; a literal."""

LITERAL_RANK, STEP_RANK = 255, 254
COARSE_NS = 100
MAX_TEXT_BYTES = 4096
MAX_VALUE_BYTES = 1 << 16
MAX_KEYS = 255
MAX_SHARED = 255


def zigzag(value: int) -> int:
    """Return a number that is not negative: 2 v, or -2 v - 1 where v is."""
    return 2 * value if value >= 0 else -2 * value - 1


def unzigzag(number: int) -> int:
    """Return what `zigzag` was given."""
    return number >> 1 if number % 2 == 0 else -(number >> 1) - 1


def text_of_name(kind: int) -> Text:
    """Return which kind of text the name in a header of this type is."""
    return Text.OTHER if kind in BEFORE_DATA else Text.NAME


def text_of_key(key: bytes) -> Text:
    """Return which kind of text the value of a record is."""
    return {b"path": Text.NAME, b"linkpath": Text.LINK}.get(key, Text.OTHER)
