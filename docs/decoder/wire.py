"""FORMAT.md, *Conventions*: the smallest parts of a file, and what it means to refuse one."""

from __future__ import annotations

import zlib

import xxhash


class RefusedError(Exception):
    """The file is damaged, contradicts itself, or is not one; or it needs what was not given."""


class UnsupportedError(RefusedError):
    """A newer release may know what the file says."""


def require(holds: bool, what: str) -> None:
    """Refuse a file of which this does not hold."""
    if not holds:
        raise RefusedError(what)


def crc32(data: bytes) -> bytes:
    """The CRC-32 as it stands in a file."""
    return zlib.crc32(data).to_bytes(4, "little")


def xxh3(data: bytes) -> bytes:
    """The XXH3, 8 bytes."""
    return xxhash.xxh3_64_digest(data)


class Fields:
    """Some bytes, of which fields are taken one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, n_bytes: int) -> bytes:
        """The next `n_bytes`, all of them."""
        require(self.at + n_bytes <= len(self.data), "cut off, or too short for its fields")
        self.at += n_bytes
        return self.data[self.at - n_bytes : self.at]

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def varint(self) -> int:
        """The next varint, in the fewest bytes, 9 at most."""
        value = 0
        for i in range(9):
            byte = self.byte()
            value |= (byte & 127) << 7 * i
            if byte < 128:
                require(byte > 0 or i == 0, "a number in more bytes than it needs")
                return value
        raise RefusedError("a number of more than 9 bytes")

    def frame(self) -> tuple[int, Fields]:
        """The next frame: its tag, and its body, its CRC verified."""
        start = self.at
        tag, n_bytes = self.byte(), self.varint()
        require(n_bytes <= 64 << 20, "a frame of more than 64 MiB")
        body = self.take(n_bytes)
        require(crc32(self.data[start : self.at]) == self.take(4), "a frame fails its CRC")
        return tag, Fields(body)

    def done(self) -> None:
        """Refuse what has bytes left."""
        require(self.at == len(self.data), "surplus bytes behind the fields")
