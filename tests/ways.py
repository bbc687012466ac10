"""Tests that run on every way of computing that this processor can take.

`every_way` gives a test the argument `way`; what this processor cannot take is skipped. The
suite's last lines say which ways have run: see conftest.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from exact_models import Recipe
from llmzip.exact.cpu.engine import CpuEngine
from llmzip.exact.cpu.ways import Way, known_ways, runnable_ways
from llmzip.exact.model import ExactModel

RUNNABLE = runnable_ways()


def _parameter(way: Way) -> object:
    reason = f"this processor cannot compute the way {way}"
    return pytest.param(way, marks=() if way in RUNNABLE else pytest.mark.skip(reason=reason))


every_way = pytest.mark.parametrize("way", [_parameter(way) for way in known_ways()], ids=str)
fast_ways = pytest.mark.parametrize(
    "way", [_parameter(way) for way in known_ways() if way is not Way.PLAIN], ids=str
)
"""As `every_way`, without the one that compiles anew for each width of heads."""
block_ways = pytest.mark.parametrize(
    "way",
    [_parameter(way) for way in known_ways() if way.dot is not None or way is Way.AMX],
    ids=str,
)
"""As `every_way`, for those whose prefill uses blocks of sums where they are made."""
four_ways = pytest.mark.parametrize(
    "way", [_parameter(way) for way in known_ways() if way.dot is not None], ids=str
)
"""As `every_way`, for those by products of `fours`."""


def engine_on(way: Way, model: ExactModel, n_positions: int, step_threads: int = 1) -> CpuEngine:
    """An engine that computes the way it was told."""
    engine = CpuEngine(model, n_positions, step_threads, way)
    assert engine.way is way
    return engine


def fitting(recipe: Recipe, way: Way) -> Recipe:
    """The recipe, or for ways that want vectors filled the next wider one."""
    if way is Way.PLAIN:
        return recipe
    widths = {name: -(-getattr(recipe, name) // 64) * 64 for name in ("d_model", "d_ff")}
    return replace(recipe, **widths)
