"""The line that a person sees while files are dealt with, which vanishes in the end."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from llmzip.cli.messages import AheadProgress, Messages, Progress
from llmzip.cli.tally import Tally, line
from llmzip.escaping import one_line

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

    from llmzip.cli.work import Job
    from llmzip.codec import Stats

DELAY_S = 0.5
"""Work that is over sooner than this shows nothing, unless a model is opened for it."""
REFRESHED_HZ = 4

STAGES = "llmzip.stage"
"""The log of whatever takes long before there is any progress."""


class Watch:
    """Is told what is being done; shows nothing."""

    def begin(self, job: Job, total_bytes: int | None) -> Progress:  # noqa: ARG002
        """Begin a file, whose original is expected to have that many bytes."""
        return lambda _n_bytes: None

    def begin_ahead(self, jobs: Sequence[Job]) -> AheadProgress:  # noqa: ARG002
        """Begin small files, before the turn of each; return what is told how far they are."""
        return lambda _n_bytes, _n_all: None

    def take(self, job: Job) -> None:
        """Note that the turn of one of those has come."""

    def ahead(self, n_units: float, n_bytes: int) -> None:
        """Note how much is done of all files whose turn has not come, or is not over.

        n_units: in bytes of the input files; n_bytes: of their originals.
        """

    def wait(self, stage: str) -> None:
        """Say what is waited for."""

    def end(self, job: Job, stats: Stats | None) -> None:
        """End a file; without figures if it has failed."""


class _Shown(Watch):
    """Shows it on standard error."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._tally = Tally([job.n_bytes for job in jobs])
        self._begin_s = time.monotonic()
        self._live: Live | None = None

    def begin(self, job: Job, total_bytes: int | None) -> Progress:
        """Show what is done now."""
        self._tally.begin(one_line(str(job.source)), job.n_bytes, total_bytes)
        return self._progress

    def begin_ahead(self, jobs: Sequence[Job]) -> AheadProgress:
        """Show that all of them are dealt with now."""
        label, size = f"{len(jobs)} small files", sum(job.n_bytes or 0 for job in jobs)
        self._tally.begin(label, None, None)

        def progress(n_bytes: int, n_all: int) -> None:
            self._tally.update_ahead(size, n_bytes, n_all, time.monotonic())
            self._show_in_time()

        return progress

    def take(self, job: Job) -> None:
        """Count it as one that is dealt with by now."""
        self._tally.take(job.n_bytes or 0)

    def ahead(self, n_units: float, n_bytes: int) -> None:
        """Show it."""
        self._tally.note_ahead(n_units, n_bytes, time.monotonic())
        self._show_in_time()

    def end(self, job: Job, stats: Stats | None) -> None:
        """Count it."""
        sizes = (stats.n_bytes, stats.n_file_bytes) if stats is not None else (0, 0)
        self._tally.end(job.n_bytes, *sizes, time.monotonic())
        self._show_in_time()

    def wait(self, stage: str) -> None:
        """Show at once what is waited for."""
        self._tally.wait(stage)
        self._show()

    def close(self) -> None:
        """Take the line away."""
        if self._live is not None:
            self._live.stop()

    def _progress(self, n_bytes: int) -> None:
        self._tally.update(n_bytes, time.monotonic())
        self._show_in_time()

    def _show_in_time(self) -> None:
        if time.monotonic() - self._begin_s > DELAY_S:
            self._show()

    def _show(self) -> None:
        if self._live is not None:
            return
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        console = Console(stderr=True)

        def render() -> Text:
            text = line(self._tally, console.width - 1, time.monotonic())
            return Text(text, no_wrap=True, overflow="crop")

        self._live = Live(
            console=console,
            get_renderable=render,
            transient=True,
            refresh_per_second=REFRESHED_HZ,
        )
        self._live.start(refresh=True)


@contextmanager
def watching(jobs: Sequence[Job], messages: Messages) -> Iterator[Watch]:
    """Show how far `jobs` are while the block runs, if a person is watching standard error."""
    if messages.verbosity < 0 or not is_watched():
        yield Watch()
        return
    shown = _Shown(jobs)
    log, listener = logging.getLogger(STAGES), _Listener(shown)
    log.addHandler(listener)
    log.setLevel(logging.INFO)
    try:
        yield shown
    finally:
        log.removeHandler(listener)
        shown.close()


def is_watched() -> bool:
    """Return whether standard error is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


class _Listener(logging.Handler):
    """Shows what a log says."""

    def __init__(self, shown: _Shown) -> None:
        super().__init__()
        self._shown = shown

    def emit(self, record: logging.LogRecord) -> None:
        """Show it."""
        self._shown.wait(record.getMessage())
