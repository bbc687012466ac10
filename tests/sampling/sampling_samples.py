"""A predictor of milliseconds, and walks through what it predicts."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from fake_predictor import FakeLanes, FakePredictor
from llmzip.sampling import Rule, Walk
from llmzip.tokens import ByteTokenizer
from small_tokenizer import small_tokenizer_json

U64 = NDArray[np.uint64]


class FlatPredictor(FakePredictor):
    """Predicts by hashing, without a favourite."""

    def frequencies(self, context: list[int]) -> U64:
        freq = super().frequencies(context)
        last = ([0, *context])[-1]
        freq[(last + 1) % self.vocab_size] -= np.uint64(1 << 30)
        return freq


class SearchedLanes(FakeLanes):
    """Lanes that tell where tokens lie."""

    def look_up(self, lanes: NDArray[np.int64], ids: NDArray[np.int64]) -> tuple[U64, U64]:
        rows = [self.frequencies_of(int(lane)) for lane in lanes]
        low = [(np.cumsum(row) - row)[own] for row, own in zip(rows, ids, strict=True)]
        freq = [row[own] for row, own in zip(rows, ids, strict=True)]
        return np.array(low), np.array(freq)


@cache
def tokenizer() -> ByteTokenizer:
    return ByteTokenizer(small_tokenizer_json())


def walk(prompt: str = "", rule: Rule | None = None) -> Walk:
    """A walk among the 8 likeliest tokens."""
    lanes = SearchedLanes(FlatPredictor(tokenizer().vocab_size).frequencies, 1)
    return Walk(lanes, tokenizer(), prompt.encode(), rule or Rule(top_k=8))
