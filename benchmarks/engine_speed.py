"""How fast the exact engine predicts: whole chunks (prefill), and lanes step by step (decode)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from limits import Traffic, best_seconds, seconds_of
from llmzip.exact.engines import make_engine
from llmzip.exact.shape import ModelShape
from llmzip.models import OpenedExact
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.protocol import Intervals
from llmzip.predict.windows import Window

Ids = NDArray[np.int64]

_N_WARM_UP = 2  # steps before the clock starts; the second one takes in the context


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
        device: str,
        n_workers: int,
        text: bytes,
        n_context: int,
        n_steps: int,
    ) -> None:
        size = min(n_context + n_steps, opened.model.shape.n_positions)
        self.n_steps = min(n_steps, size // 2)
        self.n_context = size - self.n_steps
        self.n_rows = min(self.n_context, make_engine(opened.model, device, 1).max_rows)
        self._device = torch.device(device)
        self._n_workers = n_workers
        self._make = partial(make_engine, opened.model, device, size)
        self._size = size
        self._bos_id = opened.bos_id
        ids = opened.tokenizer.encode(text)
        self._ids = np.resize(ids, size).astype(np.int64)
        self._context = self._ids[: self.n_context]

    def prefill(self, min_s: float) -> Speed:
        """Intervals of chunks, two for each worker, on the path that the compressor takes."""
        window = Window(self._size, 0, self._bos_id)
        predictor = ExactPredictor(self._make, window, self._n_workers)
        chunk = self._context.astype(np.int32)
        chunks = [chunk] * (2 * self._n_workers)

        def run() -> list[Intervals]:
            return list(predictor.intervals(chunks))

        seconds = best_seconds(run, self._device, min_s)
        return Speed(1, self.n_context / 2, len(chunks) * len(chunk) / seconds)

    def decode(self, n_lanes: int) -> Speed:
        """Lanes that all decode the text, on the path that the decompressor takes.

        Every token found is compared with the text's: a wrong one is an AssertionError.
        """
        targets = self._targets()
        window = _ContextWindow(self._size, 0, self._bos_id, tuple(self._context.tolist()))
        lanes = np.arange(n_lanes)
        decoder = ExactPredictor(self._make, window, self._n_workers).lanes(n_lanes)
        for lane in lanes.tolist():
            decoder.open(lane)

        def run(first: int, stop: int) -> None:
            for index in range(first, stop):
                decoder.totals(lanes)
                found, _, _ = decoder.find(lanes, np.full(n_lanes, targets[index]))
                if not (found == self._ids[self.n_context + index]).all():
                    raise AssertionError(f"decoding step {index} finds another token than prefill")

        run(0, _N_WARM_UP)
        seconds = seconds_of(lambda: run(_N_WARM_UP, self.n_steps), self._device)
        n_tokens = n_lanes * (self.n_steps - _N_WARM_UP)
        return Speed(n_lanes, self.n_context + self.n_steps / 2, n_tokens / seconds)

    def _targets(self) -> NDArray[np.uint64]:
        """Return a number within the interval of each token to decode, shape (n_steps,)."""
        window = Window(self._size, 0, self._bos_id)
        predictor = ExactPredictor(self._make, window, 1)
        whole = self._ids.astype(np.int32)
        first = whole[self.n_context : self.n_context + 1]  # it is decoded before the context
        behind, alone = predictor.intervals([whole, first])
        return np.concatenate([alone.low, behind.low[self.n_context + 1 :]])


@dataclass(frozen=True)
class _ContextWindow(Window):
    """A window that puts `context` before what is decoded, so that lanes need not decode it.

    The first token is predicted from nothing, as in every chunk; then the context slips in.
    """

    context: tuple[int, ...]

    def start_of(self, n_seen: int) -> int:
        """Where the tokens in view begin, counted from the first one decoded."""
        return -len(self.context) if n_seen else 0

    def begins(self, n_seen: int) -> bool:
        """Does a new window begin with the prediction of token number `n_seen`?"""
        return n_seen <= 1

    def starts_of(self, n_seen: Ids) -> Ids:
        """`start_of` each."""
        return np.where(n_seen > 0, -len(self.context), 0)

    def begin(self, n_seen: Ids) -> NDArray[np.bool_]:
        """`begins` each."""
        return n_seen <= 1

    def inputs(self, seen: Ids) -> Ids:
        """The model's inputs in the window that predicts the token after `seen`."""
        context = self.context if len(seen) else ()
        return np.concatenate([[self.bos_id], context, seen]).astype(np.int64)


def macs_per_token(shape: ModelShape, mean_keys: float) -> float:
    """Return the multiply-adds of the model itself: its linears, its head, its attention."""
    d_qkv = (shape.n_heads + 2 * shape.n_kv_heads) * shape.d_head
    d_up = shape.d_ff * (2 if shape.gated else 1)
    width = shape.n_heads * shape.d_head
    linears = shape.d_model * (d_qkv + width + d_up + shape.d_ff)
    attention = 2 * width * mean_keys
    return shape.n_layers * (linears + attention) + shape.d_model * shape.vocab_size


def traffic(shape: ModelShape, mean_keys: float, bytes_per_value: float = 1) -> Traffic:
    """Return what a decoding step reads with weights and cache of `bytes_per_value`."""
    lane = 2 * shape.n_layers * shape.n_kv_heads * shape.d_head * mean_keys
    return Traffic(round(macs_per_token(shape, 0) * bytes_per_value), lane * bytes_per_value)
