"""EXACT.md: the forward pass of a prepared model, in numpy, one token after the other.

Integers are held in f64 where they are summed up: all their sums stay below 2^53.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
f32, f64, i32, i64 = np.float32, np.float64, np.int32, np.int64
LOG2_E = 1.4426950408889634


def exp2(t: Array) -> Array:
    """2^t."""
    t = np.minimum(np.maximum(t, f32(-125)), f32(125))
    w = np.rint(t)
    f = t - w
    y = np.full_like(t, 0.009582852944731712)
    for c in (0.055906426161527634, 0.24024099111557007, 0.6931241750717163, 1.0):
        y = y * f
        y = y + f32(c)
    return (y.view(i32) + w.astype(i32) * i32(1 << 23)).view(f32)


def silu_gate(g: Array, u: Array) -> Array:
    """Llama's activation."""
    return g / (exp2(g * f32(-LOG2_E)) + f32(1)) * u


def gelu(x: Array) -> Array:
    """GPT-2's activation."""
    z = x * x * f32(-0.1029432395800235)
    z = (z + f32(-2.302208198144325)) * x
    return x / (exp2(z) + f32(1))


def capped(z: Array, cap: float) -> Array:
    """How far below a soft cap numbers are."""
    return f32(-2 * cap * LOG2_E) / (exp2(z) + f32(1))


def activate(gated: bool, activation: str, y: Array) -> Array:
    """What `up` becomes."""
    if gated:
        g, u = np.split(y, 2)
        return gelu(g) * u if activation == "gelu" else silu_gate(g, u)
    if not activation:
        return gelu(y)
    rest = np.where(y > 0, y, f32(0))
    return rest * rest if activation == "relu2" else rest


def top(x: Array) -> Array:
    """The largest magnitude of each row, (…, 1)."""
    largest: Array = np.maximum(np.abs(x).max(-1, keepdims=True), f32(1e-30))
    return largest


def quantise(x: Array, limit: int) -> tuple[Array, Array]:
    """Integers (f64) within ± limit for each row, and its scale (…, 1)."""
    return np.rint(x * (f32(limit) / top(x))).astype(f64), top(x) * f32(1 / limit)


def root(x: Array, eps: float) -> Array:
    """The root mean square of each row, f64 (…, 1)."""
    g = np.rint(x * (f32(32767) / top(x))).astype(f64)
    u = top(x).astype(f64) * (1 / 32767)
    found: Array = np.sqrt((g * g).sum(-1, keepdims=True) * (u * u) * (1 / x.shape[-1]) + eps)
    return found


def normalise(x: Array, eps: float) -> tuple[Array, Array]:
    """One row over its root mean square, as integers within ± 127 and a scale (1,)."""
    q = np.rint(x * (f32(127) / top(x))).astype(f64)
    return q, (top(x).astype(f64) * (1 / 127) / root(x, eps)).astype(f32)


def turn(x: Array, n: int) -> Array:
    """A row turned by blocks of n numbers."""
    h = 1
    while h < n:
        a, b = np.moveaxis(x.reshape(-1, 2, h), 1, 0)
        x = np.stack([a + b, a - b], 1).reshape(-1)
        h *= 2
    return x


def rotate(x: Array, cos: Array, sin: Array) -> Array:
    """RoPE on rows of heads."""
    a, b = np.split(x, 2, axis=-1)
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def frequencies(logits: Array) -> Array:
    """Integer frequencies, i64."""
    return np.rint(exp2(logits - logits.max()) * f32(2.0**28)).astype(i64) + 1


@dataclass(frozen=True)
class Shape:
    """Sizes and switches of a model, as its file names them."""

    n_layers: int
    d_model: int
    n_heads: int
    n_kv_heads: int
    d_head: int
    d_ff: int
    vocab_size: int
    n_positions: int
    eps: float
    gated: bool
    rotary: bool
    head_norm: str = ""
    activation: str = ""
    parallel: bool = False
    layer_window: tuple[int, ...] = ()
    layer_rope: tuple[int, ...] = ()
    norms: str = ""
    score_cap: float = 0.0
    logit_cap: float = 0.0


class Network:
    """A prepared model that can be run."""

    def __init__(self, shape: Shape, tensors: dict[str, Array]) -> None:
        self.shape, self.tensors = shape, tensors
        weights = {name for name in tensors if name.endswith(".weight")}
        self.weights = {name: tensors[name].astype(f64) for name in weights}

    def narrowed(self, ids: list[int]) -> Network:
        """The model of these tokens alone."""
        names = ("embedding", "embedding_scale", "head.weight", "head.scale", "head.bias")
        own = {name: self.tensors[name][ids] for name in names if name in self.tensors}
        return Network(replace(self.shape, vocab_size=len(ids)), self.tensors | own)

    def products(self, name: str, q: Array, s: Array) -> Array:
        """A linear without its bias."""
        sums = (self.weights[f"{name}.weight"] @ q).astype(f32)
        y: Array = sums * self.tensors[f"{name}.scale"] * s
        return y

    def linear(self, name: str, q: Array, s: Array) -> Array:
        """A linear."""
        y, bias = self.products(name, q, s), self.tensors.get(f"{name}.bias")
        return y if bias is None else y + bias

    def taken(self, name: str, x: Array) -> tuple[Array, Array]:
        """What a linear takes of a row of the stream."""
        if not self.shape.norms:
            return normalise(x, self.shape.eps)
        gain = self.tensors.get(f"{name}.gain")
        turned = turn(x if gain is None else x * gain, self.shape.d_model & -self.shape.d_model)
        q, s = quantise(turned, 127)
        if self.shape.norms == "after" and name != "head":
            return q, s
        return q, (top(turned).astype(f64) * (1 / 127) / root(x, self.shape.eps)).astype(f32)

    def added(self, name: str, x: Array, q: Array, s: Array) -> Array:
        """A row of the stream and what a linear adds to it."""
        z = self.linear(name, q, s)
        if self.shape.norms:
            z = z * (1 / root(z, self.shape.eps)).astype(f32) * self.tensors[f"{name}.gain"]
        return x + z

    def logits(self, x: Array, learnt: Array | None = None) -> Array:
        """Those after a row of the stream, in base 2. learnt: joins the head's own bias."""
        bias, cap = self.tensors.get("head.bias"), self.shape.logit_cap
        y = self.products("head", *self.taken("head", x))
        if cap:
            y = capped(y * f32(2 / cap), cap)
        if learnt is not None:
            bias = learnt if bias is None else bias + learnt
        return y if bias is None else y + bias


class Lane:
    """A window's keys and values so far."""

    def __init__(self, network: Network, n_positions: int) -> None:
        s = network.shape
        self.network, self.p = network, 0
        rows = (s.n_layers, s.n_kv_heads, n_positions)
        self.k, self.v = np.zeros((2, *rows, s.d_head), dtype=np.int8)
        self.s_k, self.s_v = np.zeros((2, *rows), dtype=f32)

    def feed(self, token: int) -> Array:
        """Take the token at the next position; the stream's row behind the last layer."""
        net, t, s = self.network, self.network.tensors, self.network.shape
        x = t["embedding"][token].astype(f32) * t["embedding_scale"][token]
        if not s.rotary:
            x = x + t["positions"][self.p]
        for i in range(s.n_layers):
            taken = net.taken(f"{i}.qkv", x)
            o = self.attention(i, net.linear(f"{i}.qkv", *taken))
            x = net.added(f"{i}.out", x, *quantise(o, 127))
            y = net.linear(f"{i}.up", *(taken if s.parallel else net.taken(f"{i}.up", x)))
            active = quantise(activate(s.gated, s.activation, y), 32639)
            x = net.added(f"{i}.down", x, *active)
        self.p += 1
        row: Array = x
        return row

    def attention(self, layer: int, y: Array) -> Array:
        """All heads' outputs, one after the other."""
        s, t, n = self.network.shape, self.network.tensors, self.p + 1
        heads = y.reshape(-1, s.d_head)
        turned, values = heads[: -s.n_kv_heads], heads[-s.n_kv_heads :]
        if s.head_norm == "whole":
            sides = [turned[: s.n_heads].reshape(-1), turned[s.n_heads :].reshape(-1)]
            sides = [side * (1 / root(side, s.eps)).astype(f32) for side in sides]
            turned = np.concatenate(sides).reshape(turned.shape)
        elif s.head_norm:
            turned = turned * (1 / root(turned, s.eps)).astype(f32)
        if s.head_norm in ("before", "whole"):
            turned = turned * t[f"{layer}.heads.gain"]
        table = s.layer_rope[layer] if s.layer_rope else 0
        if s.rotary and table >= 0:
            cos, sin = (t[f"{name}{table or ''}"][self.p] for name in ("cos", "sin"))
            turned = rotate(turned, cos, sin)
        if s.head_norm == "after":
            turned = turned * t[f"{layer}.heads.gain"]
        for kept, scales, rows in (
            (self.k, self.s_k, turned[s.n_heads :]),
            (self.v, self.s_v, values),
        ):
            kept[layer, :, self.p], scale = quantise(rows, 127)
            scales[layer, :, self.p] = scale[:, 0]
        window = s.layer_window[layer] if s.layer_window else 0
        seen = slice(max(0, n - window) if window else 0, n)
        k, v = (kept[layer, :, seen].astype(f64) for kept in (self.k, self.v))  # (KV, n, d)
        s_k, s_v = self.s_k[layer, :, None, seen], self.s_v[layer, :, None, seen]  # (KV, 1, n)
        q, s_q = quantise(turned[: s.n_heads], 127)
        unit = LOG2_E / np.sqrt(f64(s.d_head))
        s_q = s_q * f32(unit * (2 / s.score_cap) if s.score_cap else unit)
        q, s_q = q.reshape(s.n_kv_heads, -1, s.d_head), s_q.reshape(s.n_kv_heads, -1, 1)
        a = (q @ k.transpose(0, 2, 1)).astype(f32) * s_k  # (KV, heads of each, n)
        if s.score_cap:
            a, s_q = capped(a * s_q, s.score_cap), np.ones_like(s_q)
        e = exp2((a - a.max(-1, keepdims=True)) * s_q)
        total = np.rint(e * f32(2.0**18)).astype(f64).sum(-1, keepdims=True).astype(f32)
        weights, s_p = quantise(e * s_v, 32639)
        mixed: Array = (weights @ v).astype(f32) * (s_p / (total * f32(2.0**-18)))
        return mixed.reshape(-1)
