"""`llmzip score`: how much texts surprise a model, as figures; no file is written."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from llmzip.cli.files import STDIO, stdout_stream
from llmzip.cli.inputs import opened
from llmzip.cli.memory import require_least
from llmzip.cli.messages import Messages, describe, located, shown
from llmzip.cli.options import verb
from llmzip.cli.outputs import Output
from llmzip.cli.progress import Watch, watching
from llmzip.cli.scores import Failed, Scored, as_csv, as_json, as_lines, as_table
from llmzip.cli.settings import Settings
from llmzip.cli.sources import Search, Source, named
from llmzip.cli.suffixes import suffix_of
from llmzip.cli.work import Job
from llmzip.errors import LlmzipError, UsageError

if TYPE_CHECKING:
    from llmzip.compressor import Compressor


@verb("score")
def score(messages: Messages, settings: Settings) -> None:
    """Show how much each FILE surprises a model, in bits. Without FILE, standard input is read.

    Bits per byte, token and character, and perplexity, of the integers by which the text would be
    coded, so they are the same on every machine. What is not for a model (binary data, copies of
    what came before) is not scored but counted. For example `llmzip score --per-line app.log | sort
    -rn | head` shows the strangest lines of a log.
    """
    require_least()
    if settings.wants_json and settings.wants_csv:
        raise UsageError("--json and --csv contradict each other; give one of them")
    scorers = settings.scorers()
    found = list(_all_scored(scorers, settings, messages))
    with stdout_stream() as sink:
        sink.write(_shown(found, settings).encode("utf-8", "surrogateescape"))


def _shown(found: list[Scored | Failed], settings: Settings) -> str:
    """Return what goes to standard output."""
    if settings.wants_json:
        return as_json(found)
    scored = [one for one in found if isinstance(one, Scored)]
    if settings.wants_csv:
        return as_csv(scored, settings.per_line)
    return as_lines(scored) if settings.per_line else as_table(scored)


def _all_scored(
    scorers: Mapping[str, Compressor], settings: Settings, messages: Messages
) -> Iterator[Scored | Failed]:
    """Yield the scores of what is meant, in order, by each of the models; or what is wrong."""
    sources = list(_sources(settings, messages))
    jobs = {
        number: Job(source.path, Output(STDIO), source.n_bytes)
        for number, source in enumerate(sources)
        if isinstance(source, Source)
    }
    with watching(list(jobs.values()), messages) as watch:
        for number, source in enumerate(sources):
            if isinstance(source, Failed):
                yield source
                continue
            try:
                yield from _score(jobs[number], scorers, settings, watch, messages)
            except (LlmzipError, OSError, MemoryError) as exc:
                messages.error(located(source.path, exc, by_its_model=False))
                yield Failed(source.path, describe(exc))
            watch.end(jobs[number], None)


def _sources(settings: Settings, messages: Messages) -> Iterator[Source | Failed]:
    """Yield the files that are meant; of what cannot be, what is wrong, having said it."""
    search = Search(settings, lambda path: suffix_of(path, settings.suffix) is None, messages)
    for path in named(settings):
        try:
            yield from search.files_of(path)
        except (LlmzipError, OSError) as exc:
            messages.error(located(path, exc))
            yield Failed(path, describe(exc))


def _score(
    job: Job,
    scorers: Mapping[str, Compressor],
    settings: Settings,
    watch: Watch,
    messages: Messages,
) -> list[Scored]:
    """Return the scores of a file, by each of the models."""
    with opened(job.source) as reading:
        text = reading.stream.read()
    progress = watch.begin(job, len(text) * len(scorers))
    found: list[Scored] = []

    def report(n_bytes: int) -> None:
        progress(len(text) * len(found) + n_bytes)

    for name, scorer in scorers.items():
        own = scorer.score(io.BytesIO(text), report)
        messages.info(
            f"{shown(job.source)}: {own.n_tokens:,} tokens in {own.total_bits / 8:,.1f} bytes by "
            f"{name}; {own.n_unscored_bytes:,} bytes not scored; a file would hold "
            f"{own.n_other_bytes:,} bytes beside tokens"
        )
        found.append(Scored(job.source, name, own, text if settings.per_line else None))
    return found
