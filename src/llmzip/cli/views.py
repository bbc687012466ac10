"""What `llmzip explain` writes, and where to: a page, a picture, figures, the terminal's text."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmzip.cli.files import STDIO
from llmzip.cli.outputs import Output
from llmzip.cli.settings import Settings
from llmzip.errors import UsageError

if TYPE_CHECKING:
    from llmzip.explaining.explanation import Comparison, Explanation

PAGE_SUFFIX = ".html"

Show = Callable[["Explanation", "Comparison | None"], bytes]


@dataclass(frozen=True)
class View:
    """Something to be written. name: what it is, in words. show: makes it."""

    name: str
    output: Output
    show: Show


def views(settings: Settings) -> list[View]:
    """Return what a person wants to see. Raises UsageError."""
    pictures = list(_pictures(settings))
    if settings.wants_json and settings.in_terminal:
        raise UsageError("--json and --term contradict each other; give one of them")
    if settings.wants_json:
        return [View("figures", _stdout_or(settings, ".json"), _json), *pictures]
    if settings.in_terminal:
        return [View("text", _stdout_or(settings, ".txt"), _terminal), *pictures]
    if pictures and settings.output is None and not settings.to_stdout:
        return pictures
    return [View("a page", _page_output(settings), _page), *pictures]


def _pictures(settings: Settings) -> Iterator[View]:
    for path, show in ((settings.svg, _svg), (settings.png, _png)):
        if path is not None:
            yield View("a curve", Output(path, is_explicit=True, replace=settings.force), show)


def _stdout_or(settings: Settings, suffix: str) -> Output:
    """Return what -o names, or else standard output."""
    if settings.output is None or settings.wants_stdout:
        return Output(STDIO)
    path = Path(settings.output)
    if settings.output.endswith(os.sep) or path.is_dir():
        path /= _beside(settings, suffix).name
        return Output(path, replace=settings.force, makes_folder=True)
    return Output(path, is_explicit=True, replace=settings.force)


def _page_output(settings: Settings) -> Output:
    """Return what -o names, or else a page beside the file; of standard input, standard output."""
    path = next(iter(settings.files), STDIO)
    if settings.output is not None or settings.to_stdout or path == STDIO:
        return _stdout_or(settings, PAGE_SUFFIX)
    return Output(_beside(settings, PAGE_SUFFIX), replace=settings.force)


def _beside(settings: Settings, suffix: str) -> Path:
    """Return the name of what is written of the file, or of the first of two, beside it."""
    path = next(iter(settings.files), STDIO)
    if path == STDIO:
        raise UsageError("standard input has no name: give one with -o FILE")
    return path.with_name(path.name + suffix)


def _page(explanation: Explanation, comparison: Comparison | None) -> bytes:
    from llmzip.explaining.page import page

    return page(explanation, comparison).encode()


def _json(explanation: Explanation, comparison: Comparison | None) -> bytes:
    from llmzip.explaining.figures import figures

    return (json.dumps(figures(explanation, comparison), indent=1) + "\n").encode()


def _terminal(explanation: Explanation, comparison: Comparison | None) -> bytes:
    """Return the text as a terminal shows it, with colours where they are wanted."""
    from rich.console import Console

    from llmzip.explaining.terminal import show

    shown = io.StringIO()
    is_terminal = True if os.isatty(1) else None  # None: FORCE_COLOR may still say so
    console = Console(file=shown, force_terminal=is_terminal, legacy_windows=False)
    show(explanation, console, comparison, is_dark=not _is_light())
    return shown.getvalue().encode()


def _is_light() -> bool:
    """Whether the terminal says that its paper is light, as some do."""
    return os.environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")


def _svg(explanation: Explanation, comparison: Comparison | None) -> bytes:
    from llmzip.explaining.curve import curve_svg

    return curve_svg(explanation, comparison).encode()


def _png(explanation: Explanation, comparison: Comparison | None) -> bytes:
    from llmzip.explaining.curve import curve_png

    return curve_png(explanation, comparison)
