"""The smallest parts of the format: integers, frames, and a source that never reads short.

A frame is how every record is written, but in compact members:

    tag (1 byte) | length of body (varint) | body | CRC-32 of all before (4 bytes)

so a body is known to be whole before anything in it is believed. A varint is LEB128: seven
bits a byte, lowest first, the high bit set on all bytes but the last, in the fewest bytes.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from llmzip.container.limits import MAX_BODY_BYTES
from llmzip.errors import CorruptError, TruncatedError

CRC_BYTES = 4
_MAX_VARINT_BYTES = 9  # 63 bits: sizes fit everyone's signed integers
_PIECE_BYTES = 1 << 20  # a claimed length is believed a piece at a time


def corrupt(what: str) -> CorruptError:
    """Return the error for a file in which `what` is the case, with what to do about it."""
    return CorruptError(f"{what}: the file is damaged, get it again")


def varint(value: int) -> bytes:
    """Return `value` (0 to 2^63 - 1) in the fewest bytes."""
    if not 0 <= value < 1 << 63:
        raise ValueError(f"{value} does not fit a varint")
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def crc32(data: bytes | bytearray, before: int = 0) -> bytes:
    """Return the CRC-32 (zlib's, IEEE 802.3) of `data`, 4 bytes, little-endian.

    before: the CRC-32 as a number of what stands before `data`.
    """
    return zlib.crc32(data, before).to_bytes(CRC_BYTES, "little")


def frame(tag: int, body: bytes) -> bytes:
    """Return `body` framed under `tag`."""
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"a record of {len(body)} bytes is longer than the format allows")
    head = bytes([tag]) + varint(len(body)) + body
    return head + crc32(head)


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, n_bytes: int, /) -> bytes | None:
        """Return at most `n_bytes`: none at the end, None if there are none now."""


class Fields(ABC):
    """Something from which fields are taken one after the other."""

    @property
    @abstractmethod
    def offset(self) -> int:
        """Where the next field starts, in bytes from the start of the file."""

    @abstractmethod
    def take(self, n_bytes: int) -> bytes:
        """Return exactly the next `n_bytes`."""

    def byte(self) -> int:
        """Return the next byte as a number."""
        return self.take(1)[0]

    def varint(self) -> int:
        """Return the next varint; raise CorruptError if it is overlong."""
        value = 0
        for i in range(_MAX_VARINT_BYTES):
            byte = self.byte()
            value |= (byte & 0x7F) << 7 * i
            if byte < 0x80:
                if byte == 0 and i > 0:
                    break
                return value
        raise corrupt(f"a malformed number before byte {self.offset}")


class Source(Fields):
    """A binary stream with exact reads, whatever short reads the stream itself gives.

    Raises TruncatedError where the stream ends inside a field.
    """

    def __init__(self, raw: Readable, offset: int = 0) -> None:
        # read1 gives what a pipe has; read would wait until 64 KiB have come.
        self._read: Callable[[int], bytes | None] = getattr(raw, "read1", raw.read)
        self._buffer = b""
        self._at = 0
        self._offset = offset

    @property
    def offset(self) -> int:
        """Where the next field starts."""
        return self._offset

    def take(self, n_bytes: int) -> bytes:
        """Return exactly the next `n_bytes`, holding no more memory than has really come."""
        pieces = []
        missing = n_bytes
        while missing:
            piece = self._some(min(missing, _PIECE_BYTES))
            if not piece:
                raise TruncatedError(
                    f"the file ends in the middle of a record, at byte {self._offset}: "
                    "it was cut off, get it again"
                )
            pieces.append(piece)
            missing -= len(piece)
            self._offset += len(piece)
        return b"".join(pieces) if len(pieces) != 1 else pieces[0]

    def peek(self, n_bytes: int) -> bytes:
        """Return the next `n_bytes` without taking them, fewer only at the end of the stream."""
        while len(self._buffer) - self._at < n_bytes:
            more = self._fetch()
            if not more:
                break
            self._buffer = self._buffer[self._at :] + more
            self._at = 0
        return self._buffer[self._at : self._at + n_bytes]

    def is_zeros(self) -> bool:
        """Return whether nothing but zeros is left; what is looked at can't be taken any more."""
        while piece := self._some(_PIECE_BYTES):
            if piece.count(0) < len(piece):
                return False
        return True

    def _some(self, most: int) -> bytes:
        if self._at == len(self._buffer):
            self._buffer, self._at = self._fetch(), 0
        piece = self._buffer[self._at : self._at + most]
        self._at += len(piece)
        return piece

    def _fetch(self) -> bytes:
        data = self._read(1 << 16)
        if data is None:
            raise BlockingIOError("the input is set not to block and has nothing to read yet")
        return data


class Tee(Fields):
    """Takes from a Source and keeps what it took, for a checksum over it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.taken = bytearray()

    @property
    def offset(self) -> int:
        """Where the next field starts."""
        return self._source.offset

    def take(self, n_bytes: int) -> bytes:
        """Return exactly the next `n_bytes`."""
        data = self._source.take(n_bytes)
        self.taken += data
        return data


class Body(Fields):
    """The body of one frame; running out of it means that its fields contradict its length."""

    def __init__(self, data: bytes, offset: int) -> None:
        self._data = data
        self._at = 0
        self._start = offset

    @property
    def offset(self) -> int:
        """Where the next field starts."""
        return self._start + self._at

    def take(self, n_bytes: int) -> bytes:
        """Return exactly the next `n_bytes`."""
        data = self._data[self._at : self._at + n_bytes]
        if len(data) < n_bytes:
            raise corrupt(f"the record at byte {self.offset} is too short for its fields")
        self._at += n_bytes
        return data

    def done(self) -> None:
        """Raise CorruptError if anything is left."""
        if self._at < len(self._data):
            raise corrupt(f"surplus bytes in the record at byte {self.offset}")


def take_frame(source: Source) -> tuple[int, Body]:
    """Return the tag and the body of the next frame, its CRC verified."""
    head = Tee(source)
    start = source.offset
    tag = head.byte()
    n_bytes = head.varint()
    if n_bytes > MAX_BODY_BYTES:
        raise corrupt(f"the record at byte {start} claims to be {n_bytes} bytes long")
    body_offset = source.offset
    body = source.take(n_bytes)
    if source.take(CRC_BYTES) != crc32(body, zlib.crc32(head.taken)):
        raise corrupt(f"the record at byte {start} fails its checksum")
    return tag, Body(body, body_offset)
