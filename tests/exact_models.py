"""Small models made by integer arithmetic, so that golden digests outlive random generators.

The numbers come from SplitMix64 and are multiples of 2^-30: every machine makes the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from llmzip.exact.calibration import Sample
from llmzip.exact.cpu.buffers import CpuHidden
from llmzip.exact.cpu.engine import CpuEngine
from llmzip.exact.cpu.ways import WAY_VARIABLE, Way, takes, way_of
from llmzip.exact.distribution import Engine
from llmzip.exact.floats import FloatLayer, FloatLinear, FloatModel
from llmzip.exact.hidden import Hidden
from llmzip.exact.model import ExactModel
from llmzip.exact.prepare import prepare
from llmzip.exact.shape import ModelShape
from llmzip.exact.tables import rope_turns
from llmzip.exact.tensors import TensorHidden
from llmzip.exact.torch_engine import TorchEngine

Array = NDArray[np.float64]
CPU = "cpu"
ROPE_THETA = 10000.0
SAMPLE = Sample(n_lanes=10, n_tokens=16)
"""Small models write little while they are prepared."""


class Numbers:
    """A stream of numbers from SplitMix64 (Steele, Lea, Flood: Fast splittable PRNGs)."""

    def __init__(self, seed: int) -> None:
        self._at = seed

    def words(self, count: int) -> NDArray[np.uint64]:
        """The next `count` words."""
        u64 = np.uint64
        index = np.arange(self._at + 1, self._at + count + 1, dtype=u64)
        self._at += count
        z = index * u64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> u64(30))) * u64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> u64(27))) * u64(0x94D049BB133111EB)
        mixed: NDArray[np.uint64] = z ^ (z >> u64(31))
        return mixed

    def below(self, limit: int, count: int) -> NDArray[np.int32]:
        """`count` integers of 0 to limit - 1."""
        return (self.words(count) % np.uint64(limit)).astype(np.int32)

    def spread(self, *shape: int) -> Array:
        """Numbers evenly spread over [-1, 1)."""
        words = self.words(int(np.prod(shape))).reshape(shape)
        return (words >> np.uint64(33)).astype(np.float64) * 2.0**-30 - 1.0


@dataclass(frozen=True)
class Recipe:
    """What a small model looks like. `gain` makes its predictions more or less sharp."""

    llama: bool
    d_model: int = 48
    n_heads: int = 4
    n_kv_heads: int = 4
    d_head: int = 12
    d_ff: int = 100
    n_layers: int = 2
    vocab_size: int = 300
    n_positions: int = 128
    biases: bool = True
    tied: bool = True
    gain: float = 2.0
    seed: int = 1
    head_norm: str = ""
    parallel: bool = False
    activation: str = ""
    layer_window: tuple[int, ...] = ()
    layer_rope: tuple[int, ...] = ()
    norms: str = ""
    score_cap: float = 0.0
    logit_cap: float = 0.0


GPT2 = Recipe(llama=False)
LLAMA = Recipe(llama=True, d_model=64, n_kv_heads=2, d_head=16, d_ff=136, biases=False)
LAYERED = replace(
    LLAMA,
    activation="gelu",
    head_norm="before",
    norms="both",
    layer_window=(9, 0),
    layer_rope=(1, 0),
)
"""With all that may differ from layer to layer."""
TEAM = replace(LLAMA, d_model=128, n_heads=3, n_kv_heads=1, d_head=64, d_ff=192, n_layers=1)
"""Of heads as wide as fast kernels want them."""
WIDE = {
    "gpt2-wide": Recipe(False, 128, 2, 2, 64, 192, vocab_size=1300),
    "llama-wide": Recipe(True, 128, 3, 1, 64, 192, vocab_size=700, biases=False, tied=False),
}
"""Models that every way of computing takes."""
NORMED_WIDE = {
    "normed-wide": replace(
        WIDE["llama-wide"], d_model=192, biases=True, norms="both", layer_rope=(1, -1)
    ),
    "behind-wide": replace(WIDE["llama-wide"], n_kv_heads=3, norms="after", tied=True),
    "layered-wide": replace(
        LAYERED, d_model=192, n_kv_heads=1, d_head=80, d_ff=192, vocab_size=700
    ),
}
"""And those that norm what sublayers add."""
CAPPED_WIDE = {
    "capped-wide": replace(
        NORMED_WIDE["layered-wide"], head_norm="whole", score_cap=2.0, logit_cap=3.0
    ),
}
"""And those with soft caps, so low that much is capped, and norms of all heads together."""


def float_model(recipe: Recipe) -> FloatModel:
    """The model of a recipe, in floats."""
    r, numbers = recipe, Numbers(recipe.seed << 32)

    def gain() -> NDArray[np.float64] | None:
        return 1.0 + numbers.spread(r.d_model) * 0.5 if r.norms else None

    def linear(n_out: int, n_in: int, *, normed: bool, bias: bool = r.biases) -> FloatLinear:
        return FloatLinear(
            numbers.spread(n_out, n_in) * (r.gain / np.sqrt(float(n_in))),
            numbers.spread(n_out) * 0.25 if bias else None,
            1.0 + numbers.spread(n_in) * 0.5 if normed else None,
            numbers.spread(n_in) * 0.25 if normed and not r.llama else None,
        )

    def layer() -> FloatLayer:
        before = r.norms != "after"
        return FloatLayer(
            linear((r.n_heads + 2 * r.n_kv_heads) * r.d_head, r.d_model, normed=before),
            linear(r.d_model, r.n_heads * r.d_head, normed=False),
            linear(r.d_ff * (2 if r.llama else 1), r.d_model, normed=before),
            linear(r.d_model, r.d_ff, normed=False),
            1.0 + numbers.spread(r.n_heads + r.n_kv_heads, r.d_head) * 0.5 if r.head_norm else None,
            gain(),
            gain(),
        )

    embedding = numbers.spread(r.vocab_size, r.d_model)
    head = linear(r.vocab_size, r.d_model, normed=True, bias=False)
    if r.tied:
        head = FloatLinear(embedding, None, head.norm_gain, head.norm_bias)
    n_ropes = max((0, *r.layer_rope)) + 1
    return FloatModel(
        _shape(r),
        not r.llama,
        embedding,
        None if r.llama else numbers.spread(r.n_positions, r.d_model) * 0.25,
        rope_turns(ROPE_THETA, r.d_head) if r.llama else None,
        tuple(layer() for _ in range(r.n_layers)),
        head,
        tuple(rope_turns(ROPE_THETA * 10**table, r.d_head) for table in range(1, n_ropes)),
    )


def _shape(recipe: Recipe) -> ModelShape:
    r = recipe
    sizes = (r.n_layers, r.d_model, r.n_heads, r.n_kv_heads, r.d_head, r.d_ff)
    return ModelShape(
        *sizes,
        r.vocab_size,
        r.n_positions,
        eps=1e-5,
        gated=r.llama,
        rotary=r.llama,
        head_norm=r.head_norm,
        activation=r.activation,
        parallel=r.parallel,
        layer_window=r.layer_window,
        layer_rope=r.layer_rope,
        norms=r.norms,
        score_cap=r.score_cap,
        logit_cap=r.logit_cap,
    )


def newly_prepared(recipe: Recipe) -> ExactModel:
    """The model of a recipe, prepared for whoever may change it."""
    return prepare(float_model(recipe), SAMPLE)


@lru_cache(maxsize=256)
def exact_model(recipe: Recipe) -> ExactModel:
    """The model of a recipe, prepared: the same for all tests, so none may change it."""
    return newly_prepared(recipe)


def as_tensors(hidden: CpuHidden) -> TensorHidden:
    """Rows for the head, as torch has them."""
    return TensorHidden(torch.from_numpy(hidden.q), torch.from_numpy(hidden.scale))


def as_given(engine: Engine, hidden: CpuHidden) -> Hidden[Any]:
    """Rows for the head, as the engine's own `forward` gives them."""
    return hidden if isinstance(engine, CpuEngine) else as_tensors(hidden)


def engines(model: ExactModel, way: str | None = None) -> list[Engine]:
    """The engines that must agree: the reference, and the CPU's on a way; see `way_of`."""
    fast = CpuEngine(model, model.shape.n_positions, way=way)
    assert way is None or fast.way == way
    return [TorchEngine(model, CPU), fast]


def is_taken(recipe: Recipe) -> bool:
    """Whether the way in LLMZIP_WAY, if there is one, takes the model of a recipe."""
    asked = os.environ.get(WAY_VARIABLE)
    return not asked or takes(Way(asked), _shape(recipe))


def ways_taken(recipes: Mapping[str, Recipe]) -> dict[str, str]:
    """The way that the model of each recipe takes, of those that can be taken."""
    return {name: way_of(_shape(recipe)) for name, recipe in recipes.items() if is_taken(recipe)}


def random_ids(recipe: Recipe, count: int, seed: int = 0) -> NDArray[np.int32]:
    """`count` token ids."""
    return Numbers((seed + 1) << 40).below(recipe.vocab_size, count)


def phrases(vocab_size: int, count: int, seed: int, n_phrases: int = 6) -> NDArray[np.int32]:
    """`count` ids that repeat themselves: phrases of 3 to 40, one id in eight another."""
    shared, own = Numbers(7), Numbers((seed + 1) << 40)
    book = [shared.below(vocab_size, 3 + int(size)) for size in shared.below(38, n_phrases)]
    text = np.concatenate([book[i] for i in own.below(n_phrases, count // 3 + 1)])[:count]
    is_other = own.below(8, count) == 0
    return np.where(is_other, own.below(vocab_size, count), text).astype(np.int32)
