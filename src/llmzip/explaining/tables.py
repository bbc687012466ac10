"""What a text came to, as the lines of small tables."""

from __future__ import annotations

import math

from llmzip.explaining.explanation import Comparison, Explanation
from llmzip.explaining.places import dearest
from llmzip.explaining.visible import in_line

_MOST_ALTERNATIVES = 3


def total_lines(one: Explanation) -> list[str]:
    """Return what a text came to: a name and figures a line."""
    n_tokens = one.tokens.ids.size
    rows = [
        ("file", f"{in_line(one.name, 200)}, by {in_line(one.model, 200)} at level {one.level}"),
        ("text", f"{len(one.data):,} bytes, {one.n_scored_bytes:,} of them in {n_tokens:,} tokens"),
        ("tokens", _bits(one.total_bits, one.n_scored_bytes)),
        ("model alone", _bits(math.fsum(one.tokens.model_bits), one.n_scored_bytes)),
        (".llmz", f"{one.n_file_bytes:,} bytes, {one.n_payload_bytes:,} of them tokens"),
        *((name, f"{n:,} bytes") for name, n in one.sizes.items()),
    ]
    return _aligned(rows)


def dearest_lines(one: Explanation, n: int = 10) -> list[str]:
    """Return where the dearest tokens stand, what they cost, what was likelier."""
    rows = [("BITS", "LINE:COLUMN", "RANK", "TOKEN", "LIKELIER")]
    for dear in dearest(one, n):
        i = dear.index
        rows.append(
            (
                f"{one.tokens.bits[i]:.2f}",
                f"{dear.line}:{dear.column}",
                f"{one.tokens.ranks[i]:,}",
                quoted(one.spelt[i]),
                " ".join(_likelier(one, i)),
            )
        )
    if len(rows) == 1:
        return []
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    return [
        f"{a:>{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d:<{widths[3]}}  {e}".rstrip()
        for a, b, c, d, e in rows
    ]


def comparison_lines(comparison: Comparison) -> list[str]:
    """Return what both came to, and how much they have in common."""
    rows = []
    for which, one in ("first", comparison.first), ("second", comparison.second):
        name = f"{in_line(one.name, 200)}, by {in_line(one.model, 200)} at level {one.level}"
        rows.append((which, f"{name}: {_bits(one.total_bits, one.n_scored_bytes)}"))
    more = comparison.second.total_bits - comparison.first.total_bits
    n_aligned = int(comparison.aligned.sum())
    n_others = comparison.aligned.size - n_aligned
    rows.append(("second - first", f"{more:+,.1f} bits"))
    rows.append(("aligned", f"{n_aligned:,} stretches; {n_others:,} that differ"))
    return _aligned(rows)


def quoted(text: str) -> str:
    """Return a token so that one sees its spaces."""
    return f'"{in_line(text)}"'


def _likelier(one: Explanation, i: int) -> list[str]:
    """Return the likeliest tokens that did not come, with their probabilities."""
    pairs = zip(one.tokens.likeliest[i].tolist(), one.tokens.probabilities[i].tolist(), strict=True)
    others = [(number, share) for number, share in pairs if number not in (-1, one.tokens.ids[i])]
    return [
        f"{quoted(one.vocabulary.get(number, '?'))} {share:.1%}"
        for number, share in others[:_MOST_ALTERNATIVES]
    ]


def _bits(bits: float, n_bytes: int) -> str:
    each = f", {bits / n_bytes:.4f} a byte" if n_bytes else ""
    return f"{bits:,.1f} bits{each}"


def _aligned(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(in_line(name)) for name, _ in rows)
    return [f"{in_line(name):<{width}}  {text}" for name, text in rows]
