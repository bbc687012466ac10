"""Llama and its relatives: RoPE, and two norms a layer, each before what it is for.

What sets a family apart stands in a table; one function reads them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmzip.exact.families import heads
from llmzip.exact.families.rope import Rope, read_rope
from llmzip.exact.families.switches import (
    GELU,
    SILU,
    lacking,
    possible,
    require,
    require_activation,
)
from llmzip.exact.families.weights import Array, Weights
from llmzip.exact.floats import FloatLayer, FloatLinear, FloatModel
from llmzip.exact.shape import ModelShape


@dataclass(frozen=True)
class Multipliers:
    """What a model multiplies by, beyond the common: folded into the weights beside."""

    embedding: float = 1.0
    score: float = 1.0  # of queries with keys, besides 1 / √d
    branch: float = 1.0  # of what attention and feed-forward add to the stream
    logit: float = 1.0


def _none(_config: Any, _d_head: int) -> Multipliers:
    return Multipliers()


@dataclass(frozen=True)
class RotaryFamily:
    """What a family calls its parts, and what sets it apart from Llama.

    qkv, up: the linears that are stacked; each may hold several already.
    centred: its norms are LayerNorms, not RMSNorms.
    eps: what is added in norms, or where the configuration says so.
    interleaved: RoPE turns neighbours, not the halves of a head.
    rotated: how much of a head RoPE turns, unless the configuration says; None: always all.
    windowed: a sliding window of the configuration is one.
    head_norm: how queries and keys are normed, see `shape.HEAD_NORMS`, by norms of these names.
    head_norm_if: the switch in the configuration by which they are; None: always.
    needs: switches that must stand so, and what the engine would need else.
    """

    qkv: tuple[str, ...] = ("q_proj", "k_proj", "v_proj")
    up: tuple[str, ...] = ("gate_proj", "up_proj")
    down: str = "down_proj"
    gated: bool = True
    centred: bool = False
    eps: str | float = "rms_norm_eps"
    interleaved: bool = False
    rotated: float | None = None
    windowed: bool = False
    head_norm: str = ""
    head_norms: tuple[str, str] = ("q_norm", "k_norm")
    head_norm_if: str | None = None
    needs: tuple[tuple[str, Any, str], ...] = ()
    multipliers: Callable[[Any, int], Multipliers] = _none


def read_rotary(family: RotaryFamily, config: Any, weights: Weights) -> FloatModel:
    """Read a model of a family.

    Raises ModelUnsupportedError for what the engine lacks.
    """
    require_activation(config, "hidden_act", SILU if family.gated else GELU)
    for name, wanted, what in family.needs:
        require(config, name, wanted, what)
    d_head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rope = read_rope(config, d_head, config.max_position_embeddings, share=family.rotated)
    shape = _shape(family, config, d_head, min(rope.n_positions, _window(family, config)))
    return _model(_Reader(family, shape, rope, family.multipliers(config, d_head), weights))


def _shape(family: RotaryFamily, config: Any, d_head: int, n_positions: int) -> ModelShape:
    eps = family.eps if isinstance(family.eps, float) else getattr(config, family.eps)
    return possible(
        n_layers=config.num_hidden_layers,
        d_model=config.hidden_size,
        n_heads=config.num_attention_heads,
        n_kv_heads=config.num_key_value_heads or config.num_attention_heads,
        d_head=d_head,
        d_ff=config.intermediate_size,
        vocab_size=config.vocab_size,
        n_positions=n_positions,
        eps=float(eps),
        gated=family.gated,
        rotary=True,
        head_norm=family.head_norm if _is_on(config, family.head_norm_if) else "",
    )


def _is_on(config: Any, switch: str | None) -> bool:
    return switch is None or bool(getattr(config, switch))


def _window(family: RotaryFamily, config: Any) -> int:
    """How far back every layer sees: no window of ours may be longer."""
    window = getattr(config, "sliding_window", None) if family.windowed else None
    kinds = getattr(config, "layer_types", None)
    if window is None or (kinds and "sliding_attention" not in kinds):
        return int(config.max_position_embeddings)
    if window < 2:
        raise lacking(f"a sliding window of {window}")
    return int(window)


@dataclass(frozen=True)
class _Reader:
    """All that is known of a model while its weights are read."""

    family: RotaryFamily
    shape: ModelShape
    rope: Rope
    by: Multipliers
    weights: Weights

    def layer(self, index: int) -> FloatLayer:
        """A layer, with all that stands between its linears folded into them."""
        family, at = self.family, f"model.layers.{index}"
        qkv = self._linears(f"{at}.self_attn", family.qkv, f"{at}.input_layernorm")
        qkv, gain = self._heads(qkv, f"{at}.self_attn")
        return FloatLayer(
            qkv,
            heads.times(self._linears(f"{at}.self_attn", ("o_proj",)), self.by.branch),
            self._linears(f"{at}.mlp", family.up, f"{at}.post_attention_layernorm"),
            heads.times(self._linears(f"{at}.mlp", (family.down,)), self.by.branch),
            gain,
        )

    def _heads(self, qkv: FloatLinear, at: str) -> tuple[FloatLinear, Array | None]:
        """Queries, keys and values as the engine wants them, and the gains of the former two.

        What multiplies queries and keys comes behind their norms, where there are any.
        """
        shape, factor, score = self.shape, self.rope.factor, self.by.score
        order = heads.rope_order(
            shape.d_head, 2 * len(self.rope.turns), interleaved=self.family.interleaved
        )
        turned = order < 2 * len(self.rope.turns)
        if not shape.head_norm:
            factors = np.where(turned, factor, 1.0)
            return heads.scaled(heads.for_rope(qkv, shape, order, factors), shape, score), None
        if self.family.centred:
            qkv = heads.centred(qkv, shape)
        gain = self._gains(at)[:, order] * np.where(turned, factor, 1.0)
        gain[: shape.n_heads] *= score
        return heads.for_rope(qkv, shape, order, np.ones(shape.d_head)), gain

    def _gains(self, at: str) -> Array:
        """Gains of queries and keys: of all heads alike, of each, or each by itself."""
        shape, rows = self.shape, []
        counts = shape.n_heads, shape.n_kv_heads
        for name, count in zip(self.family.head_norms, counts, strict=True):
            own = f"{at}.{name}"
            if f"{own}.weight" in self.weights:
                gain = self.weights[f"{own}.weight"]
            else:
                gain = np.stack([self.weights[f"{own}.norms.{i}.weight"] for i in range(count)])
            rows.append(np.broadcast_to(gain, (count, shape.d_head)))
        return np.concatenate(rows)

    def turns(self) -> tuple[int, ...]:
        """How far each of the engine's pairs turns: those that the model leaves alone by 0."""
        return self.rope.turns + (0,) * (self.shape.d_head // 2 - len(self.rope.turns))

    def _linears(self, at: str, names: tuple[str, ...], norm: str | None = None) -> FloatLinear:
        return self.weights.linear([f"{at}.{name}" for name in names], norm)


def _model(reader: _Reader) -> FloatModel:
    weights, by, shape = reader.weights, reader.by, reader.shape
    embedding = weights["model.embed_tokens.weight"]
    return FloatModel(
        shape,
        reader.family.centred,
        embedding if by.embedding == 1 else embedding * by.embedding,
        None,
        reader.turns(),
        tuple(reader.layer(index) for index in range(shape.n_layers)),
        heads.times(weights.linear(["lm_head"], "model.norm"), by.logit),
    )


def _granite(config: Any, d_head: int) -> Multipliers:
    return Multipliers(
        embedding=float(config.embedding_multiplier),
        score=float(config.attention_multiplier) * float(np.sqrt(float(d_head))),
        branch=float(config.residual_multiplier),
        logit=1.0 / float(config.logits_scaling),
    )


ROTARY: dict[str, RotaryFamily] = {
    "llama": RotaryFamily(),
    "mistral": RotaryFamily(windowed=True),
    "qwen2": RotaryFamily(windowed=True),
    "qwen3": RotaryFamily(windowed=True, head_norm="before"),
    "hunyuan_v1_dense": RotaryFamily(
        head_norm="after", head_norms=("query_layernorm", "key_layernorm")
    ),
    "phi3": RotaryFamily(("qkv_proj",), ("gate_up_proj",), rotated=1.0, windowed=True),
    "granite": RotaryFamily(multipliers=_granite),
    "olmo": RotaryFamily(
        centred=True, eps=1e-5, needs=(("clip_qkv", None, "clipped queries, keys and values"),)
    ),
    "stablelm": RotaryFamily(
        centred=True,
        eps="layer_norm_eps",
        rotated=0.25,
        head_norm="before",
        head_norms=("q_layernorm", "k_layernorm"),
        head_norm_if="qk_layernorm",
        needs=(("use_parallel_residual", False, "attention and feed-forward side by side"),),
    ),
    "starcoder2": RotaryFamily(
        up=("c_fc",), down="c_proj", gated=False, centred=True, eps="norm_epsilon", windowed=True
    ),
    "glm": RotaryFamily(up=("gate_up_proj",), interleaved=True, rotated=0.5),
    "ernie4_5": RotaryFamily(interleaved=True),
    "helium": RotaryFamily(interleaved=True),
    "seed_oss": RotaryFamily(),
}
"""The families, by what transformers calls them."""
