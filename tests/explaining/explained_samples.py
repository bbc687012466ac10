"""Explanations of texts, made up without a model."""

from __future__ import annotations

import re

import numpy as np

from llmzip.explaining.explanation import Chunk, Explanation, Tokens, Unscored
from llmzip.predict.told import N_LIKELIEST

HOSTILE = (
    '</script><img src=x onerror=alert(1)> & "quoted"\n'
    "\x1b[31mred\x1b[0m \x00 \x07 \x7f \x9b lone\rreturn\u202eturned\u202c\ufeff\n"
    "\ttab\t\tand \U0001f600 e\u0301 \u4f60\u597d, \u4e16\u754c \u05e9\u05dc\u05d5\u05dd\n"
    + "no end " * 3
    + "x" * 3000
    + "\n"
)


def split(text: str) -> list[str]:
    """Tokens as a vocabulary might have them."""
    return re.findall(r" ?[^\W\d]{1,7}|\d|\n+| +|[^\w\s]|\s|\w", text)


def explained(
    text: str,
    *,
    pieces: list[str] | None = None,
    unscored: tuple[Unscored, ...] = (),
    seed: int = 1,
    name: str = "sample.txt",
    model: str = "made-up",
) -> Explanation:
    """An explanation of a text. pieces: what its tokens show; unscored: stretches without any.

    Tokens begin a byte after each other's last, and jump over stretches that are not scored.
    """
    pieces = split(text) if pieces is None else pieces
    some = np.random.default_rng(seed)
    n = len(pieces)
    bits = np.minimum(some.exponential(4.0, n), 47.0)
    names = {piece: number for number, piece in enumerate(dict.fromkeys([*pieces, *"abcde"]))}
    ids = np.array([names[piece] for piece in pieces], dtype=np.int32)
    likeliest = some.integers(0, len(names), (n, N_LIKELIEST)).astype(np.int32)
    shares = np.sort(some.random((n, N_LIKELIEST)), axis=1)[:, ::-1] / N_LIKELIEST
    own = some.integers(0, N_LIKELIEST, n)
    is_likely = bits < 3
    likeliest[is_likely, own[is_likely]] = ids[is_likely]
    tokens = Tokens(
        ids,
        _offsets(pieces, unscored),
        bits,
        bits + some.exponential(0.5, n),
        bits + some.exponential(0.2, n),
        np.where(is_likely, own + 1, 9).astype(np.int32),
        likeliest,
        shares,
        np.zeros(n, dtype=np.int32),
    )
    data = text.encode("utf-8", "surrogatepass")
    n_payload = -(-int(bits.sum()) // 8)
    return Explanation(
        name,
        model,
        "0123456789ab",
        5,
        data,
        tokens,
        pieces,
        {number: piece for piece, number in names.items()},
        unscored,
        [Chunk("model", len(data), n_payload, n), Chunk("LZMA", 5, 3, 0)],
        len(text),
        n_payload + 50,
        n_payload,
        {"gzip -9": len(data) // 2 + 1, "xz -9e": len(data) // 3 + 1},
    )


def _offsets(pieces: list[str], unscored: tuple[Unscored, ...]) -> np.ndarray:
    offsets, at = [], 0
    stretches = {one.start: one.stop for one in unscored}
    for piece in pieces:
        at = stretches.get(at, at)
        offsets.append(at)
        at += len(piece.encode("utf-8", "surrogatepass"))
    return np.array(offsets, dtype=np.int64)
