"""Encodings of a byte a character: ASCII, and a table for the bytes from 128 on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_NONE = -1  # no byte stands for a character


@dataclass(frozen=True)
class SingleByte:
    """A byte for each character. upper: the characters of the bytes 128 to 255, all different."""

    name: str
    upper: str
    unit: int = 1

    @cached_property
    def _chars(self) -> NDArray[np.uint32]:
        """The characters of all bytes, as numbers."""
        ascii_and_upper = [*range(128), *map(ord, self.upper)]
        return np.array(ascii_and_upper, dtype="<u4")

    @cached_property
    def _bytes(self) -> NDArray[np.int16]:
        """Of each character, as a number, its byte."""
        table = np.full(int(self._chars.max()) + 2, _NONE, dtype=np.int16)
        table[self._chars] = np.arange(256)
        return table

    def encode(self, text: str) -> bytes:
        """Return the bytes of `text`. Raises UnicodeEncodeError for a character that has none."""
        chars = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
        found = self._bytes[np.minimum(chars, self._bytes.size - 1)]
        missing = np.flatnonzero(found == _NONE)
        if missing.size:
            at = int(missing[0])
            raise UnicodeEncodeError(self.name, text, at, at + 1, "no byte stands for it")
        coded: bytes = found.astype(np.uint8).tobytes()
        return coded

    def spans(self, data: bytes) -> Iterator[str | bytes]:
        """Yield all of `data` as text: every byte is a character."""
        octets = np.frombuffer(data, dtype=np.uint8)
        yield self._chars[octets].tobytes().decode("utf-32-le")
