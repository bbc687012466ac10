"""Many small texts, each a file of its own: the model works on a batch of them at once.

Whatever is in a batch, the bytes of each file are those that it has alone. Texts are independent,
so their chunks run side by side; what is decided for each (groups, runs, which codec is best,
what is verified) is decided by the very code that takes a text alone.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

from llmzip.buffers import as_bytes
from llmzip.codec.encode import GroupEncoder, encode_stream
from llmzip.codec.groups import FindCopies, Preparation, no_copies
from llmzip.codec.levels import Level
from llmzip.codec.memory import GROUP_BYTES, GROUPS_BYTES
from llmzip.codec.model import OpenToEncode, Progress, unseen
from llmzip.codec.stats import Stats, share_time
from llmzip.codec.wanted import FrozenChunks, LearningWaves, ToCode
from llmzip.container import Reference, Writer

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


@dataclass(frozen=True)
class Encoded:
    """A text as a file. stats: what was measured; of the time it has the share of its bytes."""

    file: bytes
    stats: Stats


NewFinder = Callable[[], FindCopies]
"""Makes what finds the copies of a text: each has its own."""


def find_nothing() -> FindCopies:
    """Make what finds none."""
    return no_copies


def encode_batch(
    texts: Sequence[bytes],
    open_model: OpenToEncode,
    level: Level,
    progress: Progress = unseen,
    new_finder: NewFinder = find_nothing,
    reference: Reference | None = None,
) -> list[Encoded]:
    """Compress each of `texts`; `progress` is told how many bytes of all of them are done.

    The other arguments are as for encode_stream.
    Raises as encode_stream does, whichever text it is for.
    """
    begin_s = time.monotonic()
    most = len(texts) if level.options.dictionary is None else GROUPS_BYTES // GROUP_BYTES
    done = _Done(len(texts), progress)
    encoded = [
        one
        for at in range(0, len(texts), max(1, most))
        for one in _encode_at_once(
            texts[at : at + most], open_model, level, done.parts[at:], new_finder, reference
        )
    ]
    share_time([one.stats for one in encoded], time.monotonic() - begin_s)
    return encoded


class _Done:
    """Adds up how far texts are that are worked on side by side. parts: take how far each is."""

    def __init__(self, n_texts: int, progress: Progress) -> None:
        self._n_bytes = [0] * n_texts
        self._n_bytes_of_all = 0
        self._progress = progress
        self.parts: list[Progress] = [partial(self._note, number) for number in range(n_texts)]

    def _note(self, number: int, n_bytes: int) -> None:
        self._n_bytes_of_all += n_bytes - self._n_bytes[number]
        self._n_bytes[number] = n_bytes
        self._progress(self._n_bytes_of_all)


def _encode_at_once(
    texts: Sequence[bytes],
    open_model: OpenToEncode,
    level: Level,
    progress: Sequence[Progress],
    new_finder: NewFinder,
    reference: Reference | None,
) -> list[Encoded]:
    sinks = [io.BytesIO() for _ in texts]
    if len(texts) == 1:
        stats = encode_stream(
            io.BytesIO(texts[0]),
            sinks[0],
            open_model,
            level,
            progress[0],
            find_copies=new_finder(),
            reference=reference,
        )
        return [Encoded(sinks[0].getvalue(), stats)]
    writers = [Writer(sink, level.options) for sink in sinks]
    if reference is not None:
        for writer in writers:
            writer.reference(reference)
    with closing(Preparation()) as threads:
        encoders = [
            GroupEncoder(writer, open_model, level, report, threads, new_finder())
            for writer, report in zip(writers, progress, strict=False)
        ]
        sources = map(io.BytesIO, texts)
        _side_by_side([one.steps(text) for one, text in zip(encoders, sources, strict=True)])
    finished = [encoder.finish() for encoder in encoders]
    return [Encoded(sink.getvalue(), own) for sink, own in zip(sinks, finished, strict=True)]


def _side_by_side(steps: Sequence[Iterator[ToCode]]) -> None:
    """Run all of `steps` to their end, the model working at once on what they want."""
    going = list(steps)
    while going:
        wanted = [(one, next(one, None)) for one in going]
        going = [one for one, what in wanted if what is not None]
        waves = [what.waves for _, what in wanted if isinstance(what, LearningWaves)]
        if waves:
            LearningWaves(list(chain.from_iterable(waves))).code()
        _code_frozen([what for _, what in wanted if isinstance(what, FrozenChunks)])


def _code_frozen(wanted: Sequence[FrozenChunks]) -> None:
    for predictor in {id(one.predictor): one.predictor for one in wanted}.values():
        together = [one for one in wanted if one.predictor is predictor]
        chunks = [list(one.chunks) for one in together]
        found = predictor.intervals(chain.from_iterable(chunks))
        for one, own in zip(together, chunks, strict=True):
            one.found = iter(list(islice(found, len(own))))
