"""The library in single calls: bytes compressed and back, text scored, sampled, its bits had back.

Importing this imports neither numpy nor torch; the first call does.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from llmzip.buffers import as_stream
from llmzip.compressor import DEFAULT_LEVEL, Compressor
from llmzip.decompressor import Decompressor
from llmzip.models.catalog import DEFAULT_MODEL
from llmzip.sampler import DEFAULT_TOP_K, Sampler

if TYPE_CHECKING:
    from decimal import Decimal

    from _typeshed import ReadableBuffer

    from llmzip.codec.score import Score
    from llmzip.explaining.explanation import Explanation


def compress(
    data: ReadableBuffer,
    level: int = DEFAULT_LEVEL,
    *,
    model: str = DEFAULT_MODEL,
    device: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
    chunk_tokens: int | None = None,
    dictionary: ReadableBuffer | None = None,
    patch_from: ReadableBuffer | str | os.PathLike[str] | None = None,
    independent: bool = False,
    exact: bool = True,
) -> bytes:
    """Return `data`, anything with the buffer protocol, as a .llmz file.

    The arguments are those of Compressor. For more than one text, keep one: it opens the model
    once.
    Raises ModelError, DeviceError, UsageError; TypeError if `data` is no bytes.
    """
    source = as_stream(data)
    compressor = Compressor(
        model=model,
        device=device,
        threads=threads,
        batch=batch,
        level=level,
        chunk_tokens=chunk_tokens,
        dictionary=dictionary,
        patch_from=patch_from,
        independent=independent,
        exact=exact,
    )
    sink = io.BytesIO()
    compressor.compress(source, sink)
    return sink.getvalue()


def decompress(
    data: ReadableBuffer,
    *,
    model: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
    dictionary: ReadableBuffer | None = None,
    patch_from: ReadableBuffer | str | os.PathLike[str] | None = None,
    force_foreign: bool = False,
    max_output: int | None = None,
    memlimit: int | None = None,
    allow_hub: bool = False,
) -> bytes:
    """Return what the .llmz file `data`, anything with the buffer protocol, holds.

    The arguments are those of Decompressor. Zeros after its end are padding.
    Raises FormatError (TrailingError where other data follows), LimitError, ModelError,
    DeviceError; TypeError if `data` is no bytes.
    """
    source, sink = as_stream(data), io.BytesIO()
    decompressor = Decompressor(
        model=model,
        device=device,
        threads=threads,
        batch=batch,
        dictionary=dictionary,
        patch_from=patch_from,
        force_foreign=force_foreign,
        max_output=max_output,
        memlimit=memlimit,
        allow_hub=allow_hub,
    )
    decompressor.decoded_size(source)
    decompressor.decompress(source, sink)
    return sink.getvalue()


def score(
    text: str | ReadableBuffer,
    level: int = DEFAULT_LEVEL,
    *,
    model: str = DEFAULT_MODEL,
    device: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
    dictionary: ReadableBuffer | None = None,
) -> Score:
    """Return how many bits the model takes for each token of `text`, a str or bytes.

    A str counts as its UTF-8. The arguments are those of Compressor, whose score() keeps the model
    open. Raises ModelError, DeviceError, UsageError; TypeError if `text` is neither;
    UnicodeEncodeError for half a surrogate pair.
    """
    source = as_stream(text.encode() if isinstance(text, str) else text)
    compressor = Compressor(
        model=model,
        device=device,
        threads=threads,
        batch=batch,
        level=level,
        dictionary=dictionary,
    )
    return compressor.score(source)


def explain(
    text: str | ReadableBuffer,
    level: int = DEFAULT_LEVEL,
    *,
    model: str = DEFAULT_MODEL,
    device: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
    dictionary: ReadableBuffer | None = None,
) -> Explanation:
    """Return what compress() makes of `text`, and what the model says of every token of it.

    The arguments, and what is raised, are those of score(). Compressor.explain() keeps the model
    open.
    """
    source = text.encode() if isinstance(text, str) else text
    compressor = Compressor(
        model=model,
        device=device,
        threads=threads,
        batch=batch,
        level=level,
        dictionary=dictionary,
    )
    return compressor.explain(source)


def sample(
    payload: ReadableBuffer | None = None,
    *,
    prompt: str = "",
    seed: int = 0,
    max_tokens: int | None = None,
    temperature: float | str | Decimal = 1,
    top_k: int = DEFAULT_TOP_K,
    model: str = DEFAULT_MODEL,
    device: str = "auto",
    threads: int | None = None,
) -> str:
    """Return text that the model writes from `payload`, or from the bits of the seed without one.

    The arguments are those of Sampler and its sample(). unsample() gets a payload back.
    Raises SamplingError, LimitError, ModelError, DeviceError, UsageError; TypeError if `payload` is
    no bytes.
    """
    sampler = Sampler(
        prompt=prompt,
        seed=seed,
        temperature=temperature,
        top_k=top_k,
        model=model,
        device=device,
        threads=threads,
    )
    return sampler.sample(payload, max_tokens)


def unsample(
    text: str | ReadableBuffer,
    *,
    prompt: str = "",
    seed: int = 0,
    temperature: float | str | Decimal = 1,
    top_k: int = DEFAULT_TOP_K,
    raw: bool = False,
    model: str = DEFAULT_MODEL,
    device: str = "auto",
    threads: int | None = None,
) -> bytes:
    """Return the payload that sample(), with the same arguments, has written `text` from.

    raw: instead, all whole bytes that the text leaves no doubt of: of a seed's text the beginning
        of the seed's stream.
    Raises SamplingError, ModelError, DeviceError, UsageError; TypeError if `text` is no text.
    """
    sampler = Sampler(
        prompt=prompt,
        seed=seed,
        temperature=temperature,
        top_k=top_k,
        model=model,
        device=device,
        threads=threads,
    )
    return sampler.bits(text) if raw else sampler.unsample(text)
