"""The integers of this engine version, for ever: a change of them is a new ENGINE_VERSION."""

from __future__ import annotations

import json

import pytest
import torch
from interval_digest import GOLDEN, RECIPES, WINDOW, chunks, interval_digest, merged_digest

from digests import intervals_digest
from exact_models import CAPPED_WIDE, CPU, NORMED_WIDE, WIDE, exact_model
from llmzip.exact import ENGINE_VERSION
from llmzip.exact.cpu.ways import Way
from llmzip.exact.torch_engine import TorchEngine
from llmzip.predict.exact import ExactPredictor
from ways import every_way

OF_EVERY_WAY = [*WIDE, *NORMED_WIDE, *CAPPED_WIDE]
PINNED = json.loads(GOLDEN.read_text(encoding="ascii"))


def test_the_pinned_digests_are_of_this_engine_version() -> None:
    """Raised the version? Pin anew: python tests/exact/interval_digest.py --write."""
    assert PINNED["engine"] == ENGINE_VERSION


@pytest.mark.parametrize("name", RECIPES)
def test_preparing_gives_the_pinned_integers(name: str) -> None:
    assert exact_model(RECIPES[name]).digest().hex() == PINNED["prepared"][name]


@pytest.mark.parametrize("name", RECIPES)
def test_predicting_gives_the_pinned_integers(name: str) -> None:
    assert interval_digest(exact_model(RECIPES[name])) == PINNED["intervals"][name]


def test_merging_gives_the_pinned_weights() -> None:
    assert merged_digest() == PINNED["merged"]


@every_way
@pytest.mark.parametrize("name", OF_EVERY_WAY)
def test_every_way_gives_the_pinned_integers(name: str, way: Way) -> None:
    assert interval_digest(exact_model(RECIPES[name]), way=way) == PINNED["intervals"][name]


@pytest.mark.parametrize("name", OF_EVERY_WAY)
def test_the_reference_gives_the_pinned_integers(name: str) -> None:
    model = exact_model(RECIPES[name])
    reference = ExactPredictor(lambda _: TorchEngine(model, CPU), WINDOW, 1)
    assert intervals_digest(reference.intervals(chunks())) == PINNED["intervals"][name]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("name", RECIPES)
def test_cuda_gives_the_pinned_integers(name: str) -> None:
    found = interval_digest(exact_model(RECIPES[name]), "cuda")
    assert found == PINNED["intervals"][name]
