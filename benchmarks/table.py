"""Results as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from llmzip.bench.machine import Fact
from llmzip.bench.measure import Result
from llmzip.bench.numbers import number


@dataclass(frozen=True)
class Section:
    """The rows over one text: a whole file or its beginning."""

    title: str
    results: list[Result] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """All that a run has found; `absent` says why a row is not there."""

    machine: dict[str, Fact]
    settings: dict[str, Fact | None]
    sections: list[Section] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)

    def markdown(self) -> str:
        """Return the report as Markdown."""
        blocks = [section_markdown(section) for section in self.sections]
        if self.absent:
            blocks.append("\n".join(f"- {row}: {why}" for row, why in self.absent.items()))
        facts = {**self.machine, **self.settings}
        blocks.append("; ".join(f"{k} {v}" for k, v in facts.items() if v is not None) + ".")
        return "\n\n".join(blocks) + "\n"

    def as_json(self) -> str:
        """Return the report as JSON: every figure, rounded nowhere."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def section_markdown(section: Section) -> str:
    """Return a heading and the table of one text."""
    headings = ("", "bytes", "bits/byte", "the model's", "compress kB/s", "decompress kB/s")
    rows = [_cells(result) for result in section.results]
    return f"### {section.title}\n\n" + markdown_table(headings, rows)


def _cells(result: Result) -> tuple[str, ...]:
    model = result.model_bits_per_byte
    return (
        result.row,
        f"{result.n_packed_bytes:,}",
        f"{result.bits_per_byte:.4f}",
        "" if model is None else f"{model:.4f}",
        number(result.compress_kb_per_s),
        number(result.decompress_kb_per_s),
    )


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table: the first column to the left, the others to the right."""
    lines = [headings, ["---", *(["---:"] * (len(headings) - 1))], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
