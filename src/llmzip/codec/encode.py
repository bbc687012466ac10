"""Compresses a stream, group by group: memory stays bounded, whatever the length.

Nothing in the output depends on how the predictor batches: the same input, options and model
give the same bytes.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from llmzip.codec.ahead import read_ahead
from llmzip.codec.groups import Groups, Piece, PreparedGroup, PreparedRun
from llmzip.codec.model import OpenedModel, OpenToEncode, Progress, Tokenizer, unseen
from llmzip.codec.segment import GROUP_BYTES
from llmzip.codec.stats import Stats
from llmzip.coder import encode_lanes
from llmzip.container import DEFAULT_OPTIONS, Chunk, Options, Writer
from llmzip.predict.protocol import Intervals

MAX_CODER_LANES = 256  # payloads that are coded side by side: bounds the coder's memory
MAX_WAVE_CHUNKS = 1 << 12
MAX_AHEAD_BYTES = 2 * GROUP_BYTES  # of an input that comes through a pipe


def encode_stream(
    source: BinaryIO,
    sink: BinaryIO,
    open_model: OpenToEncode,
    options: Options = DEFAULT_OPTIONS,
    progress: Progress = unseen,
) -> Stats:
    """Compress all of `source` into one member of a .llmz file on `sink`.

    The model is opened when the first text is met, so input without text needs none. A source
    that cannot seek is read by a thread of its own, which may still wait in a read when this
    has raised.

    Raises what `open_model` raises, UsageError if an escape does not fit into a chunk, and
    OSError from the streams.
    """
    begin_s = time.monotonic()
    encoder = _Encoder(Writer(sink, options), open_model, options, progress)
    stats = encoder.encode(source)
    stats.seconds = time.monotonic() - begin_s
    return stats


@dataclass(frozen=True)
class _Coded:
    """A run through the model: its chunks, and the cross-entropy over them in bits."""

    chunks: list[Chunk]
    bits: float


class _Encoder:
    """Turns groups of bytes into waves, and counts."""

    def __init__(
        self, writer: Writer, open_model: OpenToEncode, options: Options, progress: Progress
    ) -> None:
        self._writer = writer
        self._open_model = open_model
        self._options = options
        self._progress = progress
        self._model: OpenedModel | None = None
        self._stats = Stats()

    def encode(self, source: BinaryIO) -> Stats:
        """Write all of the file; return what was counted."""
        intervals: Iterator[Intervals] = iter(())
        n_tokens = self._options.chunk_tokens
        with (
            read_ahead(source, MAX_AHEAD_BYTES) as ahead,
            closing(Groups(ahead, self._tokenizer, n_tokens)) as groups,
        ):
            while (group := groups.first()) is not None:
                if group.for_model and not groups.is_streamed:
                    intervals = self._opened().predictor.intervals(groups.stream())
                self._add_group(group, intervals)
                groups.drop()
        self._writer.finish()
        self._stats.n_file_bytes = self._writer.n_written
        return self._stats

    def _add_group(self, group: PreparedGroup, intervals: Iterator[Intervals]) -> None:
        """Write `group`, whose intervals come next."""
        self._writer.group()
        waiting: list[Chunk] = []
        n_done = self._stats.n_bytes
        for run in group.runs:
            waiting += self._best_chunks(run, n_done, intervals)
            n_done += len(run.data)
            self._progress(n_done)
        _write_waves(self._writer, waiting, group.data)
        self._stats.n_bytes = n_done

    def _best_chunks(
        self, run: PreparedRun, n_done: int, intervals: Iterator[Intervals]
    ) -> list[Chunk]:
        """Return the chunks of `run` by the model, or one classical chunk if that is smaller."""
        if run.pieces is None:
            return [run.classical.result()]
        coded = self._through_model(run.pieces.result(), n_done, intervals)
        classical = [run.classical.result()]
        if self._file_size(classical, run.data) < self._file_size(coded.chunks, run.data):
            return classical
        self._count(coded)
        return coded.chunks

    def _file_size(self, chunks: list[Chunk], text: bytes) -> int:
        """Return how large a file of these chunks alone would be, everything included."""
        writer = Writer(io.BytesIO(), self._options)
        writer.model(self._opened().ref)
        writer.group()
        _write_waves(writer, chunks, text)
        writer.finish()
        return writer.n_written

    def _through_model(
        self, pieces: Sequence[Piece], n_done: int, intervals: Iterator[Intervals]
    ) -> _Coded:
        found: list[Intervals] = []
        for piece, one in zip(pieces, islice(intervals, len(pieces)), strict=True):
            found.append(one)
            n_done += len(piece.data)
            self._progress(n_done)
        payloads = [p for lanes in _batches(found) for p in encode_lanes(lanes)]
        chunks = [
            Chunk.lm(piece.data, len(piece.ids), payload)
            for piece, payload in zip(pieces, payloads, strict=True)
        ]
        return _Coded(chunks, sum(one.bits for one in found))

    def _opened(self) -> OpenedModel:
        if self._model is None:
            begin_s = time.monotonic()
            self._model = self._open_model()
            self._stats.opening_seconds = time.monotonic() - begin_s
            self._writer.model(self._model.ref)
            self._progress(self._stats.n_bytes)  # from here on its speed counts
        return self._model

    def _tokenizer(self) -> Tokenizer:
        return self._opened().tokenizer

    def _count(self, coded: _Coded) -> None:
        self._stats.model_name = self._opened().ref.name
        self._stats.model_bits += coded.bits
        self._stats.n_chunks += len(coded.chunks)
        for chunk in coded.chunks:
            self._stats.n_tokens += chunk.n_tokens
            self._stats.n_model_bytes += chunk.n_bytes
            self._stats.n_payload_bytes += len(chunk.payload)


def _write_waves(writer: Writer, chunks: Sequence[Chunk], data: bytes) -> None:
    """Write the chunks of a group, which decode to `data`."""
    start = 0
    for i in range(0, len(chunks), MAX_WAVE_CHUNKS):
        wave = chunks[i : i + MAX_WAVE_CHUNKS]
        stop = start + sum(chunk.n_bytes for chunk in wave)
        writer.wave(wave, data[start:stop])
        start = stop


def _batches(intervals: Sequence[Intervals]) -> Iterator[Sequence[Intervals]]:
    for i in range(0, len(intervals), MAX_CODER_LANES):
        yield intervals[i : i + MAX_CODER_LANES]
