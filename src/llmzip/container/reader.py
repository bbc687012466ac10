"""Bytes to records, in a stream: nothing is sought, and one wave is held at most."""

from __future__ import annotations

from collections.abc import Iterator

from llmzip.container import bodies
from llmzip.container.compact import take_compact
from llmzip.container.entries import GroupIndex
from llmzip.container.head import Form, check_next, check_start, take_header
from llmzip.container.limits import END_MARK, MAX_BODY_BYTES, MAX_LAYOUT_BYTES
from llmzip.container.records import (
    End,
    Group,
    GroupEntry,
    Header,
    ModelRef,
    Options,
    Record,
    Reference,
    Wave,
)
from llmzip.container.wire import CRC_BYTES, Body, Readable, Source, corrupt, crc32, take_frame
from llmzip.errors import UnsupportedError


class Reader:
    """Iterates over the records of all members of `source`, once.

    Every byte of a record has been checked before the record is yielded: what is left to the
    caller is to verify decoded bytes with Chunk.verify and End.verify. A member without an LM
    chunk yields no ModelRef, nor does a compact one with a dictionary. Otherwise members of the
    compact form yield the same records as others do.

    Raises NotLlmzError, UnsupportedError, TruncatedError or CorruptError while iterating;
    TrailingError, once all is yielded, where other data follows the last member.
    """

    def __init__(self, source: Readable) -> None:
        self._source = Source(source)
        self.member_offset = 0
        """Where the member of the latest record starts, in bytes from the start of `source`."""

    @property
    def offset(self) -> int:
        """How many bytes of the source have been read as records."""
        return self._source.offset

    def __iter__(self) -> Iterator[Record]:
        yield from self._member()
        while self._source.peek(1):
            check_next(self._source)
            yield from self._member()

    def _member(self) -> Iterator[Record]:
        self.member_offset = self._source.offset
        form = check_start(self._source)
        return self._sequence() if form.is_sequence else self._compact(form)

    def _compact(self, form: Form) -> Iterator[Record]:
        member = take_compact(self._source, form)
        yield Header(member.options)
        if member.model is not None:
            yield member.model
        yield Group()
        yield member.wave
        n_bytes = member.wave.n_bytes
        yield End(n_bytes, member.checksum, (GroupEntry(0, n_bytes),))

    def _sequence(self) -> Iterator[Record]:
        options = take_header(self._source)
        yield Header(options)
        sequence = Sequence(self._source, options, self.member_offset)
        while not sequence.ended:
            yield sequence.record()


class Sequence:
    """What has been seen of one member, against which its next records are checked."""

    def __init__(self, source: Source, options: Options, start: int) -> None:
        self.ended = False
        self._source = source
        self._options = options
        self._start = start
        self._model_offset = 0
        self._groups = GroupIndex()  # all but the last
        self._last: GroupEntry | None = None
        self._n_waves = 0  # of the last group
        self._has_layout = False
        self._shortlists = OneShortlist()
        self._n_bytes = 0
        self._n_records = 0

    def record(self) -> Record:
        """Take the next record."""
        offset = self._source.offset - self._start
        tag, body = take_frame(self._source)
        record = self._unpack(tag, body, offset)
        body.done()
        self._n_records += 1
        return record

    def _unpack(self, tag: int, body: Body, offset: int) -> Record:
        match tag:
            case bodies.TAG_MODEL:
                return self._model(body, offset)
            case bodies.TAG_REFERENCE:
                return self._reference(body)
            case bodies.TAG_GROUP:
                return self._group(body, offset)
            case bodies.TAG_WAVE | bodies.TAG_CONTENT:
                return self._wave(body, tag)
            case bodies.TAG_END:
                return self._end(body, offset)
        raise UnsupportedError(f"record type {tag} is not known here; update llmzip")

    def _model(self, body: Body, offset: int) -> ModelRef:
        if self._model_offset:
            raise corrupt(f"a second model before byte {body.offset}")
        self._model_offset = offset
        return bodies.unpack_model(body)

    def _reference(self, body: Body) -> Reference:
        if self._n_records:
            raise corrupt(f"a reference that is not the first record before byte {body.offset}")
        return bodies.unpack_reference(body)

    def _group(self, body: Body, offset: int) -> Group:
        self._close_group()
        if len(self._groups.packed) > MAX_BODY_BYTES:
            raise corrupt(f"more groups before byte {body.offset} than an index can list")
        self._last, self._n_waves, self._has_layout = GroupEntry(offset, 0), 0, False
        self._shortlists = OneShortlist()
        return bodies.unpack_group(body)

    def _wave(self, body: Body, tag: int) -> Wave:
        if self._last is None:
            raise corrupt(f"a wave outside of a group before byte {body.offset}")
        if (tag == bodies.TAG_CONTENT) != self._has_layout:
            raise corrupt(f"a wave that contradicts its group's first before byte {body.offset}")
        wave = take_wave(self._source, body, self._options)
        if wave.needs_model and not self._model_offset:
            raise corrupt(f"a chunk without a model before byte {self._source.offset}")
        self._shortlists.check(wave)
        self._last = GroupEntry(self._last.offset, self._last.n_bytes + wave.n_bytes)
        self._check_layout(wave, self._last)
        self._n_bytes += wave.n_bytes
        return wave

    def _check_layout(self, wave: Wave, group: GroupEntry) -> None:
        """Raise CorruptError where a layout stands in a later wave, or its group is too long."""
        if wave.layout is not None and self._n_waves:
            raise corrupt(f"a layout in a later wave before byte {self._source.offset}")
        self._has_layout = self._has_layout or wave.layout is not None
        self._n_waves += 1
        if self._has_layout and group.n_bytes > MAX_LAYOUT_BYTES:
            raise corrupt(f"too much for a group with a layout before byte {self._source.offset}")

    def _end(self, body: Body, offset: int) -> End:
        self._close_group()
        end, said_offset = bodies.unpack_end(body, len(self._groups))
        seen = (self._n_bytes, self._groups, self._model_offset, offset)
        if (end.n_bytes, end.groups, end.model_offset, said_offset) != seen:
            raise corrupt(f"the index before byte {body.offset} contradicts the file")
        take_trailer(self._source, self._source.offset - self._start - offset)
        self.ended = True
        return end

    def _close_group(self) -> None:
        """Put the last group into the index, now that all of it has been seen."""
        if self._last is None:
            return
        if self._last.n_bytes == 0:
            raise corrupt(f"a group without waves before byte {self._source.offset}")
        self._groups.append(self._last.offset, self._last.n_bytes)
        self._last = None


class OneShortlist:
    """The one by which all of a group is, whole vocabulary or not, once that is seen."""

    def __init__(self) -> None:
        self._seen: int | None = None

    def check(self, wave: Wave) -> None:
        """Raise CorruptError where the group's next wave is by another."""
        if (shortlist := wave.shortlist) is None:
            return
        if self._seen not in (None, shortlist):
            raise corrupt("waves of a group by different shortlists")
        self._seen = shortlist


def take_wave(source: Source, body: Body, options: Options) -> Wave:
    """Take the wave whose table is `body`: from `source` come payloads and their CRC."""
    heads = bodies.unpack_wave(body)
    body.done()
    bodies.check_cut(heads, options)
    start = source.offset
    payload = source.take(sum(head.n_payload for head in heads))
    if source.take(CRC_BYTES) != crc32(payload):
        raise corrupt(f"the wave at byte {start} fails its checksum")
    return Wave(tuple(chunk for chunk in bodies.deal(heads, payload) if chunk is not None))


def take_trailer(source: Source, n_bytes: int) -> None:
    """Take the trailer of an end record of `n_bytes`."""
    expected = n_bytes.to_bytes(4, "little") + END_MARK
    if source.take(len(expected)) != expected:
        raise corrupt(f"a malformed trailer before byte {source.offset}")
