"""A part of what a .llmz file decompresses to, of which no more is decoded than that takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from llmzip.cli.ranges import ByteRange, LineRange
from llmzip.decompressor import Decompressor
from llmzip.errors import UsageError

if TYPE_CHECKING:
    from llmzip.codec.access import GroupAccess


class Excerpt:
    """The bytes or lines of `source` that `part` names, to be iterated over once.

    Of a source that can seek, groups outside of them are not decoded; lines have to be counted,
    from the first on. Of another source all that stands before them is decoded, too.

    Raises UsageError for a part counted from the end of a source that cannot seek; iterating
    raises as Decompressor.decompress does.
    """

    def __init__(
        self, source: BinaryIO, decompressor: Decompressor, part: ByteRange | LineRange
    ) -> None:
        self._access: GroupAccess | None = None
        if source.seekable():
            self._access = decompressor.access(source)
        elif isinstance(part, ByteRange) and part.counts_from_end:
            raise UsageError(
                "the end of a pipe is not known before it comes: give a file, or use tail -c"
            )
        self._source, self._decompressor, self._part = source, decompressor, part

    @property
    def n_bytes(self) -> int | None:
        """How long it is; None where that is not known in advance."""
        if self._access is None or isinstance(self._part, LineRange):
            return None
        start, stop = self._part.within(self._access.n_bytes)
        return stop - start

    @property
    def groups(self) -> str | None:
        """How many groups of how many have been decoded, in words, where that is known."""
        if self._access is None:
            return None
        return f"{self._access.n_decoded:,} of {self._access.n_groups:,} groups decoded"

    def __iter__(self) -> Iterator[bytes]:
        part = self._part
        if isinstance(part, LineRange):
            return lines(self._pieces(0, None), part)
        if self._access is None:
            return cut(self._pieces(0, None), part.start or 0, part.stop)
        start, stop = part.within(self._access.n_bytes)
        if start == stop:
            return iter(())
        first = self._access.group_at(start)
        at = self._access.start(first)
        return cut(self._pieces(first, stop), start - at, stop - at)

    def _pieces(self, first: int, stop: int | None) -> Iterator[bytes]:
        """Yield the text from group `first` on, up to the group that holds byte `stop` - 1."""
        if self._access is None:
            yield from self._decompressor.pieces(self._source)
            return
        for number in range(first, self._access.n_groups):
            if stop is not None and self._access.start(number) >= stop:
                return
            yield from self._access.pieces(number)


def cut(pieces: Iterator[bytes], start: int, stop: int | None) -> Iterator[bytes]:
    """Yield bytes `start` up to `stop` of what the pieces are; take no piece after them."""
    at = 0
    while stop is None or at < stop:
        piece = next(pieces, None)
        if piece is None:
            return
        end = len(piece) if stop is None else min(len(piece), stop - at)
        if start < at + end:
            yield piece[max(0, start - at) : end]
        at += len(piece)


def lines(pieces: Iterator[bytes], part: LineRange) -> Iterator[bytes]:
    """Yield the lines of a part, in pieces of any length; take no piece after them."""
    line = 1  # that the next byte belongs to
    for piece in pieces:
        if line < part.first:
            n_skipped = min(part.first - line, piece.count(b"\n"))
            line += n_skipped
            if line < part.first:
                continue
            piece = piece[_after(piece, n_skipped) :]
        if part.last is not None:
            n_ended = piece.count(b"\n")
            if line + n_ended > part.last:
                yield piece[: _after(piece, part.last + 1 - line)]
                return
            line += n_ended
        yield piece


def _after(piece: bytes, n_lines: int) -> int:
    """Return where so many lines of a piece have ended."""
    at = 0
    for _ in range(n_lines):
        at = piece.index(b"\n", at) + 1
    return at
