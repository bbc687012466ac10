"""The text before a group, to be read again: where it came from, or where it has been put.

Whoever compresses looks there for repeats. A file may change meanwhile; so each of its blocks has
a checksum from when it was read first, and what does not fit is as if it were not there.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import BinaryIO, Protocol, cast

import xxhash

from llmzip.errors import CorruptError
from llmzip.layout.history import History, Reference
from llmzip.layout.text import Text

BLOCK_BYTES = 1 << 16
_KEPT_BLOCKS = 64


class Earlier(Protocol):
    """The text so far."""

    def note(self, data: bytes, /) -> None:
        """Take what comes next."""

    def read(self, start: int, stop: int, /) -> bytes:
        """Return bytes `start` up to `stop` (exclusive); none where they are there no more."""


class Reread:
    """A text that is read again from its source, from where that stands now on.

    The source stands where it stood after each call.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._begin = source.tell()
        self._checksums: list[int] = []  # of whole blocks
        self._rest = b""  # what came after them
        self._kept: OrderedDict[int, bytes] = OrderedDict()  # the latest that were asked for, last

    def note(self, data: bytes) -> None:
        """Take what comes next, as it was read."""
        data = self._rest + data
        n_whole = len(data) // BLOCK_BYTES * BLOCK_BYTES
        view = memoryview(data)
        for at in range(0, n_whole, BLOCK_BYTES):
            self._checksums.append(xxhash.xxh3_64_intdigest(view[at : at + BLOCK_BYTES]))
        self._rest = data[n_whole:]

    def read(self, start: int, stop: int) -> bytes:
        """Return bytes `start` up to `stop` (exclusive); none where they have changed."""
        first = start // BLOCK_BYTES
        blocks = [self._block(number) for number in range(first, -(-stop // BLOCK_BYTES))]
        if None in blocks:
            return b""
        joined = b"".join(cast("list[bytes]", blocks))
        return joined[start - first * BLOCK_BYTES : stop - first * BLOCK_BYTES]

    def _block(self, number: int) -> bytes | None:
        if number == len(self._checksums):
            return self._rest
        block = self._kept.pop(number, None) or self._read_block(number)
        if block is not None:
            self._kept[number] = block
            if len(self._kept) > _KEPT_BLOCKS:
                self._kept.popitem(last=False)
        return block

    def _read_block(self, number: int) -> bytes | None:
        at = self._source.tell()
        try:
            self._source.seek(self._begin + number * BLOCK_BYTES)
            block = self._source.read(BLOCK_BYTES)
        finally:
            self._source.seek(at)
        is_same = xxhash.xxh3_64_intdigest(block) == self._checksums[number]
        return block if is_same else None


class Spool:
    """A text of which as much is kept, beside memory in a temporary file, as copies may reach."""

    def __init__(self) -> None:
        self._history = History()

    def note(self, data: bytes) -> None:
        """Take what comes next."""
        self._history.append(data)

    def read(self, start: int, stop: int) -> bytes:
        """Return bytes `start` up to `stop` (exclusive). Raises OSError if it could not be kept."""
        return bytes(self._history.read(start, stop).data)


class Unkept:
    """A text that nothing is copied from."""

    def note(self, _data: bytes) -> None:
        """Take no notice."""

    def read(self, _start: int, _stop: int) -> bytes:
        """Return nothing."""
        return b""


class WithReference:
    """A text that a reference stands before: it begins where that ends."""

    def __init__(self, reference: Earlier, n_reference: int, text: Earlier) -> None:
        self._reference = reference
        self._n_reference = n_reference
        self._text = text

    def note(self, data: bytes) -> None:
        """Take what comes next of the text."""
        self._text.note(data)

    def read(self, start: int, stop: int) -> bytes:
        """Return bytes `start` up to `stop` (exclusive), none where some of them are not there."""
        n, data = self._n_reference, b""
        if start < n:
            data = self._reference.read(start, min(stop, n))
        if stop > n:
            data += self._text.read(max(start - n, 0), stop - n)
        return data if len(data) == stop - start else b""


class Past:
    """What stands before any byte of a text that is there as a file, as weaving asks for it."""

    def __init__(self, text: BinaryIO, reference: BinaryIO | None) -> None:
        self._text = Reference(text)
        self._reference = None if reference is None else Reference(reference)

    def read(self, start: int, stop: int) -> Text:
        """Return bytes `start` to `stop` (exclusive) of the text; before 0 of the reference.

        Raises CorruptError where nothing stands.
        """
        data, n = b"", 0 if self._reference is None else self._reference.n_bytes
        if start < -n:
            raise CorruptError("a layout copies what stands before all text")
        if start < 0 and self._reference is not None:
            data = self._reference.read(start + n, min(stop, 0) + n)
        return Text(data + self._text.read(max(start, 0), max(stop, 0)))
