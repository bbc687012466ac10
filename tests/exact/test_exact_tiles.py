"""Prefill and steps in AMX tiles, and on the other ways of the same processor: one answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numba
import numpy as np
import pytest
from numpy.typing import NDArray
from test_exact_step import SHAPES, WIDE, assert_steps_agree

from exact_models import CPU, Recipe, exact_model, random_ids
from llmzip.exact.cpu import tiles
from llmzip.exact.cpu.product import PADDED_ROWS, StepLinear, product
from llmzip.exact.cpu.scalars import address_of
from llmzip.exact.cpu.ways import Way
from llmzip.exact.distribution import Engine
from llmzip.exact.torch_engine import TorchEngine
from ways import engine_on, every_way

N_TERMS, N_OUTPUTS = 192, 128
GROUPED = replace(WIDE, n_heads=9, n_kv_heads=1)  # more queries in a group than a tile has rows


def prefilled(engine: Engine, recipe: Recipe, blocks: list[int]) -> list[NDArray[np.generic]]:
    """Intervals of random tokens after each of the blocks, one after another in a lane."""
    ids = random_ids(recipe, sum(blocks) + 1, 3).astype(np.int64)
    cache, lane, start = engine.cache(2, recipe.n_positions), np.array([1]), 0
    answers: list[NDArray[np.generic]] = []
    for size in blocks:
        block = ids[None, start : start + size]
        hidden = engine.forward(block, lane, np.array([start]), cache)
        found = engine.intervals(hidden, ids[start + 1 : start + 1 + size])
        answers += [found.low.copy(), found.freq.copy(), found.total.copy(), found.bits.copy()]
        start += size
    return answers


@every_way
@pytest.mark.parametrize("recipe", [*SHAPES, GROUPED])
@pytest.mark.parametrize("blocks", [[9], [16, 17], [33, 1, 62], [100, 20]])
def test_prefill_gives_the_references_intervals(
    recipe: Recipe, blocks: list[int], way: Way
) -> None:
    model = exact_model(recipe)
    ours = prefilled(engine_on(way, model, recipe.n_positions), recipe, blocks)
    wanted = prefilled(TorchEngine(model, CPU), recipe, blocks)
    assert all((a == b).all() for a, b in zip(ours, wanted, strict=True))


@every_way
@pytest.mark.parametrize("recipe", [*SHAPES, GROUPED])
def test_a_step_of_more_lanes_than_a_tile_has_rows(recipe: Recipe, way: Way) -> None:
    depths = [5, 0, 97, 64, 31, 16, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13]
    assert_steps_agree(recipe, depths, list(range(18)), 2, way)


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def pack_keys(keys: Any, flip: Any, out: Any) -> None:
    d = np.int64(keys.shape[1])
    tiles.pack_keys(address_of(keys), np.int64(len(keys)), d, flip, address_of(out), np.int64(0))


@pytest.mark.parametrize("d", [64, 128, 192])
@pytest.mark.parametrize("flip", [0, -2139062144])
def test_keys_are_packed_as_rows_are(d: int, flip: int) -> None:
    keys = np.random.default_rng(d).integers(-128, 127, (80, d), dtype=np.int8, endpoint=True)
    ours, wanted = np.zeros((2, 80 * d // 4), dtype=np.int32)
    pack_keys(keys, np.int32(flip), ours)
    tiles.pack_rows(keys.view(np.int32), wanted)
    assert (ours == (wanted ^ np.int32(flip))).all()


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def product_in_tiles(
    isa: Any, configuration: Any, a: Any, n_rows: int, linear: Any, out: Any
) -> None:
    tiles.configure(configuration)
    product(isa, a, n_rows, linear.weight, 0, (0, out.shape[1], 0), out)
    tiles.release()


def packed(weight: NDArray[np.int8]) -> StepLinear:
    tiled = np.empty((1, *weight.shape), dtype=np.int8)
    tiles.pack_rows(weight.view(np.int32), tiled.reshape(-1).view(np.int32))
    scale = np.ones((1, len(weight)), dtype=np.float32)
    return StepLinear(tiled, scale, scale[:, :0].copy())


@pytest.mark.skipif(not tiles.AVAILABLE, reason="the processor has no AMX tiles")
@pytest.mark.parametrize(("low", "high"), [(-128, 127), (-128, -128), (127, 127)])
def test_products_that_ask_for_weights_are_exact_for_any_number_of_rows(
    low: int, high: int
) -> None:
    """However many tiles of rows share the asking, and though it goes beyond all weights."""
    random = np.random.default_rng(5)
    weight = random.integers(low, high, (N_OUTPUTS, N_TERMS), dtype=np.int8, endpoint=True)
    linear = packed(weight)
    for n_rows in (1, 16, 17, 32, 33, 48, 64, 65, 96, 97, 100, 128, 129, 200):
        padded = -(-n_rows // PADDED_ROWS) * PADDED_ROWS
        a = random.integers(low, high, (padded, N_TERMS), dtype=np.int8, endpoint=True)
        out = np.zeros((padded, N_OUTPUTS), dtype=np.int32)
        product_in_tiles(tiles.AMX, tiles.configuration(), a, n_rows, linear, out)
        wanted = a[:n_rows].astype(np.int32) @ weight.astype(np.int32).T
        assert (out[:n_rows] == wanted).all()
