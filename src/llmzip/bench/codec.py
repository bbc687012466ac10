"""llmzip itself as a row: a model that is kept open, both ways."""

from __future__ import annotations

import io
from dataclasses import dataclass

import llmzip
from llmzip.compressor import DEFAULT_LEVEL


@dataclass(frozen=True)
class Settings:
    """How the model is run; only `model` changes what comes out."""

    model: str
    device: str
    threads: int | None


class LlmzipCodec:
    """llmzip as a program uses it that keeps the model open."""

    def __init__(
        self,
        settings: Settings,
        *,
        exact: bool = True,
        level: int | None = None,
        chunk_tokens: int | None = None,
    ) -> None:
        """`level`, `chunk_tokens`: the defaults where they are not said."""
        self.name = "llmzip" if exact else "float (transformers)"
        if level is not None:
            self.name += f" -{level}"
        self.model_bits: float | None = None
        device, threads = settings.device, settings.threads
        self._compressor = llmzip.Compressor(
            model=settings.model,
            device=device,
            threads=threads,
            exact=exact,
            level=DEFAULT_LEVEL if level is None else level,
            chunk_tokens=chunk_tokens,
        )
        self._decompressor = llmzip.Decompressor(
            model=settings.model, device=device, threads=threads
        )

    def compress(self, data: bytes) -> bytes:
        """Return `data` as a .llmz file."""
        sink = io.BytesIO()
        stats = self._compressor.compress(io.BytesIO(data), sink)
        self.model_bits = stats.model_bits if stats.n_model_bytes == len(data) else None
        return sink.getvalue()

    def decompress(self, packed: bytes) -> bytes:
        """Return what the .llmz file holds."""
        sink = io.BytesIO()
        self._decompressor.decompress(io.BytesIO(packed), sink)
        return sink.getvalue()
