"""Any group of a file that can seek, decoded without those before it."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from llmzip.codec.lockstep import Lockstep
from llmzip.codec.model import OpenedModel, OpenToDecode, Progress, unseen
from llmzip.codec.schedule import Schedule
from llmzip.container import (
    Claims,
    End,
    Group,
    GroupEntry,
    Index,
    ModelRef,
    Options,
    Wave,
    check_output,
    read_group,
    read_index,
    read_lone_index,
)
from llmzip.container.limits import FILE_CHECKSUM_BYTES

InTurn = Callable[[Iterator[bytes]], Iterator[bytes]]
"""Lets pieces be decoded one by one, each while nobody else uses the model."""


@dataclass(frozen=True)
class CodedPart:
    """A group of a .llmz file, to be decoded alone.

    start, stop: where it stands in the file. n_file_bytes: of the whole file.
    """

    options: Options
    model: ModelRef | None
    entry: GroupEntry
    start: int
    stop: int
    n_file_bytes: int

    def index(self) -> Index:
        """Return the index of the file as if it had this group only, and began with it."""
        end = End(self.entry.n_bytes, bytes(FILE_CHECKSUM_BYTES), (self.entry,))
        return Index(-self.entry.offset, self.options, self.model, end)


@dataclass(frozen=True)
class Parts:
    """The groups of a file, and the end that all of its text must come to."""

    groups: list[CodedPart]
    end: End


def parts_of(source: BinaryIO, max_output: int | None = None) -> Parts | None:
    """Return the groups of a file so that each can be decoded elsewhere.

    None where there is but one, or the file is anything else than one whole member.
    Raises LimitError as decode_stream does, OSError.
    """
    index = read_lone_index(source)
    if index is None or len(index.groups) < 2:
        return None
    n_file_bytes = source.seek(0, io.SEEK_END)
    check_output(index.end.n_bytes, n_file_bytes, max_output)
    starts = [index.start + group.offset for group in index.groups]
    stops = [*starts[1:], n_file_bytes]
    return Parts(
        [
            CodedPart(index.options, index.model, entry, start, stop, n_file_bytes)
            for entry, start, stop in zip(index.groups, starts, stops, strict=True)
        ],
        index.end,
    )


class GroupAccess:
    """The groups of all members of `source`, by their place in the decoded text.

    n_bytes: the size of the decoded text. n_decoded: how many groups were begun to be decoded.
    max_output, memlimit: as for decode_stream.

    Raises FormatError, LimitError; each chunk is verified, the checksums of whole members are not.
    """

    def __init__(
        self,
        source: BinaryIO,
        open_model: OpenToDecode,
        in_turn: InTurn = iter,
        n_lanes: int | None = None,
        *,
        max_output: int | None = None,
        memlimit: int | None = None,
    ) -> None:
        self._source = source
        self._open_model = open_model
        self._in_turn = in_turn
        self._n_lanes = n_lanes
        self._max_output, self._memlimit = max_output, memlimit
        self._groups: list[tuple[Index, int]] = []
        self._starts: list[int] = []
        self.n_bytes = 0
        self.n_decoded = 0
        for index in read_index(source):
            for number, group in enumerate(index.groups):
                self._groups.append((index, number))
                self._starts.append(self.n_bytes)
                self.n_bytes += group.n_bytes
        self._n_file_bytes = source.seek(0, io.SEEK_END)
        check_output(self.n_bytes, self._n_file_bytes, max_output)

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return len(self._groups)

    def start(self, number: int) -> int:
        """Return where group `number` begins in the decoded text."""
        return self._starts[number]

    def group_at(self, offset: int) -> int:
        """Return the number of the group that holds byte `offset` of the decoded text."""
        return bisect_right(self._starts, offset) - 1

    def pieces(self, number: int) -> Iterator[bytes]:
        """Yield what group `number` decodes to. Raises as decode_stream does."""
        self.n_decoded += 1
        return self._in_turn(self._decoded(*self._groups[number]))

    def _decoded(self, index: Index, number: int) -> Iterator[bytes]:
        return decoded_group(
            self._source,
            index,
            number,
            self._open_model,
            self._n_lanes,
            n_file_bytes=self._n_file_bytes,
            max_output=self._max_output,
            memlimit=self._memlimit,
        )


def decoded_group(
    source: BinaryIO,
    index: Index,
    number: int,
    open_model: OpenToDecode,
    n_lanes: int | None = None,
    progress: Progress = unseen,
    *,
    n_file_bytes: int,
    max_output: int | None = None,
    memlimit: int | None = None,
    on_wave: Callable[[Wave], None] | None = None,
) -> Iterator[bytes]:
    """Yield what group `number` of the member that `index` describes decodes to.

    n_file_bytes: how large the file is; what a group may claim depends on it.
    on_wave: told of each wave before it is decoded. Raises as decode_stream does.
    """
    model: list[OpenedModel] = []
    claims = Claims(max_output)

    def opened() -> OpenedModel:
        if not model:
            model.append(open_model(index.model, index.options))
        return model[0]

    def admitted() -> Iterator[Group | Wave]:
        for record in read_group(source, index, number):
            if isinstance(record, Wave):
                claims.admit(record, n_file_bytes)
                if on_wave is not None:
                    on_wave(record)
            yield record

    if index.options.adaptive:
        yield from Lockstep(admitted(), opened, progress, memlimit)
        return
    waves = (record for record in admitted() if isinstance(record, Wave))
    chunks = (chunk for wave in waves for chunk in wave.chunks)
    yield from Schedule(chunks, opened, n_lanes, progress, memlimit)
