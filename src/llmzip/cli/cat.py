"""`llmzip cat`: the text of .llmz files, or a part of it, on standard output."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from llmzip.api import Decompressor
from llmzip.cli.delivery import delivering, expected_bytes
from llmzip.cli.excerpts import Excerpt
from llmzip.cli.files import STDIO, stdout_stream
from llmzip.cli.inputs import opened
from llmzip.cli.jobs import run_jobs
from llmzip.cli.memory import is_out_of_memory, require_least
from llmzip.cli.messages import Messages, located, shown
from llmzip.cli.options import verb
from llmzip.cli.outputs import Output
from llmzip.cli.plan import Job, Verb
from llmzip.cli.progress import watching
from llmzip.cli.ranges import ByteRange, LineRange
from llmzip.cli.settings import Settings
from llmzip.errors import LlmzipError, TrailingError, UsageError


@verb("cat")
def cat(messages: Messages, settings: Settings) -> None:
    """Write the text of each FILE.llmz, or a part of it. It goes to standard output.

    Of a part, --range or --lines, no more is decoded than that takes: of a file the groups (a
    mebibyte of text, at most 8) that hold the bytes, or all from the first up to the last of the
    lines, which have to be counted; of a pipe, also what stands before. Each file is a text of
    its own. What is decoded is verified, the rest of the file is not.
    """
    require_least()
    if settings.byte_range is not None and settings.line_range is not None:
        raise UsageError("--range and --lines contradict each other; give one of them")
    part = settings.byte_range or settings.line_range
    if part is None:
        _all_of_them(messages, settings)
    else:
        _parts(part, messages, settings)


def _all_of_them(messages: Messages, settings: Settings) -> None:
    decompressor = settings.decompressor()
    work = Verb(
        "decompressed",
        True,
        lambda _: None,
        partial(expected_bytes, decompressor, to_stdout=True),
        delivering(decompressor.decompress, messages),
    )
    run_jobs(work, replace(settings, to_stdout=True), messages)


def _parts(part: ByteRange | LineRange, messages: Messages, settings: Settings) -> None:
    files = settings.files or (STDIO,)
    if files.count(STDIO) > 1:
        raise UsageError("standard input can be read only once")
    decompressor = settings.decompressor()
    with stdout_stream() as sink:
        for source in files:
            try:
                _deliver(source, part, sink, decompressor, messages)
            except (LlmzipError, OSError) as exc:
                messages.error(located(source, exc))
            except Exception as exc:
                if not is_out_of_memory(exc):
                    raise
                messages.error(located(source, exc))


def _deliver(
    source: Path,
    part: ByteRange | LineRange,
    sink: BinaryIO,
    decompressor: Decompressor,
    messages: Messages,
) -> None:
    with opened(source) as reading:
        if reading.stream.isatty():
            raise UsageError("compressed data is not read from a terminal")
        excerpt = Excerpt(reading.stream, decompressor, part)
        n_written = 0
        job = Job(source, Output(STDIO), n_bytes=None)
        with watching([job], messages) as watch:
            progress = watch.begin(job, excerpt.n_bytes)
            progress(0)
            try:
                for piece in excerpt:
                    sink.write(piece)
                    n_written += len(piece)
                    progress(n_written)
            except TrailingError as exc:
                messages.warning(f"{shown(source)}: {exc}")
    decoded = "" if excerpt.groups is None else f"; {excerpt.groups}"
    messages.info(f"{shown(source)}: {n_written:,} bytes{decoded}")
