"""What `llmzip bench` shows: tables and sentences, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from llmzip.cli.listing import columns
from llmzip.escaping import one_line

if TYPE_CHECKING:
    from llmzip.bench.machine import Fact
    from llmzip.bench.results import TextResult


def headed(text: TextResult, model_bytes: int) -> str:
    """Return the table of a text under its name and size, and from where on a model pays."""
    from llmzip.bench.results import break_evens
    from llmzip.bench.words import HEADINGS, break_even_text, cells

    rows = [HEADINGS, *(cells(row) for row in text.rows)]
    return _text(
        [
            f"{one_line(text.name)}: {text.n_bytes:,} bytes",
            *(columns(rows, 1) if text.rows else []),
            *(break_even_text(one) for one in break_evens(text, model_bytes)),
            "",
        ]
    )


def closing(texts: Sequence[TextResult], model_bytes: int, facts: Mapping[str, Fact | None]) -> str:
    """Return the sums, where there are several texts, and what the figures are figures of."""
    from llmzip.bench.results import total
    from llmzip.bench.words import MEANING, machine_text

    sums = headed(total(texts), model_bytes) + "\n" if len(texts) > 1 else ""
    return sums.removesuffix("\n") + _text([*MEANING, one_line(machine_text(facts))])


def as_json(
    texts: Sequence[TextResult],
    failed: Sequence[dict[str, Any]],
    model: str,
    model_bytes: int,
    facts: Mapping[str, Fact | None],
) -> str:
    """Return an array with an object for each file, as docs/CLI.md describes it."""
    from llmzip.bench.results import break_evens, row_figures

    objects = [
        {
            "file": text.name,
            "bytes": text.n_bytes,
            "model": model,
            "model_bytes": model_bytes,
            "machine": dict(facts),
            "rows": [row_figures(row) for row in text.rows],
            "absent": text.absent,
            "failed": text.failed,
            "break_even": [asdict(one) for one in break_evens(text, model_bytes)],
        }
        for text in texts
    ]
    return json.dumps([*objects, *failed], indent=2) + "\n"


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
