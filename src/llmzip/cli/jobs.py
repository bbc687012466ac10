"""What compress and decompress share: from file to file, one after the other.

A file that fails is reported and the next one is tried. An output appears only when it is
complete, and an input is removed only after its output is safely on disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from llmzip import descriptors
from llmzip.cli.files import STDIO
from llmzip.cli.inputs import Input, opened
from llmzip.cli.memory import is_out_of_memory
from llmzip.cli.messages import Messages, Progress, describe
from llmzip.cli.outputs import Output
from llmzip.cli.settings import Settings
from llmzip.cli.special import own_descriptor, special_kind
from llmzip.cli.verify import Decode, Original
from llmzip.errors import LlmzipError, UsageError

if TYPE_CHECKING:
    from llmzip.codec import Stats


@dataclass(frozen=True)
class Verb:
    """A command that turns one stream into another.

    target_of: names the output of a file, or None to skip it (having said why).
    total_bytes: how many bytes of the original are to be expected, None if unknown; may refuse
        the input before anything else is done.
    work: does it. resume: does what is missing in the output of an earlier run, where that is
        offered. decode: undoes it, for whoever wants it verified.
    """

    name: str
    reads_llmz: bool
    target_of: Callable[[Path], Path | None]
    total_bytes: Callable[[BinaryIO], int | None]
    work: Callable[[BinaryIO, BinaryIO, Progress], Stats]
    resume: Callable[[BinaryIO, BinaryIO, Progress], Stats] | None = None
    decode: Decode | None = None


def run_jobs(verb: Verb, settings: Settings, messages: Messages) -> None:
    """Do `verb` to every file. Raises UsageError where the settings contradict each other."""
    files = settings.files or (STDIO,)
    _check(settings, files)
    for source in files:
        try:
            _run_job(verb, source, settings, messages)
        except (LlmzipError, OSError) as exc:
            messages.error(_located(source, exc))
        except Exception as exc:
            if not is_out_of_memory(exc):
                raise
            messages.error(_located(source, exc))


def _check(settings: Settings, files: tuple[Path, ...]) -> None:
    if settings.output is not None and len(files) > 1:
        raise UsageError("-o takes the output of one file; use -c, or one command for each file")
    if settings.output is not None and settings.to_stdout:
        raise UsageError("-o and -c contradict each other; give one of them")
    if settings.removes and (_wants_stdout(settings) or STDIO in files):
        raise UsageError("--rm is for files that are replaced by files, not for - or -c")
    if settings.resume and _wants_stdout(settings):
        raise UsageError("--resume is for output to a file, not for - or -c")
    if files.count(STDIO) > 1:
        raise UsageError("standard input can be read only once")


def _wants_stdout(settings: Settings) -> bool:
    return settings.to_stdout or settings.output == STDIO


def _run_job(verb: Verb, source: Path, settings: Settings, messages: Messages) -> None:
    """Do one file. It stays where a warning says that not all of it was used."""
    n_warnings = messages.n_warnings
    if _is_skipped(source, settings, messages):
        return
    output = _output(verb, source, settings)
    if output is None:
        return
    _refuse_to_lose(source, output, settings)
    with opened(source) as reading:
        _refuse_terminals(verb, reading.stream, output)
        output.check(reading.status)
        total_bytes = verb.total_bytes(reading.stream)
        with (
            output.opened(reading.status if reading.is_file else None) as writing,
            messages.progress(str(source), total_bytes) as progress,
        ):
            stats = _work(verb, reading.stream, writing, settings, progress)
        reading.note_read()
    if settings.removes and messages.n_warnings == n_warnings:
        _remove(reading, messages)
    _tell(verb, source, stats, settings, messages)


def _is_skipped(source: Path, settings: Settings, messages: Messages) -> bool:
    """Return whether `source` is no file and nobody has said where to; if so, say it."""
    if source == STDIO or settings.output is not None or settings.to_stdout:
        return False
    kind = special_kind(source)
    if kind is None:
        return False
    messages.warning(
        f"{source} is {kind}, not a regular file; skipped (-c or -o FILE says where to)"
    )
    return True


def _output(verb: Verb, source: Path, settings: Settings) -> Output | None:
    """Return where the output of `source` goes; None to skip it."""
    path: Path | None
    if settings.output is not None:
        path = STDIO if own_descriptor(settings.output) == 1 else settings.output
    elif settings.to_stdout or source == STDIO:
        path = STDIO
    else:
        path = verb.target_of(source)
    if path is None:
        return None
    is_explicit = settings.output is not None
    return Output(path, is_explicit, settings.force, settings.resume, settings.verify)


def _refuse_to_lose(source: Path, output: Output, settings: Settings) -> None:
    """Refuse to remove what is no file, or what would be kept nowhere."""
    kept_nowhere = output.special
    if settings.removes and kept_nowhere:
        raise UsageError(f"--rm asks for a regular file as output, and -o names {kept_nowhere}")
    if settings.resume and kept_nowhere:
        raise UsageError(f"--resume asks for a regular file as output, and it is {kept_nowhere}")
    if settings.removes and (kind := special_kind(source)):
        raise UsageError(f"{source} is {kind}, and --rm removes regular files only")


def _refuse_terminals(verb: Verb, reading: BinaryIO, output: Output) -> None:
    """Keep compressed data away from people's eyes and keyboards."""
    if verb.reads_llmz and reading.isatty():
        raise UsageError("compressed data is not read from a terminal")
    if verb.reads_llmz or output.path != STDIO or output.replace:
        return
    if os.isatty(descriptors.data_output()):
        raise UsageError(
            "compressed data is not written to a terminal; use -o FILE, or -f to insist"
        )


def _work(
    verb: Verb, reading: BinaryIO, writing: BinaryIO, settings: Settings, progress: Progress
) -> Stats:
    """Do it, and look at what it has come to if that was asked for."""
    work = verb.resume if settings.resume and verb.resume is not None else verb.work
    if not settings.verify or verb.decode is None:
        return work(reading, writing, progress)
    original = Original(reading)
    stats = work(cast(BinaryIO, original), writing, progress)
    original.check(writing, verb.decode, progress)
    return stats


def _remove(reading: Input, messages: Messages) -> None:
    if not reading.remove():
        messages.warning(
            f"{reading.source} was changed, moved or replaced while it was read; not removed"
        )


def _tell(verb: Verb, source: Path, stats: Stats, settings: Settings, messages: Messages) -> None:
    """Say what was done, as far as that was asked for."""
    way = f" ({stats.way})" if stats.model_name and stats.way else ""
    messages.info(
        f"{_shown(source)}: {verb.name} {stats.n_bytes:,} bytes, {stats.n_file_bytes:,} in the "
        f".llmz file ({stats.bits_per_byte:.3f} bits per byte), in {stats.seconds:.2f} s{way}"
    )
    if settings.show_stats:
        from llmzip.report.stats import stats_lines

        messages.report("\n".join(stats_lines(stats)))


def _located(source: Path, exc: Exception) -> str:
    """Return the message, saying which file it is about unless it does so itself."""
    text = describe(exc)
    if isinstance(exc, OSError) and exc.filename is not None:
        return text
    if source != STDIO and text.startswith(str(source)):
        return text
    return f"{_shown(source)}: {text}"


def _shown(source: Path) -> str:
    return "standard input" if source == STDIO else str(source)
