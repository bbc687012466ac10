"""Decompresses a stream: one member after the other, verified chunk by chunk and as a whole."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO

from llmzip.codec.abreast import Abreast
from llmzip.codec.ahead import read_ahead
from llmzip.codec.assembly import Assembly
from llmzip.codec.lockstep import Lockstep
from llmzip.codec.model import OpenedModel, OpenToDecode, Progress, unseen
from llmzip.codec.reference import opened_reference
from llmzip.codec.schedule import Schedule
from llmzip.codec.stats import Stats, count_wave, way_noted
from llmzip.codec.streams import read_full, write_full
from llmzip.container import (
    Chunk,
    Claims,
    End,
    FileChecksum,
    Group,
    Header,
    ModelRef,
    Options,
    Reader,
    Record,
    Reference,
    Wave,
)
from llmzip.container.layouts import may_copy_ahead
from llmzip.errors import FormatError, TrailingError
from llmzip.layout.history import History
from llmzip.layout.program import MAX_DISTANCE
from llmzip.predict.protocol import Drafted

MAX_AHEAD_BYTES = 1 << 20  # of a file that comes through a pipe

OnTrailing = Callable[[TrailingError], None]
"""Takes what is to be said of data that follows the last member; may raise it."""


def refuse_trailing(error: TrailingError) -> None:
    """Raise it."""
    raise error


def decode_stream(
    source: BinaryIO,
    sink: BinaryIO,
    open_model: OpenToDecode,
    n_lanes: int | None = None,
    progress: Progress = unseen,
    on_trailing: OnTrailing = refuse_trailing,
    *,
    max_output: int | None = None,
    memlimit: int | None = None,
    done: Done | None = None,
    known: Known | None = None,
    reference: BinaryIO | None = None,
) -> Stats:
    """Decompress the .llmz file on `source`, all of its members, onto `sink`.

    done: what of it is there already, and is not decoded again. known: what the model has said.
    n_lanes: how many chunks to decode side by side; only speed and memory depend on it.
    on_trailing: called with the error where other data follows, once all is written.
    max_output: how many bytes it may come to; None leaves that to its size (container/claims.py).
    memlimit: what memory decoding may take beside the opened model, in bytes.
    reference: what the file was made from, if it was made from another; it must be able to seek.
    A source that cannot seek is read by a thread of its own, which may still wait in a read
    when this has raised.

    Raises FormatError for a damaged or truncated file (what stands before the damage has been
    written by then), LimitError before what exceeds a limit is decoded, PatchError for a missing
    or a wrong reference, what `open_model` raises, and OSError from the streams.
    """
    begin_s = time.monotonic()
    stats = Stats()
    pieces = decoded_pieces(
        source,
        open_model,
        n_lanes,
        progress,
        on_trailing,
        max_output=max_output,
        memlimit=memlimit,
        done=done or Done(sink, 0),
        stats=stats,
        known=known,
        reference=reference,
    )
    for data in pieces:
        write_full(sink, data)
    stats.seconds += time.monotonic() - begin_s
    return stats


def decoded_pieces(
    source: BinaryIO,
    open_model: OpenToDecode,
    n_lanes: int | None = None,
    progress: Progress = unseen,
    on_trailing: OnTrailing = refuse_trailing,
    *,
    max_output: int | None = None,
    memlimit: int | None = None,
    done: Done | None = None,
    stats: Stats | None = None,
    known: Known | None = None,
    reference: BinaryIO | None = None,
) -> Iterator[bytes]:
    """Yield what decode_stream writes, chunk by chunk, and count in `stats`. Raises as it does."""
    stats = stats or Stats()
    known_chunks = None if known is None else known.counted(stats)
    reach = MAX_DISTANCE if may_copy_ahead(source) else 0
    with way_noted(stats), read_ahead(source, MAX_AHEAD_BYTES) as ahead:
        reader = Reader(ahead)
        records = iter(reader)
        claims = Claims(max_output)
        try:
            for header in records:
                assert isinstance(header, Header)
                member = _Member(
                    records,
                    header.options,
                    stats,
                    lambda wave: claims.admit(wave, reader.offset),
                    done or Done(io.BytesIO(), 0),
                    known_chunks,
                    reference,
                    is_at_hand=ahead is source,
                    history=History(reach=reach),
                )
                yield from member.decode(open_model, n_lanes, progress, memlimit)
                stats.n_file_bytes = reader.offset
        except TrailingError as exc:
            on_trailing(exc)
        stats.n_file_bytes = reader.offset


@dataclass
class Done:
    """Whole groups from the start, `n_bytes` of them yet to be read from `stream`."""

    stream: BinaryIO
    n_bytes: int

    def take(self, n_bytes: int) -> bytes:
        """Return the next of them."""
        data = read_full(self.stream, n_bytes)
        self.n_bytes -= n_bytes
        return data


@dataclass(frozen=True)
class Known:
    """What a file's chunks for the model decode to. stats: of that work, its times and its way."""

    chunks: Sequence[bytes]
    stats: Stats

    def counted(self, stats: Stats) -> Iterator[bytes]:
        """Add what it took to `stats`; return the chunks."""
        stats.seconds += self.stats.seconds
        stats.opening_seconds += self.stats.opening_seconds
        stats.n_drafted += self.stats.n_drafted
        stats.n_drafts_taken += self.stats.n_drafts_taken
        stats.model_name, stats.way = self.stats.model_name, self.stats.way
        return iter(self.chunks)


@dataclass
class _Member:
    """One member of the file, while it is being decoded."""

    records: Iterator[Record]
    options: Options
    stats: Stats
    admit: Callable[[Wave], None]  # or refuse what a wave claims, before anything is done about it
    done: Done
    known: Iterator[bytes] | None = None
    reference: BinaryIO | None = None
    is_at_hand: bool = False  # whether records can be read ahead without waiting for others
    ref: ModelRef | None = None
    end: End | None = None
    failure: FormatError | None = None  # where the records broke off
    checksum: FileChecksum = field(default_factory=FileChecksum)
    history: History = field(default_factory=History)

    def decode(
        self,
        open_model: OpenToDecode,
        n_lanes: int | None,
        progress: Progress,
        memlimit: int | None,
    ) -> Iterator[bytes]:
        """Yield what the member decodes to. Raises as decode_stream does."""
        assembly = Assembly(self.history, memlimit, self.stats)
        records = self._groups_and_waves(assembly)
        first = next(records, None)  # what is done already has gone by before it
        rest = chain(() if first is None else (first,), records)
        n_before = self.stats.n_bytes

        def opened() -> OpenedModel:
            # without a dictionary, the reader refuses an LM chunk before it
            assert self.ref is not None or self.options.dictionary is not None
            begin_s = time.monotonic()
            model = open_model(self.ref, self.options)
            self.stats.model_name = model.ref.name
            self.stats.way = model.predictor.way
            self.stats.opening_seconds += time.monotonic() - begin_s
            progress(self.stats.n_bytes)  # from here on its speed counts
            return model

        def report(n_bytes: int) -> None:
            progress(n_before + n_bytes)

        drafted = Drafted()
        decoded: Iterable[bytes] = (
            Lockstep(rest, opened, report, memlimit, drafted)
            if self.options.adaptive and not self.is_at_hand
            else Abreast(rest, opened, n_lanes, report, memlimit, drafted)
            if self.options.adaptive
            else Schedule(_chunks(rest), opened, n_lanes, report, memlimit)
        )
        with closing(self.history):
            for data in decoded:
                text = assembly.put(data)
                self._count(text)
                if text:
                    yield text
            self.stats.count_drafts(drafted)
            if self.failure is not None:
                raise self.failure
            assembly.finish()
        assert self.end is not None
        self.end.verify(self.checksum)

    def _count(self, text: bytes) -> None:
        self.checksum.update(text)
        self.stats.n_bytes += len(text)

    def _groups_and_waves(self, assembly: Assembly) -> Iterator[Group | Wave]:
        """Yield the member's groups and waves, taking note of what stands between them.

        What was read ahead of damage is decoded before anybody hears of it.
        """
        try:
            for record in self.records:
                match record:
                    case Reference():
                        self.history.reference = opened_reference(record, self.reference)
                    case ModelRef():
                        self.ref = record
                    case Group():
                        if not self.done.n_bytes:
                            assembly.note(record)
                            yield record
                    case Wave() if self.done.n_bytes:
                        self.admit(record)
                        data = self.done.take(record.n_bytes)
                        self.history.append(data)
                        self._count(data)
                    case Wave():
                        self.admit(record)
                        count_wave(self.stats, record)
                        assembly.note(record)
                        yield record if self.known is None else with_known(record, self.known)
                    case End():
                        self.end = record
                        return
        except FormatError as exc:
            self.failure = exc


def with_known(wave: Wave, known: Iterator[bytes]) -> Wave:
    """Return a wave with its chunks for the model replaced by what they decode to."""
    chunks = (
        Chunk.stored(next(known)) if chunk.kind.needs_model else chunk for chunk in wave.chunks
    )
    return Wave(tuple(chunks))


def _chunks(records: Iterable[Group | Wave]) -> Iterator[Chunk]:
    """Yield the chunks of waves."""
    for record in records:
        if isinstance(record, Wave):
            yield from record.chunks
