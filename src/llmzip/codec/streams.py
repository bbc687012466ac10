"""Whole reads and writes on any binary stream, raw ones included."""

from __future__ import annotations

from typing import BinaryIO

from llmzip.container import Readable


def read_full(source: Readable, n_bytes: int) -> bytes:
    """Read `n_bytes`, fewer only at the end of `source`, however it deals them out."""
    pieces = []
    while n_bytes > 0:
        piece = source.read(n_bytes)
        if piece is None:
            raise BlockingIOError("the input is set not to block and has nothing to give now")
        if not piece:
            break
        pieces.append(piece)
        n_bytes -= len(piece)
    return b"".join(pieces)


def write_full(sink: BinaryIO, data: bytes) -> None:
    """Write all of `data`, however little `sink` takes at a time."""
    view = memoryview(data)
    while view:
        n_taken = sink.write(view)
        if not n_taken:
            raise BlockingIOError("the output is set not to block and takes nothing now")
        view = view[n_taken:]
