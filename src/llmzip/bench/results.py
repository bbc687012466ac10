"""What rows have come to on texts, the sums over several texts, and what can be made of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RowResult:
    """A row on a text, decoded and compared. Seconds are medians of `n_runs`.

    level: of llmzip, None for another compressor.
    start_bytes, peak_bytes: the most memory that the row's process had held before the row was
    opened, and in the end; None where the system does not say.
    """

    name: str
    level: int | None
    n_bytes: int
    n_packed_bytes: int
    compress_s: float
    decompress_s: float
    n_runs: int
    start_bytes: int | None
    peak_bytes: int | None

    @property
    def bits_per_byte(self) -> float:
        """Bits of the output for each byte of the text."""
        return 8 * self.n_packed_bytes / self.n_bytes

    @property
    def ratio(self) -> float:
        """Its size over that of the text."""
        return self.n_packed_bytes / self.n_bytes

    @property
    def compress_bytes_per_s(self) -> float:
        """Bytes of the text compressed in a second."""
        return self.n_bytes / self.compress_s

    @property
    def decompress_bytes_per_s(self) -> float:
        """Bytes of the text decompressed in a second."""
        return self.n_bytes / self.decompress_s

    @property
    def memory_bytes(self) -> int | None:
        """What the row takes beside Python and the text."""
        if self.start_bytes is None or self.peak_bytes is None:
            return None
        return self.peak_bytes - self.start_bytes


@dataclass
class TextResult:
    """All rows on a text. absent, failed: why a row is not there, by its name."""

    name: str
    n_bytes: int
    rows: list[RowResult] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BreakEven:
    """From how many bytes of such text on a model's own size is paid back by what it saves.

    saved_bytes: on this text, against the smallest other row; negative where that is smaller.
    text_bytes: None for never.
    """

    row: str
    against: str
    model_bytes: int
    saved_bytes: int
    text_bytes: int | None


def break_evens(text: TextResult, model_bytes: int) -> list[BreakEven]:
    """Return that of each level; none where there is nothing to compare with."""
    others = [row for row in text.rows if row.level is None]
    if not others:
        return []
    best = min(others, key=lambda row: row.n_packed_bytes)
    return [_break_even(row, best, model_bytes) for row in text.rows if row.level is not None]


def _break_even(ours: RowResult, best: RowResult, model_bytes: int) -> BreakEven:
    saved = best.n_packed_bytes - ours.n_packed_bytes
    text_bytes = math.ceil(model_bytes * ours.n_bytes / saved) if saved > 0 else None
    return BreakEven(ours.name, best.name, model_bytes, saved, text_bytes)


def total(texts: Sequence[TextResult]) -> TextResult:
    """Return the sums over texts, of the rows that all of them have; of memory the most."""
    whole = TextResult(f"{len(texts):,} files", sum(text.n_bytes for text in texts))
    by_name = [{row.name: row for row in text.rows} for text in texts]
    for name in by_name[0]:
        rows = [own[name] for own in by_name if name in own]
        if len(rows) == len(texts):
            whole.rows.append(_joined(rows))
    return whole


def _joined(rows: Sequence[RowResult]) -> RowResult:
    first, largest = rows[0], max(rows, key=lambda row: row.memory_bytes or 0)
    return RowResult(
        name=first.name,
        level=first.level,
        n_bytes=sum(row.n_bytes for row in rows),
        n_packed_bytes=sum(row.n_packed_bytes for row in rows),
        compress_s=sum(row.compress_s for row in rows),
        decompress_s=sum(row.decompress_s for row in rows),
        n_runs=min(row.n_runs for row in rows),
        start_bytes=largest.start_bytes,
        peak_bytes=largest.peak_bytes,
    )


def row_figures(row: RowResult) -> dict[str, Any]:
    """Return a row for programs: every figure, rounded nowhere."""
    return {
        "row": row.name,
        "level": row.level,
        "compressed_bytes": row.n_packed_bytes,
        "ratio": row.ratio,
        "bits_per_byte": row.bits_per_byte,
        "compress_seconds": row.compress_s,
        "decompress_seconds": row.decompress_s,
        "compress_bytes_per_second": row.compress_bytes_per_s,
        "decompress_bytes_per_second": row.decompress_bytes_per_s,
        "runs": row.n_runs,
        "memory_bytes": row.memory_bytes,
        "peak_bytes": row.peak_bytes,
    }
