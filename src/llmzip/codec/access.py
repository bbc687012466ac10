"""Any group of a file that can seek, decoded without those before it."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from llmzip.codec.assembly import Assembly
from llmzip.codec.group_texts import Decoded, GroupTexts
from llmzip.codec.layouts import program_of
from llmzip.codec.lockstep import Lockstep
from llmzip.codec.model import OpenedModel, OpenToDecode, Progress, unseen
from llmzip.codec.reference import opened_reference
from llmzip.codec.schedule import Schedule
from llmzip.codec.stats import Stats
from llmzip.container import (
    Claims,
    End,
    Group,
    GroupEntry,
    Index,
    Kind,
    ModelRef,
    Options,
    Wave,
    read_group,
    read_index,
    read_lone_index,
)
from llmzip.container.bodies import ChunkHead
from llmzip.container.layouts import check_size, layout_of_group, may_copy
from llmzip.container.limits import FILE_CHECKSUM_BYTES
from llmzip.layout.history import History
from llmzip.layout.program import may_reach_before, unpack_layout

InTurn = Callable[[Iterator[bytes]], Iterator[bytes]]
"""Lets pieces be decoded one by one, each while nobody else uses the model."""


@dataclass(frozen=True)
class CodedPart:
    """A group of a .llmz file, to be decoded alone.

    start, stop: where it stands in the file. n_file_bytes: of the whole file.
    is_open: whether it may copy from earlier groups: then what its chunks decode to is handed back,
        and the text is put together where all groups come together.
    """

    options: Options
    model: ModelRef | None
    entry: GroupEntry
    start: int
    stop: int
    n_file_bytes: int
    is_open: bool = False

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

    None where there is but one, or the file is anything else than one whole member without a
    reference. Raises FormatError, LimitError as decode_stream does, OSError.
    """
    index = read_lone_index(source)
    if index is None or len(index.groups) < 2 or index.reference is not None:
        return None
    n_file_bytes = source.seek(0, io.SEEK_END)
    check_size(source, index.end.n_bytes, n_file_bytes, max_output)
    starts = [index.start + group.offset for group in index.groups]
    stops = [*starts[1:], n_file_bytes]
    return Parts(
        [
            CodedPart(index.options, index.model, entry, start, stop, n_file_bytes, is_open)
            for entry, start, stop, is_open in zip(
                index.groups, starts, stops, _are_open(source, index), strict=True
            )
        ],
        index.end,
    )


def _are_open(source: BinaryIO, index: Index) -> list[bool]:
    """Return of each group whether it may copy from what stands before it."""
    if not may_copy(source, index):
        return [False] * len(index.groups)
    layouts = (layout_of_group(source, index, number) for number in range(len(index.groups)))
    return [
        chunk is not None and may_reach_before(unpack_layout(program_of(chunk)))
        for chunk in layouts
    ]


class GroupAccess:
    """The groups of all members of `source`, by their place in the decoded text.

    n_bytes: the size of the decoded text. n_decoded: how many groups were begun to be decoded.
    max_output, memlimit, reference: as for decode_stream.

    Raises FormatError, LimitError, PatchError; each chunk is verified, the checksums of whole
    members are not.
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
        reference: BinaryIO | None = None,
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
        self._texts: dict[int, GroupTexts] = {}  # by where the member starts in the file
        for index in read_index(source):
            for number, group in enumerate(index.groups):
                self._groups.append((index, number))
                self._starts.append(self.n_bytes)
                self.n_bytes += group.n_bytes
        self._n_file_bytes = source.seek(0, io.SEEK_END)
        check_size(source, self.n_bytes, self._n_file_bytes, max_output)
        for index in {index.start: index for index, _ in self._groups}.values():
            if may_copy(source, index):
                before = History(opened_reference(index.reference, reference))
                self._texts[index.start] = self._texts_of(index, before)

    def _texts_of(self, index: Index, before: History) -> GroupTexts:
        sizes = [group.n_bytes for group in index.groups]
        return GroupTexts(sizes, partial(self._content, index), before, self._memlimit)

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
        index, number = self._groups[number]
        texts = self._texts.get(index.start)
        if texts is not None:
            return self._in_turn(_alone(texts, number))
        self.n_decoded += 1
        chunks = self._chunks(index, number)
        return self._in_turn(assembled(chunks, self._memlimit))

    def _content(self, index: Index, number: int) -> Decoded:
        """Return what the chunks of a group decode to."""
        self.n_decoded += 1
        head, program, content = None, b"", []
        for own, data in self._chunks(index, number):
            if own.kind is Kind.LAYOUT:
                head, program = own, data
            else:
                content.append(data)
        return Decoded(head, program, b"".join(content))

    def _chunks(self, index: Index, number: int) -> Iterator[tuple[ChunkHead, bytes]]:
        return decoded_chunks(
            self._source,
            index,
            number,
            self._open_model,
            self._n_lanes,
            n_file_bytes=self._n_file_bytes,
            max_output=self._max_output,
            memlimit=self._memlimit,
        )


def _alone(texts: GroupTexts, number: int) -> Iterator[bytes]:
    yield texts.text(number)


def assembled(
    chunks: Iterable[tuple[ChunkHead, bytes]],
    memlimit: int | None = None,
    stats: Stats | None = None,
) -> Iterator[bytes]:
    """Yield the text of a group that copies from no other, given what its chunks decode to.

    The other arguments are those of Assembly.
    """
    assembly = Assembly(History(reach=0), memlimit, stats)
    for head, data in chunks:
        text = assembly.put_next(head, data)
        if text:
            yield text
    assembly.finish()


def decoded_chunks(
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
) -> Iterator[tuple[ChunkHead, bytes]]:
    """Yield the chunks of group `number` of the member that `index` describes, decoded.

    A layout decodes to its program.

    n_file_bytes: how large the file is; what a group may claim depends on it.
    on_wave: told of each wave before it is decoded. Raises as decode_stream does.
    """
    model: list[OpenedModel] = []
    claims = Claims(max_output)
    heads: deque[ChunkHead] = deque()

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
                heads.extend(map(ChunkHead.of, record.chunks))
            yield record

    decoded: Iterable[bytes]
    if index.options.adaptive:
        decoded = Lockstep(admitted(), opened, progress, memlimit)
    else:
        waves = (record for record in admitted() if isinstance(record, Wave))
        chunks = (chunk for wave in waves for chunk in wave.chunks)
        decoded = Schedule(chunks, opened, n_lanes, progress, memlimit)
    for data in decoded:
        yield heads.popleft(), data
