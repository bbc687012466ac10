"""docs/EXACT.md and nothing else, in numpy: preparation, forward pass, frequencies, digest.

Written from the document, one token after another, without a cache or a batch. It
shares only the containers (FloatModel in, plain dictionaries out) with the engine.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from decimal import Context, Decimal, localcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.floats import FloatLinear, FloatModel

Array = NDArray[Any]
f32, f64, i32, i64 = np.float32, np.float64, np.int32, np.int64
LOG2_E = 1.4426950408889634
ORDERS = (4, 8, 12, 20, 24, 32, 44, 2)


def exp2(t: Array) -> Array:
    t = np.minimum(np.maximum(t, f32(-125)), f32(125))
    w = np.rint(t)
    f = t - w
    y = np.full_like(t, 0.009582852944731712)
    for c in (0.055906426161527634, 0.24024099111557007, 0.6931241750717163, 1.0):
        y = y * f
        y = y + f32(c)
    return (y.view(i32) + w.astype(i32) * i32(1 << 23)).view(f32)


def silu_gate(g: Array, u: Array) -> Array:
    return g / (exp2(g * f32(-LOG2_E)) + f32(1)) * u


def gelu(x: Array) -> Array:
    z = x * x * f32(-0.1029432395800235)
    z = (z + f32(-2.302208198144325)) * x
    return x / (exp2(z) + f32(1))


def top(x: Array) -> Any:
    return max(np.abs(x).max(), f32(1e-30))


def quantise(x: Array, limit: int) -> tuple[Array, Any]:
    return np.rint(x * (f32(limit) / top(x))).astype(i64), top(x) * f32(1 / limit)


def normalise(x: Array, eps: float) -> tuple[Array, Any]:
    q = np.rint(x * (f32(127) / top(x))).astype(i64)
    g = np.rint(x * (f32(32767) / top(x))).astype(i64)
    u = f64(top(x)) * (1 / 32767)
    m = f64(int((g * g).sum())) * (u * u) * (1 / len(x))
    return q, f32(f64(top(x)) * (1 / 127) / np.sqrt(m + eps))


def rotate(x: Array, cos: Array, sin: Array) -> Array:
    a, b = np.split(x, 2)
    return np.concatenate([a * cos - b * sin, b * cos + a * sin])


class Document:
    """A model as the document prepares and runs it."""

    def __init__(self, model: FloatModel, n_lanes: int = 64, n_tokens: int = 128) -> None:
        self.shape = model.shape
        self.cache: list[list[list[tuple[Any, ...]]]] = []
        self.inputs: dict[str, list[Array]] = {}
        self.tensors = prepare(model, self.inputs)
        for lane in range(n_lanes):
            self._write(lane, n_lanes, min(n_tokens, self.shape.n_positions))
        self.tensors = prepare(model, self.inputs)

    def frequencies(self, ids: list[int]) -> list[Array]:
        """The distributions after each of the tokens of a window."""
        self._forget()
        return [self._after(token, p) for p, token in enumerate(ids)]

    def _write(self, lane: int, n_lanes: int, n_tokens: int) -> None:
        """Let the model write a lane; `inputs` keeps what its linears take in."""
        self._forget()
        token = word(lane + 1) % self.shape.vocab_size
        for p in range(n_tokens):
            ends = np.cumsum(self._after(token, p))
            drawn = word((p + 1) * n_lanes + lane + 1) % int(ends[-1])
            token = int((ends <= drawn).sum())

    def _forget(self) -> None:
        self.cache = [
            [[] for _ in range(self.shape.n_kv_heads)] for _ in range(self.shape.n_layers)
        ]

    def _linear(self, name: str, q: Array, s: Any) -> Array:
        self.inputs.setdefault(name, []).append((q + 128) >> 8 if ".down" in name else q)
        sums = (self.tensors[f"{name}.weight"].astype(i64) @ q).astype(f32)
        y: Array = sums * self.tensors[f"{name}.scale"] * s
        return y + self.tensors[f"{name}.bias"] if f"{name}.bias" in self.tensors else y

    def _after(self, token: int, p: int) -> Array:
        t, s = self.tensors, self.shape
        x = t["embedding"][token].astype(f32) * t["embedding_scale"][token]
        if "positions" in t:
            x = x + t["positions"][p]
        for i in range(s.n_layers):
            o = self._attention(i, self._linear(f"{i}.qkv", *normalise(x, s.eps)), p)
            x = x + self._linear(f"{i}.out", *quantise(o, 127))
            y = self._linear(f"{i}.up", *normalise(x, s.eps))
            active = silu_gate(*np.split(y, 2)) if s.gated else gelu(y)
            x = x + self._linear(f"{i}.down", *quantise(active, 32639))
        logits = self._linear("head", *normalise(x, s.eps))
        return np.rint(exp2(logits - logits.max()) * f32(2.0**28)).astype(i64) + 1

    def _attention(self, layer: int, y: Array, p: int) -> Array:
        s, t = self.shape, self.tensors
        heads = y.reshape(-1, s.d_head)
        if s.rotary:
            turned = [rotate(x, t["cos"][p], t["sin"][p]) for x in heads[: -s.n_kv_heads]]
            heads = np.stack([*turned, *heads[-s.n_kv_heads :]])
        for g, keys in enumerate(self.cache[layer]):
            k, v = heads[s.n_heads + g], heads[s.n_heads + s.n_kv_heads + g]
            keys.append((*quantise(k, 127), *quantise(v, 127)))
        return np.concatenate([self._head(layer, h, heads[h]) for h in range(s.n_heads)])

    def _head(self, layer: int, h: int, x: Array) -> Array:
        s = self.shape
        q, s_q = quantise(x, 127)
        s_q = s_q * f32(LOG2_E / np.sqrt(f64(s.d_head)))
        columns = zip(*self.cache[layer][h * s.n_kv_heads // s.n_heads], strict=True)
        k, s_k, v, s_v = (np.array(column) for column in columns)
        a = (k @ q).astype(f32) * s_k
        e = exp2((a - a.max()) * s_q)
        total = np.rint(e * f32(2.0**18)).astype(i64).sum()
        weights, s_p = quantise(e * s_v, 32639)
        mixed: Array = (weights @ v).astype(f32) * (s_p / (f32(total) * f32(2.0**-18)))
        return mixed

    def digest(self) -> str:
        state = hashlib.sha256(b"llmzip engine 2\n")
        state.update(json.dumps(asdict(self.shape), sort_keys=True).encode())
        for name, values in self.tensors.items():
            state.update(f"\n{name} torch.{values.dtype} {values.shape}\n".encode())
            state.update(values.tobytes())
        return state.hexdigest()


def grid(w: Array, bits: int) -> tuple[Array, float]:
    _, e = np.frexp(max(np.abs(w).max(), 1e-30))
    unit = 2.0 ** (int(e) - bits)
    return np.rint(w / unit), unit


def factors(n: int) -> list[int] | None:
    if n == 1:
        return []
    for order in ORDERS:
        rest = factors(n // order) if n % order == 0 else None
        if rest is not None:
            return [order, *rest]
    return None


def paley(order: int) -> Array:
    if order == 2:
        return np.array([[1.0, 1.0], [1.0, -1.0]])
    q = order - 1
    squares = {x * x % q for x in range(1, q)}
    matrix = np.ones((order, order))
    matrix[1:, 0] = -1
    for i in range(q):
        for j in range(q):
            matrix[i + 1, j + 1] = 1 if i == j or (i - j) % q in squares else -1
    return matrix


def rotation(d: int) -> tuple[Array, float]:
    n = max(n for n in range(1, d + 1) if d % n == 0 and factors(n) is not None)
    matrix = np.eye(d // n)
    for order in factors(n) or []:
        matrix = np.kron(matrix, paley(order)).astype(f64)
    return matrix, float(np.sqrt(f64(n)))


def rows(w: Array, limit: int) -> tuple[Array, Array]:
    t = np.maximum(np.abs(w).max(1), 1e-30)
    return np.rint(w * (limit / t)[:, None]), t / limit


def fed_back(w: Array, inputs: list[Array]) -> tuple[Array, Array]:
    """Rows within 127, the errors of earlier columns taken over by later ones."""
    x, n = np.array(inputs), w.shape[1]
    t = np.maximum(np.abs(w).max(1), 1e-30)
    wanted = w * (127 / t)[:, None]
    q = np.zeros_like(w)
    parts = -(-n // 1024)
    for i in range(parts):
        first, end = n * i // parts, n * (i + 1) // parts
        c, u = grid(shares((x[:, first:end].T @ x[:, first:end]).astype(f64)), 20)
        errors = np.zeros((len(w), end - first))
        for k in range(end - first):
            value = wanted[:, first + k] + (errors @ c[:, k]) * (u * 2.0**-14)
            q[:, first + k] = np.minimum(np.maximum(np.rint(value), -127), 127)
            errors[:, k] = np.rint((wanted[:, first + k] - q[:, first + k]) * 2.0**14)
    return q, t / 127


def shares(a: Array) -> Array:
    n = len(a)
    damping = max(float(np.trace(a)), 1.0) / n * (1 / 64)
    for k in range(n):
        a[k, k] = a[k, k] + damping
    found = np.zeros_like(a)
    for k in range(n - 1, -1, -1):
        found[:k, k] = a[:k, k] / a[k, k]
        for j in range(k):
            a[j, :k] = a[j, :k] - found[j, k] * a[:k, k]
    return found


def word(n: int) -> int:
    """SplitMix64."""
    z = n * 0x9E3779B97F4A7C15 % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


def prepare(model: FloatModel, inputs: dict[str, list[Array]]) -> dict[str, Array]:
    """Every tensor of the prepared model, in the digest's order.

    inputs: what each linear has taken in; nothing yet while the model is to be plain.
    """
    d = model.shape.d_model
    matrix, r = rotation(d)

    def writer(w: Array) -> Array:
        g, u = grid(w, 28)
        if model.centred:
            g, u = d * g - g.sum(0), u / d
        return (matrix @ g) * (u / r)

    def quantised(name: str, w: Array, bias: Array | None, factor: float) -> dict[str, Array]:
        q, scale = fed_back(w, inputs[name]) if inputs else rows(w, 127)
        found: dict[str, Array] = {f"{name}.weight": q.astype(np.int8)}
        found[f"{name}.scale"] = (scale * factor).astype(f32)
        if bias is not None:
            found[f"{name}.bias"] = (bias * factor).astype(f32)
        return found

    def read(name: str, one: FloatLinear, factor: float = 1.0) -> dict[str, Array]:
        assert one.norm_gain is not None
        g, u = grid(one.weight * one.norm_gain, 28)
        bias = one.bias
        if one.norm_bias is not None:
            (a, a_unit), (b, b_unit) = grid(one.weight, 20), grid(one.norm_bias, 20)
            through = (a @ b) * (a_unit * b_unit)
            bias = through if bias is None else bias + through
        return quantised(name, (g @ matrix.T) * (u / r), bias, factor)

    def written(name: str, one: FloatLinear) -> dict[str, Array]:
        bias = None if one.bias is None else writer(one.bias[:, None])[:, 0]
        return quantised(name, writer(one.weight), bias, 1.0)

    q, scale = rows(writer(model.embedding.T).T, 32767)
    tensors: dict[str, Array] = {
        "embedding": q.astype(np.int16),
        "embedding_scale": scale.astype(f32),
    }
    if model.positions is not None:
        tensors["positions"] = np.ascontiguousarray(writer(model.positions.T).T.astype(f32))
    if model.rope_theta is not None:
        size = (model.shape.n_positions, model.shape.d_head)
        tensors["cos"], tensors["sin"] = rope(*size, model.rope_theta)
    for i, layer in enumerate(model.layers):
        tensors |= read(f"{i}.qkv", layer.qkv) | written(f"{i}.out", layer.out)
        tensors |= read(f"{i}.up", layer.up) | written(f"{i}.down", layer.down)
    return tensors | read("head", model.head, LOG2_E)


def rope(n_positions: int, d: int, theta: float) -> tuple[Array, Array]:
    one = 1 << 128
    tables = np.zeros((2, n_positions, d // 2), dtype=f32)
    for i in range(d // 2):
        with localcontext(Context(prec=60)):
            turn = (Decimal(theta).ln() * (Decimal(-2 * i) / Decimal(d))).exp() * one
            phi = int(turn.to_integral_value())
        term, k, series = one, 0, [0, 0, 0, 0]
        while term:
            series[k % 4] += term
            k += 1
            term = (term * phi // one) // k
        a, b = series[0] - series[2], series[1] - series[3]
        c, s = one, 0
        for p in range(n_positions):
            tables[:, p, i] = [f32(f64(x // (1 << 66)) * 2.0**-62) for x in (c, s)]
            c, s = (c * a - s * b) // one, (s * a + c * b) // one
    return tables[0], tables[1]
