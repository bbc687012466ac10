"""What a run on a GPU has found: one table, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from llmzip.bench.machine import Fact
from llmzip.bench.numbers import number
from table import markdown_table

DONE, FAILED, LATE, SKIPPED = "done", "failed", "out of time", "skipped"

HEADINGS = ("", "", "", "limit", "of it", "")


@dataclass(frozen=True)
class Found:
    """A figure, or a word, that a stage has found.

    limit: what it could be at most, in the same unit. is_rate: whether more is better; of times,
        a limit is what they could be at least.
    """

    what: str
    value: float | str
    unit: str = ""
    limit: float | None = None
    note: str = ""
    is_rate: bool = True

    def of_limit(self) -> float | None:
        """The fraction of the limit that was reached."""
        if not self.limit or not self.value or isinstance(self.value, str):
            return None
        return self.value / self.limit if self.is_rate else self.limit / self.value


@dataclass(frozen=True)
class Outcome:
    """What has become of a stage. why: what it was skipped for, or failed with."""

    stage: str
    state: str
    seconds: float = 0.0
    why: str = ""
    found: Sequence[Found] = ()


@dataclass
class Report:
    """The stages so far; written anew after each, so that what is there is there."""

    facts: dict[str, Fact]
    outcomes: list[Outcome] = field(default_factory=list)

    def markdown(self) -> str:
        """Return the stages, and the table of all that they have found."""
        stages = [(o.stage, o.state, f"{o.seconds:.0f} s", o.why) for o in self.outcomes]
        rows = [(f"{o.stage}: {one.what}", *_cells(one)) for o in self.outcomes for one in o.found]
        blocks = [
            markdown_table(("stage", "", "", ""), [[_plain(c) for c in row] for row in stages]),
            markdown_table(HEADINGS, [[_plain(c) for c in row] for row in rows]),
            "; ".join(f"{name} {fact}" for name, fact in self.facts.items()) + ".",
        ]
        return "\n\n".join(blocks) + "\n"

    def as_json(self) -> str:
        """Return it all, rounded nowhere."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def write(self, folder: Path) -> None:
        """Write both into `folder`. Raises OSError."""
        for name, text in (("report.md", self.markdown()), ("report.json", self.as_json())):
            (folder / name).write_text(text, encoding="utf-8")


def _cells(one: Found) -> tuple[str, str, str, str, str]:
    value = one.value if isinstance(one.value, str) else number(one.value)
    limit = "" if one.limit is None else number(one.limit)
    share = one.of_limit()
    return value, one.unit, limit, "" if share is None else f"{share:.1%}", one.note


def _plain(cell: str) -> str:
    """What stands in a cell: on one line, no mark in it that ends a cell."""
    return " ".join(cell.replace("|", "/").split())
