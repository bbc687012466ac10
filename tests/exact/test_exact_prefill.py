"""Kernels of prefill that use sums where they are made, in tiles or by `fours`, against the plain
ones, for random and extreme numbers."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product as product_of
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from exact_models import WIDE, float_model
from llmzip.exact.aligned import aligned_zeros
from llmzip.exact.bias import RowBias
from llmzip.exact.cpu import attention, block_prefill, head, rows, tiles
from llmzip.exact.cpu.buffers import BLOCK_ROWS, TOGETHER, Workspace
from llmzip.exact.cpu.caps import cap_of
from llmzip.exact.cpu.packed import packed_rows
from llmzip.exact.cpu.step import ALL_KEYS
from llmzip.exact.cpu.ways import Way
from llmzip.exact.shape import Activation
from ways import block_ways

EPS = 1e-5
MOST_OUTPUTS = 1536
SPARE = 2 * tiles.ROWS
Array = NDArray[Any]

seeds = st.integers(0, 1 << 32)
powers = st.sampled_from([-30, -12, -3, 0, 3, 12])


def int8(rng: np.random.Generator, *shape: int, extreme: bool = False) -> Array:
    """Random integers within ± 127, all at the limits if extreme; whole lines of memory."""
    numbers = aligned_zeros(shape, np.int8)
    numbers[:] = rng.choice([-127, 127], shape) if extreme else rng.integers(-127, 128, shape)
    return numbers


def rows_of(rng: np.random.Generator, n_rows: int, width: int, extreme: bool) -> Array:
    """As int8, with memory for more rows behind."""
    return int8(rng, n_rows + SPARE, width, extreme=extreme)[:n_rows]


def scales(rng: np.random.Generator, *shape: int, power: int = 0) -> Array:
    return ((rng.random(shape) + 0.1) * 10.0**power).astype(np.float32)


@cache
def kernels_of(way: Way) -> block_prefill.Kernels:
    shape = replace(float_model(WIDE["llama-wide"]).shape, vocab_size=MOST_OUTPUTS)
    return block_prefill.kernels_of(Workspace(shape, BLOCK_ROWS, 1), way.isa)


def packed(weight: Array, way: Way) -> Array:
    weights: Array = packed_rows([weight], way)[0]
    return weights


def together(way: Way) -> int:
    """Positions that lie together in a cache of values."""
    return tiles.TOGETHER if way is Way.AMX else 1


def as_cached(values: Array, way: Way) -> Array:
    n_kv, n_positions, d = values.shape
    n = together(way)
    return values.reshape(n_kv, n_positions // n, n, d).swapaxes(2, 3).copy()


def product(a: Array, weight: Array) -> Array:
    return (a.astype(np.int64) @ weight.astype(np.int64).T).astype(np.int32)


def bias_of(rng: np.random.Generator, n_out: int, biased: bool) -> Array:
    return (rng.standard_normal(n_out) if biased else np.empty(0)).astype(np.float32)


def same(a: Array, b: Array) -> bool:
    return bool((a == b).all())


@block_ways
@settings(max_examples=25, deadline=None)
@given(
    seed=seeds,
    n_rows=st.sampled_from([1, 15, 33, TOGETHER + 17]),
    activation=st.sampled_from(Activation),
    biased=st.booleans(),
    extreme=st.booleans(),
    power=powers,
)
def test_feed_forward(
    way: Way,
    seed: int,
    n_rows: int,
    activation: Activation,
    biased: bool,
    extreme: bool,
    power: int,
) -> None:
    rng, d, f = np.random.default_rng(seed), 128, 192
    n_up = 2 * f if activation.is_gate else f
    q, s = rows_of(rng, n_rows, d, extreme), scales(rng, n_rows, power=power)
    up, down = int8(rng, n_up, d), int8(rng, d, f, extreme=extreme)
    up_scale, down_scale = scales(rng, n_up, power=-3), scales(rng, d, power=-3)
    up_bias, down_bias = bias_of(rng, n_up, biased), bias_of(rng, d, biased)
    x = rng.standard_normal((n_rows, d)).astype(np.float32)
    high, low = np.empty((2, n_rows, f), dtype=np.int8)
    wanted_x, wanted_q, wanted_s = x.copy(), np.empty_like(q), s.copy()
    own = up_scale, up_bias, wanted_s, high, low, wanted_s
    rows.activate_quantise(int(activation), product(q, up), *own)
    sums = product(high, down), product(low, down)
    rest = (down_scale, down_bias), wanted_s, wanted_x, EPS, wanted_q, wanted_s
    rows.add_normalise_wide(*sums, *rest)
    kernels_of(way).feed_forward(
        int(activation),
        (packed(up, way), up_scale, up_bias),
        (packed(down, way), down_scale, down_bias),
        EPS,
        (np.empty((TOGETHER, f), dtype=np.float32), aligned_zeros((2 * TOGETHER, f), np.int8)),
        (x, q, s),
    )
    assert same(x, wanted_x)
    assert same(q, wanted_q)
    assert same(s, wanted_s)


@block_ways
@settings(max_examples=15, deadline=None)
@given(
    seed=seeds,
    n_rows=st.sampled_from([1, 16, 40, TOGETHER + 1]),
    biased=st.booleans(),
    extreme=st.booleans(),
    power=powers,
)
def test_close_attention(
    way: Way, seed: int, n_rows: int, biased: bool, extreme: bool, power: int
) -> None:
    rng, width, d = np.random.default_rng(seed), 192, 128
    mixed = (rng.standard_normal((n_rows, width)) * 10.0**power).astype(np.float32)
    mixed[: n_rows // 3] = 0
    weight, scale = int8(rng, d, width, extreme=extreme), scales(rng, d, power=-3)
    bias, x = bias_of(rng, d, biased), rng.standard_normal((n_rows, d)).astype(np.float32)
    taken, s = np.empty((n_rows, width), dtype=np.int8), np.empty(n_rows, dtype=np.float32)
    wanted_x, wanted_q = x.copy(), np.empty((n_rows, d), dtype=np.int8)
    rows.quantise_rows(mixed, taken, s)
    rows.add_normalise(product(taken, weight), (scale, bias), s, wanted_x, EPS, wanted_q, s)
    q, own_s = np.empty_like(wanted_q), np.empty_like(s)
    linear = packed(weight, way), scale, bias
    kernels_of(way).close_attention(mixed, linear, EPS, (x, q, own_s))
    assert same(x, wanted_x)
    assert same(q, wanted_q)
    assert same(own_s, s)


@block_ways
@settings(max_examples=15, deadline=None)
@given(
    seed=seeds,
    rotary=st.booleans(),
    biased=st.booleans(),
    extreme=st.booleans(),
    power=powers,
    norm=st.sampled_from(["", "before", "after"]),
    d_head=st.sampled_from([64, 192]),
)
def test_project_heads(
    way: Way,
    seed: int,
    rotary: bool,
    biased: bool,
    extreme: bool,
    power: int,
    norm: str,
    d_head: int,
) -> None:
    rng, d, n_kv, n_group, n_rows = np.random.default_rng(seed), 128, 2, 3, 37
    n_out, n_positions = d_head * n_kv * (n_group + 2), 128
    q, s = rows_of(rng, n_rows, d, extreme), scales(rng, n_rows, power=power)
    weight, scale = int8(rng, n_out, d, extreme=extreme), scales(rng, n_out, power=-3)
    bias = bias_of(rng, n_out, biased)
    lanes, at = np.array([1] * 20 + [0] * 17), np.r_[60:80, 3:20]
    sizes = 2, n_positions if rotary else 0, d_head // 64, 32
    cos, sin = rng.standard_normal(sizes).astype(np.float32)

    def empty(n: int) -> tuple[Array, ...]:
        return (
            np.zeros((n_kv, n_rows, n_group, d_head), dtype=np.int8),
            np.zeros((n_kv, n_rows, n_group), dtype=np.float32),
            np.zeros((2, n_kv, n_positions, d_head), dtype=np.int8),
            np.zeros((2, n_kv, n_positions), dtype=np.float32),
            np.zeros((2, n_kv, n_positions // n, d_head, n), dtype=np.int8),
            np.zeros((2, n_kv, n_positions), dtype=np.float32),
        )

    wanted, found = empty(together(way)), empty(together(way))
    heads = (n_kv * (n_group + 1) if norm else 0, d_head)
    gains = (1 + rng.standard_normal(heads) / 2).astype(np.float32)
    norms, angles = (EPS, norm == "before", 50, False), (cos, sin, np.float32(0.18))
    rest = (lanes, at), angles, gains, norms
    attention.split_heads(product(q, weight), (scale, bias), s, (*rest, wanted))
    linear = packed(weight, way), scale, bias
    kernels_of(way).project_heads((q, s), linear, (*rest, found))
    assert all(same(a, b) for a, b in zip(wanted, found, strict=True))


@block_ways
@settings(max_examples=10, deadline=None)
@given(seed=seeds, n_rows=st.sampled_from([1, 16, 37]), extreme=st.booleans())
def test_fill_sums(way: Way, seed: int, n_rows: int, extreme: bool) -> None:
    rng, n_out = np.random.default_rng(seed), 320
    q, weight = rows_of(rng, n_rows, 128, extreme), int8(rng, n_out, 128, extreme=extreme)
    found = np.zeros((n_rows, n_out), dtype=np.int32)
    kernels_of(way).fill_sums(q, packed(weight, way), found)
    assert same(found, product(q, weight))


@block_ways
@settings(max_examples=40, deadline=None)
@given(
    seed=seeds,
    first_count_start=st.sampled_from([(0, 1, 0), (3, 40, 0), (0, 17, 130), (1, 5, 59)]),
    n_group=st.sampled_from([1, 3, 9]),
    power=st.sampled_from([-40, -8, -6, -4, -3, -1, 3, 25]),
    value_power=st.sampled_from([-32, -20, 0, 25]),
    d=st.sampled_from([64, 128]),
    window=st.sampled_from([1, 20, 64, ALL_KEYS]),
    cap=st.sampled_from([0.0, 1.0, 50.0]),
)
def test_attend(
    way: Way,
    seed: int,
    first_count_start: tuple[int, int, int],
    n_group: int,
    power: int,
    value_power: int,
    d: int,
    window: int,
    cap: float,
) -> None:
    """From weights that are all alike to such that only one is not 0, and subnormal ones."""
    first, count, start = first_count_start
    rng, n_kv, n_rows, n_positions = np.random.default_rng(seed), 2, first + count, 192
    queries = int8(rng, n_kv * n_rows * n_group + SPARE, d)
    queries = queries[: n_kv * n_rows * n_group].reshape(n_kv, n_rows, n_group, d)
    query_scales = scales(rng, n_kv, n_rows, n_group, power=power)
    keys, values = int8(rng, n_kv, n_positions, d), int8(rng, n_kv, n_positions, d)
    key_scales = scales(rng, n_kv, n_positions)
    value_scales = scales(rng, n_kv, n_positions, power=value_power)
    wanted, found = np.zeros((2, n_rows, n_kv * n_group, d), dtype=np.float32)
    for g, row in product_of(range(n_kv), range(first, n_rows)):
        position = start + row - first
        seen = slice(max(0, position + 1 - window), position + 1)
        high, low = np.empty((2, n_group, seen.stop - seen.start), dtype=np.int8)
        factor = np.empty(n_group, dtype=np.float32)
        own_scales = query_scales[g, row : row + 1], key_scales[g, seen], value_scales[g, seen]
        in_view, halves = (position - seen.start, ALL_KEYS), (high, low, factor)
        scores = product(queries[g, row], keys[g, seen])
        attention.softmax_rows(scores, own_scales, cap_of(cap), in_view, halves)
        sums = (product(half, values[g, seen].T) for half in (high, low))
        attention.mix_heads(*sums, factor, g, wanted[row : row + 1])
    own = queries, query_scales, keys, key_scales, as_cached(values, way), value_scales, cap_of(cap)
    kernels_of(way).attend(own, (first, count, start, window), found)
    assert same(found, wanted)


@block_ways
@settings(max_examples=20, deadline=None)
@given(
    seed=seeds,
    n_rows=st.sampled_from([1, 16, 33, 130]),
    n_out=st.sampled_from([5, 64, 1041, MOST_OUTPUTS]),
    biased=st.booleans(),
    extreme=st.booleans(),
    power=st.sampled_from([-30, -6, -4, -3, -2, 3]),
    cap=st.sampled_from([0.0, 1.0, 30.0]),
)
def test_token_intervals(
    way: Way,
    seed: int,
    n_rows: int,
    n_out: int,
    biased: bool,
    extreme: bool,
    power: int,
    cap: float,
) -> None:
    rng, d = np.random.default_rng(seed), 128
    q, s = rows_of(rng, n_rows, d, extreme), scales(rng, n_rows, power=power)
    weight, scale = int8(rng, n_out, d, extreme=extreme), scales(rng, n_out)
    bias, tokens = bias_of(rng, n_out, biased), rng.integers(0, n_out, n_rows)

    def empty() -> tuple[Array, ...]:
        return *np.zeros((3, n_rows), dtype=np.uint64), np.zeros(n_rows)

    wanted, found = empty(), empty()
    linear = scale, bias, cap_of(cap)
    head.token_intervals((product(q, weight), s, tokens), linear, wanted)
    kernels_of(way).token_intervals(packed(weight, way), linear, (q, s, tokens), found)
    assert all(same(a, b) for a, b in zip(wanted, found, strict=True))


@block_ways
@settings(max_examples=10, deadline=None)
@given(
    seed=seeds,
    n_rows=st.sampled_from([1, 17, 70]),
    n_out=st.sampled_from([5, 64, 1041]),
    n_biases=st.sampled_from([0, 1, 3]),
    extreme=st.booleans(),
    cap=st.sampled_from([0.0, 30.0]),
)
def test_distributions(
    way: Way, seed: int, n_rows: int, n_out: int, n_biases: int, extreme: bool, cap: float
) -> None:
    rng, d = np.random.default_rng(seed), 128
    q, s = rows_of(rng, n_rows, d, extreme), scales(rng, n_rows, power=-4)
    weight, scale = int8(rng, n_out, d, extreme=extreme), scales(rng, n_out)
    values = rng.standard_normal((max(n_biases, 1), n_out if n_biases else 0)).astype(np.float32)
    bias = RowBias(values, np.arange(n_rows) % len(values))

    def empty() -> tuple[Array, Array]:
        n_blocks = -(-n_out // head.BLOCK)
        return np.empty((n_rows, n_out), np.float32), np.empty((n_rows, n_blocks), np.int64)

    wanted, found = empty(), empty()
    linear = scale, bias.values, cap_of(cap)
    head.block_sums((product(q, weight), s, bias.of), linear, *wanted)
    kernels_of(way).distributions(packed(weight, way), linear, (q, s, bias.of), *found)
    assert all(same(a, b) for a, b in zip(wanted, found, strict=True))


@block_ways
def test_attention_over_more_keys_than_int32_sums_the_low_bytes_of(way: Way) -> None:
    """Weights of 32,511 nearly all, whose low byte is 255, and values of 127."""
    n_keys = 70_016
    queries = int8(np.random.default_rng(1), 1 + SPARE, 64)[:1].reshape(1, 1, 1, 64)
    keys, values = np.zeros((1, n_keys, 64), np.int8), np.full((1, n_keys, 64), 127, np.int8)
    ones = np.ones((1, n_keys), dtype=np.float32)
    value_scales = np.full((1, n_keys), 32511 / 32639, dtype=np.float32)
    value_scales[0, 5] = 1
    found = np.zeros((1, 1, 64), dtype=np.float32)
    own = queries, ones[:, :1, None].copy(), keys, ones, as_cached(values, way), value_scales
    kernels_of(way).attend((*own, cap_of(0.0)), (0, 1, n_keys - 1, ALL_KEYS), found)
    total = 127 * ((n_keys - 1) * 32511 + 32639)
    factor = np.float32(1 / 32639) / np.float32(n_keys)
    assert (found == np.float32(total) * factor).all()
