"""docs/EXACT.md says enough: an engine written from it alone gives the same integers."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from preparation_from_document import Document

from exact_models import (
    GPT2,
    LLAMA,
    SAMPLE,
    Recipe,
    engines,
    exact_model,
    float_model,
    random_ids,
)
from llmzip.exact.cpu.ways import Way, takes
from ways import every_way, fitting

RECIPES = [
    GPT2,
    LLAMA,
    replace(LLAMA, d_model=60, d_head=20, biases=True, tied=False),
    replace(LLAMA, n_layers=1, head_norm="before"),
    replace(LLAMA, n_layers=1, head_norm="after"),
    replace(GPT2, parallel=True, activation="relu2"),
    replace(LLAMA, n_layers=1, activation="gelu"),
    replace(LLAMA, d_model=80, norms="both", layer_window=(5, 0), layer_rope=(1, 0)),
    replace(LLAMA, norms="after", head_norm="whole", layer_rope=(-1, 0), biases=True, tied=False),
    replace(GPT2, layer_window=(0, 9)),
    replace(LLAMA, d_model=80, norms="both", layer_window=(5, 0), score_cap=2.0, logit_cap=3.0),
]


@cache
def document(recipe: Recipe) -> Document:
    """Prepared once for all ways: each of them is held against the same."""
    return Document(float_model(recipe), SAMPLE.n_lanes, SAMPLE.n_tokens)


@cache
def expected_of(recipe: Recipe) -> list[NDArray[np.generic]]:
    return list(document(recipe).frequencies(random_ids(recipe, 41)[:-1].tolist()))


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_document_prepares_the_same_integers(recipe: Recipe) -> None:
    assert document(recipe).digest() == exact_model(recipe).digest().hex()


@every_way
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_document_predicts_the_same_frequencies(recipe: Recipe, way: Way) -> None:
    recipe = fitting(recipe, way)
    if not takes(way, float_model(recipe).shape):
        pytest.skip(f"{way} does not take such models")
    ids = random_ids(recipe, 41)
    expected = expected_of(recipe)
    targets = ids[1:].astype(np.int64)
    for engine in engines(exact_model(recipe), way):
        lane = np.array([0])
        hidden = engine.forward(ids[None, :-1].astype(np.int64), lane, lane, engine.cache(1, 40))
        found = engine.intervals(hidden, targets)
        assert found.total.tolist() == [row.sum() for row in expected]
        assert found.low.tolist() == [r[:t].sum() for r, t in zip(expected, targets, strict=True)]
