"""What the figures are figures of, in sentences, for a terminal as for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmzip.bench.machine import Fact
from llmzip.bench.numbers import size
from llmzip.bench.results import BreakEven, RowResult
from llmzip.bench.rows import EXTRA

HEADINGS = ("BYTES", "RATIO", "BITS/BYTE", "COMPRESS", "DECOMPRESS", "MEMORY", "BY")

MEANING = (
    "Every row was decompressed and compared.",
    "Speeds: of the text, after a warm-up and with the model open: start-up is in none.",
    "Memory: what a row's own process held at most, doing both, beside Python and the text.",
)


def cells(row: RowResult) -> tuple[str, ...]:
    """Return a row under HEADINGS."""
    memory = row.memory_bytes
    return (
        f"{row.n_packed_bytes:,}",
        f"{100 * row.ratio:.1f} %",
        f"{row.bits_per_byte:.3f}",
        f"{size(row.compress_bytes_per_s)}/s",
        f"{size(row.decompress_bytes_per_s)}/s",
        "-" if memory is None else size(memory),
        row.name,
    )


def break_even_text(one: BreakEven) -> str:
    """Return from where on a model's size is paid back."""
    own = f"the model's own {size(one.model_bytes)}"
    if one.text_bytes is None:
        return f"{one.row}: {own} are never paid back; {one.against} is no larger here."
    return (
        f"{one.row}: from {size(one.text_bytes)} of such text on, {own} are paid back against "
        f"{one.against}."
    )


def absence_text(names: Sequence[str]) -> str:
    """Return that rows are not there, and how to have them."""
    return (
        f"left out, their packages not being installed: {', '.join(names)}; pip install '{EXTRA}'"
    )


def machine_text(facts: Mapping[str, Fact | None]) -> str:
    """Return the facts in one sentence."""
    return "; ".join(f"{k} {v}" for k, v in facts.items() if v is not None) + "."
