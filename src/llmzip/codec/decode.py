"""Decompresses a stream: one member after the other, verified chunk by chunk and as a whole."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from llmzip.codec.ahead import read_ahead
from llmzip.codec.lockstep import Lockstep
from llmzip.codec.model import OpenedModel, OpenToDecode, Progress, unseen
from llmzip.codec.schedule import Schedule
from llmzip.codec.stats import Stats
from llmzip.codec.streams import write_full
from llmzip.container import (
    Chunk,
    End,
    FileChecksum,
    Group,
    Header,
    ModelRef,
    Options,
    Reader,
    Record,
    Wave,
)

MAX_AHEAD_BYTES = 1 << 20  # of a file that comes through a pipe


def decode_stream(
    source: BinaryIO,
    sink: BinaryIO,
    open_model: OpenToDecode,
    n_lanes: int | None = None,
    progress: Progress = unseen,
) -> Stats:
    """Decompress the .llmz file on `source`, all of its members, onto `sink`.

    n_lanes: how many chunks to decode side by side; only speed and memory depend on it.
    A source that cannot seek is read by a thread of its own, which may still wait in a read
    when this has raised.

    Raises FormatError for a damaged file (what has been written by then is right, but not
    all), what `open_model` raises, and OSError from the streams.
    """
    begin_s = time.monotonic()
    stats = Stats()
    for data in decoded_pieces(source, open_model, n_lanes, progress, stats):
        write_full(sink, data)
    stats.seconds = time.monotonic() - begin_s
    return stats


def decoded_pieces(
    source: BinaryIO,
    open_model: OpenToDecode,
    n_lanes: int | None = None,
    progress: Progress = unseen,
    stats: Stats | None = None,
) -> Iterator[bytes]:
    """Yield what decode_stream writes, chunk by chunk, and count in `stats`. Raises as it does."""
    stats = stats or Stats()
    with read_ahead(source, MAX_AHEAD_BYTES) as ahead:
        reader = Reader(ahead)
        records = iter(reader)
        for header in records:
            assert isinstance(header, Header)
            member = _Member(records, header.options, stats)
            yield from member.decode(open_model, n_lanes, progress)
            stats.n_file_bytes = reader.offset


@dataclass
class _Member:
    """One member of the file, while it is being decoded."""

    records: Iterator[Record]
    options: Options
    stats: Stats
    ref: ModelRef | None = None
    end: End | None = None
    checksum: FileChecksum = field(default_factory=FileChecksum)

    def decode(
        self, open_model: OpenToDecode, n_lanes: int | None, progress: Progress
    ) -> Iterator[bytes]:
        """Yield what the member decodes to. Raises as decode_stream does."""
        n_before = self.stats.n_bytes

        def opened() -> OpenedModel:
            # without a dictionary, the reader refuses an LM chunk before it
            assert self.ref is not None or self.options.dictionary is not None
            begin_s = time.monotonic()
            model = open_model(self.ref, self.options)
            self.stats.model_name = model.ref.name
            self.stats.opening_seconds += time.monotonic() - begin_s
            progress(self.stats.n_bytes)  # from here on its speed counts
            return model

        def report(n_bytes: int) -> None:
            progress(n_before + n_bytes)

        decoded: Iterable[bytes] = (
            Lockstep(self._groups_and_waves(), opened, report)
            if self.options.adaptive
            else Schedule(self._chunks(), opened, n_lanes, report)
        )
        for data in decoded:
            self.checksum.update(data)
            self.stats.n_bytes += len(data)
            yield data
        assert self.end is not None
        self.end.verify(self.checksum)

    def _chunks(self) -> Iterator[Chunk]:
        """Yield the member's chunks."""
        for record in self._groups_and_waves():
            if isinstance(record, Wave):
                yield from record.chunks

    def _groups_and_waves(self) -> Iterator[Group | Wave]:
        """Yield the member's groups and waves, taking note of what stands between them."""
        for record in self.records:
            match record:
                case ModelRef():
                    self.ref = record
                case Group():
                    yield record
                case Wave():
                    self._count(record)
                    yield record
                case End():
                    self.end = record
                    return

    def _count(self, wave: Wave) -> None:
        for chunk in wave.chunks:
            if chunk.kind.needs_model:
                self.stats.n_chunks += 1
                self.stats.n_tokens += chunk.n_tokens
                self.stats.n_model_bytes += chunk.n_bytes
                self.stats.n_payload_bytes += len(chunk.payload)
