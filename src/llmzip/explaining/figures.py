"""An explanation as plain JSON: totals, chunks, what is unscored, and each token."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.explaining.comparing import stretch_bits
from llmzip.explaining.explanation import Comparison, Explanation
from llmzip.explaining.totals import totals


def figures(
    explanation: Explanation, comparison: Comparison | None = None, *, with_tokens: bool = True
) -> dict[str, Any]:
    """Return what json.dumps takes; what is not known, or not finite, is None.

    With a comparison, of which `explanation` is the first, the second's own and the stretches
    that align are beside it.
    """
    found = total_figures(explanation)
    found["chunks"] = [
        {
            "codec": chunk.codec,
            "bytes": chunk.n_bytes,
            "payload_bytes": chunk.n_payload_bytes,
            "tokens": chunk.n_tokens,
        }
        for chunk in explanation.chunks
    ]
    found["unscored"] = [
        {"offset": one.start, "bytes": one.stop - one.start, "text": one.text}
        for one in explanation.unscored
    ]
    if with_tokens:
        found["each_token"] = list(_tokens(explanation))
    if comparison is not None:
        found["comparison"] = _compared(comparison, with_tokens)
    return found


def total_figures(explanation: Explanation) -> dict[str, Any]:
    """Return what all tokens come to; names that `llmzip score --json` has mean the same here."""
    own = totals(explanation)
    return {
        "file": explanation.name,
        "model": own.model,
        "fingerprint": own.fingerprint,
        "level": own.level,
        "bytes": own.n_bytes,
        "scored_bytes": own.n_scored_bytes,
        "characters": own.n_characters,
        "tokens": own.n_tokens,
        "bits": _known(own.bits),
        "model_bits": _known(own.model_bits),
        "biased_bits": _known(own.biased_bits),
        "bits_per_byte": own.bits_per_byte,
        "bits_per_token": own.bits_per_token,
        "bits_per_character": own.bits_per_character,
        "perplexity": own.perplexity,
        "file_bytes": own.n_file_bytes,
        "payload_bytes": own.n_payload_bytes,
        "overhead_bytes": own.n_overhead_bytes,
        "sizes": dict(explanation.sizes),
    }


def _tokens(explanation: Explanation) -> Iterator[dict[str, Any]]:
    tokens = explanation.tokens
    columns = (
        *(tokens.offsets.tolist(), tokens.ids.tolist(), explanation.spelt),
        *(_column(tokens.bits), _column(tokens.model_bits), _column(tokens.biased_bits)),
        *(tokens.ranks.tolist(), tokens.likeliest.tolist(), _rows(tokens.probabilities)),
        tokens.chunks.tolist(),
    )
    vocabulary = explanation.vocabulary
    for row in zip(*columns, strict=True):
        offset, number, text, bits, model_bits, biased_bits, rank, likeliest, shares, chunk = row
        yield {
            "offset": offset,
            "id": number,
            "text": text,
            "bits": bits,
            "model_bits": model_bits,
            "biased_bits": biased_bits,
            "rank": rank,
            "likeliest": [
                {"id": other, "text": vocabulary.get(other), "probability": share}
                for other, share in zip(likeliest, shares, strict=True)
                if other >= 0
            ],
            "chunk": chunk,
        }


def _compared(comparison: Comparison, with_tokens: bool) -> dict[str, Any]:
    """Return the second explanation's figures; of a stretch, first token and end in both."""
    first, second = comparison.first, comparison.second
    found: dict[str, Any] = {
        "same_text": first.data == second.data,
        "bits_more": _known(second.total_bits - first.total_bits),
        "aligned_stretches": int(comparison.aligned.sum()),
        "other_stretches": int((~comparison.aligned).sum()),
        "second": figures(second, with_tokens=with_tokens),
    }
    if with_tokens:
        found["stretches"] = list(_stretches(comparison))
    return found


def _stretches(comparison: Comparison) -> Iterator[dict[str, Any]]:
    bits = (_column(column) for column in stretch_bits(comparison))
    spans = (
        map(list, pairwise(starts.tolist()))
        for starts in (comparison.first_starts, comparison.second_starts)
    )
    names = ("aligned", "first", "second", "first_bits", "second_bits")
    for row in zip(comparison.aligned.tolist(), *spans, *bits, strict=True):
        yield dict(zip(names, row, strict=True))


def _column(values: NDArray[np.float64]) -> list[float | None]:
    numbers: list[float | None] = values.tolist()
    return numbers if np.isfinite(values).all() else [_known(one) for one in values.tolist()]


def _rows(values: NDArray[np.float64]) -> list[list[float | None]]:
    if np.isfinite(values).all():
        rows: list[list[float | None]] = values.tolist()
        return rows
    return [[_known(one) for one in row] for row in values.tolist()]


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None
