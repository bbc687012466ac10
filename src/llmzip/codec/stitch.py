"""Puts together what was brought back of a text, and marks what is missing between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from llmzip.codec.streams import write_full


@dataclass(frozen=True)
class LostRange:
    """Bytes of the original that are lost: `start` to `stop` (exclusive), None where unknown."""

    start: int | None
    stop: int | None

    @property
    def n_bytes(self) -> int | None:
        """How many they are, if that is known."""
        return None if self.start is None or self.stop is None else self.stop - self.start

    def __str__(self) -> str:
        """Return what is said about it, in the text and to people; both ends inclusive."""
        if self.start is not None and self.stop is not None:
            return f"{self.stop - self.start:,} bytes lost: {self.start:,} to {self.stop - 1:,}"
        start = "" if self.start is None else f", from {self.start:,} on"
        stop = "" if self.stop is None else f", up to {self.stop - 1:,}"
        return f"an unknown number of bytes lost{start}{stop}"

    @property
    def mark(self) -> bytes:
        """Return what stands in the text instead."""
        return f"\n[llmzip: {self}]\n".encode()


class Stitcher:
    """Writes what is brought back onto `sink`, in order, and a mark for what is not."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._at: int | None = 0  # in the original
        self._is_losing = False
        self._lost_from: int | None = 0
        self.lost: list[LostRange] = []
        self.n_bytes = 0
        """How many bytes of the original have been written."""

    @property
    def at(self) -> int | None:
        """Where in the original we are; None if that is unknown."""
        return self._at

    def move_to(self, at: int | None) -> None:
        """Go on at byte `at` of the original, if that is known: what lies between is lost."""
        if at is None or at == self._at:
            return
        if self._at is None or at > self._at:
            self._lose()
            self._at = at

    def put(self, data: bytes) -> None:
        """Write the next bytes."""
        self.flush()
        write_full(self._sink, data)
        self.n_bytes += len(data)
        if self._at is not None:
            self._at += len(data)

    def lose(self, n_bytes: int | None) -> None:
        """Note that the next bytes are lost; None: nobody knows how many."""
        self._lose()
        self._at = None if self._at is None or n_bytes is None else self._at + n_bytes

    def flush(self) -> None:
        """Mark what was lost up to here."""
        if not self._is_losing:
            return
        self._is_losing = False
        lost = LostRange(self._lost_from, self._at)
        if lost.n_bytes != 0:
            self.lost.append(lost)
            write_full(self._sink, lost.mark)

    def _lose(self) -> None:
        if not self._is_losing:
            self._is_losing, self._lost_from = True, self._at
