"""Bytes of which some may be lost, so that what is known of a text can be put together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

Span = tuple[int, int]
"""Bytes from the first to the second (exclusive)."""


@dataclass(frozen=True)
class Text:
    """Bytes, and where they are not known: `holes` rise, are disjoint, and filled with anything."""

    data: bytes | bytearray | memoryview
    holes: Sequence[Span] = ()

    @classmethod
    def lost(cls, n_bytes: int) -> Text:
        """Return a text of which nothing is known but its length."""
        return cls(bytes(n_bytes), ((0, n_bytes),) if n_bytes else ())

    @property
    def is_whole(self) -> bool:
        """Whether all of it is known."""
        return not self.holes

    def part(self, start: int, stop: int) -> Text:
        """Return bytes `start` to `stop` (exclusive) of it."""
        return Text(self.data[start:stop], clip(self.holes, start, stop) if self.holes else ())


def clip(spans: Sequence[Span], start: int, stop: int) -> list[Span]:
    """Return what of `spans` lies from `start` to `stop`, counted from `start`.

    They rise and are disjoint, as what is returned.
    """
    found = []
    for at in range(bisect_right(spans, start, key=_stop), len(spans)):
        first, last = spans[at]
        if first >= stop:
            break
        found.append((max(first, start) - start, min(last, stop) - start))
    return found


def _stop(span: Span) -> int:
    return span[1]


def joined(texts: Sequence[Text]) -> Text:
    """Return texts, one after the other, as one."""
    holes: list[Span] = []
    at = 0
    for text in texts:
        holes += ((at + a, at + b) for a, b in text.holes)
        at += len(text.data)
    return Text(b"".join(text.data for text in texts), merged(holes))


def merged(spans: Sequence[Span]) -> list[Span]:
    """Return rising spans with those that touch or overlap made one."""
    found: list[Span] = []
    for start, stop in spans:
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return found
