"""Messages in a stream, each ended by a byte: yielded as soon as they are whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

_PIECE_BYTES = 1 << 16


def ended(source: BinaryIO, end: bytes) -> Iterator[bytes]:
    """Yield what stands before each `end`, and what is left after the last.

    source: as the command line has it, whose read1 waits for no more than there is.
    """
    waiting: list[bytes] = []
    while piece := getattr(source, "read1", source.read)(_PIECE_BYTES):
        first, *others = piece.split(end)
        waiting.append(first)
        for other in others:
            yield b"".join(waiting)
            waiting = [other]
    if any(waiting):
        yield b"".join(waiting)
