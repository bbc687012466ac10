"""The exact forward pass in plain torch: the specification of the engine.

Short and device-agnostic rather than fast. Whatever else computes the forward pass
must equal it bit for bit. B is the number of lanes, T of tokens of each lane.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from llmzip.exact import arith
from llmzip.exact.bias import GRADIENT_BITS
from llmzip.exact.constants import (
    FREQ_BITS,
    INT8_MAX,
    INT16_MAX,
    SUM_BITS,
    cap_unit,
    score_scale,
)
from llmzip.exact.gemm import exact_gemm, product
from llmzip.exact.hidden import Hidden
from llmzip.exact.model import ExactModel
from llmzip.exact.tensors import (
    TensorCache,
    TensorHidden,
    TensorLayer,
    TensorLinear,
    TensorModel,
    zeros_on,
)


class Reference:
    """An exact model on a device."""

    def __init__(self, model: ExactModel, device: str) -> None:
        self.device = torch.device(device)
        self.model = TensorModel.of(model, self.device)
        self.shape = model.shape
        self.gemm = exact_gemm(self.device)

    def cache(self, n_lanes: int, n_positions: int) -> TensorCache:
        """Make a KV cache on the engine's device."""
        return TensorCache.allocate(self.shape, n_lanes, n_positions, zeros_on(self.device))

    def forward(
        self, ids: Tensor, lanes: Tensor, starts: Tensor, cache: TensorCache
    ) -> Hidden[Tensor]:
        """Run tokens `ids` (B, T) through the model, lane b at positions starts[b] + 0 … T-1.

        lanes, starts: int64 (B,), lanes distinct. The cache holds what came before and
        takes what comes now. Returns the B·T rows that the head reads.
        """
        ids, lanes, starts = (t.to(self.device) for t in (ids, lanes, starts))
        at = starts[:, None] + torch.arange(ids.shape[1], device=self.device)  # (B, T)
        x = self._embed(ids, at)  # (B, T, D)
        for index, layer in enumerate(self.model.layers):
            own = _LayerCache(cache, index, self.shape.window_of(index))
            x = self._layer(index, layer, x, lanes, at, own)
        q, scale = self._taken(x, self.model.head_gain, normed=True)
        return TensorHidden(q, scale[:, 0])

    def logits(self, hidden: Hidden[Tensor], bias: Tensor | None = None) -> Tensor:
        """Base-2 logits of each row, float32 (rows, vocab_size); with a cap, how far below it.

        bias: (vocab_size,), or (rows, vocab_size), replaces the head's.
        """
        bias, cap = self.model.head.bias if bias is None else bias, self.shape.logit_cap
        head = replace(self.model.head, bias=None if cap else bias)
        logits = self._linear(head, hidden.q, hidden.scale[:, None])
        if not cap:
            return logits
        logits = arith.capped(logits * cap_unit(cap), cap)
        return logits if bias is None else logits + bias

    def frequencies(self, hidden: Hidden[Tensor], bias: Tensor | None = None) -> Tensor:
        """The integer distribution over the next token, int64 (rows, vocab_size)."""
        weights = _weights(self.logits(hidden, bias))
        return torch.round(weights * float(1 << FREQ_BITS)).to(torch.int64) + 1

    def probabilities(self, hidden: Hidden[Tensor], bias: Tensor | None = None) -> Tensor:
        """Probabilities in GRADIENT_BITS fraction bits, int64 (rows, vocab_size)."""
        total = self.frequencies(hidden, bias).sum(-1, keepdim=True).to(torch.float64)
        unit = torch.full_like(total, 2.0 ** (GRADIENT_BITS + FREQ_BITS)) / total
        weights = _weights(self.logits(hidden, bias))
        return torch.round(weights * unit.to(torch.float32)).to(torch.int64)

    def _embed(self, ids: Tensor, at: Tensor) -> Tensor:
        model = self.model
        x = model.embedding[ids].to(torch.float32) * model.embedding_scale[ids][..., None]
        return x if model.positions is None else x + model.positions[at]

    def _layer(
        self,
        index: int,
        layer: TensorLayer,
        x: Tensor,
        lanes: Tensor,
        at: Tensor,
        cache: _LayerCache,
    ) -> Tensor:
        B, T, _ = x.shape
        normed = self.shape.norms != "after"
        taken = self._taken(x, layer.gains.get("qkv"), normed=normed)
        qkv = self._linear(layer.qkv, *taken).view(B, T, -1)
        mixed = self._attention(index, qkv, layer.gain, lanes, at, cache).flatten(0, 1)
        q, scale = arith.quantise(mixed, INT8_MAX)
        x = self._added(x, self._linear(layer.out, q.to(torch.int8), scale), layer.gains.get("out"))
        if not self.shape.parallel:
            taken = self._taken(x, layer.gains.get("up"), normed=normed)
        up = self._linear(layer.up, *taken)
        active = arith.activate(self.shape.feed_forward, up)
        q, scale = arith.quantise(active, INT16_MAX)
        return self._added(x, self._linear_wide(layer.down, q, scale), layer.gains.get("down"))

    def _taken(self, x: Tensor, gain: Tensor | None, *, normed: bool) -> tuple[Tensor, Tensor]:
        """The stream (B, T, D) as a linear takes it in: int8 (rows, D) and scales (rows, 1)."""
        rows, s = x.flatten(0, 1), self.shape
        if not s.norms:
            return arith.normalise(rows, s.eps)
        if normed:
            return arith.turned_norm(rows, gain, s.turned_block, s.eps)
        return arith.turned(rows, gain, s.turned_block)

    def _added(self, x: Tensor, y: Tensor, gain: Tensor | None) -> Tensor:
        """The stream (B, T, D) with what a sublayer adds, (rows, D)."""
        y = y.view(x.shape)
        return x + y if gain is None else arith.added(x, y, gain, self.shape.eps)

    def _linear(self, linear: TensorLinear, q: Tensor, scale: Tensor) -> Tensor:
        """int8 (rows, n_in) with scales (rows, 1) -> float32 (rows, n_out)."""
        return _dequantise(linear, product(self.gemm, q, linear.weight.t()), scale)

    def _linear_wide(self, linear: TensorLinear, q: Tensor, scale: Tensor) -> Tensor:
        """As _linear, for 16-bit activations: two int8 products, joined in int64."""
        weight = linear.weight.t()
        high, low = (product(self.gemm, half, weight) for half in arith.split_halves(q))
        return _dequantise(linear, high.to(torch.int64) * 256 + low, scale)

    def _attention(
        self,
        index: int,
        qkv: Tensor,
        gain: Tensor | None,
        lanes: Tensor,
        at: Tensor,
        cache: _LayerCache,
    ) -> Tensor:
        """Causal attention of the new tokens over the cache and themselves: (B, T, H · d_head)."""
        s = self.shape
        B, T, _ = qkv.shape
        heads = qkv.view(B, T, -1, s.d_head).transpose(1, 2)  # (B, H + 2 KV, T, d_head)
        q, k, v = torch.split(heads, [s.n_heads, s.n_kv_heads, s.n_kv_heads], 1)
        scored = self._placed(torch.cat([q, k], 1), at, gain, s.rope_of(index))
        q, k = torch.split(scored, [s.n_heads, s.n_kv_heads], 1)
        q, q_scale = arith.quantise(q, INT8_MAX)
        cache.store(lanes, at, arith.quantise(k, INT8_MAX), arith.quantise(v, INT8_MAX))
        n_keys = int(at.max()) + 1
        k, k_scale, v, v_scale = cache.read(lanes, n_keys, s.n_heads // s.n_kv_heads)
        ago = at[:, None, :, None] - torch.arange(n_keys, device=self.device)  # (B, 1, T, n)
        visible = (ago >= 0) & (ago < (cache.window or n_keys))
        scored = q_scale * score_scale(s.d_head, s.score_cap)
        mixed = _attend(q, scored, k, k_scale, v, v_scale, visible, s.score_cap)
        return mixed.transpose(1, 2).reshape(B, T, -1)

    def _placed(self, x: Tensor, at: Tensor, gain: Tensor | None, rope: int) -> Tensor:
        """Queries and keys (B, heads, T, d_head), normed and rotated as the model has it.

        gain: (heads, d_head). rope: the table that turns them, or -1.
        """
        s = self.shape
        if s.head_norm == "whole":
            sides = torch.split(x.transpose(1, 2), [s.n_heads, s.n_kv_heads], 2)
            normed = [y * arith.norm_factor(y.flatten(2), s.eps)[..., None] for y in sides]
            x = torch.cat(normed, 2).transpose(1, 2)
        elif gain is not None:
            x = x * arith.norm_factor(x, s.eps)
        if gain is not None and s.gain_first:
            x = x * gain[:, None]
        if rope >= 0:
            x = self._rotate(x, at, rope)
        return x if gain is None or s.gain_first else x * gain[:, None]

    def _rotate(self, x: Tensor, at: Tensor, rope: int) -> Tensor:
        """RoPE: rotate the halves of each head (B, H, T, d_head) by its position's angles."""
        cos, sin = (table[at][:, None] for table in self.model.ropes[rope])
        a, b = x.chunk(2, -1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class _LayerCache:
    """One layer of a KV cache."""

    def __init__(self, cache: TensorCache, layer: int, window: int) -> None:
        self.window = window
        self.keys, self.values = cache.keys[layer], cache.values[layer]
        self.key_scales, self.value_scales = cache.key_scales[layer], cache.value_scales[layer]

    def store(
        self, lanes: Tensor, at: Tensor, k: tuple[Tensor, Tensor], v: tuple[Tensor, Tensor]
    ) -> None:
        """Put quantised keys and values, each (B, KV, T, d_head) and scales, at their positions."""
        where = (lanes[:, None, None], torch.arange(k[0].shape[1], device=at.device)[:, None])
        spot = (*where, at[:, None, :])
        self.keys[spot] = k[0].to(torch.int8)
        self.values[spot] = v[0].to(torch.int8)
        self.key_scales[spot] = k[1][..., 0]
        self.value_scales[spot] = v[1][..., 0]

    def read(self, lanes: Tensor, n_keys: int, n_sharing: int) -> tuple[Tensor, ...]:
        """Keys (B, H, n, d_head), scales (B, H, 1, n), values alike; integers as float64."""

        def heads(x: Tensor) -> Tensor:
            return x[lanes, :, :n_keys].repeat_interleave(n_sharing, 1)

        return (
            heads(self.keys).to(torch.float64),
            heads(self.key_scales)[:, :, None],
            heads(self.values).to(torch.float64),
            heads(self.value_scales)[:, :, None],
        )


def _dequantise(linear: TensorLinear, sums: Tensor, scale: Tensor) -> Tensor:
    y = sums.to(torch.float32) * linear.scale * scale
    return y if linear.bias is None else y + linear.bias


def _weights(logits: Tensor) -> Tensor:
    return arith.exp2(logits - logits.amax(-1, keepdim=True))


def _attend(
    q: Tensor,
    q_scale: Tensor,
    k: Tensor,
    k_scale: Tensor,
    v: Tensor,
    v_scale: Tensor,
    visible: Tensor,
    cap: float,
) -> Tensor:
    """Softmax attention over integers: (B, H, T, d_head) float32.

    The weights enter the product with the values as 16-bit integers that carry each
    value's own scale, and their sum as integers of SUM_BITS fraction bits.
    """
    scores = (q.to(torch.float64) @ k.transpose(-1, -2)).to(torch.float32) * k_scale
    if cap:
        scores = arith.capped(scores * q_scale, cap)
    scores = scores.masked_fill(~visible, -math.inf)
    scores = scores - scores.amax(-1, keepdim=True)
    scores = scores if cap else scores * q_scale
    weights = arith.exp2(scores).masked_fill(~visible, 0.0)
    total = torch.round(weights * float(1 << SUM_BITS)).to(torch.int64).sum(-1, keepdim=True)
    p, p_scale = arith.quantise(weights * v_scale, INT16_MAX)
    mixed = (p.to(torch.float64) @ v).to(torch.int64).to(torch.float32)
    return mixed * (p_scale / (total.to(torch.float32) * 2.0**-SUM_BITS))
