"""The exact predictor: portable, batched, the same integers from prefill and step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.bias import HeadBias
from llmzip.exact.distribution import Engine
from llmzip.exact.shape import ModelShape
from llmzip.predict.adaptive import Adaptive, AdaptiveGroup, EncodedWave, learnt_by
from llmzip.predict.adaptive_lanes import AdaptiveLanes
from llmzip.predict.batches import begin_chunks, rows_side_by_side, side_by_side
from llmzip.predict.exact_lanes import ExactLanes
from llmzip.predict.kept_primed import KeptPrimed
from llmzip.predict.prefix import NO_PREFIX, Prefix
from llmzip.predict.primed import Primed
from llmzip.predict.protocol import Drafted, Intervals, LearningGroup
from llmzip.predict.rows import RowStream
from llmzip.predict.together import encode_together
from llmzip.predict.windows import Ids, Window
from llmzip.predict.workers import Workers

CACHE_BYTES = 768 << 20
"""What the KV caches of all lanes may take by default."""
MAX_LANES = 64

_POSITIONS_TOGETHER = 64  # engines round the positions of a cache up to no more than that
_ROW_BYTES = 8  # of a row's distribution, for each id: sums and weights


class ExactPredictor:
    """Predicts with exact engines, one for each worker thread.

    Which worker runs what, and how many there are, changes no integer.
    """

    def __init__(
        self,
        make_engine: Callable[[int], Engine],
        window: Window,
        n_workers: int,
        n_lanes: int | None = None,
        dictionary: NDArray[np.int32] | None = None,
        kept: KeptPrimed | None = None,
    ) -> None:
        """`dictionary`: tokens, at least one, that every group begins with.

        kept: where what they lead to may be kept.
        """
        self._workers = Workers(make_engine, n_workers)
        self._window = window
        engine = self._workers.engines[0]
        self.vocab_size = engine.shape.vocab_size
        self.way = f"{engine.device}, {engine.way}"
        self.in_view = window.size
        self.default_lanes = n_lanes or lanes_to_decode(engine, window.size)
        self.groups_together = int(getattr(engine, "groups_together", 1))
        self._n_together = lanes_to_prefill(engine, window.size)
        self._bias = HeadBias(self.vocab_size, engine.head_bias)
        self._dictionary = dictionary
        self._kept = kept
        self._primed: Primed | None = None
        self._group: type[ExactGroup] = ExactGroup

    def lane_bytes(self, n_tokens: int | None = None) -> int:
        """Return about what memory a lane takes, beside the model, for a chunk of `n_tokens`."""
        size = self._window.size
        n_prefix = 0 if self._dictionary is None else min(len(self._dictionary), size // 2)
        n_positions = min(size, n_prefix + (n_tokens or size))
        rounded = -(-n_positions // _POSITIONS_TOGETHER) * _POSITIONS_TOGETHER
        return cache_bytes(self._workers.engines[0], rounded) + self.row_bytes

    @property
    def row_bytes(self) -> int:
        """Return about what memory a row of a step takes."""
        return _ROW_BYTES * self.vocab_size

    def intervals(self, chunks: Iterable[NDArray[np.int32]]) -> Iterator[Intervals]:
        """Yield the intervals of each chunk, in order; workers take chunks as they are free."""
        size = self._window.size
        most = rows_side_by_side(self._workers.engines[0], self._window, self._n_together)
        groups = side_by_side(chunks, lambda ids: min(len(ids), size), most)
        tasks = (partial(self._begin, group) for group in groups)
        for wait in self._workers.in_order(tasks):
            yield from wait()

    def lanes(self, n_lanes: int) -> ExactLanes:
        """Return a decoder for up to `n_lanes` chunks side by side."""
        return ExactLanes(self._workers, self._window, n_lanes)

    def group(self) -> ExactGroup:
        """Return a group that has learnt nothing yet, or nothing but the dictionary."""
        if self._dictionary is None:
            adaptive, prefix = self._fresh(), NO_PREFIX
        else:
            self._primed = self._primed or self._prime(self._dictionary.astype(np.int64))
            adaptive, prefix = self._primed.begin(), self._primed.prefix
        return self._group(self._workers, self._window, self._n_together, adaptive, prefix)

    def _fresh(self) -> Adaptive:
        return Adaptive(self._bias)

    def _prime(self, dictionary: Ids) -> Primed:
        if self._kept is not None:
            found = self._kept.load(self._fresh(), self._workers.engines[0])
            if found is not None:
                return found
        how = self._fresh(), self._workers, self._window, self._n_together
        primed = Primed.by(dictionary, *how)
        if self._kept is not None:
            self._kept.keep(primed, dictionary)
        return primed

    def _begin(
        self, chunks: list[NDArray[np.int32]], engine: Engine
    ) -> Callable[[], list[Intervals]]:
        n_lanes = max(len(chunks), self._n_together)
        return begin_chunks(engine, self._window, chunks, n_lanes)


def lanes_to_decode(engine: Engine, n_positions: int) -> int:
    """Lanes to decode side by side by default: the engine's choice, else what memory allows."""
    if hasattr(engine, "default_lanes"):
        return int(engine.default_lanes(n_positions))
    return max(1, min(MAX_LANES, CACHE_BYTES // cache_bytes(engine, n_positions)))


def cache_bytes(engine: Engine, n_positions: int) -> int:
    """What the KV cache of a lane takes: int8 keys and values, and a float32 scale for each."""
    shape: ModelShape = getattr(engine, "in_memory", engine.shape)  # whose heads may be wider
    return shape.n_layers * shape.n_kv_heads * (shape.d_head + 4) * 2 * n_positions


def lanes_to_prefill(engine: Engine, n_positions: int) -> int:
    """Windows to prefill side by side: the engine's choice, else one."""
    return int(engine.prefill_lanes(n_positions)) if hasattr(engine, "prefill_lanes") else 1


class ExactGroup(AdaptiveGroup):
    """Waves of chunks that learn from each other, whichever workers run the model."""

    _wave: type[EncodedWave] = EncodedWave

    def __init__(
        self,
        workers: Workers,
        window: Window,
        n_together: int,
        adaptive: Adaptive,
        prefix: Prefix,
    ) -> None:
        super().__init__(adaptive)
        self._workers, self._window, self._n_together = workers, window, n_together
        self._prefix = prefix

    def intervals(
        self, chunks: Sequence[NDArray[np.int32]], progress: Callable[[float], None]
    ) -> list[Intervals]:
        """Return the intervals of each chunk of the next wave, and learn from it."""
        (found,) = self.encode([(self, chunks)], progress)
        return found

    def encode(
        self,
        waves: Sequence[tuple[LearningGroup, Sequence[NDArray[np.int32]]]],
        progress: Callable[[float], None],
    ) -> list[list[Intervals]]:
        """Return the intervals of the next waves of this and other groups of its predictor."""
        chunks = [chunk for _, own in waves for chunk in own]
        rows = RowStream(self._workers, self._window, chunks, self._n_together, self._prefix)
        encoded = [self._wave(learnt_by(group), own) for group, own in waves]
        encode_together(encoded, rows, self._workers, progress)
        return [list(wave.intervals()) for wave in encoded]

    def lanes(self, n_tokens: Sequence[int], drafted: Drafted | None = None) -> AdaptiveLanes:
        """Return a decoder for the next wave, of chunks of so many tokens, one a lane."""
        lanes = self.shared_lanes(len(n_tokens), max(n_tokens), drafted)
        lanes.begin(self, range(len(n_tokens)), n_tokens)
        return lanes

    def shared_lanes(
        self, n_lanes: int, n_tokens: int, drafted: Drafted | None = None
    ) -> AdaptiveLanes:
        """Return a decoder for waves of this and other groups of its predictor."""
        plain = ExactLanes(self._workers, self._window, n_lanes, n_tokens, self._prefix)
        vocab_size = self._workers.engines[0].shape.vocab_size
        return AdaptiveLanes(plain, n_lanes, vocab_size, drafted)
