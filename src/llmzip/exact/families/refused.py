"""Families that transformers knows and the exact engine does not run, by what they would need."""

from __future__ import annotations

NORMED_HEADS = "norms of queries and keys"
PARALLEL = "attention and feed-forward side by side"
EXPERTS = "mixtures of experts"
STATES = "layers with a state in place of attention"
NORMED_OUTPUTS = "norms on what a layer adds"
GELU_GATE = "gates of gelu"
RELU = "the activation relu"
SQUARED_RELU = "the activation relu²"
LINEAR_BIAS = "scores that fall off with distance (ALiBi)"
LATENT = "keys and values from a narrow latent"
WINDOWS = "windows that alternate from layer to layer"

_NEEDS: dict[str, tuple[str, ...]] = {
    "apertus": (NORMED_HEADS, "the activation xIELU"),
    "arcee": (SQUARED_RELU,),
    "bitnet": (SQUARED_RELU, "norms within sublayers"),
    "bloom": (LINEAR_BIAS, "a norm on the embedding"),
    "cohere2": (PARALLEL, WINDOWS),
    "deepseek_v2": (LATENT, EXPERTS),
    "deepseek_v3": (LATENT, EXPERTS),
    "diffllama": ("attention by differences",),
    "exaone4": (NORMED_HEADS, NORMED_OUTPUTS),
    "falcon_h1": (STATES,),
    "falcon_mamba": (STATES,),
    "gemma": (GELU_GATE,),
    "gemma2": (GELU_GATE, NORMED_OUTPUTS, WINDOWS, "soft caps"),
    "gemma3": (GELU_GATE, NORMED_HEADS, NORMED_OUTPUTS, WINDOWS),
    "gemma3_text": (GELU_GATE, NORMED_HEADS, NORMED_OUTPUTS, WINDOWS),
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
    "nanochat": (NORMED_HEADS, SQUARED_RELU, "soft caps"),
    "nemotron": (SQUARED_RELU,),
    "olmo2": (NORMED_HEADS, NORMED_OUTPUTS),
    "olmo3": (NORMED_HEADS, NORMED_OUTPUTS, WINDOWS),
    "olmoe": (NORMED_HEADS, EXPERTS),
    "opt": (RELU,),
    "persimmon": (NORMED_HEADS, SQUARED_RELU),
    "phimoe": (EXPERTS,),
    "qwen2_moe": (EXPERTS,),
    "qwen3_moe": (NORMED_HEADS, EXPERTS),
    "qwen3_next": (STATES, EXPERTS),
    "recurrent_gemma": (STATES,),
    "rwkv": (STATES,),
    "smollm3": ("layers without RoPE",),
    "zamba2": (STATES,),
}

NEEDS = {kind: ", ".join(what) for kind, what in _NEEDS.items()}
"""By what transformers calls a family: what stands between it and exact inference."""
