"""What compress and decompress share: from file to file, one after the other.

Small files are an exception in that the model works on many of them at once; see batches.py.

A file that fails is reported and the next one is tried. An output appears only when it is
complete, and an input is removed only after its output is safely on disk.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, cast

from llmzip import descriptors
from llmzip.cli.files import STDIO
from llmzip.cli.inputs import Input, opened, refuse_terminal
from llmzip.cli.messages import Messages, Progress, reported, shown
from llmzip.cli.plan import plan
from llmzip.cli.progress import Watch, is_watched, watching
from llmzip.cli.settings import Settings
from llmzip.cli.special import special_kind
from llmzip.cli.tally import size_text
from llmzip.cli.verify import Original
from llmzip.cli.work import Job, Verb, Work
from llmzip.errors import UsageError
from llmzip.report.stats import stats_lines, why_little

if TYPE_CHECKING:
    from llmzip.cli.batches import Batches
    from llmzip.cli.spreading import Spreading
    from llmzip.codec import Stats


def run_jobs(verb: Verb, settings: Settings, messages: Messages) -> None:
    """Do `verb` to every file. Raises UsageError where the settings contradict each other."""
    jobs = plan(verb, settings, messages)
    total = _Total()
    with (
        watching(jobs, messages) as watch,
        _spread(verb, jobs, settings, watch, messages) as spread,
    ):
        batches = _batches(verb, jobs, settings, watch) if spread is None else None
        run = _Run(verb, settings, messages, watch, batches, spread)
        for number, job in enumerate(jobs):
            stats = None
            with reported(job.source, messages, by_its_model=verb.reads_llmz):
                stats = run.do_unless_done(number, job)
            watch.end(job, stats)
            if stats is not None:
                total.add(stats)
            if spread is not None and spread.is_lost:
                break
    if len(jobs) > 1 and messages.verbosity >= (0 if is_watched() else 1):
        messages.say(total.line(verb))


def _spread(
    verb: Verb, jobs: Sequence[Job], settings: Settings, watch: Watch, messages: Messages
) -> AbstractContextManager[Spreading | None]:
    """Return what lets others do the work, if that was asked for."""
    if verb.spread is None:
        return nullcontext()
    from llmzip.cli.spreading import spreading

    return spreading(verb, jobs, settings, watch, messages)


def _batches(verb: Verb, jobs: Sequence[Job], settings: Settings, watch: Watch) -> Batches | None:
    """Return what works on many small files at once, where there are several."""
    if verb.work_ahead is None or settings.resume or len(jobs) < 2:
        return None
    from llmzip.cli.batches import Batches

    return Batches(verb.work_ahead, jobs, watch)


@dataclass
class _Total:
    """What all the files come to."""

    n_files: int = 0
    n_bytes: int = 0
    n_file_bytes: int = 0

    def add(self, stats: Stats) -> None:
        self.n_files += 1
        self.n_bytes += stats.n_bytes
        self.n_file_bytes += stats.n_file_bytes

    def line(self, verb: Verb) -> str:
        """Return it as zstd prints it."""
        sizes = [size_text(self.n_bytes), size_text(self.n_file_bytes)]
        if verb.reads_llmz:
            sizes.reverse()
        files = "1 file" if self.n_files == 1 else f"{self.n_files:,} files"
        share = f"{100 * self.n_file_bytes / self.n_bytes:.2f}% " if self.n_bytes else ""
        return f"{files} {verb.done} : {share}({sizes[0]} => {sizes[1]})"


@dataclass(frozen=True)
class _Run:
    """What all the jobs have in common. batches, spread: None where each is done alone."""

    verb: Verb
    settings: Settings
    messages: Messages
    watch: Watch
    batches: Batches | None
    spread: Spreading | None = None

    def do_unless_done(self, number: int, job: Job) -> Stats | None:
        """Do one file; None where an earlier run has done it, which is said."""
        if self.spread is None:
            return self.do(number, job)
        try:
            if self.spread.was_finished(job):
                self.messages.info(f"{shown(job.source)}: finished by an earlier run")
                self.spread.settle(job, removes=self.settings.removes)
                return None
            return self.do(number, job)
        finally:
            self.spread.end(number)

    def do(self, number: int, job: Job) -> Stats:
        """Do one file. It stays where a warning says that not all of it was used."""
        n_warnings = self.messages.n_warnings
        _refuse_to_lose(job, self.settings)
        with opened(job.source) as reading:
            _refuse_terminals(self.verb, reading.stream, job)
            job.output.check(reading.status)
            n_bytes = self.verb.total_bytes(reading.stream)
            work, is_verified = self._work(number, reading.stream)
            progress = self.watch.begin(job, n_bytes)
            with job.output.opened(reading.status if reading.is_file else None) as writing:
                do = work if is_verified else partial(self._verified, work)
                stats = do(reading.stream, writing, progress)
            reading.note_read()
        if self.settings.removes and self.messages.n_warnings == n_warnings:
            _remove(reading, self.messages)
        _tell(self.verb, job, stats, self.settings, self.messages)
        return stats

    def _work(self, number: int, reading: BinaryIO) -> tuple[Work, bool]:
        """Return what does a job, and whether that looks itself at what it has come to."""
        if self.spread is not None and (spread := self.spread.work(number, reading)) is not None:
            return spread, True
        return self._work_here(number, reading), False

    def _work_here(self, number: int, reading: BinaryIO) -> Work:
        if self.settings.resume and self.verb.resume is not None:
            return self.verb.resume
        begun = self.batches.work(number, reading) if self.batches is not None else None
        return begun or self.verb.work

    def _verified(
        self, work: Work, reading: BinaryIO, writing: BinaryIO, progress: Progress
    ) -> Stats:
        """Do it, and look at what it has come to if that was asked for."""
        if not self.settings.verify or self.verb.decode is None:
            return work(reading, writing, progress)
        original = Original(reading)
        stats = work(cast(BinaryIO, original), writing, progress)
        original.check(writing, self.verb.decode, progress)
        return stats


def _refuse_to_lose(job: Job, settings: Settings) -> None:
    """Refuse to remove what is no file, or what would be kept nowhere."""
    kept_nowhere = job.output.special
    if settings.removes and kept_nowhere:
        raise UsageError(f"--rm asks for a regular file as output, and -o names {kept_nowhere}")
    if settings.resume and kept_nowhere:
        raise UsageError(f"--resume asks for a regular file as output, and it is {kept_nowhere}")
    if settings.removes and (kind := special_kind(job.source)):
        raise UsageError(f"{job.source} is {kind}, and --rm removes regular files only")


def _refuse_terminals(verb: Verb, reading: BinaryIO, job: Job) -> None:
    """Keep compressed data away from people's eyes and keyboards."""
    if verb.reads_llmz:
        refuse_terminal(reading)
        return
    if job.output.path != STDIO or job.output.replace:
        return
    if os.isatty(descriptors.data_output()):
        raise UsageError(
            "compressed data is not written to a terminal; use -o FILE, or -f to insist"
        )


def _remove(reading: Input, messages: Messages) -> None:
    if not reading.remove():
        messages.warning(
            f"{reading.source} was changed, moved or replaced while it was read; not removed"
        )


def _tell(verb: Verb, job: Job, stats: Stats, settings: Settings, messages: Messages) -> None:
    """Say what was done, as far as that was asked for."""
    way = f" ({stats.way})" if stats.model_name and stats.way else ""
    share = f" ({stats.bits_per_byte:.3f} bits per byte)" if stats.n_bytes else ""
    why = None if verb.reads_llmz else why_little(stats)
    messages.info(
        f"{shown(job.source)}: {verb.name} {stats.n_bytes:,} bytes, {stats.n_file_bytes:,} in the "
        f".llmz file{share}, in {stats.seconds:.2f} s{way}{'' if why is None else f'; {why}'}"
    )
    if settings.show_stats:
        messages.report("\n".join(stats_lines(stats)))
