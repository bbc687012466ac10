"""Pictures of what benchmarks/speed.py has measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands import FileRun
from limits import Limits
from table import Section


@dataclass(frozen=True)
class Point:
    """Something that runs at `macs_per_s` and does `macs_per_byte` for each byte it must read."""

    name: str
    macs_per_byte: float
    macs_per_s: float


def plot_roofline(limits: Limits, points: Sequence[Point], path: Path) -> None:
    """Draw the two ceilings and the points below them. Raises ImportError without matplotlib."""
    figure, (axes,) = _axes()
    knee = limits.int8_macs_per_s / limits.bytes_per_s
    lowest = min(point.macs_per_byte for point in points)
    highest = max(point.macs_per_byte for point in points)
    ends = [min(lowest, knee) / 2, knee, 2 * max(highest, knee)]
    roof = [min(limits.int8_macs_per_s, x * limits.bytes_per_s) for x in ends]
    axes.plot(ends, [y / 1e9 for y in roof], color="black", label="limit: memory, then int8")
    for index, point in enumerate(points):
        marker = "os^v"[index // 10 % 4]  # colours come again after ten
        axes.plot(point.macs_per_byte, point.macs_per_s / 1e9, marker, label=point.name)
    axes.set_xlabel("multiply-adds of the model for each byte of weights and cache read")
    axes.set_ylabel("10⁹ multiply-adds of the model a second")
    _save(figure, axes, path)


def plot_sizes(runs: Sequence[FileRun], path: Path) -> None:
    """Draw how long whole commands take on files of different sizes. Raises ImportError.

    Twice: the times of small files are seen on the left, the straight line on the right.
    """
    figure, many = _axes(2)
    sizes = [run.n_bytes for run in runs]
    for axes in many:
        axes.plot(sizes, [run.compress.seconds for run in runs], "o-", label="llmzip compress")
        axes.plot(sizes, [run.decompress.seconds for run in runs], "o-", label="llmzip decompress")
        axes.set_xlabel("bytes of text")
        axes.set_ylabel("seconds, start-up included")
    many[1].set_xscale("linear")
    many[1].set_yscale("linear")
    _save(figure, many[0], path)


def plot_levels(sections: Sequence[Section], path: Path) -> None:
    """Draw bits a byte against speed, a line a text and direction. Raises ImportError."""
    figure, (axes,) = _axes()
    axes.set_yscale("linear")
    for section in sections:
        sizes = [result.bits_per_byte for result in section.results]
        there = [result.compress_kb_per_s for result in section.results]
        back = [result.decompress_kb_per_s for result in section.results]
        name = section.title.partition(":")[0]
        (line,) = axes.plot(there, sizes, "o-", label=f"{name}, compress")
        axes.plot(back, sizes, "o--", color=line.get_color(), label=f"{name}, decompress")
        for result, x in zip(section.results, there, strict=True):
            level = result.row.rpartition(" ")[2]
            axes.annotate(
                level, (x, result.bits_per_byte), xytext=(7, 0), textcoords="offset points",
                va="center", fontsize="small",
            )  # fmt: skip
    axes.set_xlabel("kB/s")
    axes.set_ylabel("bits a byte")
    _plain_ticks(axes.xaxis)
    _save(figure, axes, path)


def _plain_ticks(axis: Any) -> None:
    """Label a logarithmic axis with 1, 2, 5, 10, 20, ... as people write them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _axes(n: int = 1) -> tuple[Any, list[Any]]:
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(7 * n, 5), layout="constrained")
    many = [figure.add_subplot(1, n, i + 1) for i in range(n)]
    for axes in many:
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.grid(visible=True, which="major", alpha=0.3)
    return figure, many


def _save(figure: Any, axes: Any, path: Path) -> None:
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)
