"""Small models of every family that the exact engine runs, as transformers makes them.

Their widths are such that every way of computing takes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

N_POSITIONS, VOCAB_SIZE = 96, 256
_COMMON: dict[str, Any] = {
    "vocab_size": VOCAB_SIZE,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": None,
}
_GPT2: dict[str, Any] = {
    "n_positions": N_POSITIONS,
    "n_embd": 128,
    "n_layer": 2,
    "n_head": 2,
    "n_inner": 128,
}
_GPT2 |= {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
_LLAMA: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": N_POSITIONS,
    "attention_dropout": 0.0,
}
_WITH_HEAD_DIM = _LLAMA | {"head_dim": 64}
_STRETCHED = {"factor": 4.0, "rope_theta": 10000.0}


@dataclass(frozen=True)
class Variant:
    """A family, and what of its configuration is not as usual.

    n_positions: as many as the engine takes of it.
    """

    kind: str
    changes: dict[str, Any] = field(default_factory=dict)
    n_positions: int = N_POSITIONS

    @property
    def options(self) -> dict[str, Any]:
        """All that its configuration says."""
        return _COMMON | _SIZES.get(self.kind, _LLAMA) | self.changes


def _rope(kind: str, **values: Any) -> dict[str, Any]:
    return {"rope_parameters": _STRETCHED | {"rope_type": kind} | values}


_LLAMA3 = _rope(
    "llama3", low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=24
)
_LONGROPE = _rope(
    "longrope",
    short_factor=[1.0 + i / 40 for i in range(32)],
    long_factor=[2.0] * 32,
    factor=None,
    original_max_position_embeddings=48,
) | {"original_max_position_embeddings": 48}
_YARN = _rope("yarn", original_max_position_embeddings=24)
_OTHER_YARN = _rope(
    "yarn",
    mscale=0.7,
    mscale_all_dim=1.2,
    beta_fast=4.0,
    truncate=False,
    original_max_position_embeddings=24,
)
_OPT = {"ffn_dim": 128, "word_embed_proj_dim": 128, "dropout": 0.0}
_FALCON: dict[str, Any] = {"alibi": False, "ffn_hidden_size": 128, "activation": "gelu_new"}
_SIZES: dict[str, dict[str, Any]] = dict.fromkeys(("gpt2", "gpt_bigcode", "gptj", "codegen"), _GPT2)
_OWN_HEADS = (
    "nemotron",
    "gemma",
    "glm",
    "ernie4_5",
    "helium",
    "seed_oss",
    "qwen3",
    "hunyuan_v1_dense",
)
_SIZES |= dict.fromkeys(_OWN_HEADS, _WITH_HEAD_DIM)
_SIX_LAYERS = _LLAMA | {
    "hidden_size": 192,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "sliding_window": 8,
}
_SIZES |= {
    "gpt_neo": {
        "max_position_embeddings": N_POSITIONS,
        "hidden_size": 128,
        "num_layers": 2,
        "num_heads": 2,
        "intermediate_size": 128,
        "attention_types": [[["global", "local"], 1]],
        "window_size": 20,
        "embed_dropout": 0.0,
        "resid_dropout": 0.0,
    },
    "gemma2": _SIX_LAYERS | {"query_pre_attn_scalar": 24, "num_key_value_heads": 2},
    "vaultgemma": _SIX_LAYERS | {"num_hidden_layers": 2, "query_pre_attn_scalar": 24},
    "gemma3_text": _SIX_LAYERS | {"query_pre_attn_scalar": 24},
    "glm4": _LLAMA | {"hidden_size": 96, "head_dim": 32, "partial_rotary_factor": 0.5},
    "olmo2": _LLAMA | {"hidden_size": 192, "num_attention_heads": 6, "num_key_value_heads": 3},
    "olmo3": _LLAMA | {"hidden_size": 64, "num_hidden_layers": 4, "sliding_window": 12},
    "exaone4": _SIX_LAYERS | {"hidden_size": 64, "num_hidden_layers": 4, "head_dim": 16},
    "smollm3": _LLAMA | {"num_hidden_layers": 4, "sliding_window": None},
    "cohere2": _LLAMA | {"num_hidden_layers": 4, "sliding_window": 20, "logit_scale": 0.5},
}
_SIZES["opt"] = _LLAMA | _OPT

VARIANTS: dict[str, Variant] = {
    "gpt2": Variant("gpt2"),
    "gpt2, scores by layer": Variant("gpt2", {"scale_attn_by_inverse_layer_idx": True}),
    "gpt2, scores as they are": Variant("gpt2", {"scale_attn_weights": False}),
    "gpt2, upcast": Variant("gpt2", {"reorder_and_upcast_attn": True}),
    "gpt2, tanh": Variant("gpt2", {"activation_function": "gelu_pytorch_tanh"}),
    "gpt2, erf": Variant("gpt2", {"activation_function": "gelu"}),
    "gpt_bigcode": Variant("gpt_bigcode"),
    "gpt_bigcode, all heads": Variant(
        "gpt_bigcode", {"multi_query": False, "scale_attn_weights": False}
    ),
    "llama": Variant("llama"),
    "llama, llama3": Variant("llama", _LLAMA3 | {"tie_word_embeddings": True}),
    "llama, linear": Variant("llama", _rope("linear")),
    "llama, yarn": Variant("llama", _YARN),
    "llama, yarn by another": Variant("llama", _OTHER_YARN),
    "llama, dynamic": Variant("llama", _rope("dynamic")),
    "mistral": Variant("mistral", {"sliding_window": None}),
    "mistral, window": Variant("mistral", {"sliding_window": 40}, 40),
    "qwen2": Variant("qwen2"),
    "qwen2, window": Variant(
        "qwen2", {"use_sliding_window": True, "sliding_window": 40, "max_window_layers": 1}, 40
    ),
    "phi3": Variant("phi3"),
    "phi3, partial": Variant("phi3", {"partial_rotary_factor": 0.75, "sliding_window": 40}, 40),
    "phi3, longrope": Variant("phi3", _LONGROPE, 48),
    "granite": Variant(
        "granite",
        {
            "embedding_multiplier": 6.0,
            "attention_multiplier": 0.1,
            "residual_multiplier": 0.4,
            "logits_scaling": 3.0,
        },
    ),
    "olmo": Variant("olmo"),
    "stablelm": Variant("stablelm", {"use_qkv_bias": True}),
    "starcoder2": Variant("starcoder2", {"sliding_window": None}),
    "starcoder2, window": Variant("starcoder2", {"sliding_window": 40, "hidden_act": "gelu"}, 40),
    "glm": Variant("glm"),
    "ernie4_5": Variant("ernie4_5", {"use_bias": True}),
    "helium": Variant("helium"),
    "qwen3": Variant("qwen3"),
    "qwen3, yarn": Variant("qwen3", _YARN | {"attention_bias": True}),
    "hunyuan_v1_dense": Variant("hunyuan_v1_dense"),
    "hunyuan_v1_dense, yarn": Variant("hunyuan_v1_dense", _YARN),
    "hunyuan_v1_dense, alpha": Variant("hunyuan_v1_dense", _rope("dynamic", alpha=50.0)),
    "stablelm, normed heads": Variant("stablelm", {"qk_layernorm": True}),
    "gpt2, relu": Variant("gpt2", {"activation_function": "relu"}),
    "opt": Variant("opt"),
    "arcee": Variant("arcee", {"mlp_bias": True}),
    "nemotron": Variant("nemotron"),
    "gemma": Variant("gemma"),
    "llama, gelu": Variant("llama", {"hidden_act": "gelu_pytorch_tanh"}),
    "stablelm, side by side": Variant("stablelm", {"use_parallel_residual": True}),
    "cohere": Variant("cohere", {"logit_scale": 0.5}),
    "cohere, normed heads": Variant("cohere", {"use_qk_norm": True}),
    "phi": Variant("phi", {"resid_pdrop": 0.0}),
    "gpt_neox": Variant("gpt_neox", {"hidden_act": "gelu_new"}),
    "gpt_neox, one by one": Variant(
        "gpt_neox", {"use_parallel_residual": False, "hidden_act": "gelu_new"}
    ),
    "gptj": Variant("gptj", {"rotary_dim": 16}),
    "codegen": Variant("codegen", {"n_head": 4, "n_embd": 256, "rotary_dim": 32}),
    "falcon": Variant("falcon", _FALCON),
    "falcon, of groups": Variant(
        "falcon",
        _FALCON
        | {
            "new_decoder_architecture": True,
            "num_kv_heads": 2,
            "num_attention_heads": 4,
            "hidden_size": 256,
        },
    ),
    "falcon, all heads": Variant(
        "falcon", _FALCON | {"multi_query": False, "parallel_attn": False, "bias": True}
    ),
    "seed_oss": Variant("seed_oss", {"attention_out_bias": True, "residual_dropout": 0.0}),
    "gemma2": Variant("gemma2"),
    "gemma2, low caps": Variant(
        "gemma2",
        {"num_hidden_layers": 2, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 6.0},
    ),
    "gemma2, no caps": Variant(
        "gemma2",
        {"num_hidden_layers": 2, "attn_logit_softcapping": None, "final_logit_softcapping": None},
    ),
    "vaultgemma": Variant("vaultgemma"),
    "gemma3_text": Variant("gemma3_text"),
    "gemma3_text, scaled": Variant(
        "gemma3_text",
        {
            "rope_parameters": {
                "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            }
        },
    ),
    "glm4": Variant("glm4"),
    "olmo2": Variant("olmo2"),
    "olmo3": Variant("olmo3"),
    "exaone4": Variant("exaone4"),
    "exaone4, no windows": Variant(
        "exaone4", {"sliding_window": None, "layer_types": ["full_attention"] * 4}
    ),
    "smollm3": Variant("smollm3"),
    "smollm3, window": Variant("smollm3", {"use_sliding_window": True, "sliding_window": 12}),
    "cohere2": Variant("cohere2"),
    "gpt_neo": Variant("gpt_neo"),
}


def random_model(variant: Variant, spread: float = 0.2) -> Any:
    """A model whose gains and biases matter, too."""
    from transformers import AutoConfig, AutoModelForCausalLM

    options = variant.options | {"initializer_range": spread}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        config = AutoConfig.for_model(variant.kind, **options)
        model = AutoModelForCausalLM.from_config(config).eval()
        for name, weights in model.named_parameters():
            if "bias" in name or "norm" in name or "ln_" in name:
                weights.data += 0.3 * torch.randn_like(weights)
    return model
