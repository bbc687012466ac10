"""Puts a group's text together as its layout says.

Where something is not known, because a file is damaged or because nobody has asked for it, what
comes of it is a hole: copies of holes are holes, and a tar whose headers are lost ends in one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import NoReturn, Protocol

from llmzip.errors import CorruptError
from llmzip.layout.program import Copy, Fill, Layout, Take, Tar
from llmzip.layout.tar_sizes import (
    BLOCK_BYTES,
    content_bytes,
    is_pseudo,
    padding_bytes,
    size_field,
)
from llmzip.layout.text import Span, Text, merged


class Past(Protocol):
    """The member's text before a group, the reference before that."""

    def read(self, start: int, stop: int) -> Text:
        """Return bytes `start` to `stop` (exclusive), counted from the member's first byte.

        Raises CorruptError where nothing stands, before the member or the reference.
        """


def weave(layout: Layout, content: Text, n_bytes: int, start: int, past: Past) -> Text:
    """Return the text of a group, `n_bytes` long, whose streams are `content`.

    start: where the group begins in the member's text.
    Raises CorruptError where the layout asks for what is not there, or does not come to `n_bytes`.
    """
    return _Loom(layout, content, n_bytes, start, past).woven()


@dataclass(frozen=True)
class Loan:
    """From byte `at` of a group on stand bytes `start` to `stop` (exclusive) of the member's text.

    Those are before the group, or before the member, in the reference.
    """

    at: int
    start: int
    stop: int


def loans(layout: Layout, content: Text, n_bytes: int, start: int) -> tuple[list[Loan], Text]:
    """Return what a group copies from before it, in order, and its text with holes for that.

    The arguments, and what is raised, are those of `weave`.
    """
    survey = _Survey(layout, content, n_bytes, start)
    return survey.loans, survey.woven()


@dataclass(frozen=True)
class Placing:
    """From byte `at` of a group on stand `n_bytes` of its content, those from `start` on."""

    at: int
    start: int
    n_bytes: int


def placings(layout: Layout, content: Text, n_bytes: int, start: int) -> list[Placing]:
    """Return where in the text of a group its content stands, in the order of the text.

    The arguments, and what is raised, are those of `weave`.
    """
    survey = _Survey(layout, content, n_bytes, start)
    survey.woven()
    return survey.placings


class _LostHeaderError(Exception):
    """A header of a tar is lost, and with it where anything after it stands."""


class _Loom:
    """The text as far as it is written."""

    def __init__(
        self, layout: Layout, content: Text, n_bytes: int, start: int, past: Past | None
    ) -> None:
        if sum(layout.streams) != len(content.data):
            _refuse(
                f"has streams of {sum(layout.streams)} bytes, and {len(content.data)} are there"
            )
        self._content = Text(memoryview(content.data), content.holes)
        self._stops = list(accumulate(layout.streams))
        self._cursors = [
            stop - size for stop, size in zip(self._stops, layout.streams, strict=True)
        ]
        self._ops = layout.ops
        self._n_bytes = n_bytes
        self._start = start
        self._past = past
        self._text = bytearray()
        self._holes: list[Span] = []
        self._headers: int | None = None  # the stream of the headers, while a tar is framed
        self._n_headers = 0  # yet to come
        self._n_left = 0  # of the content of the last one
        self._n_padding = 0  # after that

    def woven(self) -> Text:
        """Return the text."""
        try:
            for op in self._ops:
                match op:
                    case Take():
                        self.take(op.stream, op.n_bytes)
                    case Fill():
                        self.fill(op.value, op.n_bytes)
                    case Copy():
                        self.copy(op.distance, op.n_bytes)
                    case Tar():
                        self.begin_tar(op.stream, op.n_headers)
        except _LostHeaderError:
            return self.broken_off()
        return self.finished()

    def take(self, stream: int, n_bytes: int) -> None:
        """Write the next bytes of a stream."""
        while n_bytes:
            n = self._room(n_bytes)
            self._write(self._next_of(stream, n))
            n_bytes -= n

    def fill(self, value: int, n_bytes: int) -> None:
        """Write a byte many times."""
        while n_bytes:
            n = self._room(n_bytes)
            self._write(Text(bytes([value]) * n))
            n_bytes -= n

    def copy(self, distance: int, n_bytes: int) -> None:
        """Write bytes from `distance` back. Where a tar is framed that is meant at the start."""
        source = self._start + len(self._text) - distance
        while n_bytes:
            n = self._room(n_bytes)
            if source < self._start:
                n = min(n, self._start - source)
                self._write(self._before(source, source + n))
            else:
                self._write(self._own(source - self._start, n))
            source += n
            n_bytes -= n

    def begin_tar(self, stream: int, n_headers: int) -> None:
        """Frame what follows."""
        if self._headers is not None:
            _refuse("begins a tar within a tar")
        self._headers, self._n_headers = stream, n_headers
        self._next_header()

    def finished(self) -> Text:
        """Return the text. Raises CorruptError if anything is missing or left over."""
        if len(self._text) != self._n_bytes:
            _refuse(f"comes to {len(self._text)} bytes instead of {self._n_bytes}")
        if self._cursors != self._stops:
            _refuse("does not use all of its streams")
        if self._n_headers:
            _refuse("ends before the headers of its tar")
        return Text(self._text, merged(self._holes))

    def broken_off(self) -> Text:
        """Return the text, the rest of which is lost."""
        n_missing = self._n_bytes - len(self._text)
        self._holes.append((len(self._text), self._n_bytes))
        return Text(self._text + bytes(n_missing), merged(self._holes))

    def _room(self, n_bytes: int) -> int:
        """Return how many of the next `n_bytes` go where the text stands. Raises CorruptError."""
        if len(self._text) + n_bytes > self._n_bytes:
            _refuse(f"comes to more than {self._n_bytes} bytes")
        return n_bytes if self._headers is None else min(n_bytes, self._n_left)

    def _next_of(self, stream: int, n_bytes: int) -> Text:
        start = self._cursors[stream]
        stop = start + n_bytes
        if stop > self._stops[stream]:
            _refuse(f"takes more than there is of stream {stream}")
        self._cursors[stream] = stop
        return self._content.part(start, stop)

    def _before(self, start: int, stop: int) -> Text:
        """Return bytes of the member's text before the group."""
        assert self._past is not None
        return self._past.read(start, stop)

    def _own(self, start: int, n_bytes: int) -> Text:
        """Return bytes of the text, which may go on into themselves."""
        whole = Text(self._text, self._holes)
        period = len(self._text) - start
        if n_bytes <= period:
            return whole.part(start, start + n_bytes)
        unit = whole.part(start, start + period)
        n_units = -(-n_bytes // period)
        holes = [(at * period + a, at * period + b) for at in range(n_units) for a, b in unit.holes]
        return Text(bytes(unit.data) * n_units, holes).part(0, n_bytes)

    def _write(self, text: Text) -> None:
        """Write `text`; where it completes the content of a tar's file, all up to the next one."""
        self._put(text)
        if self._headers is not None:
            self._n_left -= len(text.data)
            if not self._n_left:
                self._put_own(Text(bytes(self._n_padding)))
                self._next_header()

    def _put(self, text: Text) -> None:
        at = len(self._text)
        self._holes += ((at + a, at + b) for a, b in text.holes)
        self._text += text.data

    def _put_own(self, text: Text) -> None:
        """Write what belongs to the framing."""
        if len(self._text) + len(text.data) > self._n_bytes:
            _refuse(f"comes to more than {self._n_bytes} bytes")
        self._put(text)

    def _next_header(self) -> None:
        """Write headers up to one that content follows, or to the end of the framing."""
        while self._n_headers:
            header = self._header()
            if is_pseudo(header):
                n_bytes = size_field(header)
                self._put_headers(n_bytes + padding_bytes(n_bytes))
                continue
            self._n_headers -= 1
            self._n_left = content_bytes(header)
            self._n_padding = padding_bytes(self._n_left)
            if self._n_left:
                return
        self._headers = None

    def _header(self) -> bytes:
        header = self._put_headers(BLOCK_BYTES)
        if not header.is_whole:
            raise _LostHeaderError
        return bytes(header.data)

    def _put_headers(self, n_bytes: int) -> Text:
        assert self._headers is not None
        text = self._next_of(self._headers, n_bytes)
        self._put_own(text)
        return text


class _Survey(_Loom):
    """A loom that notes what would come from before the group, and where its content goes."""

    def __init__(self, layout: Layout, content: Text, n_bytes: int, start: int) -> None:
        super().__init__(layout, content, n_bytes, start, None)
        self.loans: list[Loan] = []
        self.placings: list[Placing] = []

    def _next_of(self, stream: int, n_bytes: int) -> Text:
        self.placings.append(Placing(len(self._text), self._cursors[stream], n_bytes))
        return super()._next_of(stream, n_bytes)

    def _before(self, start: int, stop: int) -> Text:
        self.loans.append(Loan(len(self._text), start, stop))
        return Text.lost(stop - start)


def _refuse(what: str) -> NoReturn:
    raise CorruptError(f"the layout of a group {what}: the file is damaged, get it again")
