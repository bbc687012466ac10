"""What every prefill of the engine has in common: what is asked of it, and in which order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.bias import RowBias
from llmzip.exact.cpu import turned_rows
from llmzip.exact.cpu.buffers import CpuCache, CpuHidden, Look, ModelView, Workspace
from llmzip.exact.cpu.caps import cap_of
from llmzip.exact.cpu.packed import PackedModel
from llmzip.exact.cpu.step import ALL_KEYS, StepModel
from llmzip.exact.distribution import TokenIntervals
from llmzip.exact.shape import ModelShape

Array = NDArray[Any]
Ids = NDArray[np.int64]
Weights = NDArray[np.float32]


class LayerPrefill(ABC):
    """A way through the layers, and through the head, for blocks of rows in a workspace."""

    HEAD_ROWS: ClassVar[int]
    """Rows whose distributions are computed at once."""
    _attention: Callable[..., None]
    """Attention of some rows of a lane, as `pair_attention.attend`."""

    def __init__(
        self,
        shape: ModelShape,
        model: ModelView | PackedModel,
        work: Workspace,
        look: Look | None = None,
    ) -> None:
        """Shape: that in memory. look: for those that have sums in memory, see `RowPrefill`."""
        self._shape, self._given, self._work, self._look = shape, model, work, look
        self._score_cap, self._logit_cap = cap_of(shape.score_cap), cap_of(shape.logit_cap)

    @property
    def _model(self) -> ModelView | StepModel:
        """The weights where they lie now: steps may have put them into memory of their own."""
        given = self._given
        return given.step if isinstance(given, PackedModel) else given

    def layer(
        self, index: int, lanes: Ids, starts: Ids, row_lanes: Ids, at: Ids, cache: CpuCache
    ) -> None:
        """A layer over rows of the stream: as many for each lane, lane after lane.

        row_lanes, at: the rows' lanes and positions; starts: those of each lane's first.
        """
        self._project(index, row_lanes, at, cache)
        self._attend(index, lanes, starts, len(at), cache)
        self._close_attention(index, len(at))
        self._feed_forward(index, len(at))

    @abstractmethod
    def _project(self, index: int, lanes: Ids, at: Ids, cache: CpuCache) -> None:
        """Queries of rows, and their keys and values into the cache."""

    @abstractmethod
    def _close_attention(self, index: int, n_rows: int) -> None:
        """Output projection, residual, next norm."""

    @abstractmethod
    def _feed_forward(self, index: int, n_rows: int) -> None:
        """Activation, down projection, residual, next norm."""

    @abstractmethod
    def _head_intervals(
        self, hidden: CpuHidden, tokens: Ids, found: tuple[NDArray[Any], ...]
    ) -> None:
        """As `intervals` for up to HEAD_ROWS rows; found: low, freq, total, bits."""

    @abstractmethod
    def _head_distributions(
        self, hidden: CpuHidden, bias: RowBias, weights: Weights, blocks: Ids
    ) -> None:
        """As `distributions` for up to HEAD_ROWS rows."""

    def _queries(self, n_rows: int) -> tuple[Array, Array]:
        """Where queries and their scales go."""
        s, work = self._shape, self._work
        shape = s.n_kv_heads, n_rows, s.n_heads // s.n_kv_heads
        return work.queries.array(*shape, s.d_head), work.query_scales.array(*shape)

    def _placing(self, index: int, lanes: Ids, at: Ids, cache: CpuCache) -> tuple[object, ...]:
        """What `attention.split_heads` takes of rows, of the layer, and of where heads go."""
        kept = cache.keys, cache.key_scales, cache.values, cache.value_scales
        own = (part[index] for part in kept)
        return (lanes, at), *self._model.norms(index), (*self._queries(len(at)), *own)

    def _attend(self, index: int, lanes: Ids, starts: Ids, n_rows: int, cache: CpuCache) -> None:
        s, count = self._shape, n_rows // len(lanes)
        mixed, window = self._work.mixed.array(n_rows, s.n_heads, s.d_head), self._window(index)
        for i, (lane, start) in enumerate(zip(lanes.tolist(), starts.tolist(), strict=True)):
            keys = cache.keys[index, lane], cache.key_scales[index, lane]
            values = cache.values[index, lane], cache.value_scales[index, lane]
            own = *self._queries(n_rows), *keys, *values, self._score_cap
            self._attention(own, (i * count, count, start, window), mixed)

    def _window(self, index: int) -> int:
        """Keys that a row sees."""
        return self._shape.window_of(index) or ALL_KEYS

    def _take_in(self, index: int, stream: Array, q: Array, scale: Array) -> None:
        """Take in the stream, for the next sublayer; see `turned_rows.take_in`."""
        turned_rows.take_in(self._shape, self._model.taken_gains, index, stream, q, scale)

    def intervals(self, hidden: CpuHidden, tokens: Ids, found: TokenIntervals) -> None:
        """Fill in the intervals of tokens (rows,) in the distributions of `hidden`."""
        for part in self._parts(len(tokens)):
            own = found.low[part], found.freq[part], found.total[part], found.bits[part]
            self._head_intervals(hidden.part(part), tokens[part], own)

    def distributions(
        self, hidden: CpuHidden, bias: RowBias, weights: Weights, blocks: Ids
    ) -> None:
        """Weights (rows, V) and their frequencies' sums by blocks, of `hidden` with a bias."""
        for part in self._parts(len(weights)):
            rows = hidden.part(part), bias.part(part)
            self._head_distributions(*rows, weights[part], blocks[part])

    def _parts(self, n_rows: int) -> Iterator[slice]:
        for first in range(0, n_rows, self.HEAD_ROWS):
            yield slice(first, min(first + self.HEAD_ROWS, n_rows))
