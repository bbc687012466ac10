"""The text of a member as far as later groups may copy from it, and the reference before it."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from functools import partial
from typing import BinaryIO

from llmzip.errors import CorruptError
from llmzip.layout.program import MAX_DISTANCE
from llmzip.layout.text import Span, Text, clip, joined

SPOOL_BYTES = 1 << 24
"""Of a text that are kept in memory; more goes into a temporary file of which nobody knows the
name."""


class Reference:
    """What stands before a member's text for copies: the bytes of `file`, which can seek."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.n_bytes = file.seek(0, io.SEEK_END)

    def read(self, start: int, stop: int) -> bytes:
        """Return bytes `start` to `stop` (exclusive), all of which it has. Raises CorruptError."""
        self._file.seek(start)
        data = _read_full(self._file, stop - start)
        if len(data) < stop - start:
            raise CorruptError("the file that this one refers to has changed: do it again")
        return data


class History:
    """The last `reach` bytes that were appended, by their position; before 0 the reference.

    A reach of 0 is for texts that nothing is copied from: nothing of them is kept.
    What is appended may have holes; they come back as holes.
    """

    reference: Reference | None

    def __init__(self, reference: Reference | None = None, reach: int = MAX_DISTANCE) -> None:
        self.reference = reference
        self._reach = reach
        self._recent = bytearray()  # all of it, as long as it is short
        self._file: BinaryIO | None = None  # else a ring: position modulo reach
        self._failure: OSError | None = None
        self._holes: list[Span] = []
        self.n_bytes = 0

    def append(self, text: Text | bytes) -> None:
        """Add what follows. Where there is no room for it, it is read() that tells."""
        data, holes = (text.data, text.holes) if isinstance(text, Text) else (text, ())
        for start, stop in holes:
            self._lose(self.n_bytes + start, self.n_bytes + stop)
        self._try(partial(self._keep, memoryview(data)))
        self.n_bytes += len(data)

    def lose(self, n_bytes: int) -> None:
        """Add `n_bytes` that nobody knows; they take no room, however many they are."""
        if not n_bytes:
            return
        self._lose(self.n_bytes, self.n_bytes + n_bytes)
        if self._file is None and self.n_bytes + n_bytes <= SPOOL_BYTES:
            self._recent += bytes(n_bytes if self._reach else 0)
        elif self._file is None:
            self._try(self._begin_file)
        self.n_bytes += n_bytes

    def read(self, start: int, stop: int) -> Text:
        """Return bytes `start` to `stop` (exclusive); from before 0 on those of the reference.

        Raises CorruptError where nothing stands; OSError where it could not be kept.
        """
        if start >= 0:
            return self._own(start, stop)
        before = Text(self._of_reference(start, min(stop, 0)))
        return before if stop <= 0 else joined([before, self._own(0, stop)])

    def close(self) -> None:
        """Forget all of it."""
        self._recent = bytearray()
        if self._file is not None:
            self._file.close()

    def __del__(self) -> None:
        self.close()

    def _own(self, start: int, stop: int) -> Text:
        if stop > self.n_bytes or start < self.n_bytes - self._reach:
            raise _nothing(start, stop)
        if self._failure is not None:
            raise OSError(
                self._failure.errno,
                "text that is copied later could not be kept in a temporary file: "
                f"{self._failure.strerror}",
            )
        data = self._recent[start:stop] if self._file is None else self._of_ring(start, stop)
        return Text(data, clip(self._holes, start, stop) if self._holes else ())

    def _lose(self, start: int, stop: int) -> None:
        if self._holes and self._holes[-1][1] == start:
            start = self._holes.pop()[0]
        self._holes.append((start, stop))

    def _of_reference(self, start: int, stop: int) -> bytes:
        n_bytes = 0 if self.reference is None else self.reference.n_bytes
        if self.reference is None or start + n_bytes < 0:
            raise _nothing(start, stop)
        return self.reference.read(start + n_bytes, stop + n_bytes)

    def _try(self, keep: Callable[[], None]) -> None:
        """Keep something, unless there was no room for something before."""
        if self._failure is None and self._reach:
            try:
                keep()
            except OSError as exc:
                self._failure = exc
                self.close()

    def _keep(self, data: memoryview) -> None:
        if self._file is None and self.n_bytes + len(data) <= min(SPOOL_BYTES, self._reach):
            self._recent += data
            return
        if self._file is None:
            self._begin_file()
        self._put(self.n_bytes, data)

    def _begin_file(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._put(0, memoryview(self._recent))
        self._recent = bytearray()

    def _put(self, at: int, data: memoryview) -> None:
        """Write `data` at its position in the ring; of what is longer the end."""
        assert self._file is not None
        n_surplus = max(0, len(data) - self._reach)
        at, data = at + n_surplus, data[n_surplus:]
        while data:
            place = at % self._reach
            piece = data[: self._reach - place]
            self._file.seek(place)
            self._file.write(piece)
            at, data = at + len(piece), data[len(piece) :]

    def _of_ring(self, start: int, stop: int) -> bytes:
        assert self._file is not None
        pieces = []
        while start < stop:
            place = start % self._reach
            n_bytes = min(stop - start, self._reach - place)
            self._file.seek(place)
            pieces.append(_read_full(self._file, n_bytes).ljust(n_bytes, b"\0"))  # what is lost
            start += n_bytes
        return b"".join(pieces)


def _read_full(file: BinaryIO, n_bytes: int) -> bytes:
    pieces = []
    while n_bytes > 0 and (piece := file.read(n_bytes)):
        pieces.append(piece)
        n_bytes -= len(piece)
    return b"".join(pieces)


def _nothing(start: int, stop: int) -> CorruptError:
    return CorruptError(
        f"a layout copies bytes {start} to {stop} of a text, which are not there: "
        "the file is damaged, get it again"
    )
