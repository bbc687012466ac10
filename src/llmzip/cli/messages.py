"""What the command line says to a person: single lines on standard error, and the exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from llmzip.cli.files import STDIO
from llmzip.cli.memory import is_out_of_memory
from llmzip.descriptors import NAMES
from llmzip.errors import LlmzipError, ModelError
from llmzip.escaping import one_line

EXIT_OK, EXIT_ERROR, EXIT_WARNING = 0, 1, 2

NO_MEMORY = (
    "not enough memory; try a smaller --batch or --chunk-tokens, or a higher limit (ulimit -v)"
)

Progress = Callable[[int], None]
"""Takes how many bytes of the original have been dealt with so far."""

AheadProgress = Callable[[int, int], None]
"""Takes how many bytes of several originals, of how many, have been dealt with so far."""


class Messages:
    """Prints messages and remembers the worst of them.

    verbosity: -1 errors only, 0 warnings too, 1 what was done, 2 tracebacks of our own bugs.
    """

    def __init__(self) -> None:
        self.verbosity = 0
        self.n_warnings = 0
        self.status = EXIT_OK
        self._errors: set[str] = set()

    def error(self, text: str) -> None:
        """Say what went wrong, once; the program will exit with EXIT_ERROR."""
        self.status = EXIT_ERROR
        if text not in self._errors:  # as of a model that none of many files can be read by
            self._errors.add(text)
            self.say(text)

    def warning(self, text: str) -> None:
        """Say what is odd; the program will exit with EXIT_WARNING if nothing worse comes."""
        self.n_warnings += 1
        if self.status == EXIT_OK:
            self.status = EXIT_WARNING
        if self.verbosity >= 0:
            self.say(text)

    def info(self, text: str) -> None:
        """Say what was done, to those who asked for it."""
        if self.verbosity >= 1:
            self.say(text)

    def say(self, text: str) -> None:
        """Say it on one line."""
        self.report(f"llmzip: {one_line(text)}")

    def report(self, text: str) -> None:
        """Show lines that were asked for by an option."""
        if sys.stderr is None:
            return  # print would go to standard output
        with suppress(OSError):  # that nobody can be told is no reason to fail
            print(text, file=sys.stderr, flush=True)


def describe(exc: Exception) -> str:
    """Return one line for a person: an operating system's error with its file, else the message."""
    if is_out_of_memory(exc):
        return NO_MEMORY
    if isinstance(exc, OSError) and exc.strerror:
        where = f"{exc.filename}: " if exc.filename else ""
        return f"{where}{exc.strerror}"
    return str(exc) or type(exc).__name__


def located(source: Path, exc: Exception, *, by_its_model: bool = True) -> str:
    """Return the message, saying which input it is about unless it does so itself.

    by_its_model: the input says which model it needs. Else what is wrong with a model is not about
        the input.
    """
    text = describe(exc)
    if isinstance(exc, OSError) and exc.filename is not None:
        return text
    if isinstance(exc, ModelError) and not by_its_model:
        return text
    return text if text.startswith(shown(source)) else f"{shown(source)}: {text}"


@contextmanager
def reported(source: Path, messages: Messages, *, by_its_model: bool = True) -> Iterator[None]:
    """Say what goes wrong with an input within the block, and go on with the next.

    by_its_model: as for `located`.
    """
    try:
        yield
    except Exception as exc:
        if not isinstance(exc, LlmzipError | OSError) and not is_out_of_memory(exc):
            raise
        messages.error(located(source, exc, by_its_model=by_its_model))


def shown(source: Path) -> str:
    """Return what to call an input."""
    return NAMES[0] if source == STDIO else str(source)
