"""Finds archives made by tar: ustar, pax and GNU, old or new, anywhere in some bytes.

A header is believed for its magic and its checksum. What is damaged, or framed in a way of its
own, is no part of an archive: it stays among what is between.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmzip.errors import CorruptError
from llmzip.layout.tar_header import BLOCK_BYTES, MAGIC, MAGIC_AT, TYPE, is_header
from llmzip.layout.tar_records import MAX_DATA_BYTES
from llmzip.layout.tar_sizes import content_bytes, is_pseudo, padding_bytes, size_field

Span = tuple[int, int]
"""Bytes from the first up to the second (exclusive)."""

_GNU_SPARSE = ord("S")


@dataclass(frozen=True)
class Member:
    """A file of an archive: its headers from `start`, its content, zeros up to `end`."""

    start: int
    content: int
    stop: int
    end: int


@dataclass(frozen=True)
class Archive:
    """Members that follow each other; at least one."""

    members: tuple[Member, ...]

    @property
    def start(self) -> int:
        """Where its first header begins."""
        return self.members[0].start

    @property
    def end(self) -> int:
        """Where what it frames ends."""
        return self.members[-1].end

    def headers(self, data: bytes) -> bytes:
        """Return the headers, joined, of an archive in `data`."""
        return b"".join(data[member.start : member.content] for member in self.members)


def find_archives(data: bytes, taken: Sequence[Span] = ()) -> list[Archive]:
    """Return the archives in `data`, in order. taken: spans, whose headers are left alone."""
    starts = [start for start, _ in taken]

    def is_taken(start: int, stop: int) -> bool:
        at = bisect_right(starts, start) - 1
        return at >= 0 and stop <= taken[at][1]

    archives = []
    end = 0
    for start in _headers(data):
        if start < end or is_taken(start, start + BLOCK_BYTES):
            continue
        members: list[Member] = []
        at = start
        while (member := _member(data, at)) and not is_taken(at, member.content):
            members.append(member)
            at = member.end
        if members:
            archives.append(Archive(tuple(members)))
            end = at
    return archives


def _headers(data: bytes) -> Iterator[int]:
    """Yield where headers are, content that looks like one included."""
    at = data.find(MAGIC, MAGIC_AT)
    while at >= 0:
        start = at - MAGIC_AT
        if is_header(data[start : start + BLOCK_BYTES]):
            yield start
        at = data.find(MAGIC, at + 1)


def _member(data: bytes, start: int) -> Member | None:
    """Return the member at `start`, None if there is none that can be framed."""
    content = _end_of_headers(data, start)
    if content is None or data[content - BLOCK_BYTES + TYPE.start] == _GNU_SPARSE:
        return None
    try:
        size = content_bytes(data[content - BLOCK_BYTES : content])
    except CorruptError:
        return None
    stop = content + size
    if stop > len(data):
        return Member(start, content, len(data), len(data))
    end = stop + padding_bytes(size)
    is_whole = end <= len(data) and not data[stop:end].strip(b"\0")
    return Member(start, content, stop, end) if is_whole else None


def _end_of_headers(data: bytes, at: int) -> int | None:
    """Return where a member's headers end; the last one is the member's own."""
    while is_header(header := data[at : at + BLOCK_BYTES]):
        at += BLOCK_BYTES
        if not is_pseudo(header):
            return at
        try:
            size = size_field(header)
        except CorruptError:
            return None
        if size > MAX_DATA_BYTES:
            return None
        at += size + padding_bytes(size)
    return None
