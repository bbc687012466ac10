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
    for index, layer in enumerate(model.layers):
        before = x
        mixed = _attention(model, index, layer, _normed(model, layer.qkv, x))
        x = x + _added(model, layer.out, mixed, layer.out_gain)
        taken = before if model.shape.parallel else x
        active = _active(model, _normed(model, layer.up, taken))
        x = x + _added(model, layer.down, active, layer.down_gain)
    return _capped(_normed(model, model.head, x), model.shape.logit_cap)


def _capped(x: Array, cap: float) -> Array:
    return cap * np.tanh(x / cap) if cap else x


def _added(model: FloatModel, linear: FloatLinear, x: Array, gain: Array | None) -> Array:
    """What a sublayer adds to the stream."""
    y = _linear(linear, x)
    return y if gain is None else _rms(model, y) * gain


def _rms(model: FloatModel, x: Array) -> Array:
    normed: Array = x / np.sqrt((x**2).mean(-1, keepdims=True) + model.shape.eps)
    return normed


def _linear(linear: FloatLinear, x: Array) -> Array:
    y: Array = x @ np.asarray(linear.weight).T
    return y if linear.bias is None else y + linear.bias


def _normed(model: FloatModel, linear: FloatLinear, x: Array) -> Array:
    """The linear behind its norm, where it has one."""
    if linear.norm_gain is None:
        return _linear(linear, x)
    if model.centred:
        x = x - x.mean(-1, keepdims=True)
    x = _rms(model, x) * linear.norm_gain
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


def _attention(model: FloatModel, index: int, layer: FloatLayer, qkv: Array) -> Array:
    s, n = model.shape, len(qkv)
    heads = qkv.reshape(n, -1, s.d_head).transpose(1, 0, 2)  # (H + 2 KV, T, d_head)
    q, k, v = np.split(heads, [s.n_heads, s.n_heads + s.n_kv_heads])
    q, k = _placed(model, index, layer, np.concatenate([q, k]))
    k, v = (np.repeat(x, s.n_heads // s.n_kv_heads, 0) for x in (k, v))
    scores = _capped(q @ k.transpose(0, 2, 1) / np.sqrt(s.d_head), s.score_cap)
    sees = np.tri(n, dtype=bool) & ~np.tri(n, k=-(s.window_of(index) or n), dtype=bool)
    scores = np.where(sees, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    mixed: Array = (weights @ v).transpose(1, 0, 2).reshape(n, -1)
    return mixed


def _placed(model: FloatModel, index: int, layer: FloatLayer, x: Array) -> tuple[Array, Array]:
    """Queries and keys (H + KV, T, d_head), normed and rotated as the model has it."""
    kind, n_heads, rope = model.shape.head_norm, model.shape.n_heads, model.shape.rope_of(index)
    if kind == "whole":
        sides = (side.transpose(1, 0, 2) for side in (x[:n_heads], x[n_heads:]))
        normed = [_rms(model, side.reshape(len(side), -1)).reshape(side.shape) for side in sides]
        x = np.concatenate(normed, 1).transpose(1, 0, 2)
    elif layer.gain is not None:
        x = _rms(model, x)
    if layer.gain is not None and kind != "after":
        x = x * layer.gain[:, None]
    if rope >= 0:
        assert model.turns is not None
        x = _rotated(x, (model.turns, *model.other_turns)[rope])
    if layer.gain is not None and kind == "after":
        x = x * layer.gain[:, None]
    return x[: model.shape.n_heads], x[model.shape.n_heads :]


def _rotated(x: Array, turns: Sequence[int]) -> Array:
    half = x.shape[-1] // 2
    angles = np.arange(x.shape[1])[:, None] * np.array([turn * 2.0**-128 for turn in turns])
    a, b = x[..., :half], x[..., half:]
    cos, sin = np.cos(angles), np.sin(angles)
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)
