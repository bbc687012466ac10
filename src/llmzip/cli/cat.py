"""`llmzip cat`: the text of .llmz files, or a part of it, on standard output."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from llmzip.cli.delivery import delivering, delivering_ahead, expected_bytes
from llmzip.cli.excerpts import Excerpt
from llmzip.cli.files import STDIO, stdout_stream
from llmzip.cli.inputs import opened, refuse_terminal
from llmzip.cli.jobs import run_jobs
from llmzip.cli.memory import require_least
from llmzip.cli.messages import Messages, reported, shown
from llmzip.cli.options import verb
from llmzip.cli.outputs import Output
from llmzip.cli.progress import watching
from llmzip.cli.ranges import ByteRange, LineRange
from llmzip.cli.settings import Settings
from llmzip.cli.sources import named
from llmzip.cli.work import Job, Verb
from llmzip.decompressor import Decompressor
from llmzip.errors import TrailingError, UsageError


@verb("cat")
def cat(messages: Messages, settings: Settings) -> None:
    """Write the text of each FILE.llmz, or a part of it. It goes to standard output.

    Of a part, --range or --lines, no more is decoded than that takes: of a file the groups (a
    mebibyte of text, at most 8) that hold the bytes, or all from the first up to the last of the
    lines, which have to be counted; of a pipe, also what stands before. Each file is a text of
    its own. What is decoded is verified, the rest of the file is not.

    For example `llmzip cat --lines 100:120 app.log.llmz`.
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
        work_ahead=delivering_ahead(decompressor, messages),
    )
    run_jobs(work, replace(settings, to_stdout=True), messages)


def _parts(part: ByteRange | LineRange, messages: Messages, settings: Settings) -> None:
    files = named(settings)
    decompressor = settings.decompressor()
    with stdout_stream() as sink:
        for source in files:
            with reported(source, messages):
                _deliver(source, part, sink, decompressor, messages)


def _deliver(
    source: Path,
    part: ByteRange | LineRange,
    sink: BinaryIO,
    decompressor: Decompressor,
    messages: Messages,
) -> None:
    with opened(source) as reading:
        refuse_terminal(reading.stream)
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
