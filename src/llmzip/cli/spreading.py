"""--processes and --ray: others do the work ahead of the files' turns, and this process the rest.

A file's turn is what it would be alone: what is checked, refused, written, removed and said is so
by the same code. Files that cannot be spread (pipes, files of several members, what is damaged)
are done by this process.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from llmzip.cli.delivery import delivering
from llmzip.cli.inputs import opened
from llmzip.cli.messages import Messages, Progress
from llmzip.cli.partials import drop_finished
from llmzip.cli.progress import Watch
from llmzip.cli.settings import Settings
from llmzip.cli.sources import RESUME_FOLDER
from llmzip.cli.special import own_descriptor
from llmzip.cli.work import Job, Spreadable, Verb, Work
from llmzip.codec.streams import read_full, write_full
from llmzip.errors import VerifyError
from llmzip.spread.assembly import write_packed, write_text
from llmzip.spread.cluster import actors
from llmzip.spread.cutting import InputFile
from llmzip.spread.manifest import Manifest
from llmzip.spread.places import State, state_of
from llmzip.spread.pool import Pool, WorkersLostError
from llmzip.spread.processes import Processes
from llmzip.spread.run import Groups, Run
from llmzip.spread.units import Made, digest
from llmzip.spread.worker import Tools
from llmzip.spread.writing import digest_at, digest_of

if TYPE_CHECKING:
    from llmzip.codec import OnTrailing, Stats


class Spreading:
    """The work on `jobs` by the workers of `pool`."""

    def __init__(
        self,
        verb: Verb,
        how: Spreadable,
        jobs: Sequence[Job],
        pool: Pool,
        watch: Watch,
        messages: Messages,
        manifest: Manifest | None,
    ) -> None:
        self._verb = verb
        self._jobs = jobs
        self._watch = watch
        self._messages = messages
        self._manifest = manifest
        self._states: dict[int, State] = {}
        self._verifies = how.tools.verifier is not None
        self._turn: tuple[int, Progress] | None = None
        self.is_lost = False
        """Whether no worker is left, so that the rest cannot be done."""
        self.run = Run(
            pool, len(jobs), self._look, how.cutter, manifest=manifest, on_step=self._report
        )

    def work(self, number: int, stream: BinaryIO) -> Work | None:
        """Return what does the job of that number, on `stream`; None if it has to be done alone.

        Raises WorkersLostError.
        """
        try:
            if (groups := self.run.groups(number)) is not None:
                return self._of_groups(number, groups)
            return self._of_whole(number, stream)
        except WorkersLostError:
            self.is_lost = True
            raise

    def was_finished(self, job: Job) -> bool:
        """Return whether an earlier run has made this output, and it is there, of this input."""
        if self._manifest is None or job.output.special is not None:
            return False
        try:
            state = state_of(_place(job.source))
            made = self._manifest.finished(_place(job.output.path), state)
            return made is not None and made == digest_at(str(job.output.path))
        except OSError:
            return False

    def settle(self, job: Job, *, removes: bool) -> None:
        """Do what is left to do about a job that was_finished speaks of."""
        drop_finished(job.output.path)
        if removes:
            with opened(job.source) as reading:
                reading.note_read()
            reading.remove()

    def end(self, number: int) -> None:
        """Note that a job's turn is over."""
        self._turn = None
        self.run.end(number)

    def _note(self, number: int, written: BinaryIO) -> None:
        """Note that an output is complete, before it has its name: whether it has will be seen."""
        if self._manifest is not None and (state := self._states.get(number)) is not None:
            written.seek(0)
            place = _place(self._jobs[number].output.path)
            self._manifest.finish(place, state, digest_of(written))

    def _look(self, number: int) -> InputFile | None:
        """Return the file of a job, unless its turn will only refuse it. Raises as that will."""
        job = self._jobs[number]
        if own_descriptor(job.source) is not None or job.n_bytes is None:
            return None
        status = job.source.stat()
        if not stat.S_ISREG(status.st_mode) or self.was_finished(job):
            return None
        job.output.check(status)
        place = _place(job.source)
        self._states[number] = state_of(place)
        return InputFile(place, self._states[number])

    def _of_whole(self, number: int, stream: BinaryIO) -> Work | None:
        made = self.run.made(number)
        if made is None or made.data is None:
            return None
        data = read_full(stream, (self._jobs[number].n_bytes or 0) + 1)
        stream.seek(0)
        if digest(data) != made.source_digest:
            return None  # it is another file by now
        return self._delivering(number, partial(_write_made, made))

    def _of_groups(self, number: int, groups: Groups) -> Work:
        def write(reading: BinaryIO, sink: BinaryIO, progress: Progress) -> Stats:
            self._turn = number, progress
            if groups.end is None:
                return write_packed(self.run, groups, reading, sink)
            return write_text(self.run, groups, sink)

        return self._delivering(number, write)

    def _delivering(self, number: int, write: Work) -> Work:
        """Return `write` with what is done about damage, and where an earlier run has begun."""

        def work(reading: BinaryIO, writing: BinaryIO, progress: Progress) -> Stats:
            if self._manifest is not None:  # what there is was not made of these parts
                writing.seek(0)
                writing.truncate()
            do = partial(_verified, write) if self._verifies else write
            stats = do(reading, writing, progress)
            self._note(number, writing)
            return stats

        if not self._verb.reads_llmz:
            return work

        def decompress(
            reading: BinaryIO, writing: BinaryIO, progress: Progress, _on_trailing: OnTrailing
        ) -> Stats:
            return work(reading, writing, progress)

        return delivering(decompress, self._messages)

    def _report(self) -> None:
        if self._turn is None:
            self._watch.ahead(*self.run.ahead())
            return
        number, progress = self._turn
        self._watch.ahead(*self.run.ahead(but=number))
        progress(self.run.n_bytes_done(number))


@contextmanager
def spreading(
    verb: Verb, jobs: Sequence[Job], settings: Settings, watch: Watch, messages: Messages
) -> Iterator[Spreading | None]:
    """Yield what spreads the work, workers and all, if that was asked for and there is any."""
    if verb.spread is None or not jobs:
        yield None
        return
    how = verb.spread()
    with ExitStack() as stack:
        manifest = _manifest(jobs, settings, how) if settings.resume else None
        if manifest is not None:
            stack.callback(lambda: manifest.close(is_done=messages.status == 0))
        pool = stack.enter_context(_pool(how.tools, settings, watch))
        spread = Spreading(verb, how, jobs, pool, watch, messages, manifest)
        yield spread
        counts = spread.run.counts
        found = "" if manifest is None else f", {manifest.n_found:,} found done"
        messages.info(
            f"{counts.n_finished:,} parts done by workers{found}; {counts.n_lost:,} workers lost, "
            f"{counts.n_again:,} parts given again"
        )


def _pool(tools: Tools, settings: Settings, watch: Watch) -> AbstractContextManager[Pool]:
    if settings.ray is None:
        assert settings.processes is not None
        watch.wait(f"starting {settings.processes:,} processes")
        return _closing(partial(Processes, tools, settings.processes))
    watch.wait("starting actors of Ray")
    address = None if settings.ray == "auto" else settings.ray
    return actors(tools, address, settings.processes, wants_gpus=settings.device != "cpu")


@contextmanager
def _closing(make: Callable[[], Processes]) -> Iterator[Pool]:
    pool = make()
    try:
        yield pool
    finally:
        pool.close()


def _manifest(jobs: Sequence[Job], settings: Settings, how: Spreadable) -> Manifest:
    """Return what is done, kept in the output folder, or the one above all outputs."""
    folder = settings.output_dir
    if folder is None:
        parents = {str(Path(_place(job.output.path)).parent) for job in jobs}
        folder = Path(os.path.commonpath(parents))
    folder.mkdir(parents=True, exist_ok=True)
    return Manifest(folder / RESUME_FOLDER, how.settings)


def _write_made(made: Made, _reading: BinaryIO, sink: BinaryIO, _progress: Progress) -> Stats:
    assert made.data is not None
    write_full(sink, made.data)
    return made.stats


def _verified(write: Work, reading: BinaryIO, writing: BinaryIO, progress: Progress) -> Stats:
    """Write what workers have decoded again, and look whether it is what is there then."""
    noted = _Noted(writing)
    stats = write(reading, noted, progress)  # type: ignore[arg-type]
    writing.seek(0)
    if digest_of(writing) != noted.digest():
        raise VerifyError("what was written is not what is there, nothing is kept: try again")
    return stats


class _Noted:
    """A sink that notes what goes through it."""

    def __init__(self, sink: BinaryIO) -> None:
        import xxhash

        self._sink = sink
        self._state = xxhash.xxh3_128()

    def write(self, data: bytes) -> int:
        """Write some of `data`."""
        n_taken = self._sink.write(data)
        self._state.update(memoryview(data)[:n_taken])
        return n_taken

    def digest(self) -> bytes:
        """Return that of all that was written."""
        return self._state.digest()


def _place(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - links are followed where they are opened
