"""Compressing and decompressing bytes as they come, in the manner of lzma's two classes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from llmzip.buffers import as_bytes
from llmzip.compressor import DEFAULT_LEVEL, Compressor
from llmzip.decompressor import Decompressor

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class LlmzCompressor:
    """Compresses what it is given piece by piece into one .llmz file.

    level, options: as for Compressor; or `compressor`, one that has its model open.
    Output comes group by group: a mebibyte of input and more may bring forth nothing.
    """

    def __init__(
        self, level: int = DEFAULT_LEVEL, *, compressor: Compressor | None = None, **options: Any
    ) -> None:
        if compressor is None:
            compressor = Compressor(level=level, **options)
        self._compressor = compressor
        self._sink = io.BytesIO()
        self._encoder = compressor.pushed(self._sink)
        self._flushed = False

    def compress(self, data: ReadableBuffer) -> bytes:
        """Take `data`; return the part of the file that is complete by now, maybe nothing.

        Raises ModelError, DeviceError; ValueError after flush().
        """
        self._require_unflushed()
        view = as_bytes(data)
        self._compressor.in_turn(lambda: self._encoder.write(view))
        return self._taken()

    def flush(self) -> bytes:
        """Return the rest of the file. Nothing can be added afterwards."""
        self._require_unflushed()
        self._flushed = True
        self._compressor.in_turn(self._encoder.finish)
        return self._taken()

    def _require_unflushed(self) -> None:
        if self._flushed:
            raise ValueError("the compressor has been flushed; make a new one")

    def _taken(self) -> bytes:
        data = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return data


class LlmzDecompressor:
    """Decompresses one member that is given piece by piece; several take one object each.

    options: as for Decompressor; or `decompressor`, one that has its model open.
    """

    def __init__(self, *, decompressor: Decompressor | None = None, **options: Any) -> None:
        if decompressor is None:
            decompressor = Decompressor(**options)
        self._decompressor = decompressor
        self._decoder = decompressor.pushed()
        self._rest = b""
        self._is_idle = True

    @property
    def eof(self) -> bool:
        """Whether the member has ended and all of it has been returned."""
        return self._decoder.ended

    @property
    def needs_input(self) -> bool:
        """Whether decompress() can return nothing more without more input."""
        return self._is_idle and not self.eof

    @property
    def unused_data(self) -> bytes:
        """What was given after the end of the member."""
        return self._decoder.unused if self.eof else b""

    def decompress(self, data: ReadableBuffer, max_length: int = -1) -> bytes:
        """Take `data`; return what it decodes to by now, `max_length` bytes at most (-1: all).

        Raises FormatError, ModelError, DeviceError; EOFError after the member's end.
        """
        if self.eof:
            raise EOFError("the end of the member has been reached; make a new decompressor")
        self._decoder.feed(as_bytes(data))
        pieces = []
        n_missing = max_length
        while n_missing and (piece := self._next_piece()) is not None:
            if 0 <= n_missing < len(piece):
                self._rest = piece[n_missing:]
                piece = piece[:n_missing]
            pieces.append(piece)
            n_missing -= len(piece) if n_missing > 0 else 0
        return b"".join(pieces)

    def _next_piece(self) -> bytes | None:
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        piece = self._decompressor.in_turn(self._decoder.next_piece)
        self._is_idle = piece is None
        return piece
