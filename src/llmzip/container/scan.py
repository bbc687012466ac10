"""Looks for records in bytes that may be damaged: nothing is believed but what its CRC confirms.

The work is bounded by the size of the file, whatever it holds: every byte that is searched or
checked is paid for from a budget of a fixed number of passes, and a file that uses it up holds
nothing more.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from llmzip.container import bodies
from llmzip.container.kinds import Kind
from llmzip.container.limits import END_MARK, MAX_BODY_BYTES, MAX_WAVE_CHUNKS, SIGNATURE
from llmzip.container.wire import CRC_BYTES, Body, crc32, frame
from llmzip.errors import CorruptError

MAX_PASSES = 32
"""How often the whole file may be gone through, by and large; damage takes two or three."""

SLACK_BYTES = 1 << 24
READING_COST = 64  # of looking anywhere at all
UNPACKING_COST = 16  # of a byte that is unpacked, against one that is searched
TRAILER_BYTES = 4 + len(END_MARK)
GROUP_FRAME = frame(bodies.TAG_GROUP, b"\0")
"""All that a group's record can be."""

_MAX_HEAD_BYTES = 20  # of a record: tag, length and the first fields
_MAX_SMALL_BYTES = 2048  # of a record that is no table: a model's, with both names spelled out
_MIN_CHUNK_BYTES, _MAX_CHUNK_BYTES = 6, 20  # of a chunk in a wave's table
_KINDS = frozenset(Kind) | {kind | bodies.LIST_FLAG for kind in Kind if kind.needs_model}
_BLOCK_BYTES = 1 << 20
_RECORD = re.compile(
    b"(?=" + re.escape(SIGNATURE) + b"|" + re.escape(GROUP_FRAME) + b"|"
    rb"\x01[\x07-\x7f\x80-\xff]|"
    rb"[\x03\x07](?:[\x07-\x7f]|[\x80-\xff][\x01-\x7f]|[\x80-\xff]{2}[\x01-\x7f]|[\x80-\xff]{3}[\x01-\x1f])"
    rb"|\x04[\x0c-\x7f\x80-\xff])",
    re.DOTALL,
)
"""What records start with: few other places do, so that few CRCs are computed in vain."""


class SpentError(Exception):
    """The budget is used up: whoever made this file wants to keep us busy."""


@dataclass(frozen=True)
class Frame:
    """A record whose CRC is right: bytes `start` to `stop` (exclusive) of the file."""

    tag: int
    start: int
    stop: int
    _body: bytes

    def body(self) -> Body:
        """Return the body, to be unpacked from its first field on."""
        return Body(self._body, self.stop - CRC_BYTES - len(self._body))


class Scan:
    """The bytes of `source`, which must be able to seek, from where it stands. At most one user."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._base = source.tell()
        self.size = source.seek(0, io.SEEK_END) - self._base
        self._budget_bytes = MAX_PASSES * self.size + SLACK_BYTES

    def read(self, at: int, n_bytes: int) -> bytes:
        """Return `n_bytes` from `at` on, fewer only at the end of the file."""
        self.spend(READING_COST + min(n_bytes, max(self.size - at, 0)))
        self._source.seek(self._base + at)
        pieces = []
        while n_bytes > 0 and (piece := self._source.read(n_bytes)):
            pieces.append(piece)
            n_bytes -= len(piece)
        return b"".join(pieces)

    def stream(self, at: int) -> BinaryIO:
        """Return the file for someone else to read from `at` on."""
        self._source.seek(self._base + at)
        return self._source

    def frame(self, at: int, wanted: int | None = None) -> Frame | None:
        """Return the record that starts at `at`, if one does; only if its tag is `wanted`."""
        head = Body(self.read(at, _MAX_HEAD_BYTES), at)
        try:
            tag, n_bytes = head.byte(), head.varint()
            stop = head.offset + n_bytes + CRC_BYTES
            if (
                wanted not in (None, tag)
                or stop > self.size
                or not _is_plausible(tag, n_bytes, head)
            ):
                return None
        except CorruptError:
            return None
        data = self.read(at, stop - at)
        if crc32(data[:-CRC_BYTES]) != data[-CRC_BYTES:]:
            return None
        self.spend(UNPACKING_COST * len(data))
        return Frame(tag, at, stop, data[-CRC_BYTES - n_bytes : -CRC_BYTES])

    def places(self, start: int, stop: int) -> Iterator[int]:
        """Yield where from `start` to `stop` (exclusive) records or members could start."""
        n_more = len(GROUP_FRAME) - 1  # a pattern may reach into the next block
        for block_start in range(start, stop, _BLOCK_BYTES):
            n_bytes = min(_BLOCK_BYTES, stop - block_start)
            block = self.read(block_start, n_bytes + n_more)
            for found in _RECORD.finditer(block):
                if found.start() >= n_bytes:
                    break
                yield block_start + found.start()

    def is_zeros(self, start: int) -> bool:
        """Return whether nothing but zeros follows from `start` on."""
        return all(
            not self.read(at, _BLOCK_BYTES).strip(b"\0")
            for at in range(start, self.size, _BLOCK_BYTES)
        )

    def trailer_before(self, stop: int) -> int | None:
        """Return how long the end record is of which the trailer ends at `stop`, if one does."""
        data = self.read(max(stop - TRAILER_BYTES, 0), TRAILER_BYTES)
        if len(data) < TRAILER_BYTES or not data.endswith(END_MARK):
            return None
        return int.from_bytes(data[:4], "little")

    def spend(self, n_bytes: int) -> None:
        """Take so much from the budget. Raises SpentError."""
        self._budget_bytes -= n_bytes
        if self._budget_bytes < 0:
            raise SpentError


def _is_plausible(tag: int, n_bytes: int, body: Body) -> bool:
    """Whether its first fields allow such a record: spares most CRCs. Raises CorruptError."""
    match tag:
        case bodies.TAG_WAVE | bodies.TAG_CONTENT:
            n_chunks = body.varint()
            fits = _MIN_CHUNK_BYTES * n_chunks < n_bytes <= _MAX_CHUNK_BYTES * n_chunks + 3
            return 1 <= n_chunks <= MAX_WAVE_CHUNKS and fits and body.byte() in _KINDS
        case bodies.TAG_END:
            return n_bytes <= MAX_BODY_BYTES
    return n_bytes <= _MAX_SMALL_BYTES
