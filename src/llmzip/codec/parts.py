"""Single groups, made or opened wherever there is room for them, and files put together of them.

A group depends on nothing outside itself, but for what it copies, so it can be encoded alone, as a
member of one group, and its waves written into the file that it belongs to: the bytes are those of
encode_stream. What its chunks decode to needs no other group either: only when its text is put
together those before it have to be there.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from llmzip.codec.access import CodedPart, assembled, decoded_chunks
from llmzip.codec.assembly import LaidOut
from llmzip.codec.encode import GroupEncoder
from llmzip.codec.levels import Level
from llmzip.codec.model import OpenedModel, OpenToDecode, OpenToEncode, Progress, unseen
from llmzip.codec.stats import Stats, count_wave
from llmzip.container import (
    Chunk,
    Kind,
    ModelRef,
    Options,
    Reader,
    Reference,
    Wave,
    Writer,
    chunk_checksum,
    read_index,
)
from llmzip.container.bodies import ChunkHead
from llmzip.container.limits import CHUNK_CHECKSUM_BYTES
from llmzip.container.wire import Body, varint
from llmzip.errors import CorruptError, ResumeError
from llmzip.layout.history import History
from llmzip.layout.planned import Repeat
from llmzip.layout.program import MAX_DISTANCE, supplied
from llmzip.layout.weave import Past


@dataclass(frozen=True)
class EncodedPart:
    """A group, encoded alone.

    options: those of the file. member: a .llmz file of this group.
    model: what was opened for it, None if nothing was; in_view: how many tokens that sees at once.
    """

    options: Options
    member: bytes
    model: ModelRef | None
    in_view: int
    stats: Stats


def encode_part(
    data: bytes,
    open_model: OpenToEncode,
    level: Level,
    progress: Progress = unseen,
    copies: Sequence[Repeat] = (),
) -> EncodedPart:
    """Compress a group: at most `level.group_bytes` bytes. Raises as encode_stream does.

    copies: what of it is there already in the text before it, in order, disjoint.
    """
    begin_s = time.monotonic()
    opened: list[OpenedModel] = []

    def noted() -> OpenedModel:
        opened.append(open_model())
        return opened[0]

    sink = io.BytesIO()
    writer = Writer(sink, level.options)
    encoder = GroupEncoder(writer, noted, level, progress, find_copies=lambda _: copies)
    encoder.encode(io.BytesIO(data))
    stats = encoder.finish()
    stats.seconds = time.monotonic() - begin_s
    ref, in_view = (opened[0].ref, opened[0].predictor.in_view) if opened else (None, 0)
    return EncodedPart(level.options, sink.getvalue(), ref, in_view, stats)


def decode_part(
    packed: bytes,
    part: CodedPart,
    open_model: OpenToDecode,
    n_lanes: int | None = None,
    progress: Progress = unseen,
    *,
    max_output: int | None = None,
    memlimit: int | None = None,
) -> tuple[bytes, Stats]:
    """Decompress a group, the bytes start to stop of its file. Raises as decode_stream does.

    Of an open part what is returned is for PartJoiner.
    """
    begin_s = time.monotonic()
    stats = Stats(n_file_bytes=len(packed))

    def noted(ref: ModelRef | None, options: Options) -> OpenedModel:
        model = open_model(ref, options)
        stats.model_name, stats.way = model.ref.name, model.predictor.way
        stats.opening_seconds = time.monotonic() - begin_s
        return model

    chunks = decoded_chunks(
        io.BytesIO(packed),
        part.index(),
        0,
        noted,
        n_lanes,
        progress,
        n_file_bytes=part.n_file_bytes,
        max_output=max_output,
        memlimit=memlimit,
        on_wave=lambda wave: count_wave(stats, wave),
    )
    if part.is_open:
        text = _pack_open(chunks, memlimit, stats)
    else:
        text = b"".join(assembled(chunks, memlimit, stats))
    stats.n_bytes = part.entry.n_bytes
    stats.seconds = time.monotonic() - begin_s
    return text, stats


def _pack_open(
    chunks: Iterator[tuple[ChunkHead, bytes]], memlimit: int | None, stats: Stats
) -> bytes:
    """Return a group with a layout in one piece: size and checksum, program, content."""
    head, program = next(chunks)
    group = LaidOut(head, program, memlimit)  # or it is refused here
    stats.count_layout(supplied(group.layout, head.n_bytes))
    content = b"".join(data for _, data in chunks)
    return varint(head.n_bytes) + head.checksum + varint(len(program)) + program + content


class PartJoiner:
    """Puts the text of a file together of groups that were decoded elsewhere, in order.

    are_open: of each group whether its part is.
    """

    def __init__(self, are_open: Sequence[bool]) -> None:
        self._are_open = iter(are_open)
        self._history = History(reach=MAX_DISTANCE if any(are_open) else 0)

    def text(self, part: bytes) -> bytes:
        """Return the text of the next group, of which decode_part has returned `part`.

        Raises CorruptError; OSError where earlier text could not be kept.
        """
        text = self._woven(part) if next(self._are_open) else part
        self._history.append(text)
        return text

    def _woven(self, part: bytes) -> bytes:
        fields = Body(part, 0)
        n_bytes, checksum = fields.varint(), fields.take(CHUNK_CHECKSUM_BYTES)
        program = fields.take(fields.varint())
        group = LaidOut(ChunkHead(Kind.LAYOUT, n_bytes, 0, 0, checksum), program)
        if fields.offset < len(part):
            group.put(part[fields.offset :])
        return group.woven(self._history.n_bytes, self._history)


def decode_after(
    part: EncodedPart,
    start: int,
    past: Past,
    open_model: OpenToDecode,
    n_lanes: int | None = None,
    *,
    max_output: int | None = None,
    memlimit: int | None = None,
) -> bytes:
    """Return what a group decodes to that was encoded for place `start` of a text.

    past: that text before it, and the reference. Raises as decode_stream does.
    """
    source = io.BytesIO(part.member)
    (index,) = read_index(source)
    chunks = decoded_chunks(
        *(source, index, 0, open_model, n_lanes),
        n_file_bytes=len(part.member),
        max_output=max_output,
        memlimit=memlimit,
    )
    head, data = next(chunks)
    if head.kind is not Kind.LAYOUT:
        return b"".join([data, *(data for _, data in chunks)])
    group = LaidOut(head, data, memlimit)
    for _, data in chunks:
        group.put(data)
    return group.woven(start, past)


class PartWriter:
    """Writes one member of groups that were encoded alone, in order, onto `sink`.

    There is at least one of them: an empty text has no group to be made elsewhere.
    """

    def __init__(self, sink: BinaryIO, reference: Reference | None = None) -> None:
        """`reference`: what stands before the first group, if copies may come from there."""
        self._sink = sink
        self._reference = reference
        self._writer: Writer | None = None
        self._model: ModelRef | None = None
        self._in_view = 0
        self._stats = Stats()

    def add(self, part: EncodedPart, data: bytes) -> None:
        """Write the next group, which decodes to `data`.

        Raises CorruptError if it does not, and ResumeError if it was made with another model than
        those before it.
        """
        writer = self._writer = self._writer or self._begun(part.options)
        if part.model is not None:
            self._declare(writer, part.model)
            self._in_view = part.in_view
        waves = [one for one in Reader(io.BytesIO(part.member)) if isinstance(one, Wave)]
        if sum(wave.n_bytes for wave in waves) != len(data):
            raise _changed()
        layout = waves[0].layout
        if layout is None:
            _write_waves(writer, waves, data)
        else:
            _check_sum(data, layout.checksum)
            writer.group(text=data)
            for wave in waves:
                writer.wave(wave.chunks, None)
        self._stats.add(part.stats)

    def finish(self) -> Stats:
        """End the member; return what all parts have counted, their times added up."""
        assert self._writer is not None
        self._writer.finish(self._in_view)
        self._stats.n_file_bytes = self._writer.n_written
        return self._stats

    def _begun(self, options: Options) -> Writer:
        writer = Writer(self._sink, options)
        if self._reference is not None:
            writer.reference(self._reference)
        return writer

    def _declare(self, writer: Writer, model: ModelRef) -> None:
        if self._model not in (None, model):
            raise ResumeError("parts of the file were made with different models: begin it anew")
        self._model = model
        writer.model(model)


def _write_waves(writer: Writer, waves: Sequence[Wave], data: bytes) -> None:
    """Write a group whose chunks decode to `data`. Raises CorruptError unless they do."""
    writer.group()
    at = 0
    for wave in waves:
        own = data[at : at + wave.n_bytes]
        for chunk, part in zip(wave.chunks, _cut(wave.chunks, own), strict=True):
            _check_sum(part, chunk.checksum)
        writer.wave(wave.chunks, own)
        at += wave.n_bytes


def _check_sum(data: bytes, checksum: bytes) -> None:
    """Raise CorruptError unless `data` is what was compressed."""
    if chunk_checksum(data) != checksum:
        raise _changed()


def _cut(chunks: Sequence[Chunk], data: bytes) -> Iterator[bytes]:
    at = 0
    for chunk in chunks:
        yield data[at : at + chunk.n_bytes]
        at += chunk.n_bytes


def _changed() -> CorruptError:
    return CorruptError("the file has changed while it was read; do it again")
