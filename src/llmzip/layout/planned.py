"""What a plan for a group comes to: a layout, and the streams that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from llmzip.encodings.detect import Found
from llmzip.layout.program import Layout


class Repeat(Protocol):
    """Bytes start to stop (exclusive) of a group that stand `distance` bytes before them, too."""

    @property
    def start(self) -> int:
        """Where they begin in the group."""

    @property
    def stop(self) -> int:
        """Where they end in it."""

    @property
    def distance(self) -> int:
        """How far back they stand; less than their length where they run into themselves."""


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
