"""What to show of tokens: their characters, each by the token that begins it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from llmzip.codec.model import Tokenizer
from llmzip.codec.pieces import Piece
from llmzip.tokens import TokenTable

REPLACEMENT = "\ufffd"
"""Shown for a byte that is no text."""


def spelt(tokenizer: Tokenizer, piece: Piece) -> list[str]:
    """Return what to show of each token of a piece; together it is all that they spell.

    A character is shown by the token that begins it, whole; a token that only goes on with one
    shows nothing. An escape shows its byte by its first token.
    """
    text = tokenizer.decode(piece.ids).decode("utf-8", "surrogateescape")
    lengths = tokenizer.lengths(piece.ids)
    ends = np.cumsum(lengths)
    starts = np.append(ends - lengths, ends[-1:])
    sizes = np.array([_n_bytes(char) for char in text], dtype=np.int64)
    begins = np.cumsum(sizes) - sizes
    cuts = np.searchsorted(begins, starts).tolist()
    shown = _shown(text)
    found = [shown[first:last] for first, last in pairwise(cuts)]
    for place in np.flatnonzero(lengths == 0).tolist()[::-1]:  # the last of an escape spells it
        if place + 1 < len(found):
            found[place], found[place + 1] = found[place + 1], ""
    return found


def vocabulary(table: TokenTable, ids: Iterable[int]) -> dict[int, str]:
    """Return what to show of each of `ids` by itself."""
    return {token: _alone(token, table[token]) for token in ids}


def _alone(token: int, spelled: bytes) -> str:
    if not spelled:
        return f"⟨token {token}⟩"
    try:
        return spelled.decode()
    except UnicodeDecodeError:
        return f"⟨{spelled.hex(' ')}⟩"


def _n_bytes(char: str) -> int:
    """Return how many bytes a character stands for, one where it is half a surrogate pair."""
    code = ord(char)
    if code < 0x80 or 0xDC80 <= code <= 0xDCFF:
        return 1
    return 2 if code < 0x800 else 3 if code < 0x10000 else 4


def _shown(text: str) -> str:
    """Return `text` with what is no character replaced, one for one."""
    if text.isascii():
        return text
    return "".join(REPLACEMENT if 0xDC80 <= ord(char) <= 0xDCFF else char for char in text)
