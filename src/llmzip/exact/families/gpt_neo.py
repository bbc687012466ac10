"""GPT-Neo: LayerNorm, learned positions, windows in some layers, scores as they are."""

from __future__ import annotations

from typing import Any

from llmzip.exact.families import heads
from llmzip.exact.families.switches import lacking, possible, read_activation
from llmzip.exact.families.weights import Weights
from llmzip.exact.floats import FloatLayer, FloatModel, Layers

_QKV = "q_proj", "k_proj", "v_proj"


def read_gpt_neo(config: Any, weights: Weights) -> FloatModel:
    """GPT-Neo, all sizes."""
    shape = possible(
        n_layers=config.num_layers,
        d_model=config.hidden_size,
        n_heads=config.num_heads,
        n_kv_heads=config.num_heads,
        d_head=config.hidden_size // config.num_heads,
        d_ff=config.intermediate_size or 4 * config.hidden_size,
        vocab_size=config.vocab_size,
        n_positions=config.max_position_embeddings,
        eps=float(config.layer_norm_epsilon),
        gated=False,
        activation=read_activation(config, "activation_function", gated=False),
        rotary=False,
        layer_window=_windows(config),
    )

    def layer(index: int) -> FloatLayer:
        at = f"transformer.h.{index}"
        qkv = weights.linear([f"{at}.attn.attention.{name}" for name in _QKV], f"{at}.ln_1")
        return FloatLayer(
            heads.scaled(qkv, shape, heads.root(shape)),
            weights.linear([f"{at}.attn.attention.out_proj"]),
            weights.linear([f"{at}.mlp.c_fc"], f"{at}.ln_2"),
            weights.linear([f"{at}.mlp.c_proj"]),
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


def _windows(config: Any) -> tuple[int, ...]:
    """Keys that each layer sees; 0: all."""
    kinds, window = list(config.attention_layers), int(config.window_size)
    if len(kinds) != config.num_layers or not set(kinds) <= {"global", "local"} or window < 1:
        raise lacking(f"layers of the kinds {str(kinds)[:60]}")
    is_local = [kind == "local" and window < config.max_position_embeddings for kind in kinds]
    return tuple(window if local else 0 for local in is_local) if any(is_local) else ()
