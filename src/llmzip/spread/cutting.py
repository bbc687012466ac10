"""How files are cut into what workers do: small ones together, large ones group by group."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import BinaryIO, Protocol

from llmzip.codec.extent import LOOK_BYTES, GroupReader, period_of
from llmzip.codec.groups import FindCopies
from llmzip.codec.many import BATCH_BYTES, BATCH_TEXTS
from llmzip.codec.streams import read_full
from llmzip.compressor import Compressor
from llmzip.container import End, Reference
from llmzip.decompressor import Decompressor
from llmzip.layout.planned import Repeat
from llmzip.spread.places import Span, State, opened
from llmzip.spread.units import OneGroup, WholeFiles


@dataclass(frozen=True)
class InputFile:
    """A file that is to be dealt with. target: where a worker is to write what it makes of it."""

    place: str
    state: State
    target: str | None = None

    @property
    def span(self) -> Span:
        """All of it."""
        return Span(self.place, 0, self.state.n_bytes, self.state)


@dataclass(frozen=True)
class Cut:
    """A large file in groups.

    end: what their text must come to, where they are decoded. reference: what they may copy from,
        where they are encoded.
    """

    groups: list[OneGroup]
    end: End | None = None
    reference: Reference | None = None


class Cutter(Protocol):
    """Knows how large files are cut."""

    def cut(self, file: InputFile) -> Cut | None:
        """Return a file's groups; None of one that is dealt with as a whole. Raises OSError."""

    def prepared(self, unit: OneGroup) -> OneGroup:
        """Return a group of what cut() has returned as a worker wants it.

        Those of a file come in order. Raises as Span.read.
        """


class TextCutter:
    """Cuts what is to be compressed, and finds the copies in it: workers see but their groups."""

    def __init__(self, compressor: Compressor) -> None:
        self._compressor = compressor
        self._group_bytes = compressor.group_bytes
        self._walk: _Walk | None = None

    def cut(self, file: InputFile) -> Cut | None:
        """Return the groups of a file that is not small."""
        if file.state.n_bytes <= BATCH_BYTES:
            return None
        return Cut(list(self._groups(file)), reference=self._compressor.reference)

    def prepared(self, unit: OneGroup) -> OneGroup:
        """Return a group with its copies."""
        (span,) = unit.spans
        if self._walk is None or not self._walk.leads_to(span):
            if self._walk is not None:
                self._walk.close()
            self._walk = _Walk(self._compressor, span)
        copies = self._walk.copies(span)
        if span.stop >= span.state.n_bytes:
            self._walk.close()
            self._walk = None
        return replace(unit, copies=None if copies is None else tuple(copies))

    def _groups(self, file: InputFile) -> Iterator[OneGroup]:
        start = 0
        with opened(file.place) as stream:
            while start < file.state.n_bytes:
                stop = min(start + self._n_bytes_from(stream, start), file.state.n_bytes)
                yield OneGroup((Span(file.place, start, stop, file.state),))
                start = stop

    def _n_bytes_from(self, stream: BinaryIO, start: int) -> int:
        """Return how long a group is; few bytes tell, unless they repeat."""
        stream.seek(start)
        if not period_of(read_full(stream, LOOK_BYTES)):
            return self._group_bytes
        stream.seek(start)
        return max(len(GroupReader(stream, self._group_bytes).read()), 1)


class _Walk:
    """Through a file, group by group, for the copies in it."""

    def __init__(self, compressor: Compressor, span: Span) -> None:
        """`span`: any of the file. Raises OSError."""
        self._group_bytes = compressor.group_bytes
        self._done = replace(span, start=0, stop=0)
        stack = ExitStack()
        self._stream = stack.enter_context(opened(span.place))
        self.close = weakref.finalize(self, stack.close)  # a run may end before the file does
        self._find = compressor.finding_copies(self._stream)

    def leads_to(self, span: Span) -> bool:
        """Return whether `span` is a group of the file that is still ahead."""
        done = self._done
        return (done.place, done.state) == (span.place, span.state) and done.stop <= span.start

    def copies(self, span: Span) -> Sequence[Repeat] | None:
        """Return those of a group; None where it copies from itself alone. Raises as Span.read."""
        if self._find is None:
            return None
        while self._done.stop < span.start:  # groups that somebody else has dealt with
            self._stream.seek(self._done.stop)
            n_bytes = len(GroupReader(self._stream, self._group_bytes).read())
            stop = self._done.stop + max(n_bytes, 1)
            self._take(self._find, replace(span, start=self._done.stop, stop=stop))
        return self._take(self._find, span)

    def _take(self, find: FindCopies, span: Span) -> Sequence[Repeat]:
        copies = find(span.read())
        self._done = span
        return copies


class PackedCutter:
    """Cuts what is to be decompressed: by its index, which is read for that."""

    def __init__(self, decompressor: Decompressor) -> None:
        self._decompressor = decompressor

    def cut(self, file: InputFile) -> Cut | None:
        """Return the groups of a file of one member that has several. Raises LlmzipError, too."""
        if file.state.n_bytes <= BATCH_BYTES:
            return None
        with opened(file.place) as stream:
            parts = self._decompressor.parts(stream)
        if parts is None:
            return None
        groups = [
            OneGroup((Span(file.place, part.start, part.stop, file.state),), part)
            for part in parts.groups
        ]
        return Cut(groups, parts.end)

    def prepared(self, unit: OneGroup) -> OneGroup:
        """Return it as it is."""
        return unit


class Batch:
    """Small files, one after the other, until there are enough of them for a unit."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.files: list[int] = []
        self._inputs: list[InputFile] = []
        self._n_bytes = 0

    def takes(self, file: InputFile) -> bool:
        """Return whether there is room for a file; there is for the first one."""
        if not self._inputs:
            return True
        return len(self._inputs) < BATCH_TEXTS and self._n_bytes + file.state.n_bytes <= BATCH_BYTES

    def add(self, number: int, file: InputFile) -> None:
        """Take the file of that number."""
        self.files.append(number)
        self._inputs.append(file)
        self._n_bytes += file.state.n_bytes

    def unit(self, replace: bool) -> WholeFiles:
        """Return all of them as a unit."""
        spans = tuple(file.span for file in self._inputs)
        return WholeFiles(spans, tuple(file.target for file in self._inputs), replace)
