"""What `llmzip explain` writes, and where to: a page, a picture, figures, the terminal's text."""

from __future__ import annotations

import json
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
        return [View("figures", _stdout_or(settings), _json), *pictures]
    if settings.in_terminal:
        return [View("text", _stdout_or(settings), _terminal), *pictures]
    if pictures and settings.output is None and not settings.to_stdout:
        return pictures
    return [View("a page", _page_output(settings), _page), *pictures]


def _pictures(settings: Settings) -> Iterator[View]:
    for path, show in ((settings.svg, _svg), (settings.png, _png)):
        if path is not None:
            yield View("a curve", Output(path, is_explicit=True, replace=settings.force), show)


def _stdout_or(settings: Settings) -> Output:
    """Return what -o names, or else standard output."""
    if settings.output is None or settings.wants_stdout:
        return Output(STDIO)
    return Output(Path(settings.output), is_explicit=True, replace=settings.force)


def _page_output(settings: Settings) -> Output:
    """Return what -o names, or else a page beside the file; of standard input, standard output."""
    if settings.output is not None or settings.to_stdout:
        return _stdout_or(settings)
    path = next(iter(settings.files), STDIO)
    if path == STDIO:
        return Output(STDIO)
    return Output(path.with_name(path.name + PAGE_SUFFIX), replace=settings.force)


def _page(explanation: Explanation, comparison: Comparison | None) -> bytes:
    from llmzip.explaining.page import page

    return page(explanation, comparison).encode()


def _json(explanation: Explanation, comparison: Comparison | None) -> bytes:
    from llmzip.explaining.figures import figures

    return (json.dumps(figures(explanation, comparison), indent=1) + "\n").encode()


def _terminal(explanation: Explanation, comparison: Comparison | None) -> bytes:
    from llmzip.explaining.terminal import rendered

    return "".join(rendered(explanation, comparison)).encode()


def _svg(explanation: Explanation, comparison: Comparison | None) -> bytes:
    from llmzip.explaining.curve import curve_svg

    return curve_svg(explanation, comparison).encode()


def _png(explanation: Explanation, comparison: Comparison | None) -> bytes:
    from llmzip.explaining.curve import curve_png

    return curve_png(explanation, comparison)
