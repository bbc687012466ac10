"""What the command line says to a person: single lines on standard error, and the exit status."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from llmzip.cli.memory import is_out_of_memory

EXIT_OK, EXIT_ERROR, EXIT_WARNING = 0, 1, 2
PROGRESS_DELAY_S = 0.5
"""Work that is over sooner than this shows no progress bar."""

SPEED_PERIOD_S = 120
"""Speed is the mean over this time: on a slow machine chunks come seldom, and several at once."""
NEXT_TO_NOTHING = 1e-9

NO_MEMORY = (
    "not enough memory; try a smaller --batch or --chunk-tokens, or a higher limit (ulimit -v)"
)

Progress = Callable[[int], None]
"""Takes how many bytes of the input have been dealt with so far."""


class Messages:
    """Prints messages and remembers the worst of them.

    verbosity: -1 errors only, 0 warnings too, 1 what was done, 2 tracebacks of our own bugs.
    """

    def __init__(self) -> None:
        self.verbosity = 0
        self.n_warnings = 0
        self.status = EXIT_OK

    def error(self, text: str) -> None:
        """Say what went wrong; the program will exit with EXIT_ERROR."""
        self.status = EXIT_ERROR
        self._say(text)

    def warning(self, text: str) -> None:
        """Say what is odd; the program will exit with EXIT_WARNING if nothing worse comes."""
        self.n_warnings += 1
        if self.status == EXIT_OK:
            self.status = EXIT_WARNING
        if self.verbosity >= 0:
            self._say(text)

    def info(self, text: str) -> None:
        """Say what was done, to those who asked for it."""
        if self.verbosity >= 1:
            self._say(text)

    def report(self, text: str) -> None:
        """Show lines that were asked for by an option."""
        if sys.stderr is None:
            return  # print would go to standard output
        with suppress(OSError):  # that nobody can be told is no reason to fail
            print(text, file=sys.stderr, flush=True)

    def _say(self, text: str) -> None:
        self.report(f"llmzip: {one_line(text)}")

    @contextmanager
    def progress(self, label: str, total_bytes: int | None) -> Iterator[Progress]:
        """Show a bar while the block runs, if a person is watching standard error."""
        if self.verbosity < 0 or sys.stderr is None or not sys.stderr.isatty():
            yield _unseen
            return
        with _bar(one_line(label), total_bytes) as progress:
            yield progress


def _unseen(_n_bytes: int) -> None:
    """Show nothing."""


def one_line(text: str) -> str:
    """Return `text` on one line, free of control characters that a file could smuggle in."""
    return "".join(c if c.isprintable() else _visible(c) for c in " ".join(text.split()))


def _visible(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def describe(exc: Exception) -> str:
    """Return one line for a person: an operating system's error with its file, else the message."""
    if is_out_of_memory(exc):
        return NO_MEMORY
    if isinstance(exc, OSError) and exc.strerror:
        where = f"{exc.filename}: " if exc.filename else ""
        return f"{where}{exc.strerror}"
    return str(exc) or type(exc).__name__


@contextmanager
def _bar(label: str, total_bytes: int | None) -> Iterator[Progress]:
    """Draw a bar of bytes on standard error that vanishes at the end."""
    from rich import progress as bars
    from rich.console import Console
    from rich.markup import escape

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
    )
    bar = bars.Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        speed_estimate_period=SPEED_PERIOD_S,
    )
    task = bar.add_task(escape(label), total=total_bytes)
    begin_s = time.monotonic()

    def show(n_bytes: int) -> None:
        if time.monotonic() - begin_s > PROGRESS_DELAY_S:
            bar.start()
        # The bar measures speed from its first sample, and takes none of nothing.
        bar.update(task, completed=n_bytes or NEXT_TO_NOTHING)

    try:
        yield show
    finally:
        bar.stop()
