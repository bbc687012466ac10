"""Every engine gives the reference's integers, in blocks of any size, in any company."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from exact_models import (
    CPU,
    GPT2,
    LLAMA,
    Numbers,
    Recipe,
    as_given,
    as_tensors,
    engines,
    exact_model,
    newly_prepared,
    random_ids,
)
from llmzip.exact.constants import FREQ_BITS
from llmzip.exact.cpu.buffers import CpuHidden
from llmzip.exact.cpu.ways import Way
from llmzip.exact.distribution import Engine, Ids, TokenIntervals
from llmzip.exact.model import ExactModel, Linear
from llmzip.exact.reference import Reference
from llmzip.exact.torch_engine import TorchEngine
from ways import engine_on, every_way, fitting

RECIPES = [
    GPT2,
    LLAMA,
    replace(LLAMA, biases=True, tied=False),
    replace(GPT2, d_model=60, n_heads=5, n_kv_heads=5, d_ff=77, vocab_size=513, tied=False),
    replace(GPT2, d_model=100, n_heads=2, n_kv_heads=2, d_head=50, vocab_size=1),
    replace(LLAMA, d_model=100, n_heads=3, n_kv_heads=1, d_head=64, vocab_size=1500, gain=0.3),
    replace(LLAMA, d_model=7, n_heads=1, n_kv_heads=1, d_head=2, d_ff=3, vocab_size=5, gain=8.0),
]


@dataclass(frozen=True)
class Answers:
    """What an engine says of a run of tokens, comparable as bytes; bits apart."""

    low: bytes
    freq: bytes
    total: bytes

    @classmethod
    def of(cls, *parts: TokenIntervals) -> Answers:
        found = TokenIntervals.joined(parts)
        return cls(found.low.tobytes(), found.freq.tobytes(), found.total.tobytes())


def run(engine: Engine, ids: NDArray[np.int32], blocks: list[int], lane: int = 0) -> Answers:
    """Feed ids[:-1] in blocks of these sizes, the last again and again; ask for ids[1:]."""
    inputs, targets = ids[:-1].astype(np.int64), ids[1:].astype(np.int64)
    cache = engine.cache(lane + 1, len(inputs))
    parts, first = [], 0
    sizes = iter(blocks)
    size = blocks[-1]
    while first < len(inputs):
        size = next(sizes, size)
        block = inputs[None, first : first + size]
        hidden = engine.forward(block, np.array([lane]), np.array([first]), cache)
        parts.append(engine.intervals(hidden, targets[first : first + size]))
        first += size
    return Answers.of(*parts)


@every_way
@pytest.mark.parametrize("recipe", RECIPES)
def test_engines_agree_on_every_shape(recipe: Recipe, way: Way) -> None:
    recipe = fitting(recipe, way)
    ids = random_ids(recipe, 120)
    reference, fast = engines(exact_model(recipe), way)
    expected = run(reference, ids, [119])
    assert run(fast, ids, [119]) == expected
    assert run(fast, ids, [1]) == expected


def linears(model: ExactModel) -> list[Linear]:
    layers = [getattr(layer, n) for layer in model.layers for n in ("qkv", "out", "up", "down")]
    return [*layers, model.head]


recipes = st.builds(
    lambda family, heads, wide, **rest: replace(
        family, n_heads=heads, n_kv_heads=heads // wide if heads % wide == 0 else heads, **rest
    ),
    st.sampled_from([GPT2, LLAMA]),
    heads=st.integers(1, 4),
    wide=st.integers(1, 3),
    d_model=st.integers(2, 100),
    d_head=st.sampled_from([2, 12, 16, 30, 64]),
    d_ff=st.integers(2, 150),
    n_layers=st.integers(1, 3),
    vocab_size=st.integers(1, 1100),
    biases=st.booleans(),
    gain=st.sampled_from([0.0, 1e-25, 0.01, 1.0, 4.0, 1000.0, 1e7]),
    seed=st.integers(0, 1 << 20),
)


@every_way
@settings(max_examples=25)
@given(
    recipe=recipes,
    blocks=st.lists(st.integers(1, 90), min_size=1, max_size=5),
    n_zero_rows=st.integers(0, 3),
)
def test_engines_agree_on_random_and_extreme_models(
    way: Way, recipe: Recipe, blocks: list[int], n_zero_rows: int
) -> None:
    # untied, or extreme weights would not reach the head
    recipe = fitting(replace(recipe, tied=False), way)
    model = newly_prepared(recipe)
    for linear in linears(model):
        linear.weight[:n_zero_rows] = 0
    ids = random_ids(recipe, 90)
    reference, fast = engines(model, way)
    assert run(fast, ids, blocks) == run(reference, ids, [89])


@every_way
@settings(max_examples=8)
@given(data=st.data())
def test_engines_agree_on_extreme_integers(way: Way, data: st.DataObject) -> None:
    """Weights that prepare would hardly make: all at the limits, with scales far apart."""
    recipe = data.draw(st.sampled_from([GPT2, LLAMA, replace(LLAMA, biases=True)]))
    recipe = fitting(recipe, way)
    model = newly_prepared(recipe)
    for linear in linears(model):
        if data.draw(st.booleans()):
            linear.weight[:] = data.draw(st.sampled_from([127, -127]))
        linear.scale[:] *= 10.0 ** data.draw(st.integers(-20, 6))
    model.embedding[:] = data.draw(st.sampled_from([32767, -32767, 1]))
    ids = random_ids(recipe, 80)
    reference, fast = engines(model, way)
    expected = run(reference, ids, [79])
    assert run(fast, ids, [79]) == expected
    assert run(fast, ids, [1, 7, 8, 9]) == expected


@every_way
@pytest.mark.parametrize("recipe", [GPT2, LLAMA])
@settings(max_examples=8)
@given(blocks=st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_blocks_of_any_size_give_the_same_integers(
    way: Way, recipe: Recipe, blocks: list[int]
) -> None:
    recipe = fitting(recipe, way)
    ids = random_ids(recipe, 91)
    for engine in engines(exact_model(recipe), way):
        assert run(engine, ids, [*blocks, 9]) == run(engine, ids, [90])


@every_way
@pytest.mark.parametrize("recipe", [GPT2, LLAMA])
@pytest.mark.parametrize("n_tokens", [1, 12])
def test_lanes_side_by_side_do_not_touch_each_other(
    recipe: Recipe, n_tokens: int, way: Way
) -> None:
    """Lanes in any order, at different positions, with neighbours or alone."""
    recipe = fitting(recipe, way)
    chunks = [random_ids(recipe, 100, seed) for seed in range(5)]
    lanes = np.array([3, 0, 4, 1])
    starts = np.array([60, 7, 0, 33])
    blocks = np.stack([chunks[k][s : s + n_tokens] for k, s in zip(lanes, starts, strict=True)])
    for engine in engines(exact_model(recipe), way):
        cache = engine.cache(5, 100)
        for lane, chunk in enumerate(chunks):
            engine.forward(_ids(chunk[:70]), np.array([lane]), np.array([0]), cache)
        hidden = engine.forward(blocks.astype(np.int64), lanes, starts, cache)
        where = zip(lanes, starts, strict=True)
        targets = np.concatenate([_next(chunks[lane], at, n_tokens) for lane, at in where])
        together = engine.intervals(hidden, targets)
        for row, (lane, start) in enumerate(zip(lanes, starts, strict=True)):
            alone = engine.cache(1, 100)
            if start:
                engine.forward(_ids(chunks[lane][:start]), np.array([0]), np.array([0]), alone)
            own = _ids(chunks[lane][start : start + n_tokens])
            hidden = engine.forward(own, np.array([0]), np.array([start]), alone)
            found = engine.intervals(hidden, _next(chunks[lane], start, n_tokens))
            part = slice(row * n_tokens, (row + 1) * n_tokens)
            assert (found.low == together.low[part]).all()
            assert (found.total == together.total[part]).all()


def _ids(ids: NDArray[np.int32]) -> Ids:
    return ids[None].astype(np.int64)


def _next(chunk: NDArray[np.int32], start: int, count: int) -> Ids:
    return chunk[start + 1 : start + 1 + count].astype(np.int64)


@every_way
def test_a_cache_used_before_leaves_no_trace(way: Way) -> None:
    """Stale keys beyond a lane's position, of another text, change nothing."""
    engine = engine_on(way, exact_model(fitting(LLAMA, way)), 128)
    cache = engine.cache(1, 128)
    old, new = random_ids(LLAMA, 128, 1), random_ids(LLAMA, 41, 2)
    engine.forward(_ids(old), np.array([0]), np.array([0]), cache)
    hidden = engine.forward(_ids(new[:-1]), np.array([0]), np.array([0]), cache)
    found = engine.intervals(hidden, new[1:].astype(np.int64))
    assert Answers.of(found) == run(engine, new, [40])


def hidden_states(recipe: Recipe, count: int, seed: int) -> CpuHidden:
    """Random hidden states: whatever the head may be given."""
    numbers = Numbers(seed << 24)
    q = (numbers.spread(count, recipe.d_model) * 127).astype(np.int8)
    return CpuHidden(q, numbers.spread(count).astype(np.float32).clip(0.001))


@every_way
@pytest.mark.parametrize("recipe", RECIPES)
def test_frequencies_are_at_least_one_and_sum_up(recipe: Recipe, way: Way) -> None:
    recipe = fitting(recipe, way)
    model = exact_model(recipe)
    hidden = hidden_states(recipe, 9, 3)
    frequencies = Reference(model, CPU).frequencies(as_tensors(hidden)).numpy()
    assert frequencies.min() >= 1
    assert (frequencies.max(1) == (1 << FREQ_BITS) + 1).all()
    for engine in engines(model, way):
        totals = engine.distributions(as_given(engine, hidden)).totals()
        assert (totals == frequencies.sum(1).astype(np.uint64)).all()


@every_way
@settings(max_examples=20)
@given(recipe=st.sampled_from(RECIPES), seed=st.integers(0, 1000), where=st.floats(0, 1))
def test_find_is_the_inverse_of_intervals(
    way: Way, recipe: Recipe, seed: int, where: float
) -> None:
    """For the first, the last and any other target inside a token's interval."""
    recipe = fitting(recipe, way)
    model, hidden = exact_model(recipe), hidden_states(recipe, 70, seed)
    tokens = random_ids(recipe, 70, seed).astype(np.int64)
    for engine in engines(model, way):
        known = engine.intervals(as_given(engine, hidden), tokens)
        inside = (known.freq.astype(np.float64) * where).astype(np.uint64)
        for offset in (inside * np.uint64(0), np.minimum(inside, known.freq - 1), known.freq - 1):
            found = engine.distributions(as_given(engine, hidden)).find(known.low + offset)
            assert (found.tokens == tokens).all()
            assert (found.low == known.low).all()
            assert (found.freq == known.freq).all()


@every_way
@pytest.mark.parametrize("recipe", RECIPES)
def test_intervals_of_all_tokens_tile_the_total(recipe: Recipe, way: Way) -> None:
    recipe = fitting(recipe, way)
    tokens = np.arange(recipe.vocab_size, dtype=np.int64)
    hidden = hidden_states(recipe, 1, 5).picked(np.zeros_like(tokens))
    for engine in engines(exact_model(recipe), way):
        found = engine.intervals(as_given(engine, hidden), tokens)
        ends = found.low + found.freq
        assert found.low[0] == 0
        assert (found.low[1:] == ends[:-1]).all()
        assert (found.total == ends[-1]).all()


@every_way
def test_bits_are_the_cross_entropy_of_the_distribution(way: Way) -> None:
    recipe = fitting(replace(GPT2, gain=0.5), way)
    model = exact_model(recipe)
    hidden, tokens = hidden_states(recipe, 40, 1), random_ids(GPT2, 40).astype(np.int64)
    logits = Reference(model, CPU).logits(as_tensors(hidden)).double().numpy()
    expected = np.logaddexp2.reduce(logits, 1) - logits[np.arange(40), tokens]
    for engine in engines(model, way):
        found = engine.intervals(as_given(engine, hidden), tokens)
        assert found.bits == pytest.approx(expected, rel=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("recipe", RECIPES)
def test_cuda_gives_the_integers_of_the_cpu(recipe: Recipe) -> None:
    model, ids = exact_model(recipe), random_ids(recipe, 120)
    expected = run(TorchEngine(model, CPU), ids, [119])
    cuda = TorchEngine(model, "cuda")
    assert run(cuda, ids, [119]) == expected
    assert run(cuda, ids, [50, 1, 1, 30]) == expected
