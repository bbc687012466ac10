"""How far a group goes: as its level says, and further where nothing but one byte comes.

Zeros by the megabyte, as in sparse files, so cost as many groups as is good for who decodes them,
and no more.
"""

from __future__ import annotations

from llmzip.codec.streams import read_full
from llmzip.container import Readable

MAX_EASY_BYTES = 1 << 24
"""A group of nothing but one byte goes on to 16 MiB."""


def is_one_byte(data: bytes | bytearray) -> bool:
    """Whether nothing but one byte is there, and that at least once."""
    return bool(data) and data[0] == data[-1] and data.count(data[0]) == len(data)


def may_go_on(group: bytes | bytearray, group_bytes: int) -> bool:
    """Whether what comes next belongs to a group that is full, if that is its only byte too."""
    has_room = len(group) + group_bytes <= MAX_EASY_BYTES
    return has_room and len(group) % group_bytes == 0 and is_one_byte(group)


class GroupReader:
    """Reads a text group by group. group_bytes: as the level says."""

    def __init__(self, source: Readable, group_bytes: int) -> None:
        self._source = source
        self._group_bytes = group_bytes
        self._held = b""  # was read to see whether it belongs to the group before it
        self._is_source_done = False

    @property
    def is_done(self) -> bool:
        """Whether all groups have been read."""
        return self._is_source_done and not self._held

    def read(self) -> bytes:
        """Return the next group, nothing at the end."""
        group, self._held = self._held or self._take(), b""
        while group and not self._is_source_done and may_go_on(group, self._group_bytes):
            more = self._take()
            if not is_one_byte(more) or more[0] != group[0]:
                self._held = more
                break
            group += more
        return group

    def _take(self) -> bytes:
        data = b"" if self._is_source_done else read_full(self._source, self._group_bytes)
        self._is_source_done = len(data) < self._group_bytes
        return data
