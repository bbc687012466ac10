"""What can be kept of a member whose writing was cut short: its whole groups, from the start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from llmzip.container.checksum import FileChecksum
from llmzip.container.head import check_start, pack_header
from llmzip.container.kinds import Kind
from llmzip.container.reader import Reader
from llmzip.container.records import (
    Chunk,
    End,
    Group,
    GroupEntry,
    Header,
    ModelRef,
    Options,
    Reference,
    Wave,
)
from llmzip.container.wire import Source
from llmzip.errors import FormatError


@dataclass
class Written:
    """The groups that a Writer goes on after.

    n_written: what they take in the file, with all before them. checksum: of their bytes.
    model: None if none of them needs one; where it stands, 0 for nowhere.
    """

    options: Options
    n_written: int = 0
    groups: list[GroupEntry] = field(default_factory=list)
    checksum: FileChecksum = field(default_factory=FileChecksum)
    model: ModelRef | None = None
    model_offset: int = 0


@dataclass
class FoundGroup:
    """A group as far as its waves are whole. start, stop: where it stands in the file."""

    start: int
    stop: int
    sizes: list[tuple[int, bytes]] = field(default_factory=list)
    """Of each chunk, how many bytes it decodes to, and their checksum; with a layout of all."""
    has_layout: bool = False

    @property
    def n_bytes(self) -> int:
        """What the waves decode to."""
        return sum(n_bytes for n_bytes, _ in self.sizes)

    def add(self, chunks: tuple[Chunk, ...], stop: int) -> None:
        """Add a wave that ends at `stop`."""
        self.has_layout = self.has_layout or chunks[0].kind is Kind.LAYOUT
        self.sizes += [(chunk.n_bytes, chunk.checksum) for chunk in chunks]
        if self.has_layout:
            self.sizes = [(self.n_bytes, self.sizes[0][1])]
        self.stop = stop


class Remains:
    """What is in `source`, the file of a Writer that may not have come to finish().

    options: None as long as the file is empty or ends within what begins every file.
    Iterating, which goes once, yields the groups. A member of the compact form has none.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.options: Options | None = None
        self.reference: Reference | None = None
        self.model: ModelRef | None = None
        self.model_offset = 0

    def is_other_data(self, options: Options) -> bool:
        """Return whether a Writer with these options cannot have written the first bytes."""
        self._source.seek(0)
        header = pack_header(options)
        start = self._source.read(len(header))
        self._source.seek(0)
        return not header.startswith(start) and not self._is_compact()

    def __iter__(self) -> Iterator[FoundGroup]:
        if self._is_compact():
            return
        group: FoundGroup | None = None
        reader = Reader(self._source)
        start = 0
        try:
            for record in reader:
                match record:
                    case Header():
                        self.options = record.options
                    case Reference():
                        self.reference = record
                    case ModelRef():
                        self.model, self.model_offset = record, start
                    case Group():
                        if group is not None:
                            yield group
                        group = FoundGroup(start, reader.offset)
                    case Wave():
                        assert group is not None
                        group.add(record.chunks, reader.offset)
                    case End():
                        break
                start = reader.offset
        except FormatError:
            pass  # here it was cut short
        if group is not None:
            yield group

    def _is_compact(self) -> bool:
        """Return whether the file is one small group, which was complete when it was written."""
        self._source.seek(0)
        try:
            return not check_start(Source(self._source)).is_sequence
        except FormatError:
            return False
        finally:
            self._source.seek(0)
