"""Families that transformers knows and the exact engine does not run, by what they would need."""

from __future__ import annotations

NORMED_WHOLE = "norms of queries and keys over all heads"
NORMED_WITH_BIAS = "norms of queries and keys with a bias"
UNTURNED = "layers without RoPE"
EXPERTS = "mixtures of experts"
STATES = "layers with a state in place of attention"
NORMED_OUTPUTS = "norms on what a layer adds"
LINEAR_BIAS = "scores that fall off with distance (ALiBi)"
LATENT = "keys and values from a narrow latent"
WINDOWS = "windows that alternate from layer to layer"

_NEEDS: dict[str, tuple[str, ...]] = {
    "apertus": ("the activation xIELU",),
    "bitnet": ("norms within sublayers",),
    "bloom": (LINEAR_BIAS, "a norm on the embedding"),
    "cohere2": (WINDOWS, UNTURNED),
    "deepseek_v2": (LATENT, EXPERTS),
    "deepseek_v3": (LATENT, EXPERTS),
    "diffllama": ("attention by differences",),
    "exaone4": (NORMED_OUTPUTS, WINDOWS, UNTURNED),
    "falcon_h1": (STATES,),
    "falcon_mamba": (STATES,),
    "gemma2": (NORMED_OUTPUTS, WINDOWS, "soft caps"),
    "gemma3": (NORMED_OUTPUTS, WINDOWS),
    "gemma3_text": (NORMED_OUTPUTS, WINDOWS),
    "glm4": (NORMED_OUTPUTS,),
    "gpt_neo": (WINDOWS,),
    "gpt_oss": (EXPERTS, "attention sinks"),
    "granitemoe": (EXPERTS,),
    "jamba": (STATES, EXPERTS),
    "jetmoe": (EXPERTS,),
    "mamba": (STATES,),
    "mamba2": (STATES,),
    "minicpm3": (LATENT,),
    "mixtral": (EXPERTS,),
    "mpt": (LINEAR_BIAS,),
    "nanochat": ("a norm on the embedding", "soft caps"),
    "olmo2": (NORMED_WHOLE, NORMED_OUTPUTS),
    "olmo3": (NORMED_WHOLE, NORMED_OUTPUTS, WINDOWS),
    "olmoe": (NORMED_WHOLE, EXPERTS),
    "persimmon": (NORMED_WITH_BIAS,),
    "phimoe": (EXPERTS,),
    "qwen2_moe": (EXPERTS,),
    "qwen3_moe": (EXPERTS,),
    "qwen3_next": (STATES, EXPERTS),
    "recurrent_gemma": (STATES,),
    "rwkv": (STATES,),
    "smollm3": (UNTURNED,),
    "zamba2": (STATES,),
}

NEEDS = {kind: ", ".join(what) for kind, what in _NEEDS.items()}
"""By what transformers calls a family: what stands between it and exact inference."""
