"""Steps with several rows of a lane: each says what a step of it alone says after those before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from exact_models import LLAMA, NORMED_WIDE, Recipe, exact_model, random_ids
from llmzip.exact.bias import RowBias
from llmzip.exact.cpu.ways import Way
from llmzip.exact.distribution import AnyCache, Engine
from ways import engine_on, every_way

WIDE = replace(LLAMA, d_model=128, n_heads=3, n_kv_heads=1, d_head=64, d_ff=192, vocab_size=1041)
SHAPES = [
    WIDE,
    replace(WIDE, n_heads=4, n_kv_heads=2, biases=True, tied=False, vocab_size=513),
    replace(WIDE, llama=False, n_heads=2, n_kv_heads=2, biases=True, n_layers=1),
    NORMED_WIDE["layered-wide"],
]
Answers = list[NDArray[np.generic]]
Ids = NDArray[np.int64]


def filled(engine: Engine, recipe: Recipe, depths: list[int]) -> AnyCache:
    """A cache whose lane i has seen depths[i] tokens, and others behind that came to nothing."""
    cache = engine.cache(len(depths), recipe.n_positions)
    for lane, depth in enumerate(depths):
        ids = random_ids(recipe, min(depth + 20, recipe.n_positions), lane).astype(np.int64)
        for first in range(0, len(ids), 100):
            block = ids[None, first : first + 100]
            engine.forward(block, np.array([lane]), np.array([first]), cache)
    return cache


def rows_of(recipe: Recipe, depths: list[int], counts: list[int]) -> tuple[Ids, Ids, Ids]:
    """Ids, lanes and positions of rows, so many of each lane."""
    lanes = np.repeat(np.arange(len(counts)), counts)
    ahead = np.concatenate([np.arange(count) for count in counts])
    at = np.array(depths)[lanes] + ahead
    return random_ids(recipe, len(lanes), 99).astype(np.int64), lanes, at


def asked(
    engine: Engine, recipe: Recipe, rows: tuple[Ids, Ids, Ids], cache: AnyCache, bias: RowBias
) -> Answers:
    """Feed rows; return what is said: totals, what is found and looked up, gradients."""
    found = engine.step(*rows, cache, bias)
    totals = found.totals()
    tokens = found.find(totals // np.uint64(2))
    low, freq = found.look_up(random_ids(recipe, 2 * len(totals), 5).reshape(-1, 2).astype(int))
    gradient = np.zeros(recipe.vocab_size, dtype=np.int64)
    found.add_gradient(tokens.tokens, gradient)
    answers = [totals, tokens.tokens, tokens.low, tokens.freq, low, freq, gradient]
    return [answer.copy() for answer in answers]


def assert_rows_agree(
    recipe: Recipe, depths: list[int], counts: list[int], threads: int, way: Way
) -> None:
    engine = engine_on(way, exact_model(recipe), recipe.n_positions, threads)
    ids, lanes, at = rows = rows_of(recipe, depths, counts)
    values = np.arange(2 * recipe.vocab_size, dtype=np.float32).reshape(2, -1) % 5
    together = asked(
        engine, recipe, rows, filled(engine, recipe, depths), RowBias(values, lanes % 2)
    )
    cache, alone = filled(engine, recipe, depths), []
    looked_up = random_ids(recipe, 2 * len(ids), 5).reshape(-1, 2).astype(int)
    gradient = np.zeros(recipe.vocab_size, dtype=np.int64)
    for row in range(len(ids)):
        own = slice(row, row + 1)
        found = engine.step(ids[own], lanes[own], at[own], cache, RowBias(values, lanes[own] % 2))
        totals = found.totals()
        tokens = found.find(totals // np.uint64(2))
        said = [totals, tokens.tokens, tokens.low, tokens.freq, *found.look_up(looked_up[own])]
        alone.append([answer.copy() for answer in said])
        found.add_gradient(tokens.tokens, gradient)
    for number, answer in enumerate(together[:-1]):
        assert (answer == np.concatenate([said[number] for said in alone])).all()
    assert (together[-1] == gradient).all()


@every_way
@pytest.mark.parametrize("recipe", SHAPES)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_rows_of_a_lane_are_steps_one_after_the_other(
    recipe: Recipe, threads: int, way: Way
) -> None:
    assert_rows_agree(recipe, [5, 0, 97, 64], [3, 1, 8, 17], threads, way)


@every_way
@settings(max_examples=8)
@given(
    recipe=st.sampled_from(SHAPES),
    lanes=st.lists(st.tuples(st.integers(0, 100), st.integers(1, 20)), min_size=1, max_size=4),
    threads=st.integers(1, 4),
)
def test_any_rows_of_any_lanes(
    way: Way, recipe: Recipe, lanes: list[tuple[int, int]], threads: int
) -> None:
    depths, counts = (list(column) for column in zip(*lanes, strict=True))
    assert_rows_agree(recipe, depths, counts, threads, way)


LONG = replace(WIDE, n_layers=1, n_positions=704)
CROSSING = {
    "three": LONG,
    "one": replace(LONG, n_heads=2, n_kv_heads=2),
    "eight": replace(LONG, n_heads=8),
    "one-window": replace(LONG, n_heads=2, n_kv_heads=2, layer_window=(64,)),
    "window": replace(LONG, n_heads=4, n_kv_heads=2, layer_window=(70,)),
    "narrow-window": replace(LONG, n_heads=8, layer_window=(5,)),
    "128": replace(LONG, n_heads=2, d_head=128, layer_window=(130,)),
    "80": replace(LONG, n_heads=8, d_head=80),
}
"""By the queries of a KV head, the keys in view, the width of heads."""


@every_way
@pytest.mark.parametrize("recipe", CROSSING.values(), ids=CROSSING)
@pytest.mark.parametrize("threads", [1, 2])
def test_rows_cross_the_blocks_of_keys(recipe: Recipe, threads: int, way: Way) -> None:
    assert_rows_agree(recipe, [250, 60, 505, 127, 680, 12], [16, 7, 1, 2, 5, 33], threads, way)


@every_way
def test_more_rows_than_ever_before_make_room(way: Way) -> None:
    assert_rows_agree(replace(WIDE, n_layers=1), [3] * 8, [16] * 8, 2, way)


@every_way
def test_picked_rows_answer_for_themselves(way: Way) -> None:
    recipe = SHAPES[0]
    engine = engine_on(way, exact_model(recipe), recipe.n_positions, 2)
    rows = rows_of(recipe, [7, 30], [4, 3])
    found = engine.step(*rows, filled(engine, recipe, [7, 30]))
    totals, wanted = found.totals(), np.array([6, 1, 3])
    targets, ids = totals // np.uint64(3), np.arange(14).reshape(7, 2)
    some = found.picked(wanted)
    whole, part = found.find(targets), some.find(targets[wanted])
    assert (part.tokens == whole.tokens[wanted]).all()
    assert (part.low == whole.low[wanted]).all()
    assert (some.totals() == totals[wanted]).all()
    assert (some.frequencies() == found.frequencies()[wanted]).all()
    for ours, theirs in zip(some.look_up(ids[wanted]), found.look_up(ids), strict=True):
        assert (ours == theirs[wanted]).all()


def test_every_way_says_what_its_steps_cost() -> None:
    for costs in (way.isa.COSTS for way in Way):
        sizes = [costs.of(n, 1, 0) for n in range(1, 40)]
        assert sizes[0] == 1
        assert sizes == sorted(sizes)
        assert costs.of(8, 8, 0) > costs.of(8, 1, 1) >= costs.of(8, 1, 0)
