"""The text of a .llmz file as a raw stream: read on until the first seek, then group by group."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from llmzip.decompressor import Decompressor

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from llmzip.codec.access import GroupAccess

MAX_KEPT_BYTES = 1 << 24
"""So much of what was decoded last is kept for going back in it."""


class TextStream(io.RawIOBase):
    """What `file`, from where it stands, decompresses to.

    Decoded text is kept from `_kept_at` on, up to the place where decoding goes on.
    """

    def __init__(self, file: BinaryIO, decompressor: Decompressor) -> None:
        self._file = file
        self._decompressor = decompressor
        self._begin = file.tell() if file.seekable() else 0
        self._access: GroupAccess | None = None
        self._number = -1  # the group that is being decoded; -1 while it is the stream
        self._pieces: Iterator[bytes] = decompressor.pieces(file)
        self._kept = bytearray()
        self._kept_at = 0
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Whether the file can seek."""
        return self._file.seekable()

    def tell(self) -> int:
        """Return the offset in the text."""
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read some bytes, at least one unless at the end. Raises as Decompressor does."""
        view = memoryview(buffer).cast("B")
        if not len(view) or not self._decode_to(self._at):
            return 0
        first = self._at - self._kept_at
        data = self._kept[first : first + len(view)]
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte of the text; nothing is decoded before it is read."""
        if self._access is None:
            self._file.seek(self._begin)
            self._access = self._decompressor.access(self._file)
        origins = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._access.n_bytes}
        if whence not in origins:
            raise ValueError(f"invalid value for whence: {whence}")
        self._at = min(max(0, origins[whence] + offset), self._access.n_bytes)
        return self._at

    def _decode_to(self, at: int) -> bool:
        """Decode until byte `at` of the text is kept; return False if the text ends before it."""
        access = self._access
        if access is not None:
            if at >= access.n_bytes:
                return False
            number = access.group_at(at)
            if number != self._number or at < self._kept_at:
                self._enter(access, number)
        while at >= self._kept_at + len(self._kept):
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self._keep(piece)
        return True

    def _enter(self, access: GroupAccess, number: int) -> None:
        self._number = number
        self._pieces = access.pieces(number)
        self._kept.clear()
        self._kept_at = access.start(number)

    def _keep(self, piece: bytes) -> None:
        self._kept += piece
        surplus = len(self._kept) - len(piece) - MAX_KEPT_BYTES
        if surplus > 0:
            del self._kept[:surplus]
            self._kept_at += surplus
