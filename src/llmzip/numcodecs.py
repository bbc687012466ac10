"""For numcodecs, and so for zarr: a codec whose chunks are .llmz files.

Found by its id, "llmz", once llmzip is installed. Needs numcodecs: `pip install llmzip[numcodecs]`.
"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Any

from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ndarray_copy

from llmzip.arguments import level_number
from llmzip.buffers import as_stream
from llmzip.compressor import DEFAULT_LEVEL, Compressor
from llmzip.decompressor import Decompressor
from llmzip.models.catalog import DEFAULT_MODEL

_N_KEPT = 2  # compressors with a model open: what an array needs, and what another does


class Llmz(Codec):  # type: ignore[misc]
    """Compresses chunks of text, such as arrays of strings, with a language model.

    level, model: as for llmzip.Compressor; None is the default model. Both stand in the
        configuration of an array; what reads it needs neither, for each chunk names its model.
    Models stay open from chunk to chunk. Raises what Compressor and Decompressor raise.
    """

    codec_id = "llmz"

    def __init__(self, level: int = DEFAULT_LEVEL, model: str | None = None) -> None:
        self.level = level_number(level)
        self.model = model

    def encode(self, buf: Any) -> bytes:
        """Return the bytes of `buf`, a contiguous buffer, as a .llmz file."""
        sink = BytesIO()
        source = as_stream(ensure_contiguous_ndarray(buf))
        _compressor(self.level, self.model or DEFAULT_MODEL).compress(source, sink)
        return sink.getvalue()

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Return the bytes of which `buf` was made, in `out` if given, which must fit exactly."""
        sink = BytesIO()
        source = as_stream(ensure_contiguous_ndarray(buf))
        decompressor = _decompressor()
        decompressor.decoded_size(source)
        decompressor.decompress(source, sink)
        return ndarray_copy(
            sink.getvalue(), None if out is None else ensure_contiguous_ndarray(out)
        )


@lru_cache(maxsize=_N_KEPT)
def _compressor(level: int, model: str) -> Compressor:
    return Compressor(level=level, model=model)


@lru_cache(maxsize=1)
def _decompressor() -> Decompressor:
    return Decompressor()
