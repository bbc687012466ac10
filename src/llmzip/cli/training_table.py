"""What training has come to, as a table for a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llmzip.cli.listing import columns

if TYPE_CHECKING:
    from llmzip.training.verdict import Row, Verdict


def table(result: Verdict, target: Path) -> str:
    """Return what goes to standard output. target: the folder that was written."""
    from llmzip.training.verdict import MESSAGE_BYTES, PLAIN

    last = ("kB/s", "kB/s back") if result.plain is None else ("of plain",)
    heading = ("", "bytes", "bits/byte", *last, f"{MESSAGE_BYTES}-byte messages")
    lines = [
        f"held-out text: {result.n_bytes:,} bytes; {result.n_message_bytes:,} as messages, which "
        "models make bare (llmzip message)"
    ]
    lines += columns([heading, *(_cells(row, result) for row in result.rows)], 1)
    n_bytes = sum(path.stat().st_size for path in target.iterdir())
    lines.append(f"{target}: {n_bytes / 1e6:.1f} MB")
    if not result.is_worth_it:
        rival = result.rival.name
        better = "the model as it was" if rival == PLAIN else rival
        lines.append(f"Not worth it: {better} is as good, or nearly, on such text.")
    return "\n".join(lines) + "\n"


def _cells(row: Row, result: Verdict) -> tuple[str, ...]:
    if row.whole is None:
        return row.name, "not installed", "", *_last(row, result), ""
    bits = 8 * row.whole / max(result.n_bytes, 1)
    return row.name, f"{row.whole:,}", f"{bits:.4f}", *_last(row, result), f"{row.messages:,}"


def _last(row: Row, result: Verdict) -> tuple[str, ...]:
    """Return a row's share of the plain model's; without one, how fast it is both ways."""
    if result.plain is not None:
        return ("" if row.whole is None else f"{row.whole / max(result.plain, 1):.1%}",)
    if row.speeds is None:
        return "", ""
    return f"{row.speeds.compress_kb_per_s:.1f}", f"{row.speeds.decompress_kb_per_s:.1f}"
