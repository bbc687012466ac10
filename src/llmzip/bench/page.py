"""A page that needs nothing else: tables, and size against speed, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from llmzip.bench.chart import chart_of
from llmzip.bench.machine import Fact
from llmzip.bench.results import TextResult, break_evens, total
from llmzip.bench.words import MEANING, absence_text, break_even_text, cells, machine_text
from llmzip.version import __version__

_WIDE, _NARROW = (760, 400), (350, 380)
"""Sizes of a picture: letters are as large in either, and a page shows the one that fits."""


def page(texts: Sequence[TextResult], model_bytes: int, facts: Mapping[str, Fact | None]) -> str:
    """Return the page about texts, after what they come to together if they are several."""
    shown = [total(texts), *texts] if len(texts) > 1 else texts
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    absent = list(dict.fromkeys(name for text in texts for name in text.absent))
    return environment.get_template("page.html.jinja").render(
        sections=[_section(text, model_bytes) for text in shown],
        notes=[*([absence_text(absent).capitalize() + "."] if absent else []), *MEANING],
        machine=machine_text(facts),
        version=__version__,
    )


def _section(text: TextResult, model_bytes: int) -> dict[str, Any]:
    rows = [(row.level is not None, cells(row)) for row in text.rows]
    return {
        "name": text.name,
        "n_bytes": text.n_bytes,
        "rows": rows,
        "failed": [f"{row}: {why}" for row, why in text.failed.items()],
        "charts": [chart_of(text.rows, *size) for size in (_WIDE, _NARROW)] if rows else [],
        "break_evens": [_unbroken(break_even_text(one)) for one in break_evens(text, model_bytes)],
    }


def _unbroken(text: str) -> str:
    """Return it so that no line ends within the name of a row, as `ppmd -o12`."""
    return text.replace(" -", "\u00a0\u2011")
