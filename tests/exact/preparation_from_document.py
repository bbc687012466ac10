"""docs/EXACT.md, *Preparing a model*, and nothing else, in numpy.

Preparing is no part of decoding, so it is not in docs/decoder; that runs what is prepared here.
It shares only the containers (FloatModel) with the engine.
"""

from __future__ import annotations

from decimal import Context, Decimal, localcontext

import numpy as np

from decoder.forward import LOG2_E, Array, Lane, Network, Shape, f32, f64, frequencies
from decoder.model import digest
from exact_models import ROPE_THETA
from llmzip.exact.floats import FloatLinear, FloatModel

ORDERS = (4, 8, 12, 20, 24, 32, 44, 2)


class Watched(Network):
    """A network that keeps what its linears take in."""

    def __init__(self, shape: Shape, tensors: dict[str, Array]) -> None:
        super().__init__(shape, tensors)
        self.inputs: dict[str, list[Array]] = {}

    def products(self, name: str, q: Array, s: Array) -> Array:
        self.inputs.setdefault(name, []).append((q + 128) // 256 if ".down" in name else q)
        return super().products(name, q, s)


class Document:
    """A model as the document prepares it."""

    def __init__(self, model: FloatModel, n_lanes: int = 64, n_tokens: int = 128) -> None:
        self.form = model.shape.form()
        self.shape = Shape(**self.form)
        plain = Watched(self.shape, prepare(model, {}))
        for lane in range(n_lanes):
            write(plain, lane, n_lanes, min(n_tokens, self.shape.n_positions))
        self.network = Network(self.shape, prepare(model, plain.inputs))

    def frequencies(self, ids: list[int]) -> list[Array]:
        """The distributions after each of the tokens of a window."""
        lane = Lane(self.network, len(ids))
        return [frequencies(self.network.logits(lane.feed(token))) for token in ids]

    def digest(self) -> str:
        return digest(self.form, self.network.tensors).hex()


def write(plain: Network, lane: int, n_lanes: int, n_tokens: int) -> None:
    """Let the model write a lane."""
    view = Lane(plain, n_tokens)
    token = word(lane + 1) % plain.shape.vocab_size
    for p in range(n_tokens):
        ends = np.cumsum(frequencies(plain.logits(view.feed(token))))
        drawn = word((p + 1) * n_lanes + lane + 1) % int(ends[-1])
        token = int((ends <= drawn).sum())


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


def blocks_of_two(d: int) -> tuple[Array, float]:
    n = 1
    while d % (2 * n) == 0:
        n *= 2
    matrix = np.eye(d // n)
    for _ in range(n.bit_length() - 1):
        matrix = np.kron(matrix, paley(2)).astype(f64)
    return matrix, n


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
    turned_when_read = bool(model.shape.norms)
    matrix, r = blocks_of_two(d) if turned_when_read else rotation(d)

    def writer(w: Array) -> Array:
        if turned_when_read:
            return w
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
        gain = None if turned_when_read else one.norm_gain
        g, u = grid(one.weight if gain is None else one.weight * gain, 28)
        bias = one.bias
        if one.norm_bias is not None:
            (a, a_unit), (b, b_unit) = grid(one.weight, 20), grid(one.norm_bias, 20)
            through = (a @ b) * (a_unit * b_unit)
            bias = through if bias is None else bias + through
        return quantised(name, (g @ matrix.T) * (u / r), bias, factor) | gains(name, one)

    def gains(name: str, one: FloatLinear) -> dict[str, Array]:
        if not turned_when_read or one.norm_gain is None:
            return {}
        return {f"{name}.gain": one.norm_gain.astype(f32)}

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
    if model.turns is not None:
        size = (model.shape.n_positions, model.shape.d_head)
        for table in range(1 + len(model.other_turns)):
            names = f"cos{table or ''}", f"sin{table or ''}"
            tensors |= zip(names, rope(*size, ROPE_THETA * 10**table), strict=True)
    for i, layer in enumerate(model.layers):
        tensors |= read(f"{i}.qkv", layer.qkv) | written(f"{i}.out", layer.out)
        tensors |= read(f"{i}.up", layer.up) | written(f"{i}.down", layer.down)
        if layer.gain is not None:
            tensors[f"{i}.heads.gain"] = layer.gain.astype(f32)
        for one, gain in (("out", layer.out_gain), ("down", layer.down_gain)):
            if gain is not None:
                tensors[f"{i}.{one}.gain"] = gain.astype(f32)
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
