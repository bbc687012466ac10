"""What a model's linears take in, as integers that are the same on every machine.

The model writes a text of its own, each token drawn by a fixed stream of numbers; it
then reads it, and the products of every two inputs of a linear are summed. Both by exact
inference, so that there is nothing to choose, to ship or to differ.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from llmzip import torch_threads
from llmzip.errors import ModelUnsupportedError
from llmzip.exact.cpu.engine import CpuEngine, embedded
from llmzip.exact.cpu.ways import Way, way_of
from llmzip.exact.distribution import Engine
from llmzip.exact.model import ExactModel, Layer, Linear
from llmzip.exact.rounding import blocks
from llmzip.exact.shape import ModelShape

Ids = NDArray[np.int64]
Moments = list[NDArray[np.float64]]
"""Of a linear: for each of its `blocks`, second moments of its inputs."""

ROWS = 1024
"""Whose products float32 sums exactly, in any order: 127 · 127 · 1024 < 2^24."""
_MOST_TOTAL = np.uint64(1 << 48)
"""No distribution has a larger total: docs/EXACT.md, Frequencies."""


@dataclass(frozen=True)
class Sample:
    """How much a model writes: lanes of tokens. A model's integers depend on it."""

    n_lanes: int = 64
    n_tokens: int = 128  # or as many as the model has positions


SAMPLE = Sample()
"""What every model writes; other sizes are for tests."""


def generate(
    engine: Engine, sample: Sample, on_progress: Callable[[float], None] = lambda _: None
) -> Ids:
    """Have the model write: ids (n_lanes, n_tokens).

    Each lane begins with a token drawn from all alike, and goes on with tokens drawn
    from what the model predicts. on_progress: takes how much is written, of 1.

    Raises ModelUnsupportedError if what it computes are no finite numbers.
    """
    n_lanes, n_tokens = sample.n_lanes, min(sample.n_tokens, engine.shape.n_positions)
    drawn = _words(n_lanes * n_tokens).reshape(n_tokens, n_lanes)
    ids = np.empty((n_tokens, n_lanes), dtype=np.int64)
    ids[0] = (drawn[0] % np.uint64(engine.shape.vocab_size)).astype(np.int64)
    cache, lanes = engine.cache(n_lanes, n_tokens), np.arange(n_lanes)
    for at in range(1, n_tokens):
        found = engine.step(ids[at - 1], lanes, np.full(n_lanes, at - 1), cache)
        totals = found.totals()
        if (totals > _MOST_TOTAL).any():  # as what is no number becomes
            raise _beyond_floats()
        ids[at] = found.find(drawn[at] % totals).tokens
        on_progress(at / n_tokens)
    return np.ascontiguousarray(ids.T)


def second_moments(model: ExactModel, ids: Ids, n_threads: int = 1) -> dict[str, Moments]:
    """Σ x xᵀ of the int8 inputs x of each linear (of 16-bit ones, their high halves).

    By the linears' names in the file.
    """
    found: dict[str, Moments] = {}
    reading = Reading(model, ids, n_threads)
    for index, layer in enumerate(model.layers):
        moments = reading.layer(layer)
        found |= {f"{index}.{name}": part for name, part in moments.items()}
    return found | {"head": reading.head()}


class Reading:
    """A model reads lanes of ids (B, T) layer by layer: what it has come to is kept between them.

    Of the model only what stands before the layers is looked at.
    """

    def __init__(self, model: ExactModel, ids: Ids, n_threads: int = 1) -> None:
        self._n_threads, self._n_tokens = n_threads, ids.shape[1]
        self._state, self._next = embedded(model, ids), 0
        self._shape = model.shape
        self._model = replace(
            model,
            embedding=model.embedding[:1],
            embedding_scale=model.embedding_scale[:1],
            layers=(),
            head=_no_head(model.shape.d_model),
        )

    def layer(self, layer: Layer) -> dict[str, Moments]:
        """Read on through the next layer; return the moments of its linears, by their names.

        Where threads are several, products of floats should take one each.

        Raises ModelUnsupportedError if what it computes are no finite numbers.
        """
        shape = self._shape.alone(self._next)
        model, sums = replace(self._model, shape=shape, layers=(layer,)), _Sums()
        self._next += 1
        lanes = np.arange(len(self._state.scale) // self._n_tokens)
        parts = [part for part in np.array_split(lanes, self._n_threads) if len(part)]
        with ThreadPoolExecutor(self._n_threads, "llmzip-read", torch_threads.be_alone) as pool:
            for _ in pool.map(partial(self._read, model, sums), parts):
                pass
        if not np.isfinite(self._state.scale).all():
            raise _beyond_floats()
        return {name.removeprefix("0."): moments for name, moments in sums.moments.items()}

    def head(self) -> Moments:
        """The moments of what the head takes in, after the last layer."""
        sums, q = _Sums(), self._state.q
        for first in range(0, len(q), ROWS):
            sums.add("head", q[first : first + ROWS])
        return sums.moments["head"]

    def _read(self, model: ExactModel, sums: _Sums, lanes: Ids) -> None:
        """Take some lanes through a model of one layer, as many together as the engine takes."""
        n_tokens = self._n_tokens
        engine = CpuEngine(model, n_tokens, way=_telling_way(model.shape), look=sums.add)
        together = max(1, engine.max_rows // n_tokens)
        cache = engine.cache(together, n_tokens)
        for first in range(0, len(lanes), together):
            part = lanes[first : first + together]
            for start in range(0, n_tokens, engine.max_rows):
                stop = min(start + engine.max_rows, n_tokens)
                rows = slice(part[0] * n_tokens + start, part[-1] * n_tokens + stop)
                starts = np.full(len(part), start)
                engine.go_on(self._state.part(rows), np.arange(len(part)), starts, cache)


def _no_head(d_model: int) -> Linear:
    """A head that is never asked."""
    return Linear(np.zeros((1, d_model), np.int8), np.ones(1, np.float32), None)


def _beyond_floats() -> ModelUnsupportedError:
    return ModelUnsupportedError(
        "the model's activations are beyond the numbers of float32, in which they are computed: "
        "its weights may be damaged; get it again, or choose another"
    )


def _telling_way(shape: ModelShape) -> Way:
    """The fastest way on which linears are computed one by one."""
    way = way_of(shape)
    return way if way is Way.AVX2 else Way.PLAIN


class _Sums:
    """Second moments, summed up by several threads; all integers, so in any order."""

    def __init__(self) -> None:
        self.moments: dict[str, Moments] = {}
        self._lock = Lock()

    def add(self, name: str, q: NDArray[np.int8]) -> None:
        """Add the moments of the rows q, int8 (at most 1,024, n_in)."""
        assert len(q) <= ROWS
        x = q.astype(np.float32)  # sums of so few products are integers that it holds
        found = [x[:, part].T @ x[:, part] for part in blocks(x.shape[1])]
        with self._lock:
            if name not in self.moments:
                self.moments[name] = [np.zeros(part.shape) for part in found]
            for known, part in zip(self.moments[name], found, strict=True):
                known += part


def _words(count: int) -> NDArray[np.uint64]:
    """The first words of SplitMix64 from 0 (Steele, Lea, Flood: Fast splittable PRNGs)."""
    u64 = np.uint64
    z = np.arange(1, count + 1, dtype=u64) * u64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> u64(30))) * u64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> u64(27))) * u64(0x94D049BB133111EB)
    return z ^ (z >> u64(31))
