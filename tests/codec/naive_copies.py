"""Finds copies the slow way, so that what is made of them can be tested without the real finder."""

from __future__ import annotations

from llmzip.layout.planned import Repeat


class NaiveFinder:
    """Copies of at least `least` bytes, each from where it stands first, other copies included.

    before: a reference.
    """

    def __init__(self, before: bytes = b"", least: int = 24) -> None:
        self._text = before
        self._least = least

    def __call__(self, group: bytes) -> list[Repeat]:
        base, whole = len(self._text), self._text + group
        found: list[Repeat] = []
        at = 0
        while at <= len(group) - self._least:
            place = base + at
            source = whole.find(whole[place : place + self._least], 0, place + self._least - 1)
            if source < 0:
                at += 1
                continue
            n = self._least
            while at + n < len(group) and whole[source + n] == whole[place + n]:
                n += 1
            found.append(Repeat(at, at + n, place - source))
            at += n
        self._text = whole
        return found
