"""Random access: where each group starts, from a source that can seek."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from llmzip.container import bodies
from llmzip.container.head import check_start, take_header
from llmzip.container.limits import END_MARK, MIN_GROUP_BYTES
from llmzip.container.reader import OneShortlist, Reader, take_trailer, take_wave
from llmzip.container.records import (
    End,
    Group,
    GroupEntry,
    Header,
    ModelRef,
    Options,
    Reference,
    Wave,
)
from llmzip.container.wire import Body, Source, corrupt, take_frame
from llmzip.errors import FormatError, TrailingError

_LENGTH_BYTES = 4
_TRAILER_BYTES = _LENGTH_BYTES + len(END_MARK)


@dataclass(frozen=True)
class Index:
    """One member of a file, without its chunks.

    start: where the member starts in the file. The offsets in `end` count from there.
    model: None if no chunk needs one. reference: None if it has none.
    """

    start: int
    options: Options
    model: ModelRef | None
    end: End
    reference: Reference | None = None

    @property
    def groups(self) -> Sequence[GroupEntry]:
        """The groups, in order."""
        return self.end.groups


def read_index(source: BinaryIO) -> tuple[Index, ...]:
    """Return the index of every member of the file in `source`, which must be able to seek.

    A file of one member takes a look at its two ends, other files one pass over all of it.
    Raises as Reader does.
    """
    source.seek(0)
    if check_start(Source(source)).is_sequence:
        try:
            return (_from_trailer(source),)
        except FormatError:
            pass  # several members, or damage: the pass over all of it tells
    source.seek(0)
    return tuple(_from_records(source))


def read_lone_index(source: BinaryIO) -> Index | None:
    """Return the index of a file that is one member, which is no compact one, and nothing else.

    None of any other file, damaged ones among them. Takes a look at the file's two ends.
    """
    try:
        source.seek(0)
        return _from_trailer(source) if check_start(Source(source)).is_sequence else None
    except FormatError:
        return None


def read_group(source: BinaryIO, index: Index, number: int) -> Iterator[Group | Wave]:
    """Yield the records of group `number` (from 0) of the member that `index` describes.

    The group's waves follow it. Raises as Reader does, and IndexError for an unknown group.
    """
    entry = index.groups[number]
    source.seek(index.start + entry.offset)
    records = _group_of_compact(source) if entry.offset == 0 else _group(source, index, entry)
    missing = entry.n_bytes
    for record in records:
        missing -= record.n_bytes if isinstance(record, Wave) else 0
        yield record
    if missing:
        raise corrupt(f"group {number} does not decode to what the index says")


def _group(source: BinaryIO, index: Index, entry: GroupEntry) -> Iterator[Group | Wave]:
    at = Source(source, index.start + entry.offset)
    tag, body = take_frame(at)
    if tag != bodies.TAG_GROUP:
        raise corrupt(f"no group at byte {body.offset}, where the index puts one")
    yield bodies.unpack_group(body)
    missing, has_layout, shortlists = entry.n_bytes, False, OneShortlist()
    while missing > 0:
        tag, body = take_frame(at)
        if tag == bodies.TAG_MODEL:
            continue
        if tag != (bodies.TAG_CONTENT if has_layout else bodies.TAG_WAVE):
            return
        wave = take_wave(at, body, index.options)
        shortlists.check(wave)
        has_layout = has_layout or wave.layout is not None
        missing -= wave.n_bytes
        yield wave


def _group_of_compact(source: BinaryIO) -> Iterator[Group | Wave]:
    for record in Reader(source):
        if isinstance(record, Group | Wave):
            yield record
        if isinstance(record, End):
            return


def _from_trailer(source: BinaryIO) -> Index:
    n_file = source.seek(0, io.SEEK_END)
    source.seek(max(0, n_file - _TRAILER_BYTES))
    trailer = Source(source).take(_TRAILER_BYTES)
    n_record = int.from_bytes(trailer[:_LENGTH_BYTES], "little")
    end_offset = n_file - _TRAILER_BYTES - n_record
    if end_offset <= 0 or trailer[_LENGTH_BYTES:] != END_MARK:
        raise corrupt("no trailer")
    tail, body = _frame_at(source, end_offset, bodies.TAG_END)
    end, said_offset = bodies.unpack_end(body, n_file // MIN_GROUP_BYTES)
    body.done()
    take_trailer(tail, n_record)
    if said_offset != end_offset:
        raise corrupt("the last member does not start with the file")
    source.seek(0)
    start = Source(source)
    options = take_header(start)
    reference = _next_reference(start)
    return Index(0, options, _model_at(source, end.model_offset), end, reference)


def _next_reference(source: Source) -> Reference | None:
    if source.peek(1) != bytes([bodies.TAG_REFERENCE]):
        return None
    _, body = take_frame(source)
    reference = bodies.unpack_reference(body)
    body.done()
    return reference


def _model_at(source: BinaryIO, offset: int) -> ModelRef | None:
    if not offset:
        return None
    _, body = _frame_at(source, offset, bodies.TAG_MODEL)
    model = bodies.unpack_model(body)
    body.done()
    return model


def _frame_at(source: BinaryIO, offset: int, tag: int) -> tuple[Source, Body]:
    source.seek(offset)
    at = Source(source, offset)
    found, body = take_frame(at)
    if found != tag:
        raise corrupt(f"record type {found} at byte {offset}, where {tag} should be")
    return at, body


def _from_records(source: BinaryIO) -> Iterator[Index]:
    reader = Reader(source)
    options, model, reference = Options(), None, None
    with suppress(TrailingError):  # the members before are whole
        for record in reader:
            match record:
                case Header():
                    options, model, reference = record.options, None, None
                case Reference():
                    reference = record
                case ModelRef():
                    model = record
                case End():
                    yield Index(reader.member_offset, options, model, record, reference)
