"""Families that transformers knows and the exact engine does not run, by what they would need."""

from __future__ import annotations

NORMED_WITH_BIAS = "norms of queries and keys with a bias"
CAPS = "soft caps"
EXPERTS = "mixtures of experts"
STATES = "layers with a state in place of attention"
LINEAR_BIAS = "scores that fall off with distance (ALiBi)"
LATENT = "keys and values from a narrow latent"

_NEEDS: dict[str, tuple[str, ...]] = {
    "apertus": ("the activation xIELU",),
    "bitnet": ("norms within sublayers",),
    "bloom": (LINEAR_BIAS, "a norm on the embedding"),
    "deepseek_v2": (LATENT, EXPERTS),
    "deepseek_v3": (LATENT, EXPERTS),
    "diffllama": ("attention by differences",),
    "falcon_h1": (STATES,),
    "falcon_mamba": (STATES,),
    "gemma3": ("images beside text",),
    "gpt_oss": (EXPERTS, "attention sinks"),
    "granitemoe": (EXPERTS,),
    "jamba": (STATES, EXPERTS),
    "jetmoe": (EXPERTS,),
    "mamba": (STATES,),
    "mamba2": (STATES,),
    "minicpm3": (LATENT,),
    "mixtral": (EXPERTS,),
    "mpt": (LINEAR_BIAS,),
    "nanochat": ("a norm on the embedding", CAPS),
    "olmoe": (EXPERTS,),
    "persimmon": (NORMED_WITH_BIAS,),
    "phimoe": (EXPERTS,),
    "qwen2_moe": (EXPERTS,),
    "qwen3_moe": (EXPERTS,),
    "qwen3_next": (STATES, EXPERTS),
    "recurrent_gemma": (STATES,),
    "rwkv": (STATES,),
    "zamba2": (STATES,),
}

NEEDS = {kind: ", ".join(what) for kind, what in _NEEDS.items()}
"""By what transformers calls a family: what stands between it and exact inference."""
