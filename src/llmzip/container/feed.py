"""Records of one member out of bytes that are handed over as they come.

A record that is not there as a whole is tried again once enough has come for it: nothing of the
reader has changed by then, for it checks a record only when it has all of its bytes.
"""

from __future__ import annotations

from collections import deque

from llmzip.container.compact import take_compact
from llmzip.container.head import check_start, take_header
from llmzip.container.limits import SIGNATURE
from llmzip.container.reader import Sequence
from llmzip.container.records import End, Group, GroupEntry, Header, Record
from llmzip.container.wire import Source


class NotYetError(Exception):
    """What is asked for has not come yet."""


class GrowingSource(Source):
    """A source in memory that grows, and goes back to a mark where it has not grown enough.

    Raises NotYetError where Source would wait.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0
        self._mark_offset = 0
        self.n_wanted = 0
        """How many bytes after the mark were asked for when they had not all come."""

    @property
    def offset(self) -> int:
        """Where the next field starts."""
        return self._mark_offset + self._at

    @property
    def n_held(self) -> int:
        """How many bytes after the mark have come."""
        return len(self._data)

    def feed(self, data: bytes | memoryview) -> None:
        """Add what has come."""
        self._data += data

    def take(self, n_bytes: int) -> bytes:
        """Return exactly the next `n_bytes`."""
        stop = self._at + n_bytes
        if stop > len(self._data):
            self.n_wanted = stop
            raise NotYetError
        taken = bytes(memoryview(self._data)[self._at : stop])
        self._at = stop
        return taken

    def peek(self, n_bytes: int) -> bytes:
        """Return the next `n_bytes` without taking them, fewer where they have not come."""
        return bytes(memoryview(self._data)[self._at : self._at + n_bytes])

    def mark(self) -> None:
        """Forget what has been taken."""
        del self._data[: self._at]
        self._mark_offset += self._at
        self._at = self.n_wanted = 0

    def rewind(self) -> None:
        """Go back to the mark."""
        self._at = 0

    def rest(self) -> bytes:
        """Return what has come and has not been taken."""
        return bytes(memoryview(self._data)[self._at :])


class MemberFeed:
    """The records of one member, which need not come all at once.

    ended: whether all bytes of the member have come; those after it are `unused`.
    """

    def __init__(self) -> None:
        self._source = GrowingSource()
        self._sequence: Sequence | None = None
        self._ready: deque[Record] = deque()
        self.ended = False

    def feed(self, data: bytes | memoryview) -> None:
        """Add what has come."""
        self._source.feed(data)

    @property
    def unused(self) -> bytes:
        """What came after the member."""
        return self._source.rest() if self.ended else b""

    def next_record(self) -> Record | None:
        """Return the next record if all of it has come, else None. Raises FormatError."""
        if self._ready:
            return self._ready.popleft()
        if self.ended or self._source.n_held < max(1, self._source.n_wanted):
            return None
        try:
            self._ready.extend(self._next())
        except NotYetError:
            self._source.rewind()
            return None
        self._source.mark()
        return self._ready.popleft()

    def _next(self) -> list[Record]:
        if self._sequence is not None:
            record = self._sequence.record()
            self.ended = self._sequence.ended
            return [record]
        start = self._source.peek(len(SIGNATURE) + 1)
        if len(start) <= len(SIGNATURE) and SIGNATURE.startswith(start):
            self._source.take(len(SIGNATURE) + 1)
        form = check_start(self._source)
        if form.is_sequence:
            options = take_header(self._source)
            self._sequence = Sequence(self._source, options, 0)
            return [Header(options)]
        member = take_compact(self._source, form)
        self.ended = True
        n_bytes = member.wave.n_bytes
        end = End(n_bytes, member.checksum, (GroupEntry(0, n_bytes),))
        model = [] if member.model is None else [member.model]
        return [Header(member.options), *model, Group(), member.wave, end]
