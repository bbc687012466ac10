"""Single groups, made or opened wherever there is room for them, and files put together of them.

A group depends on nothing outside itself, so it can be encoded alone, as a member of one group,
and its waves written into the file that it belongs to: the bytes are those of encode_stream.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from llmzip.codec.access import CodedPart, assembled, decoded_chunks
from llmzip.codec.encode import GroupEncoder
from llmzip.codec.levels import Level
from llmzip.codec.model import OpenedModel, OpenToDecode, OpenToEncode, Progress, unseen
from llmzip.codec.stats import Stats, count_wave
from llmzip.container import (
    Chunk,
    Group,
    ModelRef,
    Options,
    Reader,
    Wave,
    Writer,
    chunk_checksum,
)
from llmzip.errors import CorruptError, ResumeError


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
    data: bytes, open_model: OpenToEncode, level: Level, progress: Progress = unseen
) -> EncodedPart:
    """Compress a group: at most `level.group_bytes` bytes. Raises as encode_stream does."""
    begin_s = time.monotonic()
    opened: list[OpenedModel] = []

    def noted() -> OpenedModel:
        opened.append(open_model())
        return opened[0]

    sink = io.BytesIO()
    encoder = GroupEncoder(Writer(sink, level.options), noted, level, progress)
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
    """Decompress a group, the bytes start to stop of its file. Raises as decode_stream does."""
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
    text = b"".join(assembled(chunks, memlimit))
    stats.n_bytes = len(text)
    stats.seconds = time.monotonic() - begin_s
    return text, stats


class PartWriter:
    """Writes one member of groups that were encoded alone, in order, onto `sink`.

    There is at least one of them: an empty text has no group to be made elsewhere.
    """

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._writer: Writer | None = None
        self._model: ModelRef | None = None
        self._in_view = 0
        self._stats = Stats()

    def add(self, part: EncodedPart, data: bytes) -> None:
        """Write the next group, which decodes to `data`.

        Raises CorruptError if it does not, and ResumeError if it was made with another model than
        those before it.
        """
        writer = self._writer = self._writer or Writer(self._sink, part.options)
        if part.model is not None:
            self._declare(writer, part.model)
            self._in_view = part.in_view
        at = 0
        for record in Reader(io.BytesIO(part.member)):
            match record:
                case Group():
                    writer.group(record.adaptation)
                case Wave():
                    wave = data[at : at + record.n_bytes]
                    _check(record.chunks, wave)
                    writer.wave(record.chunks, wave)
                    at += len(wave)
        if at != len(data):
            raise _changed()
        self._stats.add(part.stats)

    def finish(self) -> Stats:
        """End the member; return what all parts have counted, their times added up."""
        assert self._writer is not None
        self._writer.finish(self._in_view)
        self._stats.n_file_bytes = self._writer.n_written
        return self._stats

    def _declare(self, writer: Writer, model: ModelRef) -> None:
        if self._model not in (None, model):
            raise ResumeError("parts of the file were made with different models: begin it anew")
        self._model = model
        writer.model(model)


def _check(chunks: Sequence[Chunk], data: bytes) -> None:
    """Raise CorruptError unless `data` is what the chunks were made of."""
    for chunk, own in zip(chunks, _cut(chunks, data), strict=True):
        if len(own) != chunk.n_bytes or chunk_checksum(own) != chunk.checksum:
            raise _changed()


def _cut(chunks: Sequence[Chunk], data: bytes) -> Iterator[bytes]:
    at = 0
    for chunk in chunks:
        yield data[at : at + chunk.n_bytes]
        at += chunk.n_bytes


def _changed() -> CorruptError:
    return CorruptError("the file has changed while it was read; do it again")
