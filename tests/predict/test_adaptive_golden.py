"""The integers of adaptive prediction, for ever and on every machine."""

from __future__ import annotations

import json

import pytest
import torch
from adaptive_digest import GOLDEN, RECIPES, adaptive_digest

from exact_models import WIDE, exact_model
from llmzip.exact import ENGINE_VERSION
from llmzip.exact.cpu.ways import Way
from ways import every_way

PINNED = json.loads(GOLDEN.read_text(encoding="ascii"))


def test_the_pinned_digests_are_of_this_engine_version() -> None:
    """Raised the version? Pin anew: python tests/predict/adaptive_digest.py --write."""
    assert PINNED["engine"] == ENGINE_VERSION


@pytest.mark.parametrize("name", RECIPES)
def test_groups_are_predicted_as_pinned(name: str) -> None:
    assert adaptive_digest(exact_model(RECIPES[name])) == PINNED["adaptive"][name]


@every_way
@pytest.mark.parametrize("name", WIDE)
def test_every_way_predicts_as_pinned(name: str, way: Way) -> None:
    assert adaptive_digest(exact_model(WIDE[name]), way=way) == PINNED["adaptive"][name]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("name", RECIPES)
def test_cuda_predicts_as_pinned(name: str) -> None:
    found = adaptive_digest(exact_model(RECIPES[name]), "cuda")
    assert found == PINNED["adaptive"][name]
