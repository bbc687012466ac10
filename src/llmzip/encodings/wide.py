"""UTF-16 and UTF-32, in either order of bytes: arithmetic, the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_SURROGATES = re.compile("([\ud800-\udfff]+)")
_LAST_CHAR = 0x10FFFF


@dataclass(frozen=True)
class Wide:
    """Units of two or four bytes. codec: Python's name of it, without a byte order mark."""

    name: str
    codec: str
    unit: int

    def encode(self, text: str) -> bytes:
        """Return the bytes of `text`. Raises UnicodeEncodeError for half a surrogate pair."""
        return text.encode(self.codec)

    def spans(self, data: bytes) -> Iterator[str | bytes]:
        """Yield text, and units that are no character: surrogates without another, and so on."""
        n_whole = len(data) // self.unit * self.unit
        whole = data[:n_whole]
        for start, stop in self._readable(whole):
            yield from self._split(whole[start:stop].decode(self.codec, "surrogatepass"))
            yield whole[stop : stop + self.unit]
        yield data[n_whole:]

    def _readable(self, whole: bytes) -> Iterator[tuple[int, int]]:
        """Yield the stretches between units that are beyond the last character."""
        start = 0
        if self.unit == 4:
            order = "<u4" if self.codec.endswith("le") else ">u4"
            beyond = np.flatnonzero(np.frombuffer(whole, dtype=order) > _LAST_CHAR)
            for stop in (self.unit * beyond).tolist():
                yield start, stop
                start = stop + self.unit
        yield start, len(whole)

    def _split(self, text: str) -> Iterator[str | bytes]:
        for i, part in enumerate(_SURROGATES.split(text)):
            yield part.encode(self.codec, "surrogatepass") if i % 2 else part


WIDE = (
    Wide("UTF-16LE", "utf-16-le", 2),
    Wide("UTF-16BE", "utf-16-be", 2),
    Wide("UTF-32LE", "utf-32-le", 4),
    Wide("UTF-32BE", "utf-32-be", 4),
)
