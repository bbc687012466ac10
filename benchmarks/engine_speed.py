"""How fast the exact engine predicts: whole chunks (prefill), and lanes step by step (decode)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from limits import Traffic, best_seconds, seconds_of
from llmzip.exact.cache import KVCache
from llmzip.exact.distribution import Engine
from llmzip.exact.engines import make_engine
from llmzip.exact.model import ModelShape
from llmzip.models import OpenedExact
from llmzip.predict.exact import ExactPredictor, Workers, prefill
from llmzip.predict.protocol import Intervals
from llmzip.predict.windows import Window

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Speed:
    """Tokens a second over positions whose mean number of keys in view is `mean_keys`."""

    n_lanes: int
    mean_keys: float
    tokens_per_s: float


class EngineBench:
    """The exact engine on one text, repeated if it is short.

    n_context: tokens in view when decoding begins, and the length of a chunk in prefill.
    n_steps: tokens decoded in each lane.
    n_rows: tokens that one pass of prefill takes together.
    """

    def __init__(
        self,
        opened: OpenedExact,
        device: torch.device,
        n_workers: int,
        text: bytes,
        n_context: int,
        n_steps: int,
    ) -> None:
        size = min(n_context + n_steps, opened.model.shape.n_positions)
        self.n_steps = min(n_steps, size // 2)
        self.n_context = size - self.n_steps
        self.n_rows = min(self.n_context, make_engine(opened.model, device, 1).max_rows)
        self._device = device
        self._n_workers = n_workers
        self._make = partial(make_engine, opened.model, device, size)
        self._window = Window(size, size // 2, opened.bos_id)
        ids = opened.tokenizer.encode(text)
        self._ids = np.resize(ids, size).astype(np.int64)

    def prefill(self, min_s: float) -> Speed:
        """Intervals of chunks, two for each worker, on the path that the compressor takes."""
        predictor = ExactPredictor(self._make, self._window, self._n_workers)
        chunk = self._ids[: self.n_context].astype(np.int32)
        chunks = [chunk] * (2 * self._n_workers)

        def run() -> list[Intervals]:
            return list(predictor.intervals(chunks))

        seconds = best_seconds(run, self._device, min_s)
        return Speed(1, self.n_context / 2, len(chunks) * len(chunk) / seconds)

    def decode(self, n_lanes: int) -> Speed:
        """Forward, distribution and search of all lanes together, as the decompressor does.

        Every token found is compared with the text's: a wrong one is an AssertionError.
        """
        low = self._intervals().low
        n_workers = min(self._n_workers, n_lanes)
        workers = Workers(self._make, self._n_workers)
        groups = [
            _Lanes(engine, self._window, self._ids, self.n_context, -(-(n_lanes - i) // n_workers))
            for i, engine in enumerate(workers.engines[:n_workers])
        ]

        def step(index: int) -> None:
            at = self.n_context + index
            workers.all([partial(group.step, at, int(low[at])) for group in groups])

        def steps() -> None:
            for index in range(1, self.n_steps):
                step(index)

        step(0)  # warm-up
        seconds = seconds_of(steps, self._device)
        n_tokens = n_lanes * (self.n_steps - 1)
        return Speed(n_lanes, self.n_context + self.n_steps / 2, n_tokens / seconds)

    def _intervals(self) -> Intervals:
        predictor = ExactPredictor(self._make, self._window, 1)
        return next(iter(predictor.intervals([self._ids.astype(np.int32)])))


class _Lanes:
    """Lanes of one engine that all decode the same text, with the same context behind them."""

    def __init__(
        self, engine: Engine, window: Window, ids: Ids, n_context: int, n_lanes: int
    ) -> None:
        self._engine = engine
        self._ids = ids
        self._lanes = np.arange(n_lanes)
        self._cache = engine.cache(n_lanes, window.size)
        for _ in prefill(engine, self._cache, 0, window.inputs_between(ids, 0, n_context)):
            pass
        _copy_first_lane(self._cache)

    def step(self, at: int, target: int) -> None:
        """Feed the token before position `at` of the text and find the one there."""
        ones = np.ones((len(self._lanes), 1), dtype=np.int64)
        last, starts = ones * self._ids[at - 1], ones[:, 0] * at
        hidden = self._engine.forward(last, self._lanes, starts, self._cache)
        distributions = self._engine.distributions(hidden)
        distributions.totals()
        found = distributions.find(np.full(len(self._lanes), target, dtype=np.uint64))
        if not (found.tokens == self._ids[at]).all():
            raise AssertionError(f"step by step finds another token than prefill at {at}")


def _copy_first_lane(cache: KVCache) -> None:
    for field in fields(cache):
        tensor = getattr(cache, field.name)
        tensor[:, 1:] = tensor[:, :1]


def macs_per_token(shape: ModelShape, mean_keys: float) -> float:
    """Return the multiply-adds of the model itself: its linears, its head, its attention."""
    d_qkv = (shape.n_heads + 2 * shape.n_kv_heads) * shape.d_head
    d_up = shape.d_ff * (2 if shape.gated else 1)
    width = shape.n_heads * shape.d_head
    linears = shape.d_model * (d_qkv + width + d_up + shape.d_ff)
    attention = 2 * width * mean_keys
    return shape.n_layers * (linears + attention) + shape.d_model * shape.vocab_size


def traffic(shape: ModelShape, mean_keys: float, bytes_per_value: int = 1) -> Traffic:
    """Return what a decoding step reads with weights and cache of `bytes_per_value`."""
    lane = 2 * shape.n_layers * shape.n_kv_heads * shape.d_head * mean_keys
    return Traffic(int(macs_per_token(shape, 0)) * bytes_per_value, lane * bytes_per_value)
