"""Many small texts, each a file of its own: the model works on a batch of them at once.

Whatever is in a batch, the bytes of each file are those that it has alone. Texts are independent,
so their chunks run side by side; what is decided for each (groups, runs, which codec is best,
what is verified) is decided by the very code that takes a text alone.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice

from llmzip.buffers import as_bytes
from llmzip.codec.encode import GroupEncoder, encode_stream
from llmzip.codec.groups import Preparation
from llmzip.codec.levels import Level
from llmzip.codec.memory import GROUP_BYTES, GROUPS_BYTES
from llmzip.codec.model import OpenToEncode, unseen
from llmzip.codec.wanted import FrozenChunks, LearningWave, ToCode
from llmzip.container import Writer

BATCH_TEXTS = 256
BATCH_BYTES = 1 << 16
"""What is taken at once: texts of so many bytes together, or a single longer one. It is about
what groups side by side take: see memory.GROUP_TOKEN_BYTES."""


def batches(items: Iterable[object]) -> Iterator[list[bytes]]:
    """Cut what has the buffer protocol into batches, none taken before it is wanted.

    Raises TypeError for an item without it, and what `items` raises, once all before is out.
    """
    batch: list[bytes] = []
    n_bytes = 0
    for data in _with_failure_last(items):
        if isinstance(data, Exception):
            if batch:
                yield batch
            raise data
        if batch and n_bytes + len(data) > BATCH_BYTES:
            yield batch
            batch, n_bytes = [], 0
        batch.append(data)
        n_bytes += len(data)
        if len(batch) == BATCH_TEXTS or n_bytes >= BATCH_BYTES:
            yield batch
            batch, n_bytes = [], 0
    if batch:
        yield batch


def _with_failure_last(items: Iterable[object]) -> Iterator[bytes | Exception]:
    """Yield the bytes of each item, copied, and in the end what went wrong, if anything did."""
    try:
        for item in items:
            yield bytes(as_bytes(item))
    except Exception as exc:
        yield exc


def encode_batch(texts: Sequence[bytes], open_model: OpenToEncode, level: Level) -> list[bytes]:
    """Return each of `texts` as a file. Raises as encode_stream does, whichever text it is for."""
    most = len(texts) if level.options.dictionary is None else GROUPS_BYTES // GROUP_BYTES
    parts = (texts[at : at + most] for at in range(0, len(texts), max(1, most)))
    return [file for part in parts for file in _encode_at_once(part, open_model, level)]


def _encode_at_once(texts: Sequence[bytes], open_model: OpenToEncode, level: Level) -> list[bytes]:
    sinks = [io.BytesIO() for _ in texts]
    if len(texts) == 1:
        encode_stream(io.BytesIO(texts[0]), sinks[0], open_model, level)
        return [sinks[0].getvalue()]
    with closing(Preparation()) as threads:
        encoders = [
            GroupEncoder(Writer(sink, level.options), open_model, level, unseen, threads)
            for sink in sinks
        ]
        sources = map(io.BytesIO, texts)
        _side_by_side([one.steps(text) for one, text in zip(encoders, sources, strict=True)])
    for encoder in encoders:
        encoder.finish()
    return [sink.getvalue() for sink in sinks]


def _side_by_side(steps: Sequence[Iterator[ToCode]]) -> None:
    """Run all of `steps` to their end, the model working at once on what they want."""
    going = list(steps)
    while going:
        wanted = [(one, next(one, None)) for one in going]
        going = [one for one, what in wanted if what is not None]
        _code_waves([what for _, what in wanted if isinstance(what, LearningWave)])
        _code_frozen([what for _, what in wanted if isinstance(what, FrozenChunks)])


def _code_waves(waves: Sequence[LearningWave]) -> None:
    if waves:
        wanted = [(wave.group, wave.chunks) for wave in waves]
        found = waves[0].group.encode(wanted, lambda _: None)
        for wave, intervals in zip(waves, found, strict=True):
            wave.found = intervals


def _code_frozen(wanted: Sequence[FrozenChunks]) -> None:
    if wanted:
        chunks = [list(one.chunks) for one in wanted]
        found = wanted[0].predictor.intervals(chain.from_iterable(chunks))
        for one, own in zip(wanted, chunks, strict=True):
            one.found = iter(list(islice(found, len(own))))
