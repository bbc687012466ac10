"""A tiny deterministic predictor, so that the rooms above it can be tested in milliseconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from llmzip.predict.protocol import Drafted, Intervals, LearningGroup

Ids = NDArray[np.int32]
Frequencies = Callable[[list[int]], NDArray[np.uint64]]


class FakePredictor:
    """Predicts from the last two tokens by integer hashing, with a favourite."""

    default_lanes = 4
    row_bytes = 1
    groups_together = 1
    in_view = 1 << 16
    way = "fake"

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self.n_together: list[int] = []  # waves or lanes of different groups, each time

    def frequencies(self, context: list[int]) -> NDArray[np.uint64]:
        """Return the frequencies (vocab_size,) after `context`."""
        before, last = ([0, 0, *context[-2:]])[-2:]
        return _hashed(self.vocab_size, last, before).copy()

    def lane_bytes(self, n_tokens: int | None = None) -> int:
        return 100 if n_tokens is None else 10 * n_tokens

    def intervals(self, chunks: Iterable[Ids]) -> Iterator[Intervals]:
        for chunk in chunks:
            yield intervals_of(self.frequencies, chunk)

    def lanes(self, n_lanes: int) -> FakeLanes:
        return FakeLanes(self.frequencies, n_lanes)

    def group(self) -> FakeGroup:
        return FakeGroup(self)


@lru_cache(maxsize=1 << 13)  # what encodes a text is followed by what decodes it
def _hashed(vocab_size: int, last: int, before: int) -> NDArray[np.uint64]:
    v = np.arange(vocab_size, dtype=np.uint64)
    mixed = (v * np.uint64(2654435761) + np.uint64(last * 40503 + before * 9973)) % np.uint64(65537)
    freq = np.uint64(1) + mixed * mixed % np.uint64(1 << 20)
    freq[(last + 1) % vocab_size] += np.uint64(1 << 30)
    return freq


def intervals_of(frequencies: Frequencies, chunk: Ids) -> Intervals:
    rows, ids = [], chunk.tolist()
    for i, token in enumerate(ids):
        freq = frequencies(ids[:i])
        rows.append((int(freq[:token].sum()), int(freq[token]), int(freq.sum())))
    low, freq, total = (np.array(c, dtype=np.uint64) for c in zip(*rows, strict=True))
    bits = sum(math.log2(int(t) / int(f)) for f, t in zip(freq, total, strict=True))
    return Intervals(low, freq, total, bits)


class FakeGroup:
    """Learns one number from each wave, so that waves in another order or group go wrong."""

    def __init__(self, predictor: FakePredictor) -> None:
        self.predictor = predictor
        self.learnt = 0

    def frequencies(self, context: list[int]) -> NDArray[np.uint64]:
        freq = self.predictor.frequencies(context)
        freq[self.learnt % freq.size] += np.uint64(1 << 30)
        return freq

    def intervals(
        self, chunks: Sequence[Ids], progress: Callable[[float], None]
    ) -> list[Intervals]:
        found = [intervals_of(self.frequencies, chunk) for chunk in chunks]
        self.learnt += sum(int(chunk.sum()) for chunk in chunks)
        progress(1.0)
        return found

    def lanes(self, n_tokens: Sequence[int], drafted: Drafted | None = None) -> FakeLanes:
        return FakeLanes(self.frequencies, len(n_tokens), (self, sum(n_tokens)))

    def encode(
        self,
        waves: Sequence[tuple[LearningGroup, Sequence[Ids]]],
        progress: Callable[[float], None],
    ) -> list[list[Intervals]]:
        if len(waves) > 1:
            self.predictor.n_together.append(len(waves))
        return [group.intervals(chunks, progress) for group, chunks in waves]

    def shared_lanes(
        self, n_lanes: int, n_tokens: int, drafted: Drafted | None = None
    ) -> FakeSharedLanes:
        return FakeSharedLanes(self.predictor, n_lanes, n_tokens)


class FakeLanes:
    """Lane decoder over frequencies; the group learns when a wave of so many tokens is done."""

    def __init__(
        self, frequencies: Frequencies, n_lanes: int, wave: tuple[FakeGroup, int] | None = None
    ) -> None:
        self.frequencies = frequencies
        self.wave = wave
        self.seen: list[list[int]] = [[] for _ in range(n_lanes)]

    def open(self, lane: int) -> None:
        self.seen[lane] = []

    def due(self, lanes: NDArray[np.int64]) -> NDArray[np.int64]:
        return lanes

    def ahead(self, lanes: NDArray[np.int64]) -> NDArray[np.int64]:
        return lanes[:0]

    def totals(self, lanes: NDArray[np.int64]) -> NDArray[np.uint64]:
        sums = [int(self.frequencies_of(lane).sum()) for lane in lanes]
        return np.array(sums, dtype=np.uint64)

    def frequencies_of(self, lane: int) -> NDArray[np.uint64]:
        return self.frequencies(self.seen[lane])

    def find(
        self, lanes: NDArray[np.int64], targets: NDArray[np.uint64]
    ) -> tuple[Ids, NDArray[np.uint64], NDArray[np.uint64]]:
        found = [self._find(int(lane), int(t)) for lane, t in zip(lanes, targets, strict=True)]
        ids, low, freq = zip(*found, strict=True)
        if self.wave is not None and sum(map(len, self.seen)) == self.wave[1]:
            self.wave[0].learnt += sum(map(sum, self.seen))
        u64 = np.uint64
        return np.array(ids, dtype=np.int32), np.array(low, dtype=u64), np.array(freq, dtype=u64)

    def _find(self, lane: int, target: int) -> tuple[int, int, int]:
        freq = self.frequencies_of(lane)
        ends = np.cumsum(freq)
        token = int(np.searchsorted(ends, np.uint64(target), side="right"))
        self.seen[lane].append(token)
        return token, int(ends[token] - freq[token]), int(freq[token])


class FakeSharedLanes(FakeLanes):
    """Lanes of waves of several groups; each learns when the last token of its wave is decoded."""

    def __init__(self, predictor: FakePredictor, n_lanes: int, n_tokens: int) -> None:
        super().__init__(predictor.frequencies, n_lanes)
        self.predictor, self.most = predictor, n_tokens
        self.waves: dict[int, tuple[FakeGroup, list[int], int]] = {}

    def begin(self, group: LearningGroup, lanes: Sequence[int], n_tokens: Sequence[int]) -> None:
        assert isinstance(group, FakeGroup)
        assert max(n_tokens) <= self.most
        for lane in lanes:
            assert self.seen[lane] == []
            self.waves[lane] = group, list(lanes), sum(n_tokens)

    def frequencies_of(self, lane: int) -> NDArray[np.uint64]:
        return self.waves[lane][0].frequencies(self.seen[lane])

    def totals(self, lanes: NDArray[np.int64]) -> NDArray[np.uint64]:
        self.predictor.n_together.append(len(lanes))
        return super().totals(lanes)

    def find(
        self, lanes: NDArray[np.int64], targets: NDArray[np.uint64]
    ) -> tuple[Ids, NDArray[np.uint64], NDArray[np.uint64]]:
        found = super().find(lanes, targets)
        for first in {self.waves[int(lane)][1][0] for lane in lanes}:
            group, own, n_tokens = self.waves[first]
            if sum(len(self.seen[lane]) for lane in own) == n_tokens:
                group.learnt += sum(sum(self.seen[lane]) for lane in own)
        return found
