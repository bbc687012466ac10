"""OPT: LayerNorm, learned positions, relu."""

from __future__ import annotations

from typing import Any

from llmzip.exact.families.switches import possible, read_activation, require
from llmzip.exact.families.weights import Weights
from llmzip.exact.floats import FloatLayer, FloatModel, Layers

_FIRST = 2
"""Where the first position stands in the table; those before are for padding."""
_QKV = "q_proj", "k_proj", "v_proj"


def read_opt(config: Any, weights: Weights) -> FloatModel:
    """OPT, all sizes but the one whose norms come behind (350M)."""
    require(config, "do_layer_norm_before", True, "norms behind attention and feed-forward")
    require(config, "word_embed_proj_dim", config.hidden_size, "an embedding of another width")
    require(config, "_remove_final_layer_norm", False, "a head without a norm")
    shape = possible(
        n_layers=config.num_hidden_layers,
        d_model=config.hidden_size,
        n_heads=config.num_attention_heads,
        n_kv_heads=config.num_attention_heads,
        d_head=config.hidden_size // config.num_attention_heads,
        d_ff=config.ffn_dim,
        vocab_size=config.vocab_size,
        n_positions=config.max_position_embeddings,
        eps=1e-5,
        gated=False,
        activation=read_activation(config, "activation_function", gated=False),
        rotary=False,
    )

    def layer(index: int) -> FloatLayer:
        at = f"model.decoder.layers.{index}"
        qkv = [f"{at}.self_attn.{name}" for name in _QKV]
        return FloatLayer(
            weights.linear(qkv, f"{at}.self_attn_layer_norm"),
            weights.linear([f"{at}.self_attn.out_proj"]),
            weights.linear([f"{at}.fc1"], f"{at}.final_layer_norm"),
            weights.linear([f"{at}.fc2"]),
        )

    return FloatModel(
        shape,
        True,
        weights.rows("model.decoder.embed_tokens.weight"),
        weights["model.decoder.embed_positions.weight"][_FIRST:],
        None,
        Layers(shape.n_layers, layer),
        weights.head("lm_head", "model.decoder.final_layer_norm"),
    )
