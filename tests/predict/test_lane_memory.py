"""What a predictor says that a lane takes is what it takes, or a little more."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from exact_models import CPU, GPT2, LLAMA, Recipe, exact_model
from llmzip.exact.engines import make_engine
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.exact_lanes import ExactLanes
from llmzip.predict.windows import Window


def bytes_of_caches(lanes: ExactLanes) -> int:
    caches = [group._cache for group in lanes._groups]
    arrays = [a for c in caches for a in (c.keys, c.values, c.key_scales, c.value_scales)]
    return sum(a.nbytes for a in arrays)


@pytest.mark.parametrize("recipe", [GPT2, LLAMA])
@pytest.mark.parametrize("n_dictionary", [0, 40])
def test_lanes_take_what_is_said_of_them(recipe: Recipe, n_dictionary: int) -> None:
    window = Window(128, 64, 0)
    known = np.arange(1, 1 + n_dictionary, dtype=np.int32) if n_dictionary else None
    make = partial(make_engine, exact_model(recipe), CPU, window.size)
    predictor = ExactPredictor(make, window, 2, dictionary=known)
    rows = 8 * predictor.vocab_size
    free = predictor.lanes(5)
    assert bytes_of_caches(free) == 5 * (predictor.lane_bytes() - rows)
    for n_tokens in (1, 64, 65, 1_000):
        lanes = predictor.group().lanes([n_tokens, 1, 1])
        assert bytes_of_caches(lanes._plain) == 3 * (predictor.lane_bytes(n_tokens) - rows)
    assert predictor.lane_bytes(1) < predictor.lane_bytes() == predictor.lane_bytes(1 << 16)
