"""The figures of a speed run, and how they are shown."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from commands import FileRun
from limits import Limits
from llmzip.bench.machine import Fact
from llmzip.bench.numbers import number
from plots import Point, plot_roofline, plot_sizes
from table import markdown_table


@dataclass(frozen=True)
class Figure:
    """One measured number.

    of_limit: the fraction of what the machine could do at most.
    vs_transformers: how many times as fast as transformers in float32 at the same task.
    """

    section: str
    name: str
    value: float
    unit: str
    of_limit: float | None = None
    vs_transformers: float | None = None
    note: str = ""


@dataclass
class SpeedReport:
    """All that a run has found; `absent` says what could not be measured, and why."""

    machine: dict[str, Fact]
    settings: dict[str, Fact | None]
    figures: list[Figure] = field(default_factory=list)
    limits: Limits | None = None
    points: list[Point] = field(default_factory=list)
    file_runs: list[FileRun] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)

    def add(self, figure: Figure) -> None:
        """Take a figure, and show it to who is waiting."""
        self.figures.append(figure)
        print(
            f"{figure.section}: {figure.name}: {number(figure.value)} {figure.unit}",
            file=sys.stderr,
            flush=True,
        )

    def markdown(self) -> str:
        """Return the figures as a Markdown table, then what they depend on."""
        headings = ("", "", "", "of the limit", "times transformers", "")
        rows = [
            (
                f"{figure.section}: {figure.name}",
                number(figure.value),
                figure.unit,
                "" if figure.of_limit is None else f"{100 * figure.of_limit:.1f} %",
                "" if figure.vs_transformers is None else number(figure.vs_transformers),
                figure.note,
            )
            for figure in self.figures
        ]
        blocks = ["### Speed", markdown_table(headings, rows)]
        if self.limits is not None:
            blocks.append(_gemm_table(self.limits))
        if self.absent:
            blocks.append("\n".join(f"- {name}: {why}" for name, why in self.absent.items()))
        facts = {**self.machine, **self.settings}
        blocks.append("; ".join(f"{k} {v}" for k, v in facts.items() if v is not None) + ".")
        return "\n\n".join(blocks) + "\n"

    def as_json(self) -> str:
        """Return everything as JSON, rounded nowhere."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def draw(self, folder: Path) -> None:
        """Write the plots for which there are figures."""
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if self.limits is not None and self.points:
                plot_roofline(self.limits, self.points, folder / "roofline.png")
            if self.file_runs:
                plot_sizes(self.file_runs, folder / "time-against-size.png")
        except ImportError as exc:
            self.absent["plots"] = f"not drawn, {exc}"


def _gemm_table(limits: Limits) -> str:
    """Return the model's own products: linears down, numbers of rows across."""
    own = [gemm for gemm in limits.gemms if gemm.name != "large"]
    counts = sorted({gemm.m for gemm in own})
    headings = ["int8 products, 10⁹ multiply-adds/s", *(f"{m} row{'s' * (m > 1)}" for m in counts)]
    rows = []
    for name, k, n in dict.fromkeys((gemm.name, gemm.k, gemm.n) for gemm in own):
        speeds = {gemm.m: gemm.macs_per_s / 1e9 for gemm in own if gemm.name == name}
        rows.append([f"{name}, {k} to {n}", *(number(speeds[m]) for m in counts)])
    return markdown_table(headings, rows)
