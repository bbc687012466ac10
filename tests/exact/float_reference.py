"""A FloatModel run in float64, as a textbook would: what the exact engine approximates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.floats import FloatLayer, FloatLinear, FloatModel

Array = NDArray[np.float64]


def logits(model: FloatModel, ids: NDArray[np.int64]) -> Array:
    """Natural-log logits (T, vocab_size) after each of the tokens ids (T,)."""
    x = np.asarray(model.embedding)[ids]
    if model.positions is not None:
        x = x + model.positions[: len(ids)]
    for layer in model.layers:
        before = x
        x = x + _linear(layer.out, _attention(model, layer, _normed(model, layer.qkv, x)))
        taken = before if model.shape.parallel else x
        x = x + _linear(layer.down, _active(model, _normed(model, layer.up, taken)))
    return _normed(model, model.head, x)


def _linear(linear: FloatLinear, x: Array) -> Array:
    y: Array = x @ np.asarray(linear.weight).T
    return y if linear.bias is None else y + linear.bias


def _normed(model: FloatModel, linear: FloatLinear, x: Array) -> Array:
    """The linear behind its norm."""
    if model.centred:
        x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + model.shape.eps)
    assert linear.norm_gain is not None
    x = x * linear.norm_gain
    return _linear(linear, x if linear.norm_bias is None else x + linear.norm_bias)


def _active(model: FloatModel, up: Array) -> Array:
    if not model.shape.gated:
        return _function(model.shape.activation or "gelu", up)
    gate, value = np.split(up, 2, -1)
    return _function(model.shape.activation or "silu", gate) * value


def _function(name: str, x: Array) -> Array:
    found: Array
    match name:
        case "silu":
            found = x / (1 + np.exp(-x))
        case "gelu":
            found = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
        case "relu":
            found = np.maximum(x, 0)
        case _:
            found = np.maximum(x, 0) ** 2
    return found


def _attention(model: FloatModel, layer: FloatLayer, qkv: Array) -> Array:
    s, n = model.shape, len(qkv)
    heads = qkv.reshape(n, -1, s.d_head).transpose(1, 0, 2)  # (H + 2 KV, T, d_head)
    q, k, v = np.split(heads, [s.n_heads, s.n_heads + s.n_kv_heads])
    q, k = _placed(model, layer, np.concatenate([q, k]))
    k, v = (np.repeat(x, s.n_heads // s.n_kv_heads, 0) for x in (k, v))
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(s.d_head)
    scores = np.where(np.tri(n, dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    mixed: Array = (weights @ v).transpose(1, 0, 2).reshape(n, -1)
    return mixed


def _placed(model: FloatModel, layer: FloatLayer, x: Array) -> tuple[Array, Array]:
    """Queries and keys (H + KV, T, d_head), normed and rotated as the model has it."""
    if layer.gain is not None:
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + model.shape.eps)
    if layer.gain is not None and model.shape.head_norm == "before":
        x = x * layer.gain[:, None]
    if model.turns is not None:
        x = _rotated(x, model.turns)
    if layer.gain is not None and model.shape.head_norm == "after":
        x = x * layer.gain[:, None]
    return x[: model.shape.n_heads], x[model.shape.n_heads :]


def _rotated(x: Array, turns: Sequence[int]) -> Array:
    half = x.shape[-1] // 2
    angles = np.arange(x.shape[1])[:, None] * np.array([turn * 2.0**-128 for turn in turns])
    a, b = x[..., :half], x[..., half:]
    cos, sin = np.cos(angles), np.sin(angles)
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)
