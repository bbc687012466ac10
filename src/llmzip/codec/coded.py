"""What a group is coded as: chunks out of what the model has said, and how they are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmzip.codec.levels import Level
from llmzip.codec.pieces import Piece
from llmzip.coder import encode_lanes
from llmzip.container import Chunk, Kind, Writer
from llmzip.predict.protocol import Intervals

MAX_CODER_LANES = 256  # payloads that are coded side by side: bounds the coder's memory
MAX_WAVE_CHUNKS = 1 << 12


@dataclass(frozen=True)
class Coded:
    """A run's chunks, and the model's cross-entropy over them in bits."""

    chunks: list[Chunk]
    bits: float


@dataclass(frozen=True)
class CodedGroup:
    """A group as it is written: its text, and chunks that decode to `content`."""

    text: bytes
    content: bytes
    chunks: Sequence[Chunk]

    @property
    def has_layout(self) -> bool:
        """Whether the first chunk says how the text is put together from the content."""
        return self.chunks[0].kind is Kind.LAYOUT

    def write(self, writer: Writer, level: Level) -> None:
        """Write it, in waves as long as the level wants them."""
        writer.group(text=self.text if self.has_layout else None)
        most = level.n_lanes if level.options.adaptive else MAX_WAVE_CHUNKS
        start = 0
        for wave in _waves(self.chunks, most):
            stop = start + sum(chunk.n_bytes for chunk in wave if chunk.kind is not Kind.LAYOUT)
            writer.wave(wave, self.content[start:stop])
            start = stop


def _waves(chunks: Sequence[Chunk], most_models: int) -> Iterator[Sequence[Chunk]]:
    """Cut into waves with at most so many chunks that need the model."""
    wave: list[Chunk] = []
    n_models = 0
    for chunk in chunks:
        n_models += chunk.kind.needs_model
        if n_models > most_models or len(wave) == MAX_WAVE_CHUNKS:
            yield wave
            wave, n_models = [], int(chunk.kind.needs_model)
        wave.append(chunk)
    if wave:
        yield wave


def coded_pieces(pieces: Sequence[Piece], intervals: Sequence[Intervals]) -> Coded:
    """Return pieces as chunks. intervals: of each."""
    payloads = [p for lanes in _batches(intervals) for p in encode_lanes(lanes)]
    chunks = [piece.chunk(payload) for piece, payload in zip(pieces, payloads, strict=True)]
    return Coded(chunks, sum(one.bits for one in intervals))


def _batches(intervals: Sequence[Intervals]) -> Iterator[Sequence[Intervals]]:
    for i in range(0, len(intervals), MAX_CODER_LANES):
        yield intervals[i : i + MAX_CODER_LANES]
