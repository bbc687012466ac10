"""Compresses a stream, group by group: memory stays bounded, whatever the length.

Nothing in the output depends on how the predictor batches: the same input, options and model
give the same bytes.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from llmzip.codec.classical import compress_classical
from llmzip.codec.model import OpenedModel, OpenToEncode, Progress, unseen
from llmzip.codec.segment import GROUP_BYTES, plan_runs
from llmzip.codec.stats import Stats
from llmzip.codec.streams import read_full
from llmzip.coder import encode_lanes
from llmzip.container import DEFAULT_OPTIONS, Chunk, Options, Writer
from llmzip.predict.protocol import Intervals

MAX_CODER_LANES = 256  # payloads that are coded side by side: bounds the coder's memory
MAX_WAVE_CHUNKS = 1 << 12


def encode_stream(
    source: BinaryIO,
    sink: BinaryIO,
    open_model: OpenToEncode,
    options: Options = DEFAULT_OPTIONS,
    progress: Progress = unseen,
) -> Stats:
    """Compress all of `source` into one member of a .llmz file on `sink`.

    The model is opened when the first text is met, so input without text needs none.
    Raises what `open_model` raises, and OSError from the streams.
    """
    begin_s = time.monotonic()
    encoder = _Encoder(Writer(sink, options), open_model, options, progress)
    while data := read_full(source, GROUP_BYTES):
        encoder.add_group(data)
    stats = encoder.finish()
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

    def add_group(self, data: bytes) -> None:
        """Compress `data` as a group of its own."""
        self._writer.group()
        waiting: list[Chunk] = []
        for run in plan_runs(data):
            text = data[run.start : run.stop]
            waiting += self._best_chunks(text) if run.for_model else [classical_chunk(text)]
            self._progress(self._stats.n_bytes + run.stop)
        _write_waves(self._writer, waiting, data)
        self._stats.n_bytes += len(data)

    def finish(self) -> Stats:
        """End the file; return what was counted."""
        self._writer.finish()
        self._stats.n_file_bytes = self._writer.n_written
        return self._stats

    def _best_chunks(self, text: bytes) -> list[Chunk]:
        """Return the chunks of `text` by the model, or one classical chunk if that is smaller."""
        coded = self._through_model(text)
        classical = [classical_chunk(text)]
        if self._file_size(classical, text) < self._file_size(coded.chunks, text):
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

    def _through_model(self, text: bytes) -> _Coded:
        model = self._opened()
        ids = model.tokenizer.encode(text)
        pieces = model.tokenizer.split(ids, self._options.chunk_tokens)
        texts = [model.tokenizer.decode(piece) for piece in pieces]
        if b"".join(texts) != text:
            raise AssertionError("the tokens do not spell the text that they were made from")
        intervals = list(self._intervals(model, pieces, texts))
        payloads = [p for lanes in _batches(intervals) for p in encode_lanes(lanes)]
        chunks = [
            Chunk.lm(data, len(piece), payload)
            for data, piece, payload in zip(texts, pieces, payloads, strict=True)
        ]
        return _Coded(chunks, sum(one.bits for one in intervals))

    def _intervals(
        self, model: OpenedModel, pieces: Sequence[NDArray[np.int32]], texts: Sequence[bytes]
    ) -> Iterator[Intervals]:
        """Yield the intervals of each chunk, telling how far they have come."""
        n_done = self._stats.n_bytes
        for intervals, text in zip(model.predictor.intervals(pieces), texts, strict=True):
            n_done += len(text)
            self._progress(n_done)
            yield intervals

    def _opened(self) -> OpenedModel:
        if self._model is None:
            begin_s = time.monotonic()
            self._model = self._open_model()
            self._stats.opening_seconds = time.monotonic() - begin_s
            self._writer.model(self._model.ref)
        return self._model

    def _count(self, coded: _Coded) -> None:
        self._stats.model_name = self._opened().ref.name
        self._stats.model_bits += coded.bits
        self._stats.n_chunks += len(coded.chunks)
        for chunk in coded.chunks:
            self._stats.n_tokens += chunk.n_tokens
            self._stats.n_model_bytes += chunk.n_bytes
            self._stats.n_payload_bytes += len(chunk.payload)


def classical_chunk(data: bytes) -> Chunk:
    """Return `data` as an LZMA chunk, or as it is where that is no longer."""
    payload = compress_classical(data)
    return Chunk.lzma(data, payload) if len(payload) < len(data) else Chunk.stored(data)


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
