"""What there is to see of a text: its tokens with what the model said of them, and its file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.predict.told import N_LIKELIEST

__all__ = ["N_LIKELIEST", "Chunk", "Comparison", "Explanation", "Tokens", "Unscored"]


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of a text, in the order in which they stand in it: columns of shape (n,).

    ids: int32. offsets: int64, the byte of the text at which each begins; they never fall.
    bits: float64, -log2 of the probability by which it is coded. model_bits: by the model alone.
    biased_bits: by the model with what it has learnt from this text, before the history is mixed
    in; the same as model_bits at levels that learn nothing, and bits then too.
    ranks: int32, one more than how many tokens were likelier: 1 is the likeliest.
    likeliest: int32 (n, N_LIKELIEST), the likeliest first; -1 where the vocabulary has no more.
    probabilities: float64 (n, N_LIKELIEST), theirs.
    chunks: int32, which of the explanation's chunks it is coded in.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    bits: NDArray[np.float64]
    model_bits: NDArray[np.float64]
    biased_bits: NDArray[np.float64]
    ranks: NDArray[np.int32]
    likeliest: NDArray[np.int32]
    probabilities: NDArray[np.float64]
    chunks: NDArray[np.int32]

    @classmethod
    def joined(cls, parts: Sequence[Tokens]) -> Tokens:
        """Return the tokens of all `parts` (at least one), one after the other."""
        return cls(*(np.concatenate(column) for column in zip(*map(_columns, parts), strict=True)))

    def picked(self, places: NDArray[np.intp]) -> Tokens:
        """Return the tokens at `places`."""
        return Tokens(*(column[places] for column in _columns(self)))


def _columns(tokens: Tokens) -> list[NDArray[Any]]:
    return [getattr(tokens, one.name) for one in fields(tokens)]


@dataclass(frozen=True)
class Chunk:
    """A chunk of the file. codec: in words. n_tokens: 0 where it is not coded by the model."""

    codec: str
    n_bytes: int
    n_payload_bytes: int
    n_tokens: int


@dataclass(frozen=True)
class Unscored:
    """A stretch of the text, first byte and end (exclusive), of which the model said nothing.

    text: what to show of it; None where it is no text.
    """

    start: int
    stop: int
    text: str | None


@dataclass(frozen=True, eq=False)
class Explanation:
    """A text, what a model said of it, and what its file holds.

    name: of the file. data: the text. spelt: what to show of each token; "" where it only goes on
    a character that an earlier one began, which shows it. vocabulary: what to show of each id that
    `tokens` names. n_file_bytes: of the .llmz file; n_payload_bytes: of its chunks that hold
    tokens, without what says how they are spelt.
    sizes: of the text by other compressors, by their names.
    """

    name: str
    model: str
    fingerprint: str
    level: int
    data: bytes
    tokens: Tokens
    spelt: Sequence[str]
    vocabulary: Mapping[int, str]
    unscored: Sequence[Unscored]
    chunks: Sequence[Chunk]
    n_characters: int
    n_file_bytes: int
    n_payload_bytes: int
    sizes: Mapping[str, int]

    @property
    def n_tokens(self) -> int:
        """How many tokens the model has predicted."""
        return len(self.spelt)

    @property
    def total_bits(self) -> float:
        """The bits of all tokens."""
        return math.fsum(self.tokens.bits)

    @property
    def coded_bits(self) -> float:
        """The bits of those that are coded so: what the payloads come to."""
        is_coded = np.array([chunk.n_tokens > 0 for chunk in self.chunks], dtype=np.bool_)
        return math.fsum(self.tokens.bits[is_coded[self.tokens.chunks]])

    @property
    def n_scored_bytes(self) -> int:
        """How many bytes of the text tokens stand for."""
        return len(self.data) - sum(one.stop - one.start for one in self.unscored)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two explanations, of one text by two models or of two texts, token by token where they align.

    first_starts, second_starts: int64 (n + 1,), where stretches that align begin, in tokens of the
    first and of the second; the last is an end. aligned: bool (n,), whether a stretch is the same
    in both; where it is not, either may be empty.
    """

    first: Explanation
    second: Explanation
    first_starts: NDArray[np.int64]
    second_starts: NDArray[np.int64]
    aligned: NDArray[np.bool_]
