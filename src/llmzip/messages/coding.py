"""Tokens to a bare message and back: the kinds of message, and the path through a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from llmzip.messages.codewords import Path, Span
from llmzip.predict.protocol import Intervals

MOST_TOKENS = 1_000
"""Of a message that a model codes; what has more is stored, or no message at all."""
STORED = b"\xff"
"""What a message begins with that holds its bytes as they are."""

_KINDS = 256
_OF_A_MODEL = Span().narrowed(0, _KINDS - 1, _KINDS)
"""Where codewords of a model's messages lie: below what begins with STORED."""

U64 = NDArray[np.uint64]


class Lanes(Protocol):
    """Messages side by side, each in a lane of a predictor; see `predict.protocol`."""

    def totals(self, lanes: NDArray[np.int64]) -> U64:
        """Predict the next token of each of `lanes`; return the totals."""

    def find(self, lanes: NDArray[np.int64], targets: U64) -> tuple[NDArray[np.int32], U64, U64]:
        """Take the token that holds each target: (ids, low, freq)."""


def codeword_of(intervals: Intervals | None) -> bytes:
    """Return the codeword of a message; None: of the empty one."""
    path = Path(_OF_A_MODEL)
    if intervals is not None:
        columns = (intervals.low, intervals.freq, intervals.total)
        for low, freq, total in zip(*(column.tolist() for column in columns), strict=True):
            path.go_on(low, freq, total)
    return path.codeword


def is_codeword_of_nothing(codeword: bytes) -> bool:
    """Say whether a codeword is that of the empty message, for which no model need be asked."""
    return codeword == Path(_OF_A_MODEL).codeword


def tokens_of(codewords: Sequence[bytes], lanes: Lanes) -> list[list[int] | None]:
    """Return the tokens of messages, the first in lane 0 and so on; None for what is no message."""
    paths = [Path(_OF_A_MODEL) for _ in codewords]
    tokens: list[list[int]] = [[] for _ in codewords]
    while True:
        unfound = [i for i, word in enumerate(codewords) if paths[i].codeword != word]
        ahead = [i for i in unfound if len(tokens[i]) < MOST_TOKENS]
        if not ahead:
            return [None if i in unfound else ids for i, ids in enumerate(tokens)]
        _step(codewords, lanes, paths, tokens, ahead)


def _step(
    codewords: Sequence[bytes],
    lanes: Lanes,
    paths: list[Path],
    tokens: list[list[int]],
    ahead: list[int],
) -> None:
    """Decode one more token of each message that goes on."""
    numbers = np.array(ahead, dtype=np.int64)
    totals = lanes.totals(numbers).tolist()
    targets = [
        paths[i].span.target(codewords[i], total) for i, total in zip(ahead, totals, strict=True)
    ]
    ids, low, freq = lanes.find(numbers, np.array(targets, dtype=np.uint64))
    found = zip(ahead, ids.tolist(), low.tolist(), freq.tolist(), totals, strict=True)
    for i, token, its_low, its_freq, total in found:
        paths[i].go_on(its_low, its_freq, total)
        tokens[i].append(token)
