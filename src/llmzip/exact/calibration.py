"""What a model's linears take in, as integers that are the same on every machine.

The model writes a text of its own, each token drawn by a fixed stream of numbers; it
then reads it, and the products of every two inputs of a linear are summed. Both by exact
inference, so that there is nothing to choose, to ship or to differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llmzip.exact import arith
from llmzip.exact.distribution import Engine
from llmzip.exact.gemm import product
from llmzip.exact.model import ExactModel, Linear
from llmzip.exact.reference import Reference
from llmzip.exact.rounding import blocks

Ids = NDArray[np.int64]
Moments = dict[str, list[NDArray[np.float64]]]
"""By a linear's name in the file: for each of its `blocks`, second moments of its inputs."""

LANES_TOGETHER = 8  # that are read side by side


@dataclass(frozen=True)
class Sample:
    """How much a model writes: lanes of tokens. A model's integers depend on it."""

    n_lanes: int = 64
    n_tokens: int = 128  # or as many as the model has positions


SAMPLE = Sample()
"""What every model writes; other sizes are for tests."""


def generate(engine: Engine, sample: Sample) -> Ids:
    """Have the model write: ids (n_lanes, n_tokens).

    Each lane begins with a token drawn from all alike, and goes on with tokens drawn
    from what the model predicts.
    """
    n_lanes, n_tokens = sample.n_lanes, min(sample.n_tokens, engine.shape.n_positions)
    drawn = _words(n_lanes * n_tokens).reshape(n_tokens, n_lanes)
    ids = np.empty((n_tokens, n_lanes), dtype=np.int64)
    ids[0] = (drawn[0] % np.uint64(engine.shape.vocab_size)).astype(np.int64)
    cache, lanes = engine.cache(n_lanes, n_tokens), np.arange(n_lanes)
    for at in range(1, n_tokens):
        found = engine.step(ids[at - 1], lanes, np.full(n_lanes, at - 1), cache)
        ids[at] = found.find(drawn[at] % found.totals()).tokens
    return np.ascontiguousarray(ids.T)


def second_moments(model: ExactModel, ids: Ids) -> Moments:
    """Σ x xᵀ of the int8 inputs x of each linear (of 16-bit ones, their high halves)."""
    reader = _Reader(model)
    with torch.inference_mode():
        for first in range(0, len(ids), LANES_TOGETHER):
            reader.read(torch.from_numpy(ids[first : first + LANES_TOGETHER]))
    return reader.moments


class _Reader(Reference):
    """The reference, taking notes of what its linears take in."""

    def __init__(self, model: ExactModel) -> None:
        super().__init__(model, torch.device("cpu"))
        self.moments: Moments = {}
        self._names = {id(self.model.head): "head"}
        for index, layer in enumerate(self.model.layers):
            for name in ("qkv", "out", "up", "down"):
                self._names[id(getattr(layer, name))] = f"{index}.{name}"

    def read(self, ids: Tensor) -> None:
        """Run the windows `ids` (B, T)."""
        n_lanes, n_tokens = ids.shape
        starts = torch.zeros(n_lanes, dtype=torch.int64)
        cache = self.cache(n_lanes, n_tokens)
        hidden = self.forward(ids, torch.arange(n_lanes), starts, cache)
        self._note(self.model.head, hidden.q)

    def _linear(self, linear: Linear, q: Tensor, scale: Tensor) -> Tensor:
        self._note(linear, q)
        return super()._linear(linear, q, scale)

    def _linear_wide(self, linear: Linear, q: Tensor, scale: Tensor) -> Tensor:
        self._note(linear, arith.split_halves(q)[0])
        return super()._linear_wide(linear, q, scale)

    def _note(self, linear: Linear, q: Tensor) -> None:
        """Add the moments of the rows q, int8 (rows, n_in)."""
        name = self._names[id(linear)]
        parts = [q[:, part].contiguous() for part in blocks(q.shape[1])]
        found = [product(self.gemm, x.t().contiguous(), x).double().numpy() for x in parts]
        known = self.moments.get(name)
        self.moments[name] = (
            found if known is None else [a + b for a, b in zip(known, found, strict=True)]
        )


def _words(count: int) -> NDArray[np.uint64]:
    """The first words of SplitMix64 from 0 (Steele, Lea, Flood: Fast splittable PRNGs)."""
    u64 = np.uint64
    z = np.arange(1, count + 1, dtype=u64) * u64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> u64(30))) * u64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> u64(27))) * u64(0x94D049BB133111EB)
    return z ^ (z >> u64(31))
