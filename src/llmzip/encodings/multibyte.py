"""Encodings of one to four bytes a character, by the tables that Python brings.

All that a file depends on is which bytes a character becomes, so that is what is pinned.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from llmzip.errors import UnsupportedError

_MOST_BYTES = 4  # of a character


@dataclass(frozen=True)
class MultiByte:
    """ASCII, and other characters of up to four bytes, none of them a line feed.

    codec: Python's name of it. digest: SHA-256, hexadecimal, of the table: see table_digest.
    """

    name: str
    codec: str
    digest: str
    unit: int = 1

    def encode(self, text: str) -> bytes:
        """Return the bytes of `text`. Raises UnicodeEncodeError, UnsupportedError."""
        if not self.is_known:
            raise UnsupportedError(
                f"the table of {self.name} in this Python ({sys.version.split()[0]}) is another "
                "than .llmz files mean: use another release of Python"
            )
        return text.encode(self.codec)

    @cached_property
    def is_known(self) -> bool:
        """Whether Python's table is the one that files mean."""
        return table_digest(self.codec) == self.digest

    def spans(self, data: bytes) -> Iterator[str | bytes]:
        """Yield text, and bytes that are none or that are not how `encode` writes their text."""
        whole = self._read(data)
        if isinstance(whole, str):
            yield whole
            return
        for line in data.splitlines(keepends=True):
            text = self._read(line)
            if isinstance(text, str):
                yield text
            else:
                yield from self._step(line)

    def _step(self, data: bytes) -> Iterator[str | bytes]:
        """Yield the parts of `data` character by character."""
        at = 0
        while at < len(data):
            stops = range(at + 1, min(at + _MOST_BYTES, len(data)) + 1)
            read = (self._read(data[at:stop]) for stop in stops)
            part = next((one for one in read if one is not None), data[at : at + 1])
            yield part
            at += len(part if isinstance(part, bytes) else self.encode(part))

    def _read(self, data: bytes) -> str | bytes | None:
        """Return what `data` spells, itself if that is written otherwise, None if it is no text."""
        try:
            text = data.decode(self.codec)
            return text if self.encode(text) == data else data
        except UnicodeError:
            return None


def table_digest(codec: str) -> str:
    """Return the SHA-256, hexadecimal, of all that `codec` makes of characters below U+10000.

    Of each character from U+0000 on, but the surrogates, the bytes, if it has any, then a line
    feed. Those from U+10000 on GB18030 counts, and the others lack.
    """
    chars = (chr(c) for c in range(0x10000) if not 0xD800 <= c < 0xE000)
    table = "".join(f"{char}\n" for char in chars)
    return hashlib.sha256(table.encode(codec, "ignore")).hexdigest()
