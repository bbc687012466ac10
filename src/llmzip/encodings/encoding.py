"""What an encoding can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Encoding(Protocol):
    """Text to bytes, and bytes to text as far as they are text."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def unit(self) -> int:
        """How many bytes a character takes at least; where text begins counts modulo this."""

    def encode(self, text: str) -> bytes:
        """Return the bytes of `text`, each character's own, joined.

        Raises UnicodeEncodeError for a character that it lacks, and UnsupportedError where this
        machine's table is another than the format's.
        """

    def spans(self, data: bytes) -> Iterator[str | bytes]:
        """Yield `data` in parts: text that `encode` makes the same bytes of, and what is none.

        Raises UnsupportedError as `encode` does.
        """
