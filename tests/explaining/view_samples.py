"""Explanations made up for tests of views: tokens cut anywhere, bits by rule, no model."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from llmzip.explaining.explanation import N_LIKELIEST, Chunk, Explanation, Tokens, Unscored

HOSTILE = (
    "plain words, \x1b[31mred\x1b]0;title\x07 and \x00\x07\x9b, a lone\rreturn,\r\n"
    "漢字\u3000and 🙂👩\u200d💻, \u202eturned\u2069;\ttab </script><!-- $x^2$"
    " [bold]no[/bold] :smile:\n"
).encode() + b"\xff\xfe no text\n"

Cut = Callable[[bytes], list[bytes]]


def words(data: bytes) -> list[bytes]:
    return re.findall(rb"\s?\w+|[^\w]", data)


def single_bytes(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def explained(
    data: bytes = b"",
    cut: Cut = words,
    *,
    bits: Sequence[float] | None = None,
    unscored: Sequence[Unscored] = (),
    name: str = "book.txt",
    model: str = "small",
) -> Explanation:
    """Return an explanation of a text; without `bits` a token of n bytes has n % 7 + 0.25."""
    pieces, offsets = _pieces(data, cut, unscored)
    own = [len(piece) % 7 + 0.25 for piece in pieces] if bits is None else bits
    column = np.array(own, dtype=np.float64)
    ids = np.array([_number(piece) for piece in pieces], dtype=np.int32)
    likeliest = np.full((len(pieces), N_LIKELIEST), -1, dtype=np.int32)
    likeliest[:, 0] = ids
    probabilities = np.zeros(likeliest.shape)
    probabilities[:, 0] = 2.0**-column
    chunks = np.zeros(len(pieces), dtype=np.int32)
    tokens = Tokens(
        *(ids, np.array(offsets, dtype=np.int64), column, column + 1, column + 0.5),
        *(np.ones(len(pieces), dtype=np.int32), likeliest, probabilities, chunks),
    )
    spelt = _spelt(pieces)
    return Explanation(
        *(name, model, f"{model}-fingerprint", 5, data, tokens, spelt),
        dict(zip(ids.tolist(), spelt, strict=True)),
        unscored,
        [Chunk("model", len(data), 90, len(pieces))],
        len(data.decode("utf-8", "replace")),
        *(120, 90, {"xz -9e": 400, "zstd -19": 410}),
    )


def _pieces(data: bytes, cut: Cut, unscored: Sequence[Unscored]) -> tuple[list[bytes], list[int]]:
    pieces, offsets, at = [], [], 0
    for one in [*unscored, Unscored(len(data), len(data), None)]:
        for piece in cut(data[at : one.start]):
            pieces.append(piece)
            offsets.append(at)
            at += len(piece)
        at = one.stop
    return pieces, offsets


def _number(piece: bytes) -> int:
    return int.from_bytes(piece[:3], "big") * 61 % (1 << 24) + len(piece)


def _spelt(pieces: Sequence[bytes]) -> list[str]:
    """Return what each shows: a character that is spread over several shows in the first."""
    spelt = []
    for i, piece in enumerate(pieces):
        goes_on = i and 0x80 <= piece[0] < 0xC0 and len(piece) == 1
        whole = b"".join(pieces[i : i + 4]) if piece[0] >= 0xC0 and len(piece) == 1 else piece
        text = whole.decode("utf-8", "replace")
        spelt.append("" if goes_on else text[:1] if whole is not piece else text)
    return spelt
