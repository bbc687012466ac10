"""A small model of transformers written as a GGUF, as llama.cpp's converter does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from small_gemma import UNKNOWN, small_gemma

Tensor = NDArray[np.float32]

_LLAMA = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "model.layers.": "blk.",
    "lm_head": "output",
}
_GEMMA = _LLAMA | {
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
_GPT2 = {
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
    "ln_1": "attn_norm",
    "ln_2": "ffn_norm",
    "transformer.wte": "token_embd",
    "transformer.wpe": "position_embd",
    "transformer.ln_f": "output_norm",
    "transformer.h.": "blk.",
}


def write_gguf(
    folder: Path,
    path: Path,
    values: Mapping[str, Any] | None = None,
    tensors: Mapping[str, Tensor] | None = None,
) -> Path:
    """Write the model of a folder; values and tensors: what else is to be in the file."""
    config = json.loads((folder / "config.json").read_text())
    kind = config["model_type"].removesuffix("_text")
    writer = gguf.GGUFWriter(path, kind)
    _SIZES.get(kind, _llama_sizes)(writer, config)
    if kind in ("gemma2", "gemma3"):
        _write_gemma_tokenizer(writer)
    else:
        _write_tokenizer(writer, json.loads((folder / "tokenizer.json").read_text()))
    for name, value in (values or {}).items():
        add: dict[type, Callable[[str, Any], None]] = {
            int: writer.add_uint32,
            float: writer.add_float32,
            str: writer.add_string,
            list: writer.add_array,
        }
        add[type(value)](f"{kind}.{name}", value)
    for name, tensor in load_file(folder / "model.safetensors").items():
        writer.add_tensor(_renamed(name, kind), _stored(name, tensor, config))
    for name, tensor in (tensors or {}).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _common_sizes(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])


def _llama_sizes(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    rope = config["rope_parameters"]
    d_head = config["hidden_size"] // config["num_attention_heads"]
    _common_sizes(writer, config)
    writer.add_rope_dimension_count(int(d_head * rope.get("partial_rotary_factor", 1.0)))
    writer.add_rope_freq_base(rope["rope_theta"])
    if "rms_norm_eps" in config:
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    else:
        writer.add_layer_norm_eps(config.get("norm_epsilon", config.get("layer_norm_eps")))


def _gemma_sizes(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    rope = config["rope_parameters"]
    _common_sizes(writer, config)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])
    writer.add_sliding_window(config["sliding_window"])
    for part in ("attn", "final"):
        if cap := config[f"{part}_logit_softcapping"]:
            writer.add_float32(f"{writer.arch}.{part}_logit_softcapping", cap)


def _gpt2_sizes(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_block_count(config["n_layer"])
    writer.add_feed_forward_length(config["n_inner"] or 4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])


_SIZES = {"gpt2": _gpt2_sizes, "gemma2": _gemma_sizes, "gemma3": _gemma_sizes}


def _write_gemma_tokenizer(writer: gguf.GGUFWriter) -> None:
    tokens, kinds = small_gemma()
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(at) for at in range(len(tokens))])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(1)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_pad_token_id(0)
    writer.add_add_space_prefix(False)


def _write_tokenizer(writer: gguf.GGUFWriter, spec: dict[str, Any]) -> None:
    vocab: dict[str, int] = spec["model"]["vocab"]
    known = {token["content"]: token["id"] for token in spec["added_tokens"]}
    tokens = sorted({**vocab, **known}.items(), key=lambda item: item[1])
    merges = [m if isinstance(m, str) else " ".join(m) for m in spec["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([token for token, _ in tokens])
    writer.add_token_types([3 if token in known else 1 for token, _ in tokens])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_pad_token_id(0)


def _renamed(name: str, kind: str) -> str:
    for ours, theirs in {"gpt2": _GPT2, "gemma2": _GEMMA, "gemma3": _GEMMA}.get(
        kind, _LLAMA
    ).items():
        name = name.replace(ours, theirs)
    return name


def _stored(name: str, tensor: Tensor, config: dict[str, Any]) -> Tensor:
    """The tensor as llama.cpp has it: neighbours rotated, linears as (outputs, inputs)."""
    if config["model_type"] in ("gemma2", "gemma3_text"):
        return tensor + 1 if "norm" in name else tensor
    if config["model_type"] == "gpt2":
        is_linear = ".c_" in name and name.endswith(".weight")
        return np.ascontiguousarray(tensor.T if is_linear else tensor)
    heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
    part = name.split(".")[-2]
    if part not in heads or config["model_type"] != "llama":
        return tensor
    by_half = tensor.reshape(config[heads[part]], 2, -1, tensor.shape[1])
    return np.ascontiguousarray(by_half.swapaxes(1, 2).reshape(tensor.shape))
