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
_WINDOW_BYTES = 512  # that are read at once where something is no text: a line may have millions


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
        """Yield the parts of `data`, text as far as it goes, else a character or a byte."""
        at = 0
        while at < len(data):
            text = self._text_before(data[at : at + _WINDOW_BYTES])
            part = text or self._character(data[at : at + _MOST_BYTES])
            yield part
            at += len(part if isinstance(part, bytes) else self.encode(part))

    def _text_before(self, data: bytes) -> str:
        """Return what stands before the first bytes that are no text; "" if not all is as usual."""
        try:
            data.decode(self.codec)
        except UnicodeDecodeError as exc:
            data = data[: exc.start]
        text = self._read(data)
        return text if isinstance(text, str) else ""

    def _character(self, data: bytes) -> str | bytes:
        """Return the character that `data` begins with, its bytes if they are not the usual ones.

        The first byte if there is none.
        """
        read = (self._read(data[:stop]) for stop in range(1, len(data) + 1))
        return next((one for one in read if one is not None), data[:1])

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
