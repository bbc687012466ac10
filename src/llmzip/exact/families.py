"""The architectures that the engine runs: transformers' models as FloatModel.

One function a family reads the configuration, refuses what it would compute wrongly,
and names the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.errors import ModelUnsupportedError
from llmzip.exact.checks import MOST_TOKENS, check_shape
from llmzip.exact.floats import FloatLayer, FloatLinear, FloatModel
from llmzip.exact.model import ModelShape

Array = NDArray[np.float64]


MOST_ROPE_THETA = 1e15


class Weights:
    """The tensors of a transformers model, by name, as float64 arrays."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._state = state

    def __contains__(self, name: str) -> bool:
        return name in self._state

    def __getitem__(self, name: str) -> Array:
        tensor = self._state[name].detach().cpu()
        array: Array = tensor.double().numpy()
        if not np.isfinite(array).all():
            raise ModelUnsupportedError(
                f"weights {name} hold infinities or NaN; get the model anew"
            )
        return array

    def optional(self, name: str) -> Array | None:
        """The tensor, or None if the model has none of that name."""
        return self[name] if name in self else None  # noqa: SIM401 - no mapping, no get


def read_model(model: Any) -> FloatModel:
    """Read a transformers causal language model.

    Raises ModelUnsupportedError for an architecture or a switch that the engine lacks.
    """
    kind = require_family(model.config)
    if model.config.vocab_size >= MOST_TOKENS:
        raise ModelUnsupportedError(
            f"the exact engine runs vocabularies of fewer than {MOST_TOKENS:,} tokens, "
            f"not {model.config.vocab_size:,}; try --float"
        )
    return FAMILIES[kind](model.config, Weights(model.state_dict()))


def require_family(config: Any) -> str:
    """Return what family a configuration is of. Raises ModelUnsupportedError for one we lack."""
    kind = str(getattr(config, "model_type", "unknown"))
    if kind not in FAMILIES:
        known = ", ".join(sorted(FAMILIES))
        raise ModelUnsupportedError(
            f"the exact engine runs {known}, not {kind}; --float runs it, tied to one machine"
        )
    return kind


def _require(config: Any, name: str, wanted: Any) -> None:
    value = getattr(config, name, wanted)
    if value != wanted:
        raise ModelUnsupportedError(
            f"the exact engine needs {name}={wanted}, the model has {value}; try --float"
        )


def _possible(**sizes: Any) -> ModelShape:
    """The shape of these sizes. Raises ModelUnsupportedError where we would not run it."""
    try:
        shape = ModelShape(**sizes)
        check_shape(shape)
    except ValueError as exc:
        raise ModelUnsupportedError(f"the exact engine does not run such a model: {exc}") from exc
    return shape


def _gpt2(config: Any, weights: Weights) -> FloatModel:
    """GPT-2: LayerNorm, learned positions, gelu_new, weights stored (in, out)."""
    _require(config, "activation_function", "gelu_new")
    _require(config, "scale_attn_weights", True)
    _require(config, "scale_attn_by_inverse_layer_idx", False)
    _require(config, "add_cross_attention", False)
    shape = _possible(
        n_layers=config.n_layer,
        d_model=config.n_embd,
        n_heads=config.n_head,
        n_kv_heads=config.n_head,
        d_head=config.n_embd // config.n_head,
        d_ff=config.n_inner or 4 * config.n_embd,
        vocab_size=config.vocab_size,
        n_positions=config.n_positions,
        eps=float(config.layer_norm_epsilon),
        gated=False,
        rotary=False,
    )

    def linear(name: str, norm: str | None = None) -> FloatLinear:
        own = weights[f"{name}.weight"].T, weights[f"{name}.bias"]
        if norm is None:
            return FloatLinear(*own)
        return FloatLinear(*own, weights[f"{norm}.weight"], weights[f"{norm}.bias"])

    def layer(at: str) -> FloatLayer:
        return FloatLayer(
            linear(f"{at}.attn.c_attn", f"{at}.ln_1"),
            linear(f"{at}.attn.c_proj"),
            linear(f"{at}.mlp.c_fc", f"{at}.ln_2"),
            linear(f"{at}.mlp.c_proj"),
        )

    norm = [weights[f"transformer.ln_f.{part}"] for part in ("weight", "bias")]
    return FloatModel(
        shape,
        True,
        weights["transformer.wte.weight"],
        weights["transformer.wpe.weight"],
        None,
        tuple(layer(f"transformer.h.{i}") for i in range(shape.n_layers)),
        FloatLinear(weights["lm_head.weight"], None, *norm),
    )


def _llama(config: Any, weights: Weights) -> FloatModel:
    """Llama: RMSNorm, RoPE, SwiGLU, grouped-query attention, tied or separate head."""
    _require(config, "hidden_act", "silu")
    n_heads = config.num_attention_heads
    shape = _possible(
        n_layers=config.num_hidden_layers,
        d_model=config.hidden_size,
        n_heads=n_heads,
        n_kv_heads=config.num_key_value_heads or n_heads,
        d_head=getattr(config, "head_dim", None) or config.hidden_size // n_heads,
        d_ff=config.intermediate_size,
        vocab_size=config.vocab_size,
        n_positions=config.max_position_embeddings,
        eps=float(config.rms_norm_eps),
        gated=True,
        rotary=True,
    )

    def linear(*names: str, norm: str | None = None) -> FloatLinear:
        rows = np.concatenate([weights[f"{name}.weight"] for name in names])
        biases = [weights.optional(f"{name}.bias") for name in names]
        known = [bias for bias in biases if bias is not None]
        gain = None if norm is None else weights[f"{norm}.weight"]
        return FloatLinear(rows, np.concatenate(known) if known else None, gain)

    def layer(at: str) -> FloatLayer:
        qkv = (f"{at}.self_attn.{part}_proj" for part in "qkv")
        return FloatLayer(
            linear(*qkv, norm=f"{at}.input_layernorm"),
            linear(f"{at}.self_attn.o_proj"),
            linear(
                f"{at}.mlp.gate_proj", f"{at}.mlp.up_proj", norm=f"{at}.post_attention_layernorm"
            ),
            linear(f"{at}.mlp.down_proj"),
        )

    return FloatModel(
        shape,
        False,
        weights["model.embed_tokens.weight"],
        None,
        _rope_theta(config),
        tuple(layer(f"model.layers.{i}") for i in range(shape.n_layers)),
        FloatLinear(weights["lm_head.weight"], None, weights["model.norm.weight"]),
    )


def _rope_theta(config: Any) -> float:
    """RoPE's base, from the configuration of older and newer transformers alike."""
    known = (getattr(config, name, None) for name in ("rope_parameters", "rope_scaling"))
    parameters: dict[str, Any] = next((value for value in known if value), {})
    kind = parameters.get("rope_type", parameters.get("type", "default"))
    if kind != "default":
        raise ModelUnsupportedError(f"the exact engine lacks RoPE scaling {kind}; try --float")
    theta = float(parameters.get("rope_theta", getattr(config, "rope_theta", 10000.0)))
    if not 1.0 <= theta <= MOST_ROPE_THETA:
        raise ModelUnsupportedError(f"the exact engine lacks RoPE with a base of {theta}")
    return theta


FAMILIES: dict[str, Callable[[Any, Weights], FloatModel]] = {"gpt2": _gpt2, "llama": _llama}
