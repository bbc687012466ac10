"""llmzip with its model left out: what its own classical codecs make of data."""

from __future__ import annotations

import io
from itertools import pairwise

from llmzip.codec.classical import classical_chunk, decompress_classical
from llmzip.codec.levels import LEVELS
from llmzip.codec.segment import plan_runs
from llmzip.compressor import DEFAULT_LEVEL
from llmzip.container import Reader, Wave, Writer


class ClassicalSide:
    """Writes .llmz files of the runs and groups that llmzip makes, none through a model."""

    name = "llmzip"
    model_bits: float | None = None

    def compress(self, data: bytes) -> bytes:
        """Return `data` as a .llmz file that needs no model."""
        sink = io.BytesIO()
        writer = Writer(sink)
        n_bytes = LEVELS[DEFAULT_LEVEL].group_bytes
        cuts = [*range(0, len(data), n_bytes), len(data)]
        for start, stop in pairwise(cuts):
            group = data[start:stop]
            writer.group()
            chunks = [classical_chunk(group[run.start : run.stop]) for run in plan_runs(group)]
            if len(chunks) > 1:
                whole = classical_chunk(group)
                if len(whole.payload) < sum(len(chunk.payload) for chunk in chunks):
                    chunks = [whole]
            writer.wave(chunks, group)
        writer.finish()
        return sink.getvalue()

    def decompress(self, packed: bytes) -> bytes:
        """Return what the .llmz file holds."""
        waves = (record for record in Reader(io.BytesIO(packed)) if isinstance(record, Wave))
        return b"".join(decompress_classical(chunk) for wave in waves for chunk in wave.chunks)
