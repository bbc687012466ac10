"""The families that RoPE turns, by what transformers calls them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from llmzip.exact.families import layered
from llmzip.exact.families.heads import Rows
from llmzip.exact.families.refused import CAPS, LINEAR_BIAS, NORMED_WITH_BIAS
from llmzip.exact.families.rotary import Multipliers, Names, RotaryFamily
from llmzip.exact.families.switches import lacking, multiplier
from llmzip.exact.shape import ModelShape


def _always(_config: Any) -> bool:
    return True


def _use_parallel_residual(config: Any) -> bool:
    return bool(config.use_parallel_residual)


def _falcon_is_parallel(config: Any) -> bool:
    return bool(config.new_decoder_architecture or config.parallel_attn)


def _as_many(config: Any) -> int:
    return int(config.num_attention_heads)


def _falcon_heads(config: Any) -> int:
    if config.new_decoder_architecture:
        return int(config.num_kv_heads)
    return 1 if config.multi_query else _as_many(config)


def _by_head(_config: Any, shape: ModelShape) -> Rows:
    """From a query, its key and its value, head after head."""
    rows = np.arange(shape.d_qkv).reshape(shape.n_heads, 3, shape.d_head)
    return rows.transpose(1, 0, 2).reshape(-1)


def _by_group(_config: Any, shape: ModelShape) -> Rows:
    """From the queries of a KV head, its key and its value, one KV head after the other."""
    rows = np.arange(shape.d_qkv).reshape(shape.n_kv_heads, -1, shape.d_head)
    return np.concatenate([part.reshape(-1) for part in (rows[:, :-2], rows[:, -2], rows[:, -1])])


def _by_quarter(_config: Any, shape: ModelShape) -> Rows:
    """From queries, values and keys of a quarter of the heads, one quarter after the other."""
    queries, values, keys = np.arange(shape.d_qkv).reshape(4, 3, -1).transpose(1, 0, 2)
    return np.concatenate([queries, keys, values]).reshape(-1)


def _granite(config: Any, d_head: int) -> Multipliers:
    return Multipliers(
        embedding=multiplier(config, "embedding_multiplier"),
        score=multiplier(config, "attention_multiplier") * float(np.sqrt(float(d_head))),
        branch=multiplier(config, "residual_multiplier"),
        logit=1.0 / multiplier(config, "logits_scaling"),
    )


def _gemma(config: Any, _: int) -> Multipliers:
    return Multipliers(embedding=float(np.sqrt(float(config.hidden_size))))


def _gemma2(config: Any, d_head: int) -> Multipliers:
    scalar = multiplier(config, "query_pre_attn_scalar")
    if scalar < 0:
        raise lacking(f"scores by the root of less than nothing (query_pre_attn_scalar={scalar})")
    score = float(np.sqrt(float(d_head)) / np.sqrt(scalar))
    return replace(_gemma(config, d_head), score=score)


def _cohere(config: Any, _: int) -> Multipliers:
    return Multipliers(logit=multiplier(config, "logit_scale"))


_CAUSAL = ("use_bidirectional_attention", None, "a view of later tokens")
_GPTJ = RotaryFamily(
    up=("fc_in",),
    names=Names(
        layer="transformer.h",
        attention="attn",
        out="out_proj",
        down="fc_out",
        first_norms=("ln_1",),
        embedding="transformer.wte",
        last_norm="transformer.ln_f",
    ),
    n_kv_heads=_as_many,
    gated=False,
    activation="activation_function",
    parallel=_always,
    centred=True,
    eps="layer_norm_epsilon",
    interleaved=True,
    rotated="rotary_dim",
)
_GEMMA2 = RotaryFamily(
    names=Names(second_norms=("pre_feedforward_layernorm",)),
    activation="hidden_activation",
    norms="both",
    layers=layered.windows_by_kind,
    gain_shift=1.0,
    multipliers=_gemma2,
    capped=True,
    needs=(_CAUSAL,),
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
        parallel=_use_parallel_residual,
    ),
    "starcoder2": RotaryFamily(
        up=("c_fc",),
        names=Names(down="c_proj"),
        gated=False,
        centred=True,
        eps="norm_epsilon",
        windowed=True,
    ),
    "glm": RotaryFamily(up=("gate_up_proj",), interleaved=True, rotated=0.5),
    "ernie4_5": RotaryFamily(interleaved=True),
    "helium": RotaryFamily(interleaved=True),
    "seed_oss": RotaryFamily(),
    "arcee": RotaryFamily(up=("up_proj",), gated=False),
    "nemotron": RotaryFamily(
        up=("up_proj",), gated=False, centred=True, gain_shift=1.0, eps="norm_eps", rotated=0.5
    ),
    "gemma": RotaryFamily(
        gain_shift=1.0,
        multipliers=_gemma,
        needs=(_CAUSAL,),
    ),
    "gemma2": _GEMMA2,
    "vaultgemma": replace(_GEMMA2, norms=""),
    "gemma3_text": RotaryFamily(
        names=Names(second_norms=("pre_feedforward_layernorm",)),
        activation="hidden_activation",
        norms="both",
        layers=layered.by_kind,
        gain_shift=1.0,
        head_norm="before",
        multipliers=_gemma2,
        needs=(
            _CAUSAL,
            ("attn_logit_softcapping", None, CAPS),
            ("final_logit_softcapping", None, CAPS),
        ),
    ),
    "glm4": RotaryFamily(
        up=("gate_up_proj",),
        names=Names(added_norms=("post_self_attn_layernorm", "post_mlp_layernorm")),
        norms="both",
        interleaved=True,
        rotated=0.5,
    ),
    "olmo2": RotaryFamily(norms="after", head_norm="whole"),
    "olmo3": RotaryFamily(norms="after", head_norm="whole", layers=layered.by_kind),
    "exaone4": RotaryFamily(
        norms="after", head_norm="before", layers=layered.turned_if_sliding_or_all
    ),
    "smollm3": RotaryFamily(layers=layered.turned_if_named),
    "cohere2": RotaryFamily(
        centred=True,
        eps="layer_norm_eps",
        interleaved=True,
        parallel=_always,
        layers=layered.turned_if_sliding,
        multipliers=_cohere,
    ),
    "cohere": RotaryFamily(
        centred=True,
        eps="layer_norm_eps",
        interleaved=True,
        parallel=_always,
        head_norm="before",
        head_norm_if="use_qk_norm",
        multipliers=_cohere,
    ),
    "phi": RotaryFamily(
        up=("fc1",),
        names=Names(out="dense", down="fc2", last_norm="model.final_layernorm"),
        gated=False,
        parallel=_always,
        centred=True,
        eps="layer_norm_eps",
        rotated=0.5,
        needs=(("qk_layernorm", False, NORMED_WITH_BIAS),),
    ),
    "gpt_neox": RotaryFamily(
        qkv=("query_key_value",),
        up=("dense_h_to_4h",),
        names=Names(
            layer="gpt_neox.layers",
            attention="attention",
            out="dense",
            down="dense_4h_to_h",
            embedding="gpt_neox.embed_in",
            last_norm="gpt_neox.final_layer_norm",
            heads=("lm_head", "embed_out"),
        ),
        rows=_by_head,
        n_kv_heads=_as_many,
        gated=False,
        parallel=_use_parallel_residual,
        centred=True,
        eps="layer_norm_eps",
        rotated=1.0,
    ),
    "gptj": _GPTJ,
    "codegen": replace(_GPTJ, qkv=("qkv_proj",), rows=_by_quarter),
    "falcon": RotaryFamily(
        qkv=("query_key_value",),
        up=("dense_h_to_4h",),
        names=Names(
            layer="transformer.h",
            attention="self_attention",
            out="dense",
            down="dense_4h_to_h",
            first_norms=("input_layernorm", "ln_attn"),
            second_norms=("post_attention_layernorm", "ln_mlp"),
            embedding="transformer.word_embeddings",
            last_norm="transformer.ln_f",
        ),
        rows=_by_group,
        n_kv_heads=_falcon_heads,
        gated=False,
        activation="activation",
        parallel=_falcon_is_parallel,
        centred=True,
        eps="layer_norm_epsilon",
        needs=(("alibi", False, LINEAR_BIAS),),
    ),
}
"""The families, by what transformers calls them."""
