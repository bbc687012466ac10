"""What compress and decompress share: from file to file, one after the other.

A file that fails is reported and the next one is tried. An output appears only when it is
complete, and an input is removed only after its output is safely on disk.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from llmzip.cli.files import (
    STDIO,
    is_special,
    pipe_stream,
    special_file,
    stdin_stream,
    stdout_stream,
    whole_file,
)
from llmzip.cli.messages import Messages, Progress, describe
from llmzip.cli.options import FileOptions
from llmzip.errors import LlmzipError, UsageError

if TYPE_CHECKING:
    from llmzip.codec import Stats

SUFFIX = ".llmz"


@dataclass(frozen=True)
class Verb:
    """A command that turns one stream into another.

    target_of: names the output of a file, or None to skip it (having said why).
    total_bytes: how many bytes of the original are to be expected, None if unknown; may refuse
        the input before anything else is done.
    work: does it.
    """

    name: str
    reads_llmz: bool
    target_of: Callable[[Path], Path | None]
    total_bytes: Callable[[BinaryIO], int | None]
    work: Callable[[BinaryIO, BinaryIO, Progress], Stats]


def run_jobs(verb: Verb, options: FileOptions, messages: Messages) -> None:
    """Do `verb` to every file. Raises UsageError where the options contradict each other."""
    files = options.files or (STDIO,)
    _check(options, files)
    for source in files:
        try:
            _run_job(verb, source, options, messages)
        except (LlmzipError, OSError, MemoryError) as exc:
            messages.error(_located(source, exc))


def _check(options: FileOptions, files: tuple[Path, ...]) -> None:
    if options.output is not None and len(files) > 1:
        raise UsageError("-o takes the output of one file; use -c, or one command for each file")
    if options.output is not None and options.to_stdout:
        raise UsageError("-o and -c contradict each other; give one of them")
    if options.remove and (_wants_stdout(options) or STDIO in files):
        raise UsageError("--rm is for files that are replaced by files, not for - or -c")
    if files.count(STDIO) > 1:
        raise UsageError("standard input can be read only once")


def _wants_stdout(options: FileOptions) -> bool:
    return options.to_stdout or options.output == STDIO


def _run_job(verb: Verb, source: Path, options: FileOptions, messages: Messages) -> None:
    """Do one file. It stays where a warning says that not all of it was used."""
    n_warnings = messages.n_warnings
    target = _target(verb, source, options)
    if target is None:
        return
    with _opened(source) as reading:
        _refuse_terminals(verb, reading, source, target, options.force)
        status = os.fstat(reading.fileno())
        _refuse_same_or_existing(status, target, options.force)
        like = status if source != STDIO and stat.S_ISREG(status.st_mode) else None
        total_bytes = verb.total_bytes(reading)
        with (
            _output(target, options.force, like) as writing,
            messages.progress(str(source), total_bytes) as progress,
        ):
            stats = verb.work(reading, writing, progress)
    if options.remove and messages.n_warnings == n_warnings:
        source.unlink()
    _tell(verb, source, stats, options, messages)


def _target(verb: Verb, source: Path, options: FileOptions) -> Path | None:
    """Return where the output of `source` goes; None to skip it."""
    if options.output is not None:
        return options.output
    if options.to_stdout or source == STDIO:
        return STDIO
    return verb.target_of(source)


@contextmanager
def _opened(source: Path) -> Iterator[BinaryIO]:
    if source == STDIO:
        yield stdin_stream()
        return
    with source.open("rb") as file:
        yield file if file.seekable() else pipe_stream(file)


@contextmanager
def _output(target: Path, replace: bool, like: os.stat_result | None) -> Iterator[BinaryIO]:
    if target == STDIO:
        yield stdout_stream()
    elif is_special(target):
        with special_file(target) as file:
            yield file
    else:
        with whole_file(target, replace=replace, like=like) as file:
            yield file


def _refuse_terminals(
    verb: Verb, reading: BinaryIO, source: Path, target: Path, force: bool
) -> None:
    """Keep compressed data away from people's eyes and keyboards."""
    if verb.reads_llmz and reading.isatty():
        raise UsageError(f"{_shown(source)}: compressed data is not read from a terminal")
    if not verb.reads_llmz and target == STDIO and not force and os.isatty(1):
        raise UsageError(
            "compressed data is not written to a terminal; use -o FILE, or -f to insist"
        )


def _refuse_same_or_existing(source: os.stat_result, target: Path, force: bool) -> None:
    """Refuse early, before a model is loaded, what could not be written in the end."""
    if target == STDIO:
        if stat.S_ISREG(source.st_mode) and os.path.samestat(source, os.fstat(1)):
            raise UsageError("standard output is the input file itself; write elsewhere")
        return
    if is_special(target) or not os.path.lexists(target):
        return
    if target.is_dir():
        raise UsageError(f"{target} is a folder; name a file")
    if target.exists() and os.path.samestat(source, target.stat()):
        raise UsageError(f"{target} is both input and output; name another output")
    if not force:
        raise UsageError(f"{target} exists; use -f to replace it, or -o FILE")


def _tell(verb: Verb, source: Path, stats: Stats, options: FileOptions, messages: Messages) -> None:
    """Say what was done, as far as that was asked for."""
    way = f" ({stats.way})" if stats.model_name and stats.way else ""
    messages.info(
        f"{_shown(source)}: {verb.name} {stats.n_bytes:,} bytes, {stats.n_file_bytes:,} in the "
        f".llmz file ({stats.bits_per_byte:.3f} bits per byte), in {stats.seconds:.2f} s{way}"
    )
    if options.show_stats:
        from llmzip.report.stats import stats_lines

        messages.report("\n".join(stats_lines(stats)))


def _located(source: Path, exc: Exception) -> str:
    """Return the message, saying which file it is about unless it does so itself."""
    text = describe(exc)
    if isinstance(exc, OSError) and exc.filename is not None:
        return text
    if source != STDIO and str(source) in text:
        return text
    return f"{_shown(source)}: {text}"


def _shown(source: Path) -> str:
    return "standard input" if source == STDIO else str(source)
