"""`llmzip explain`: a text as its model sees it, as a page, in the terminal, as figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from llmzip.cli.files import STDIO
from llmzip.cli.inputs import Input, opened
from llmzip.cli.memory import require_least
from llmzip.cli.messages import Messages, Progress, located, shown
from llmzip.cli.options import verb
from llmzip.cli.outputs import Output
from llmzip.cli.progress import watching
from llmzip.cli.settings import Settings
from llmzip.cli.subjects import Asked, Text, asked, text_of
from llmzip.cli.views import views
from llmzip.cli.work import Job
from llmzip.errors import LlmzipError
from llmzip.escaping import one_line

if TYPE_CHECKING:
    from llmzip.explaining.explanation import Comparison, Explanation


@verb("explain")
def explain(messages: Messages, settings: Settings) -> None:
    """Show each token of FILE and how much it surprises a model.

    A page is written, FILE.html. FILE may be a .llmz, too. Two files are compared with each other,
    and one is with -m A -m B as two models see it. For example `llmzip explain -o page.html
    notes.txt` makes a page for a browser, which needs nothing else, and `llmzip explain --term
    notes.txt` none.
    """
    require_least()
    wanted, subjects = views(settings), asked(settings)
    with ExitStack() as stack:
        inputs = {one.path: stack.enter_context(opened(one.path)) for one in subjects}
        for view, reading in product(wanted, inputs.values()):
            view.output.check(reading.status)
        texts = _texts(inputs, settings, messages)
    if len(texts) < len(inputs):
        return
    explained = _explained(subjects, texts, messages)
    comparison = _compared(explained)
    for view in wanted:
        with view.output.opened(None) as sink:
            sink.write(view.show(explained[0], comparison))
        messages.info(f"{shown(view.output.path)}: {view.name} of {explained[0].n_tokens:,} tokens")


def _texts(
    inputs: Mapping[Path, Input], settings: Settings, messages: Messages
) -> dict[Path, Text]:
    """Return what the files hold; without those that cannot be read, having said why."""
    texts = {}
    for path, reading in inputs.items():
        try:
            texts[path] = text_of(path, reading, settings)
        except (LlmzipError, OSError) as exc:
            messages.error(located(path, exc))
    return texts


def _explained(
    subjects: Sequence[Asked], texts: Mapping[Path, Text], messages: Messages
) -> list[Explanation]:
    """Return what there is to see of each text by each model."""
    jobs = [Job(one.path, Output(STDIO), len(texts[one.path].data)) for one in subjects]
    explained = []
    with watching(jobs, messages) as watch:
        for one, job in zip(subjects, jobs, strict=True):
            text = texts[one.path]
            progress = watch.begin(job, len(text.data))
            explained.append(_explain(one, text, progress, messages))
            watch.end(job, None)
    return explained


def _explain(one: Asked, text: Text, progress: Progress, messages: Messages) -> Explanation:
    from llmzip.bench.sizes import sizes_of

    name, sizes = one_line(str(one.path)), sizes_of(text.data)
    with text.compressor(one.model) as compressor:
        found = compressor.explain(text.data, name, progress, sizes)
    if text.n_file_bytes not in (None, found.n_file_bytes):
        messages.info(
            f"{name}: the file has {text.n_file_bytes:,} bytes, and compressed by this version "
            f"with its options {found.n_file_bytes:,}: that is explained"
        )
    return found


def _compared(explained: Sequence[Explanation]) -> Comparison | None:
    """Return what becomes of two explanations; None for a lone one."""
    if len(explained) == 1:
        return None
    from llmzip.explaining.comparing import compared

    first, second = explained
    return compared(first, second)
