"""What the chunks of a member decode to, put together: groups with a layout as that says."""

from __future__ import annotations

from collections import deque

from llmzip.codec.memory import check_memory
from llmzip.codec.stats import Stats
from llmzip.container import Group, Kind, Wave, chunk_checksum
from llmzip.container.bodies import ChunkHead
from llmzip.container.limits import MAX_LAYOUT_BYTES
from llmzip.container.wire import corrupt
from llmzip.layout.history import History
from llmzip.layout.program import Layout, supplied, unpack_layout
from llmzip.layout.text import Text
from llmzip.layout.weave import Past, weave

OP_BYTES = 160
"""What an op of a layout takes in memory while it is carried out."""


class LaidOut:
    """A group that begins with a layout, while its content is gathered.

    head: of the layout. program: what its chunk decodes to. Raises CorruptError, and LimitError
    where it takes more than `memlimit` bytes.
    """

    def __init__(self, head: ChunkHead, program: bytes, memlimit: int | None = None) -> None:
        self.layout: Layout = unpack_layout(program)
        self.n_content = sum(self.layout.streams)
        self.n_bytes = head.n_bytes + self.n_content
        """What the group comes to."""
        if self.n_bytes > MAX_LAYOUT_BYTES:
            raise corrupt(f"a group with a layout of {self.n_bytes:,} bytes")
        needed = 2 * self.n_bytes + self.n_content + OP_BYTES * len(self.layout.ops)
        check_memory(needed, memlimit, "a group with a layout")
        self.n_supplied = head.n_bytes
        self._checksum = head.checksum
        self._parts: list[bytes] = []
        self._n_missing = self.n_content

    @property
    def is_complete(self) -> bool:
        """Whether all of the content is here."""
        return not self._n_missing

    def put(self, data: bytes) -> None:
        """Add the next of the content. Raises CorruptError if that is too much."""
        if len(data) > self._n_missing:
            raise corrupt("a group has more chunks than its layout takes")
        self._parts.append(data)
        self._n_missing -= len(data)

    def woven(self, start: int, past: Past) -> bytes:
        """Return the text of the group, which begins at `start` in the member's.

        Raises CorruptError, OSError where earlier text could not be kept.
        """
        if not self.is_complete:
            raise corrupt("a group has fewer chunks than its layout takes")
        content = Text(b"".join(self._parts))
        self._parts = []
        text = weave(self.layout, content, self.n_bytes, start, past)
        self.verify(text)
        return bytes(text.data)

    def verify(self, text: Text) -> None:
        """Raise CorruptError unless `text` is that of the group."""
        if not text.is_whole or chunk_checksum(text.data) != self._checksum:
            raise corrupt(f"a group of {self.n_bytes} bytes fails its checksum")


class Assembly:
    """Takes what chunks decode to, in order; gives the member's text.

    The records that they come in have to be noted before. history: of the member. memlimit: as for
    decode_stream. stats: where it is counted what layouts supply.
    """

    def __init__(
        self, history: History, memlimit: int | None = None, stats: Stats | None = None
    ) -> None:
        self._stats = stats or Stats()
        self._history = history
        self._memlimit = memlimit
        self._expected: deque[ChunkHead | None] = deque()  # None where a group begins
        self._group: LaidOut | None = None
        self._is_begun = False  # whether the group has a chunk

    def note(self, record: Group | Wave) -> None:
        """Take note of the next record."""
        if isinstance(record, Group):
            self._expected.append(None)
        else:
            self._expected.extend(map(ChunkHead.of, record.chunks))

    def put(self, data: bytes) -> bytes:
        """Take what the next chunk decodes to, of a layout its program; return the next text.

        There is none while a group with a layout is not complete. Raises CorruptError, LimitError.
        """
        return self.put_next(self._next_head(), data)

    def put_next(self, head: ChunkHead, data: bytes) -> bytes:
        """Do the same with a chunk of the same group whose head was not noted."""
        if head.kind is Kind.LAYOUT:
            if self._is_begun:
                raise corrupt("a layout that is not the first chunk of its group")
            self._group = LaidOut(head, data, self._memlimit)
            self._stats.count_layout(supplied(self._group.layout, head.n_bytes))
        elif self._group is not None:
            self._group.put(data)
        self._is_begun = True
        if self._group is None:
            self._history.append(data)
            return data
        return self._woven(self._group) if self._group.is_complete else b""

    def finish(self) -> None:
        """Raise CorruptError if the last group is not complete."""
        if self._group is not None and not self._group.is_complete:
            raise corrupt("a group has fewer chunks than its layout takes")
        self._group, self._is_begun = None, False

    def _next_head(self) -> ChunkHead:
        while (head := self._expected.popleft()) is None:
            self.finish()
        return head

    def _woven(self, group: LaidOut) -> bytes:
        text = group.woven(self._history.n_bytes, self._history)
        self._history.append(text)
        return text
