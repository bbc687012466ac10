"""Heads of any width and layers that see only a window: every way's integers are the reference's.

The models are random integers of the widths that count, not prepared ones: that is cheap, and lets
queries, keys and values be all at their limits.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from exact_models import CPU
from llmzip.exact.cpu.buffers import Look
from llmzip.exact.cpu.engine import CpuEngine
from llmzip.exact.cpu.head_blocks import gathered, places, spread
from llmzip.exact.cpu.ways import Way
from llmzip.exact.distribution import AnyCache, Engine
from llmzip.exact.model import ExactModel, Layer, Linear
from llmzip.exact.shape import ModelShape
from llmzip.exact.tables import rope_tables, rope_turns
from llmzip.exact.torch_engine import TorchEngine
from ways import RUNNABLE, engine_on, fast_ways

Ids = NDArray[np.int64]
Answers = list[NDArray[np.generic]]

N_POSITIONS, N_TOKENS, D, F = 256, 321, 128, 64
WIDTHS = [(16, 1), (16, 3), (80, 4), (96, 1), (128, 3), (128, 8), (256, 4), (256, 1)]
"""Heads' widths, and how many queries share a key and value."""
WINDOWS = [(), (1, 0), (5, 64), (64, 100), (100, 1), (1000, 0)]
"""Of two layers."""
LOOKED_AT: list[Way] = [way for way in RUNNABLE if way in (Way.PLAIN, Way.AVX2)]


def shape_of(width: int, group: int, windows: tuple[int, ...] = (), kind: str = "") -> ModelShape:
    """Two layers of one or two KV heads; kind: "learned" positions, or one of HEAD_NORMS."""
    n_kv = 1 if group > 1 else 2
    return ModelShape(
        n_layers=2,
        d_model=D,
        n_heads=n_kv * group,
        n_kv_heads=n_kv,
        d_head=width,
        d_ff=F,
        vocab_size=N_TOKENS,
        n_positions=N_POSITIONS,
        eps=1e-5,
        gated=True,
        rotary=kind != "learned",
        head_norm="" if kind == "learned" else kind,
        layer_window=windows,
    )


@cache
def random_model(shape: ModelShape, extreme: bool = False) -> ExactModel:
    """Weights within ± 127, or all at these limits and alike but for their sign."""
    rng = np.random.default_rng(7)

    def linear(n_out: int, n_in: int, biased: bool) -> Linear:
        if extreme:
            weight = np.where(rng.integers(0, 2, (n_out, 1)), 127, -127).repeat(n_in, 1)
        else:
            weight = rng.integers(-127, 128, (n_out, n_in))
        scale = np.full(n_out, 2.0**-10) if extreme else (1 + rng.random(n_out)) * 2.0**-10
        bias = rng.standard_normal(n_out).astype(np.float32) if biased else None
        return Linear(weight.astype(np.int8), scale.astype(np.float32), bias)

    biased = not (shape.rotary or extreme)
    layers = tuple(
        Layer(
            linear(shape.d_qkv, D, biased),
            linear(D, shape.d_heads, biased),
            linear(shape.d_up, D, biased),
            linear(D, F, biased),
            (1 + rng.standard_normal(shape.gains) / 4).astype(np.float32)
            if shape.head_norm
            else None,
        )
        for _ in range(shape.n_layers)
    )
    cos = sin = positions = None
    if shape.rotary:
        cos, sin = rope_tables(N_POSITIONS, rope_turns(10_000.0, shape.d_head))
    else:
        positions = rng.standard_normal((N_POSITIONS, D)).astype(np.float32)
    scales = np.full(N_TOKENS, 2.0**-15, dtype=np.float32)
    embedding = rng.integers(-32767, 32768, (N_TOKENS, D)).astype(np.int16)
    head = linear(N_TOKENS, D, False)
    return ExactModel(shape, embedding, scales, positions, cos, sin, layers, head)


def random_ids(count: int, seed: int = 1) -> Ids:
    return np.random.default_rng(seed).integers(0, N_TOKENS, count)


def prefilled(engine: Engine, blocks: list[int]) -> Answers:
    """What is said of two lanes' random tokens after each of the blocks, one after another."""
    ids = random_ids(2 * (sum(blocks) + 1)).reshape(2, -1)
    kv, start = engine.cache(3, N_POSITIONS), 0
    answers: Answers = []
    for size in blocks:
        block, after = ids[:, start : start + size], ids[:, start + 1 : start + 1 + size]
        hidden = engine.forward(block, np.array([2, 0]), np.array([start, start]), kv)
        found = engine.intervals(hidden, np.ascontiguousarray(after).reshape(-1))
        answers += [found.low.copy(), found.freq.copy(), found.total.copy()]
        start += size
    return answers


def filled(engine: Engine, depths: list[int]) -> AnyCache:
    """A cache whose lane i has seen depths[i] tokens, and others that came to nothing."""
    kv = engine.cache(len(depths), N_POSITIONS)
    for lane, depth in enumerate(depths):
        ids = random_ids(min(depth + 9, N_POSITIONS), lane)
        for first in range(0, len(ids), 100):
            block = ids[None, first : first + 100]
            engine.forward(block, np.array([lane]), np.array([first]), kv)
    return kv


def stepped(engine: Engine, depths: list[int], counts: list[int]) -> Answers:
    """Two steps of so many rows of each lane: totals, and what is found in their middle."""
    kv, lanes = filled(engine, depths), np.repeat(np.arange(len(depths)), counts)
    at = np.array(depths)[lanes] + np.concatenate([np.arange(count) for count in counts])
    ids = random_ids(len(lanes), 9)
    answers: Answers = []
    for step in range(2):
        found = engine.step(ids, lanes, at + step * np.array(counts)[lanes], kv)
        totals = found.totals()
        tokens = found.find(totals // np.uint64(2))
        answers += [totals, tokens.tokens.copy(), tokens.low.copy(), tokens.freq.copy()]
        ids = tokens.tokens.astype(np.int64)
    return answers


def same(ours: Answers, wanted: Answers) -> bool:
    return all((a == b).all() for a, b in zip(ours, wanted, strict=True))


@cache
def wanted_prefill(shape: ModelShape, extreme: bool, blocks: tuple[int, ...]) -> Answers:
    return prefilled(TorchEngine(random_model(shape, extreme), CPU), list(blocks))


@cache
def wanted_steps(
    shape: ModelShape, depths: tuple[int, ...], counts: tuple[int, ...], extreme: bool
) -> Answers:
    """Row by row: the reference takes no several rows of a lane."""
    engine = TorchEngine(random_model(shape, extreme), CPU)
    kv = filled(engine, list(depths))
    at, ids = list(depths), random_ids(sum(counts), 9)
    answers: Answers = []
    for _ in range(2):
        rows: list[Answers] = []
        for index, lane in enumerate(np.repeat(np.arange(len(depths)), counts).tolist()):
            found = engine.step(ids[index : index + 1], np.array([lane]), np.array([at[lane]]), kv)
            at[lane] += 1
            totals = found.totals()
            tokens = found.find(totals // np.uint64(2))
            rows.append([totals, tokens.tokens, tokens.low, tokens.freq])
        answers += [np.concatenate(column) for column in zip(*rows, strict=True)]
        ids = answers[-3].astype(np.int64)
    return answers


def assert_agrees(shape: ModelShape, way: Way, extreme: bool = False) -> None:
    """Prefill in blocks of two lanes, and steps of several lanes and rows of a lane."""
    engine = engine_on(way, random_model(shape, extreme), N_POSITIONS, 2)
    for blocks in ((150, 17), (9, 33, 1)):
        assert same(prefilled(engine, list(blocks)), wanted_prefill(shape, extreme, blocks))
    for depths, counts in (((0, 97, 200, 63), (1, 3, 2, 8)), ((128, 5), (1, 1))):
        ours = stepped(engine, list(depths), list(counts))
        assert same(ours, wanted_steps(shape, depths, counts, extreme))


@fast_ways
@pytest.mark.parametrize(("width", "group"), WIDTHS)
def test_every_width_gives_the_references_integers(width: int, group: int, way: Way) -> None:
    assert_agrees(shape_of(width, group), way)


@fast_ways
@pytest.mark.parametrize("windows", WINDOWS[1:], ids=str)
@pytest.mark.parametrize(("width", "group"), [(64, 3), (256, 4)])
def test_a_layer_sees_its_window_alone(
    width: int, group: int, windows: tuple[int, ...], way: Way
) -> None:
    assert_agrees(shape_of(width, group, windows), way)


@fast_ways
@pytest.mark.parametrize(
    ("width", "kind"),
    [
        *((80, "before"), (16, "after"), (256, "before"), (96, "learned"), (128, "after")),
    ],
)
def test_norms_of_heads_and_positions_of_other_kinds(width: int, kind: str, way: Way) -> None:
    assert_agrees(shape_of(width, 3, (70, 0), kind), way)


@fast_ways
@pytest.mark.parametrize("width", [64, 80])
def test_norms_of_all_heads_together(width: int, way: Way) -> None:
    assert_agrees(shape_of(width, 3, (70, 0), "whole"), way)


@fast_ways
@pytest.mark.parametrize(("width", "group"), [(64, 3), (80, 1)])
@pytest.mark.parametrize("caps", [(1.0, 30.0), (50.0, 1.0)])
def test_scores_and_logits_below_soft_caps(
    width: int, group: int, caps: tuple[float, float], way: Way
) -> None:
    score_cap, logit_cap = caps
    shape = shape_of(width, group, (5, 64))
    assert_agrees(replace(shape, score_cap=score_cap, logit_cap=logit_cap), way)


@fast_ways
@pytest.mark.parametrize(("width", "group"), [(80, 4), (128, 1), (256, 3)])
def test_integers_all_at_their_limits(width: int, group: int, way: Way) -> None:
    assert_agrees(shape_of(width, group, (100, 0), "learned"), way, extreme=True)


@fast_ways
@settings(max_examples=4, deadline=None)
@given(
    width=st.integers(1, 20).map(lambda n: 16 * n),
    group=st.sampled_from([1, 3, 4, 8]),
    windows=st.tuples(*[st.sampled_from([0, 1, 5, 16, 17, 63, 64, 65, 100, 300])] * 2),
)
def test_any_width_and_window(way: Way, width: int, group: int, windows: tuple[int, int]) -> None:
    assert_agrees(shape_of(width, group, windows), way)


@pytest.mark.parametrize("way", LOOKED_AT)
def test_who_looks_sees_heads_as_they_are(way: Way) -> None:
    """What the linear `out` takes in is what preparing a model sums up: no zeros, and in order."""
    model = random_model(shape_of(80, 4))
    seen: dict[Way, dict[str, NDArray[np.int8]]] = {}
    shape = replace(model.shape, n_layers=1)
    ids, lane, start = random_ids(20)[None], np.array([0]), np.array([0])

    def look_into(found: dict[str, NDArray[np.int8]]) -> Look:
        return lambda name, q: found.update({name: q.copy()})

    for one in (Way.PLAIN, way):
        engine = CpuEngine(
            replace(model, shape=shape, layers=model.layers[:1]),
            N_POSITIONS,
            1,
            one,
            look_into(seen.setdefault(one, {})),
        )
        engine.forward(ids, lane, start, engine.cache(1, N_POSITIONS))
    assert seen[way].keys() == {"0.qkv", "0.out", "0.up", "0.down"}
    assert all((seen[way][name] == q).all() for name, q in seen[Way.PLAIN].items())


@pytest.mark.parametrize("width", [2, 16, 63, 64, 65, 80, 96, 128, 192, 256, 320])
def test_heads_in_blocks_hold_all_numbers_once_and_zeros(width: int) -> None:
    heads = np.arange(1, 3 * width + 1)
    wide = spread(heads, width)
    assert wide.size == 3 * -(-width // 64) * 64
    assert sorted(wide[wide != 0].tolist()) == heads.tolist()
    assert (gathered(wide[None], width) == heads).all()
    if width % 2 == 0:  # what RoPE turns together lies 32 apart in a block
        first, second = places(width)[: width // 2], places(width)[width // 2 :]
        assert (second == first + 32).all()
        assert (first // 64 == second // 64).all()
