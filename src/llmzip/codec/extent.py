"""How far a group goes: as its level says, and further where a few bytes only repeat.

Zeros by the megabyte, as in sparse files, so cost as many groups as is good for who decodes them,
and no more.
"""

from __future__ import annotations

from llmzip.codec.streams import read_full
from llmzip.container import Readable

MAX_EASY_BYTES = 1 << 24
"""A group of nothing but repeats goes on to 16 MiB."""

MAX_PERIOD = 128
LOOK_BYTES = 4 * MAX_PERIOD
"""Where so many bytes do not repeat, the group they begin does not."""


def period_of(data: bytes | bytearray) -> int:
    """Return after how many bytes, MAX_PERIOD at most, all of `data` repeats; 0 if it does not."""
    if len(data) < LOOK_BYTES:
        return 0
    period = data.find(data[:MAX_PERIOD], 1, 2 * MAX_PERIOD)
    return period if period > 0 and _has_period(data, period) else 0


def goes_on(group: bytes | bytearray, more: bytes | bytearray) -> bool:
    """Whether a group that repeats does so with `more`, which comes next, too."""
    period = period_of(group)
    return period > 0 and _has_period(group[-period:] + more, period)


def may_go_on(group: bytes | bytearray, group_bytes: int) -> bool:
    """Whether what comes next may belong to a group that is full."""
    has_room = len(group) + group_bytes <= MAX_EASY_BYTES
    return has_room and len(group) % group_bytes == 0 and period_of(group) > 0


def _has_period(data: bytes | bytearray, period: int) -> bool:
    return data[period:] == data[:-period]


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
        period = period_of(group)
        parts, n_bytes = [group], len(group)
        while period and n_bytes % self._group_bytes == 0 and not self._is_source_done:
            if n_bytes + self._group_bytes > MAX_EASY_BYTES:
                break
            more = self._take()
            if not _has_period(parts[-1][-period:] + more, period):
                self._held = more
                break
            parts.append(more)
            n_bytes += len(more)
        return b"".join(parts)

    def _take(self) -> bytes:
        data = b"" if self._is_source_done else read_full(self._source, self._group_bytes)
        self._is_source_done = len(data) < self._group_bytes
        return data
