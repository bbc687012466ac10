"""`llmzip bench`: files by llmzip and by other compressors, here; nothing is kept of either."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmzip.cli.bench_tables import as_json, closing, headed
from llmzip.cli.files import STDIO, stdout_stream
from llmzip.cli.inputs import opened
from llmzip.cli.memory import require_least
from llmzip.cli.messages import Messages, describe, located, shown
from llmzip.cli.options import verb
from llmzip.cli.outputs import Output
from llmzip.cli.progress import watching
from llmzip.cli.settings import Settings
from llmzip.cli.sources import named
from llmzip.cli.work import Job
from llmzip.errors import LlmzipError, UsageError

if TYPE_CHECKING:
    from llmzip.bench.results import TextResult
    from llmzip.bench.running import Plan


@verb("bench")
def bench(messages: Messages, settings: Settings) -> None:
    """Measure llmzip on each FILE, beside gzip, xz and others. Without FILE, read standard input.

    Size, speed both ways and memory of gzip, bzip2, xz, zstd, brotli, ppmd and llmzip, of what is
    installed; every row is decompressed and compared. And from how much of such text on the
    model's own size is paid back. For example `llmzip bench --levels 1,5,9 --html page.html
    book.txt`, which draws size against speed as well.
    """
    from llmzip.bench import machine

    require_least()
    output = _page_output(settings)
    plan = _plan(settings)
    model_bytes = plan.prepare()
    facts = {**machine.describe(), "model": plan.model, "threads": plan.threads}
    texts, failed = [], []
    for name, one in _measured(plan, settings, messages):
        if isinstance(one, str):
            failed.append({"file": name, "error": one})
            continue
        texts.append(one)
        if not settings.wants_json:
            _print(headed(one, model_bytes))
    if settings.wants_json:
        _print(as_json(texts, failed, plan.model, model_bytes, facts))
    elif texts:
        _print(closing(texts, model_bytes, facts))
    _tell_absent(texts, messages)
    if output is not None and texts:
        from llmzip.bench.page import page

        with output.opened(None) as sink:
            sink.write(page(texts, model_bytes, facts).encode("utf-8", "backslashreplace"))


def _page_output(settings: Settings) -> Output | None:
    """Return where the page goes, if there is to be one. Raises UsageError, OSError."""
    if settings.page is None:
        return None
    if settings.page == STDIO:
        raise UsageError("--html names the file that the page is written to; - is none")
    if settings.page.is_dir():
        raise UsageError(f"{settings.page} is a folder; name a file")
    output = Output(settings.page, is_explicit=True, replace=settings.force)
    output.check(Path(os.devnull).stat())  # even where no input can be read
    for path in named(settings):
        with suppress(FileNotFoundError):
            output.check(os.fstat(0) if path == STDIO else path.stat())
    return output


def _plan(settings: Settings) -> Plan:
    from llmzip.bench.running import Plan

    return Plan(
        settings.levels or (settings.level,),
        settings.model_name,
        settings.device,
        settings.threads,
        settings.quiet,
    )


def _measured(
    plan: Plan, settings: Settings, messages: Messages
) -> Iterator[tuple[str, TextResult | str]]:
    """Yield each file's name with what it has come to, or with what is wrong, having said it."""
    for path in named(settings):
        try:
            yield str(path), _run(plan, path, messages)
        except (LlmzipError, OSError, MemoryError) as exc:
            messages.error(located(path, exc))
            yield str(path), describe(exc)


def _run(plan: Plan, path: Path, messages: Messages) -> TextResult:
    from llmzip.bench.running import run_rows

    with opened(path) as reading:
        text = reading.stream.read()
    if not text:
        raise UsageError(f"{shown(path)} is empty: there is nothing to measure")
    job = Job(path, Output(STDIO), len(text))
    with watching([job], messages) as watch:
        watch.begin(job, None)
        result = run_rows(plan, str(path), text, lambda row: watch.wait(f"measuring {row}"))
    for row, why in result.failed.items():
        messages.error(f"{shown(path)}: {row}: {why}")
    return result


def _tell_absent(texts: list[TextResult], messages: Messages) -> None:
    from llmzip.bench.words import absence_text

    absent: dict[str, Any] = {name: None for text in texts for name in text.absent}
    if absent and messages.verbosity >= 0:
        messages.say(absence_text(list(absent)))


def _print(text: str) -> None:
    with stdout_stream() as sink:
        sink.write(text.encode("utf-8", "surrogateescape"))
