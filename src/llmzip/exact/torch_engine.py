"""The reference as an engine: any device that torch runs on, CUDA included."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llmzip.exact.bias import GRADIENT_BITS, AnyBias, RowBias
from llmzip.exact.constants import FREQ_BITS
from llmzip.exact.distribution import Distributions, Ids, TokenIntervals
from llmzip.exact.hidden import Hidden
from llmzip.exact.model import ExactModel, named
from llmzip.exact.reference import Reference
from llmzip.exact.tensors import TensorCache

HEAD_ROWS = 256
"""Rows whose distributions are held at once."""


class TorchEngine:
    """Runs `Reference` behind the engine's protocol."""

    max_rows = 2048
    step_threads = 1
    way = "torch reference"

    def __init__(self, model: ExactModel, device: str) -> None:
        self._reference = Reference(model, device)
        self.shape, self._ids = model.shape, model.ids
        self.device, self._device = device, torch.device(device)

    @property
    def head_bias(self) -> NDArray[np.float32] | None:
        """The head's own bias."""
        bias = self._reference.model.head.bias
        return None if bias is None else bias.cpu().numpy()

    def cache(self, n_lanes: int, n_positions: int) -> TensorCache:
        """Make a KV cache on the device."""
        return self._reference.cache(n_lanes, n_positions)

    def forward(self, ids: Ids, lanes: Ids, starts: Ids, cache: TensorCache) -> Hidden[Tensor]:
        """As `Reference.forward`, for arrays."""
        with torch.inference_mode():
            inputs = named(ids, self._ids), lanes, starts
            tokens, rows, at = (torch.from_numpy(array) for array in inputs)
            return self._reference.forward(tokens, rows, at, cache)

    def intervals(self, hidden: Hidden[Tensor], tokens: Ids) -> TokenIntervals:
        """The intervals of the next tokens (rows,) in the distributions of `hidden`."""
        found = TokenIntervals.empty(len(tokens))
        with torch.inference_mode():
            for first in range(0, len(tokens), HEAD_ROWS):
                part = slice(first, first + HEAD_ROWS)
                wanted = torch.from_numpy(tokens[part]).to(self._device)
                self._look_up(hidden.part(part), wanted, found, part)
        return found

    def _look_up(
        self, rows: Hidden[Tensor], tokens: Tensor, found: TokenIntervals, part: slice
    ) -> None:
        frequencies = self._reference.frequencies(rows)
        ends = frequencies.cumsum(-1)
        freq, end = (x.gather(1, tokens[:, None])[:, 0] for x in (frequencies, ends))
        found.low[part], found.freq[part] = _unsigned(end - freq), _unsigned(freq)
        found.total[part] = _unsigned(ends[:, -1])
        logits = self._reference.logits(rows)
        mass = (ends[:, -1] - logits.shape[1]).to(torch.float64) * 2.0**-FREQ_BITS
        own = logits.gather(1, tokens[:, None])[:, 0] - logits.amax(1)
        found.bits[part] = (torch.log2(mass) - own).cpu().numpy()

    def distributions(self, hidden: Hidden[Tensor], bias: AnyBias | None = None) -> Distributions:
        """The distributions of `hidden`, ready to be searched."""
        with torch.inference_mode():
            bias = bias.values[bias.of] if isinstance(bias, RowBias) else bias
            own = None if bias is None else torch.from_numpy(bias).to(self._device)
            ends = self._reference.frequencies(hidden, own).cumsum(-1)
            return TorchDistributions(ends, partial(self._reference.probabilities, hidden, own))

    def step(
        self, ids: Ids, lanes: Ids, at: Ids, cache: TensorCache, bias: AnyBias | None = None
    ) -> Distributions:
        """Feed a token each to distinct lanes; return the distributions after."""
        return self.distributions(self.forward(ids[:, None], lanes, at, cache), bias)


class TorchDistributions:
    """Distributions of several rows, as the ends of their tokens' intervals (rows, V) int64."""

    def __init__(self, ends: Tensor, probabilities: Callable[[], Tensor]) -> None:
        """`probabilities`: computes them, see `Reference.probabilities`."""
        self._ends, self._probabilities = ends, probabilities

    def totals(self) -> NDArray[np.uint64]:
        """The frequencies' sum of each row."""
        return _unsigned(self._ends[:, -1])

    def find(self, targets: NDArray[np.uint64]) -> TokenIntervals:
        """The tokens whose intervals hold the targets."""
        wanted = torch.from_numpy(targets.astype(np.int64)).to(self._ends.device)[:, None]
        tokens = torch.searchsorted(self._ends, wanted, right=True).cpu().numpy()
        low, freq = self.look_up(tokens)
        found = TokenIntervals.empty(len(targets))
        found.tokens[:], found.low[:], found.freq[:] = tokens[:, 0], low[:, 0], freq[:, 0]
        return found

    def look_up(self, ids: Ids) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Where tokens (rows, C) lie: (low, freq)."""
        tokens = torch.from_numpy(ids).to(self._ends.device)
        end = self._ends.gather(1, tokens)
        low = torch.where(tokens > 0, self._ends.gather(1, (tokens - 1).clamp_min(0)), 0)
        return _unsigned(low), _unsigned(end - low)

    def frequencies(self) -> NDArray[np.int64]:
        """The frequencies of all tokens, (rows, V)."""
        none = self._ends.new_zeros(len(self._ends), 1)
        freq: NDArray[np.int64] = self._ends.diff(prepend=none).cpu().numpy()
        return freq

    def add_gradient(self, tokens: Ids, gradient: NDArray[np.int64], first_row: int = 0) -> None:
        """Add to `gradient` (V,) what came, tokens (rows,), less what was predicted."""
        rows = slice(first_row, first_row + len(tokens))
        gradient -= self._probabilities()[rows].sum(0).cpu().numpy()
        np.add.at(gradient, tokens, 1 << GRADIENT_BITS)


def _unsigned(x: Tensor) -> NDArray[np.uint64]:
    numbers: NDArray[np.uint64] = x.cpu().numpy().astype(np.uint64)
    return numbers
