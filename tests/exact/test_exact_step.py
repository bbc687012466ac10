"""Decoding steps by a team of threads: the reference's distributions, for any lanes and threads.

The widths fit the kernel's vectors, so that every way can take them.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from exact_models import CPU, LLAMA, Recipe, exact_model, newly_prepared, random_ids
from llmzip.exact.cpu.apart import Apart
from llmzip.exact.cpu.ways import Way, takes
from llmzip.exact.distribution import AnyCache, Engine
from llmzip.exact.model import ExactModel
from llmzip.exact.torch_engine import TorchEngine
from ways import engine_on, every_way, fast_ways

WIDE = replace(LLAMA, d_model=128, n_heads=3, n_kv_heads=1, d_head=64, d_ff=192, vocab_size=1041)
SHAPES = [
    WIDE,
    replace(WIDE, n_kv_heads=3, biases=True, tied=False, vocab_size=513),
    replace(WIDE, llama=False, n_heads=2, n_kv_heads=2, biases=True, vocab_size=5),
    replace(WIDE, n_layers=1, vocab_size=1536, gain=50.0),
    replace(WIDE, head_norm="before", parallel=True, activation="gelu"),
    replace(WIDE, llama=False, n_layers=1, biases=True, activation="relu2"),
]


def filled(engine: Engine, recipe: Recipe, depths: list[int]) -> AnyCache:
    """A cache whose lane i has seen depths[i] tokens."""
    cache = engine.cache(len(depths), recipe.n_positions)
    for lane, depth in enumerate(depths):
        ids = random_ids(recipe, depth + 1, lane).astype(np.int64)
        for first in range(0, depth, 100):
            block = ids[None, first : min(first + 100, depth)]
            engine.forward(block, np.array([lane]), np.array([first]), cache)
    return cache


def stepped(
    model: ExactModel, engine: Engine, recipe: Recipe, depths: list[int], order: list[int]
) -> list[NDArray[np.generic]]:
    """Two steps of the lanes in `order`: totals and what is found at the middle of the total."""
    cache, lanes = filled(engine, recipe, depths), np.array(order)
    at = np.array([depths[lane] for lane in order])
    ids = np.array([random_ids(recipe, depths[lane] + 1, lane)[-1] for lane in order]).astype(int)
    answers: list[NDArray[np.generic]] = []
    for step in range(2):
        found = engine.step(ids, lanes, at + step, cache)
        totals = found.totals()
        tokens = found.find(totals // np.uint64(2))
        answers += [totals, tokens.tokens.copy(), tokens.low.copy(), tokens.freq.copy()]
        ids = tokens.tokens.astype(int)
    return answers


def assert_steps_agree(
    recipe: Recipe,
    depths: list[int],
    order: list[int],
    threads: int,
    way: Way,
    model: ExactModel | None = None,
) -> None:
    """Of the recipe's model, or of `model`, which has its shape."""
    model = model or exact_model(recipe)
    fast = engine_on(way, model, recipe.n_positions, threads)
    wanted = stepped(model, TorchEngine(model, CPU), recipe, depths, order)
    ours = stepped(model, fast, recipe, depths, order)
    assert all((a == b).all() for a, b in zip(ours, wanted, strict=True))


def test_every_way_takes_these_shapes() -> None:
    assert all(takes(way, exact_model(recipe).shape) for way in Way for recipe in SHAPES)


@every_way
@pytest.mark.parametrize("recipe", SHAPES)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_step_gives_the_references_distributions(recipe: Recipe, threads: int, way: Way) -> None:
    assert_steps_agree(recipe, [5, 0, 97, 64, 31, 16], [4, 1, 0, 5, 2, 3], threads, way)


@every_way
@settings(max_examples=12)
@given(
    recipe=st.sampled_from(SHAPES),
    depths=st.lists(st.integers(0, 100), min_size=1, max_size=11),
    threads=st.integers(1, 5),
    data=st.data(),
)
def test_any_lanes_in_any_order_by_any_threads(
    way: Way, recipe: Recipe, depths: list[int], threads: int, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(depths))))
    order = order[: data.draw(st.integers(1, len(order)))]
    assert_steps_agree(recipe, depths, order, threads, way)


@every_way
@pytest.mark.parametrize("depth", [255, 256, 257, 511, 512, 513, 700])
def test_long_contexts_cross_the_blocks_of_keys(depth: int, way: Way) -> None:
    recipe = replace(WIDE, n_layers=1, n_positions=704)
    assert_steps_agree(recipe, [depth, 3], [0, 1], 2, way)


@every_way
def test_extreme_integers_do_not_overflow(way: Way) -> None:
    """Weights, keys and values all at the limits, of one sign: the largest sums there are."""
    recipe = replace(WIDE, n_layers=1, n_positions=640)
    model = newly_prepared(recipe)
    for linear in (
        *(getattr(model.layers[0], n) for n in ("qkv", "out", "up", "down")),
        model.head,
    ):
        linear.weight[:] = 127
        linear.weight[1::2] = -127
    assert_steps_agree(recipe, [600, 513], [0, 1], 2, way, model)


@every_way
def test_many_more_lanes_than_before_make_room(way: Way) -> None:
    recipe = replace(WIDE, n_layers=1, n_positions=64)
    assert_steps_agree(recipe, [i % 7 for i in range(300)], list(range(300)), 2, way)


@fast_ways
def test_a_step_of_which_a_thread_fails_raises_and_the_next_is_right(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(WIDE, n_layers=1, n_positions=64)
    model = exact_model(recipe)
    fast = engine_on(way, model, recipe.n_positions, 2)

    def fail(_apart: Apart) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise MemoryError("no thread for this")

    with monkeypatch.context() as patched:
        patched.setattr(Apart, "take_place", fail)
        with pytest.raises(MemoryError, match="no thread for this"):
            stepped(model, fast, recipe, [3, 5], [0, 1])
    wanted = stepped(model, TorchEngine(model, CPU), recipe, [3, 5], [0, 1])
    ours = stepped(model, fast, recipe, [3, 5], [0, 1])
    assert all((a == b).all() for a, b in zip(ours, wanted, strict=True))
