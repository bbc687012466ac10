"""What a plan for a group comes to: a layout, and the streams that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmzip.encodings.detect import Found
from llmzip.layout.program import Layout


@dataclass(frozen=True)
class Repeat:
    """Bytes start to stop (exclusive) of a group are those `distance` bytes before them.

    Where the distance is less than stop - start they run into themselves.
    """

    start: int
    stop: int
    distance: int


@dataclass(frozen=True)
class Stream:
    """Bytes that are coded together.

    found: the encoding that they seem to be text in; None where that is UTF-8, or they are none.
    is_headers: whether they are headers of a tar, which have a codec of their own.
    """

    data: bytes
    for_model: bool
    found: Found | None = None
    is_headers: bool = False


@dataclass(frozen=True)
class Planned:
    """How a group is to be coded. Without a layout its text is the streams, one after the other."""

    layout: Layout | None
    streams: Sequence[Stream]

    @property
    def n_content(self) -> int:
        """What the streams come to."""
        return sum(len(stream.data) for stream in self.streams)
