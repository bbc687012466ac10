"""How much a text surprises a model: bits of each token, and what they come to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from llmzip.container import ModelRef

_EXPONENTIATION = Context(prec=25)

Offsets = NDArray[np.int64]


@dataclass(frozen=True)
class LineScore:
    """A line of a text, with its end; bits are those of the tokens that begin in it.

    number: from 1. start: its first byte in the text. n_scored_bytes: those that the model reads.
    """

    number: int
    start: int
    n_bytes: int
    n_scored_bytes: int
    n_tokens: int
    bits: float

    @property
    def bits_per_byte(self) -> float:
        """Bits for each byte that the model reads; nan where it reads none."""
        return self.bits / self.n_scored_bytes if self.n_scored_bytes else math.nan


@dataclass(frozen=True, eq=False)
class Score:
    """How many bits a model takes for each token of a text: to the last digit the same everywhere.

    tokens: int32, shape (n_tokens,), their ids. offsets: int64, the byte of the text at which each
    begins; they never fall. bits: float64, -log2 of the probability by which it is coded.
    unscored: int64, shape (n, 2), first byte and end (exclusive) of the stretches that the model
    does not read: binary data, copies, runs, archives' frames.
    n_bytes: of the text, all of it. n_characters: of what is scored; a byte that is no text counts
    as one. n_other_bytes: what a file holds for that text beside its tokens: payloads of what is
    unscored, what says where it stands, and line ends and bytes that tokens do not spell.
    model: None where none was needed.
    """

    tokens: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    offsets: Offsets = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    bits: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    unscored: Offsets = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))
    n_bytes: int = 0
    n_characters: int = 0
    n_other_bytes: int = 0
    model: ModelRef | None = None

    @classmethod
    def joined(cls, parts: Sequence[Score]) -> Score:
        """Return the score of texts, one after the other, as of one text."""
        whole = [cls(), *parts]
        starts = np.cumsum([0, *(part.n_bytes for part in whole)])[:-1]
        each = list(zip(whole, starts, strict=True))
        return cls(
            np.concatenate([part.tokens for part in whole]),
            np.concatenate([part.offsets + start for part, start in each]),
            np.concatenate([part.bits for part in whole]),
            np.concatenate([part.unscored + start for part, start in each]),
            sum(part.n_bytes for part in whole),
            sum(part.n_characters for part in whole),
            sum(part.n_other_bytes for part in whole),
            next((part.model for part in whole if part.model is not None), None),
        )

    @property
    def n_tokens(self) -> int:
        """How many tokens the model has predicted."""
        return self.tokens.size

    @property
    def n_unscored_bytes(self) -> int:
        """How many bytes of the text the model does not read."""
        return int((self.unscored[:, 1] - self.unscored[:, 0]).sum())

    @property
    def n_scored_bytes(self) -> int:
        """How many bytes of the text the model reads: what bits per byte are counted by."""
        return self.n_bytes - self.n_unscored_bytes

    @property
    def total_bits(self) -> float:
        """The bits of all tokens."""
        return math.fsum(self.bits)

    @property
    def bits_per_byte(self) -> float:
        """Bits for each byte that is scored; this and its like are nan where there is nothing."""
        return _share(self.total_bits, self.n_scored_bytes)

    @property
    def bits_per_token(self) -> float:
        """Bits for each token."""
        return _share(self.total_bits, self.n_tokens)

    @property
    def bits_per_character(self) -> float:
        """Bits for each character that is scored."""
        return _share(self.total_bits, self.n_characters)

    @property
    def perplexity(self) -> float:
        """Among how many equally likely tokens the model hesitates on average."""
        if not self.n_tokens:
            return math.nan
        # A library's power may differ in its last digit from another's.
        return float(_EXPONENTIATION.power(2, Decimal(self.bits_per_token)))

    def lines(self, text: bytes) -> list[LineScore]:
        """Return the lines of `text`, which is what was scored; each ends with a line feed.

        Every token counts in the line that it begins in, so together they are all of them. Raises
        ValueError for a text of another length.
        """
        if len(text) != self.n_bytes:
            raise ValueError(f"a text of {len(text)} bytes was not scored, but {self.n_bytes} were")
        if not text:
            return []
        feeds = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n"))
        edges = np.unique([0, *(feeds + 1), len(text)])
        n_scored = np.diff(edges - self._n_unscored_before(edges))
        tokens = np.searchsorted(self.offsets, edges)
        tokens[-1] = self.n_tokens
        sums = (math.fsum(self.bits[first:last]) for first, last in pairwise(tokens))
        columns = edges[:-1], np.diff(edges), n_scored, np.diff(tokens)
        rows = zip(*(column.tolist() for column in columns), sums, strict=True)
        return [LineScore(number, *row) for number, row in enumerate(rows, start=1)]

    def _n_unscored_before(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many unscored bytes stand before each place."""
        starts, stops = self.unscored[:, 0], self.unscored[:, 1]
        begun = np.searchsorted(starts, places)
        n_before = np.append(0, np.cumsum(stops - starts))[begun]
        last_stop = np.append(0, stops)[begun]
        return n_before - np.maximum(0, last_stop - places)


def _share(bits: float, n: int) -> float:
    return bits / n if n else math.nan
