"""Small files share the model's passes: it works on many of them before the turn of each comes.

A file's turn is what it would be alone, with all that is checked, refused and said there; only the
model's part is done by then. Where the file is another one meanwhile, it is dealt with alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from llmzip.cli.outputs import Output
from llmzip.cli.progress import Watch
from llmzip.cli.work import Job, Work, WorkAhead
from llmzip.codec.many import BATCH_BYTES, BATCH_TEXTS
from llmzip.codec.streams import read_full
from llmzip.errors import LlmzipError


class Batches:
    """What is worked on ahead of the jobs' turns, a batch at a time."""

    def __init__(self, work_ahead: WorkAhead, jobs: Sequence[Job], watch: Watch) -> None:
        self._work_of_batch = work_ahead
        self._jobs = jobs
        self._watch = watch
        self._n_seen = 0
        self._ready: dict[int, tuple[bytes, Work | None]] = {}

    def work(self, number: int, stream: BinaryIO) -> Work | None:
        """Return what does the job of that number, on `stream`; None if it has to be done alone."""
        if number >= self._n_seen and _is_small(self._jobs[number]):
            self._work_ahead(number)
        if number not in self._ready:
            return None
        data, work = self._ready.pop(number)
        self._watch.take(self._jobs[number])
        is_same = read_full(stream, len(data) + 1) == data
        stream.seek(0)
        return work if is_same else None

    def _work_ahead(self, number: int) -> None:
        """Let the model do its part for that job and small ones after it."""
        batch: dict[int, bytes] = {}
        n_bytes = 0
        for at in range(number, len(self._jobs)):
            if (data := _read(self._jobs[at])) is not None:
                if n_bytes + len(data) > BATCH_BYTES:
                    break
                batch[at] = data
                n_bytes += len(data)
            self._n_seen = at + 1
            if len(batch) == BATCH_TEXTS:
                break
        if len(batch) > 1:
            self._ready = {
                at: (data, work)
                for (at, data), work in zip(batch.items(), self._works(batch), strict=True)
            }

    def _works(self, batch: dict[int, bytes]) -> Sequence[Work | None]:
        progress = self._watch.begin_ahead([self._jobs[at] for at in batch])
        with suppress(LlmzipError, OSError, MemoryError):  # it comes up again, in its place
            return self._work_of_batch(list(batch.values()), progress)
        return [None] * len(batch)


def _is_small(job: Job) -> bool:
    return job.n_bytes is not None and job.n_bytes <= BATCH_BYTES


def _read(job: Job) -> bytes | None:
    """Return what a small file holds; None where it is none, or its turn will only refuse it."""
    if not _is_small(job):
        return None
    with suppress(LlmzipError, OSError):
        return _small_contents(job.source, job.output)
    return None


def _small_contents(source: Path, output: Output) -> bytes | None:
    descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        output.check(status)
        data = file.read(BATCH_BYTES + 1)
    return data if len(data) <= BATCH_BYTES else None
