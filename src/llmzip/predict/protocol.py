"""What a predictor is: token ids in, integer intervals out.

A predictor assigns to every next token an integer frequency of at least 1. The
coder needs three integers of that distribution and never sees the rest: the sum
of the frequencies below the token (`low`), the token's own (`freq`), and the sum
of all (`total`). The encoder asks for whole chunks at once (`intervals`), the
decoder token by token in lanes (`LaneDecoder`); an exact predictor answers both
with the same integers, whatever the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from llmzip.errors import ModelUnsupportedError
from llmzip.predict.told import Told

MAX_TOTAL = 1 << 48
"""The largest total that a predictor may give and the coder must accept."""


@dataclass(frozen=True)
class Intervals:
    """Where each token of one chunk lies within its predicted distribution.

    low, freq, total: uint64, shape (n_tokens,); low + freq <= total <= MAX_TOTAL, freq >= 1.
    bits: the model's cross-entropy over the chunk in bits, taken before the
        distribution is rounded to integers: what a perfect coder would need.
    told: what else there is to tell of the tokens, by predictors that were asked for it.
    """

    low: NDArray[np.uint64]
    freq: NDArray[np.uint64]
    total: NDArray[np.uint64]
    bits: float
    told: Told | None = None

    def __post_init__(self) -> None:
        """Make sure that the totals are some. Raises: ModelUnsupportedError."""
        if self.total.size and int(self.total.max()) > MAX_TOTAL:  # what is no number becomes that
            raise ModelUnsupportedError(
                "the model's activations are beyond the numbers of float32 in this text; "
                "choose another model"
            )


MOST_ROWS = 256
"""Rows that a step has at most for the sake of drafts: each has a distribution of its own."""


@dataclass
class Drafted:
    """How many rows were computed for tokens that were only guessed, and how many of them came.

    most_rows: how many rows a step may have at most for the sake of drafts, all lanes together.
    """

    n_rows: int = 0
    n_taken: int = 0
    most_rows: int = MOST_ROWS


class LaneDecoder(Protocol):
    """Predicts the next token in each of several independent lanes."""

    def open(self, lane: int) -> None:
        """Start a new chunk in `lane`: forget all tokens it has seen."""

    def due(self, lanes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which of `lanes`, all that have tokens left, to begin a step with: at least one.

        All of them, unless the decoder was asked for drafts.
        """

    def ahead(self, lanes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return of which of `lanes`, those asked for last, the step says more.

        They are asked for again before another step begins. None, unless there are drafts.
        """

    def totals(self, lanes: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Predict the next token of each of the distinct `lanes`; return the totals, in order."""

    def find(
        self, lanes: NDArray[np.int64], targets: NDArray[np.uint64]
    ) -> tuple[NDArray[np.int32], NDArray[np.uint64], NDArray[np.uint64]]:
        """Take the token whose interval holds each target and append it to its lane.

        Must follow a call of `totals` with the same `lanes`; 0 <= targets < totals.
        Returns (ids, low, freq) with low <= target < low + freq.
        """


class SharedLanes(LaneDecoder, Protocol):
    """Lanes of waves of several groups, which share nothing but the steps.

    A wave's lanes go on together: whoever opens them all and tells of them by `begin`, before
    their first prediction, then asks for all of them that have tokens left, or that are due.
    """

    def begin(self, group: LearningGroup, lanes: Sequence[int], n_tokens: Sequence[int]) -> None:
        """Let `lanes` hold the chunks, of so many tokens, of the next wave of `group`."""


class LearningGroup(Protocol):
    """A sequence of waves of chunks that learn from each other, token by token.

    Chunks of a wave advance together, so every one of them must be there from the start.
    """

    def intervals(
        self, chunks: Sequence[NDArray[np.int32]], progress: Callable[[float], None]
    ) -> list[Intervals]:
        """Return the intervals of each chunk of the next wave, and learn from it.

        progress: called with how much of the wave is done, up to 1.
        """

    def lanes(self, n_tokens: Sequence[int], drafted: Drafted | None = None) -> LaneDecoder:
        """Return a decoder for the next wave, of chunks of so many tokens, one a lane.

        All lanes are opened before the first prediction; all that have tokens left are
        predicted together.
        drafted: asks for drafts, and counts them: some lanes may be ahead of others then, and
        those that are `due`, then `ahead`, are predicted.
        """

    def encode(
        self,
        waves: Sequence[tuple[LearningGroup, Sequence[NDArray[np.int32]]]],
        progress: Callable[[float], None],
    ) -> list[list[Intervals]]:
        """Return, for the next wave of each of several groups, what its `intervals` returns.

        The groups, this and others of its predictor, no two the same, run side by side.
        """

    def shared_lanes(
        self, n_lanes: int, n_tokens: int, drafted: Drafted | None = None
    ) -> SharedLanes:
        """Return a decoder for groups of this predictor, in chunks of at most `n_tokens`.

        drafted: as for `lanes`.
        """


class Predictor(Protocol):
    """A language model as a source of integer frequencies."""

    @property
    def vocab_size(self) -> int:
        """Token ids are 0 to vocab_size - 1."""

    @property
    def way(self) -> str:
        """Where and how it computes, for people: "cpu, avx2"."""

    @property
    def in_view(self) -> int:
        """How many tokens of a chunk are seen at once: the window."""

    @property
    def default_lanes(self) -> int:
        """How many lanes decode together by default on this device: speed and memory only."""

    @property
    def groups_together(self) -> int:
        """How many groups that learn are encoded side by side: speed and memory only."""

    def lane_bytes(self, n_tokens: int | None = None) -> int:
        """Return about what memory a lane takes, beside the model, for a chunk of `n_tokens`.

        None stands for chunks of any length.
        """

    @property
    def row_bytes(self) -> int:
        """About what memory a row of a step takes: a lane has one, and one for each draft."""

    def intervals(self, chunks: Iterable[NDArray[np.int32]]) -> Iterator[Intervals]:
        """Yield the intervals of each chunk, in order. Chunks (never empty) share nothing."""

    def lanes(self, n_lanes: int) -> LaneDecoder:
        """Return a decoder for up to `n_lanes` chunks side by side."""

    def group(self) -> LearningGroup:
        """Return a group that has learnt nothing yet, or nothing but the predictor's dictionary."""
