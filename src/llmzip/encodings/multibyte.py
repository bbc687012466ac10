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
        whole = self._text_of(data)
        if whole is not None:
            yield whole
            return
        for line in data.splitlines(keepends=True):
            text = self._text_of(line)
            if text is None:
                yield from self._step(line)
            else:
                yield text

    def _step(self, data: bytes) -> Iterator[str | bytes]:
        """Yield the parts of `data` character by character."""
        at = 0
        while at < len(data):
            for stop in range(at + 1, min(at + _MOST_BYTES, len(data)) + 1):
                char = self._text_of(data[at:stop])
                if char is not None:
                    yield char
                    break
            else:
                stop = at + 1
                yield data[at:stop]
            at = stop

    def _text_of(self, data: bytes) -> str | None:
        """Return what `data` spells, if it is text and that is how its text is written."""
        try:
            text = data.decode(self.codec)
            return text if self.encode(text) == data else None
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
