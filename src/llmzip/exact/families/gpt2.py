"""GPT-2 and GPT-BigCode: LayerNorm, learned positions, gelu."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from llmzip.exact.families import heads
from llmzip.exact.families.switches import possible, read_activation, require
from llmzip.exact.families.weights import Weights
from llmzip.exact.floats import FloatLayer, FloatLinear, FloatModel, Layers
from llmzip.exact.shape import ModelShape

_Qkv = Callable[[FloatLinear, ModelShape, int], FloatLinear]
"""From `c_attn` of a layer, by its number, to our rows of queries, keys and values."""


def read_gpt2(config: Any, weights: Weights) -> FloatModel:
    """GPT-2, whose weights are stored (in, out)."""
    by_width = bool(getattr(config, "scale_attn_weights", True))
    by_layer = bool(getattr(config, "scale_attn_by_inverse_layer_idx", False))

    def qkv(linear: FloatLinear, shape: ModelShape, index: int) -> FloatLinear:
        scale = 1.0 if by_width else heads.root(shape)
        return heads.scaled(linear, shape, scale / (index + 1) if by_layer else scale)

    return _read(config, weights, config.n_head, qkv, transposed=True)


def read_gpt_bigcode(config: Any, weights: Weights) -> FloatModel:
    """GPT-BigCode: GPT-2 with one head of keys and values, or rows of each head side by side."""
    shared = bool(config.multi_query)
    by_width = bool(getattr(config, "scale_attn_weights", True))

    def qkv(linear: FloatLinear, shape: ModelShape, _: int) -> FloatLinear:
        if not shared:
            rows = np.arange(3 * shape.n_heads * shape.d_head)
            by_head = rows.reshape(shape.n_heads, 3, shape.d_head)
            linear = heads.taken(linear, by_head.transpose(1, 0, 2).reshape(-1))
        return heads.scaled(linear, shape, 1.0 if by_width else heads.root(shape))

    return _read(config, weights, 1 if shared else config.n_head, qkv, transposed=False)


def _read(
    config: Any, weights: Weights, n_kv_heads: int, qkv: _Qkv, *, transposed: bool
) -> FloatModel:
    require(config, "add_cross_attention", False, "attention to another text")
    shape = possible(
        n_layers=config.n_layer,
        d_model=config.n_embd,
        n_heads=config.n_head,
        n_kv_heads=n_kv_heads,
        d_head=config.n_embd // config.n_head,
        d_ff=config.n_inner or 4 * config.n_embd,
        vocab_size=config.vocab_size,
        n_positions=config.n_positions,
        eps=float(config.layer_norm_epsilon),
        gated=False,
        activation=read_activation(config, "activation_function", gated=False),
        rotary=False,
    )

    def linear(name: str, norm: str | None = None) -> FloatLinear:
        return weights.linear([name], norm, transposed=transposed)

    def layer(index: int) -> FloatLayer:
        at = f"transformer.h.{index}"
        return FloatLayer(
            qkv(linear(f"{at}.attn.c_attn", f"{at}.ln_1"), shape, index),
            linear(f"{at}.attn.c_proj"),
            linear(f"{at}.mlp.c_fc", f"{at}.ln_2"),
            linear(f"{at}.mlp.c_proj"),
        )

    return FloatModel(
        shape,
        True,
        weights.rows("transformer.wte.weight"),
        weights["transformer.wpe.weight"],
        None,
        Layers(shape.n_layers, layer),
        weights.head("lm_head", "transformer.ln_f"),
    )
