"""The table that `--stats` prints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmzip.codec import Stats


def stats_lines(stats: Stats) -> list[str]:
    """Return the figures of one run, a line each: label, value, and what it means."""
    rows = [
        ("original", f"{stats.n_bytes:,} bytes"),
        ("compressed", f"{stats.n_file_bytes:,} bytes{_share(stats)}"),
        ("model", stats.model_name or "none needed"),
    ]
    if stats.model_name and stats.way:
        rows.append(("computed by", stats.way))
    if stats.n_tokens:
        rows += _model_rows(stats)
    rows += _other_rows(stats)
    if stats.opening_seconds:
        rows.append(("opening the model", f"{stats.opening_seconds:.2f} s"))
    rows.append(("coding", f"{stats.seconds - stats.opening_seconds:.2f} s{_speed(stats)}"))
    width = max(len(label) for label, _ in rows)
    return [f"{label:<{width}}  {value}" for label, value in rows]


def _model_rows(stats: Stats) -> list[tuple[str, str]]:
    rows = [
        ("through the model", f"{stats.n_model_bytes:,} bytes in {stats.n_chunks:,} chunks"),
        *(("transcoded", line) for line in _transcoded(stats)),
        *(("shortlist", f"{n:,} bytes by {name}") for name, n in sorted(stats.listed.items())),
        ("tokens", f"{stats.n_tokens:,} ({stats.n_model_bytes / stats.n_tokens:.2f} bytes each)"),
        ("coded", f"{stats.n_payload_bytes:,} bytes"),
    ]
    if stats.n_drafted:
        rows.append(("drafts", _drafts(stats)))
    if not stats.model_bits:  # only the side that compresses knows it
        return rows
    ideal_bytes = stats.model_bits / 8
    excess = 100 * (stats.n_payload_bytes / ideal_bytes - 1)
    return [
        *rows,
        ("cross-entropy", f"{ideal_bytes:,.1f} bytes (coded is {excess:+.3f} %)"),
        ("", f"{stats.model_bits / stats.n_model_bytes:.4f} bits per byte"),
        ("", f"{stats.bits_per_token:.4f} bits per token"),
        ("perplexity", f"{stats.perplexity:.3f} per token"),
    ]


def _drafts(stats: Stats) -> str:
    """How many rows were computed ahead of what was decoded, and how many of them were of use."""
    percent = 100 * stats.n_drafts_taken / stats.n_drafted
    return f"{stats.n_drafts_taken:,} of {stats.n_drafted:,} accepted ({percent:.1f} %)"


LITTLE_SHARE = 0.2
"""Where less of a text is the model's, it is worth saying why."""

_REASONS = {
    "stored": "do not compress",
    "lzma": "are no text or repeat themselves (LZMA)",
    "mixed": "are no text, or smaller without the model (mixing)",
    "counted": "are noise of few kinds of bytes (counts)",
    "tar_headers": "are headers of tars",
    "copied": "stand in what came before",
    "runs of one byte": "are runs of one byte",
    "padding of tars": "are padding of tars",
}


def why_little(stats: Stats) -> str | None:
    """Return why little of a text was the model's, on a line; None if much was, or of nothing."""
    if stats.n_model_bytes >= LITTLE_SHARE * stats.n_bytes:
        return None
    rest = sorted(_others(stats), key=lambda one: -one[1])
    parts = [f"{n:,} bytes {_REASONS.get(name, f'are {name}')}" for name, n in rest]
    return f"the model coded {stats.n_model_bytes:,} of {stats.n_bytes:,} bytes: {', '.join(parts)}"


def _other_rows(stats: Stats) -> list[tuple[str, str]]:
    return [(name, f"{n:,} bytes") for name, n in _others(stats)]


def _others(stats: Stats) -> list[tuple[str, int]]:
    """What did not go through the model, and how many bytes that were."""
    counts = [
        *((name, n) for name, n in sorted(stats.coded.items())),
        ("copied", stats.n_copied),
        ("runs of one byte", stats.n_filled),
        ("padding of tars", stats.n_padding),
    ]
    return [(name, n) for name, n in counts if n]


def _transcoded(stats: Stats) -> list[str]:
    return [f"{n_bytes:,} bytes from {name}" for name, n_bytes in sorted(stats.transcoded.items())]


def _share(stats: Stats) -> str:
    if not stats.n_bytes:
        return ""
    percent = 100 * stats.n_file_bytes / stats.n_bytes
    return f" ({percent:.2f} %, {stats.bits_per_byte:.4f} bits per byte)"


def _speed(stats: Stats) -> str:
    if math.isnan(stats.bytes_per_second):
        return ""
    return f" ({stats.bytes_per_second / 1000:,.2f} kB/s)"
