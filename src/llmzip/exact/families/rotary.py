"""Llama and its relatives: RoPE, and norms before what they are for.

What sets a family apart stands in a table, `known`; one function reads them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from llmzip.exact.families import heads, layered
from llmzip.exact.families.layered import Layered
from llmzip.exact.families.rope import Rope, Share, read_rope
from llmzip.exact.families.switches import (
    cap,
    lacking,
    possible,
    read_activation,
    require,
)
from llmzip.exact.families.weights import Array, Weights
from llmzip.exact.floats import FloatLayer, FloatLinear, FloatModel, Layers
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


def _never(_config: Any) -> bool:
    return False


def _grouped(config: Any) -> int:
    """Heads of keys and values: where nothing is said of them, as many as of queries."""
    return int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads)


@dataclass(frozen=True)
class Names:
    """Where a family's weights are; of norms, the first of several that a model has.

    A layer without the second norm has the first one for both. added_norms: those of what attention
    and feed-forward add, where they are normed.
    """

    layer: str = "model.layers"
    attention: str = "self_attn"
    out: str = "o_proj"
    mlp: str = "mlp"
    down: str = "down_proj"
    first_norms: tuple[str, ...] = ("input_layernorm",)
    second_norms: tuple[str, ...] = ("post_attention_layernorm",)
    added_norms: tuple[str, str] = ("post_attention_layernorm", "post_feedforward_layernorm")
    embedding: str = "model.embed_tokens"
    last_norm: str = "model.norm"
    heads: tuple[str, ...] = ("lm_head",)


@dataclass(frozen=True)
class RotaryFamily:
    """What a family calls its parts, and what sets it apart from Llama.

    qkv, up: the linears that are stacked; each may hold several already.
    rows: the order in which the rows of a fused qkv come to ours.
    activation: the switch in the configuration that names it.
    parallel: whether attention and feed-forward are side by side.
    norms: what is normed, see `shape.NORMS`.
    layers: what differs from layer to layer.
    centred: its norms are LayerNorms, not RMSNorms.
    gain_shift: what is added to its norms' gains.
    eps: what is added in norms, or where the configuration says so.
    interleaved: RoPE turns neighbours, not the halves of a head.
    rotated: how much of a head RoPE turns, unless the configuration says; None: always all; a
        name: as many elements as the configuration says there.
    windowed: a sliding window of the configuration is one.
    head_norm: how queries and keys are normed, see `shape.HEAD_NORMS`, by norms of these names.
    head_norm_if: the switch in the configuration by which they are; None: always.
    needs: switches that must stand so, and what the engine would need else.
    capped: the configuration may have soft caps for scores and logits.
    """

    qkv: tuple[str, ...] = ("q_proj", "k_proj", "v_proj")
    up: tuple[str, ...] = ("gate_proj", "up_proj")
    names: Names = Names()
    rows: Callable[[Any, ModelShape], heads.Rows] | None = None
    n_kv_heads: Callable[[Any], int] = _grouped
    gated: bool = True
    activation: str = "hidden_act"
    parallel: Callable[[Any], bool] = _never
    norms: str = ""
    layers: layered.Read = layered.alike
    centred: bool = False
    gain_shift: float = 0.0
    eps: str | float = "rms_norm_eps"
    interleaved: bool = False
    rotated: float | str | None = None
    windowed: bool = False
    head_norm: str = ""
    head_norms: tuple[str, str] = ("q_norm", "k_norm")
    head_norm_if: str | None = None
    needs: tuple[tuple[str, Any, str], ...] = ()
    multipliers: Callable[[Any, int], Multipliers] = _none
    capped: bool = False


def read_rotary(family: RotaryFamily, config: Any, weights: Weights) -> FloatModel:
    """Read a model of a family.

    Raises ModelUnsupportedError for what the engine lacks.
    """
    for name, wanted, what in family.needs:
        require(config, name, wanted, what)
    d_head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    share = _share(family, config, d_head)
    layers, most = family.layers(config), config.max_position_embeddings
    ropes = tuple(
        read_rope(config, d_head, most, share=share, values=values) for values in layers.settings
    )
    n_positions = min(_window(family, config), *(rope.n_positions for rope in ropes))
    shape = _shape(family, config, d_head, n_positions, layers)
    rows = None if family.rows is None else family.rows(config, shape)
    by = family.multipliers(config, d_head)
    return _model(_Reader(family, shape, ropes, by, weights, rows))


def _share(family: RotaryFamily, config: Any, d_head: int) -> Share | None:
    if not isinstance(family.rotated, str):
        return family.rotated
    return Fraction(getattr(config, family.rotated) or 0, d_head)


def _shape(
    family: RotaryFamily, config: Any, d_head: int, n_positions: int, layers: Layered
) -> ModelShape:
    windows = tuple(window if window < n_positions else 0 for window in layers.windows)
    eps = family.eps if isinstance(family.eps, float) else getattr(config, family.eps)
    return possible(
        n_layers=config.num_hidden_layers,
        d_model=config.hidden_size,
        n_heads=config.num_attention_heads,
        n_kv_heads=family.n_kv_heads(config),
        d_head=d_head,
        d_ff=_d_ff(config),
        vocab_size=config.vocab_size,
        n_positions=n_positions,
        eps=float(eps),
        gated=family.gated,
        activation=read_activation(config, family.activation, gated=family.gated),
        rotary=True,
        head_norm=family.head_norm if _is_on(config, family.head_norm_if) else "",
        parallel=family.parallel(config),
        layer_window=windows if any(windows) else (),
        layer_rope=layers.ropes if any(layers.ropes) else (),
        norms=family.norms,
        score_cap=cap(config, "attn_logit_softcapping") if family.capped else 0.0,
        logit_cap=cap(config, "final_logit_softcapping") if family.capped else 0.0,
    )


def _d_ff(config: Any) -> int:
    names = ("intermediate_size", "ffn_hidden_size", "n_inner")
    known = (getattr(config, name, None) for name in names)
    return int(next((width for width in known if width), 4 * config.hidden_size))


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
    ropes: tuple[Rope, ...]
    by: Multipliers
    weights: Weights
    rows: heads.Rows | None  # of a fused qkv

    def layer(self, index: int) -> FloatLayer:
        """A layer, with all that stands between its linears folded into them."""
        family, names = self.family, self.family.names
        at = f"{names.layer}.{index}"
        attention, mlp = f"{at}.{names.attention}", f"{at}.{names.mlp}"
        first, second = self._norms(at)
        qkv = self._linears(attention, family.qkv, first)
        if self.rows is not None:
            qkv = heads.taken(qkv, self.rows)
        qkv, gain = self._heads(qkv, attention, self.shape.rope_of(index))
        added = names.added_norms if family.norms else ()
        return FloatLayer(
            qkv,
            heads.times(self._linears(attention, (names.out,)), self.by.branch),
            self._linears(mlp, family.up, second),
            heads.times(self._linears(mlp, (names.down,)), self.by.branch),
            gain,
            *(self.weights[f"{at}.{name}.weight"] + family.gain_shift for name in added),
        )

    def _norms(self, at: str) -> tuple[str | None, str | None]:
        """The norms before attention and before the feed-forward."""
        names = self.family.names
        if self.family.norms == "after":
            return None, None
        first = self._norm(at, names.first_norms) or f"{at}.{names.first_norms[0]}"
        return first, self._norm(at, names.second_norms) or first

    def _norm(self, at: str, names: tuple[str, ...]) -> str | None:
        """The norm of these that a layer has; none need have a gain."""
        known = (f"{at}.{name}" for name in names)
        return next((norm for norm in known if f"{norm}.weight" in self.weights), None)

    def _heads(self, qkv: FloatLinear, at: str, rope: int) -> tuple[FloatLinear, Array | None]:
        """Queries, keys and values as the engine wants them, and the gains of the former two.

        rope: which one turns them, or -1. What multiplies queries and keys comes behind their
        norms, where there are any.
        """
        shape, score = self.shape, self.by.score
        factor = self.ropes[rope].factor if rope >= 0 else 1.0
        n_turned = 2 * len(self.ropes[max(rope, 0)].turns)
        order = heads.rope_order(shape.d_head, n_turned, interleaved=self.family.interleaved)
        turned = order < n_turned
        if not shape.head_norm:
            by = np.where(turned, factor, 1.0)
            return heads.scaled(heads.for_rope(qkv, shape, order, by), shape, score), None
        if self.family.centred:
            qkv = heads.centred(qkv, shape)
        # what comes behind the rotation takes its factor away
        factors = np.where(turned, factor, 1.0) if shape.gain_first else np.ones(shape.d_head)
        gain = self._gains(at)[:, order] * factors
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
            if shape.head_norm == "whole":
                gain = gain.reshape(count, shape.d_head)
            rows.append(np.broadcast_to(gain, (count, shape.d_head)))
        return np.concatenate(rows) + self.family.gain_shift

    def turns(self) -> list[tuple[int, ...]]:
        """How far each of the engine's pairs turns: those that the model leaves alone by 0.

        By every RoPE.
        """
        half = self.shape.d_head // 2
        return [rope.turns + (0,) * (half - len(rope.turns)) for rope in self.ropes]

    def _linears(self, at: str, names: tuple[str, ...], norm: str | None = None) -> FloatLinear:
        return self.behind(norm, [f"{at}.{name}" for name in names])

    def behind(self, norm: str | None, names: list[str]) -> FloatLinear:
        """Linears one above the other, behind a norm or none."""
        return self._shifted(self.weights.linear(names, norm))

    def head(self) -> FloatLinear:
        """The linear onto the vocabulary."""
        names, weights = self.family.names, self.weights
        own = next(name for name in names.heads if f"{name}.weight" in weights)
        head = self._shifted(weights.head(own, names.last_norm, self.by.logit))
        if head.bias is not None and self.shape.logit_cap:
            raise lacking("a head with a bias below a soft cap")
        return head

    def _shifted(self, linear: FloatLinear) -> FloatLinear:
        if linear.norm_gain is None or not self.family.gain_shift:
            return linear
        return replace(linear, norm_gain=linear.norm_gain + self.family.gain_shift)


def _model(reader: _Reader) -> FloatModel:
    family, shape = reader.family, reader.shape
    turns, *others = reader.turns()
    return FloatModel(
        shape,
        family.centred,
        reader.weights.rows(f"{family.names.embedding}.weight", reader.by.embedding),
        None,
        turns,
        Layers(shape.n_layers, reader.layer),
        reader.head(),
        tuple(others),
    )
