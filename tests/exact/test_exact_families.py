"""Every family: read as transformers computes it, exact on every way, as good as in floats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import float_reference
import numpy as np
import pytest
import torch

from decoded import decode
from exact_models import CPU, phrases
from exact_training import exact_bits, float_bits, trained
from family_models import VARIANTS, VOCAB_SIZE, Variant, random_model
from llmzip.exact.calibration import Sample
from llmzip.exact.cpu.ways import Way, takes
from llmzip.exact.distribution import Engine
from llmzip.exact.families import FAMILIES, read_model
from llmzip.exact.families.refused import NEEDS
from llmzip.exact.model import ExactModel
from llmzip.exact.prepare import prepare
from llmzip.exact.torch_engine import TorchEngine
from llmzip.predict import Intervals
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.windows import Window
from ways import RUNNABLE, engine_on

ROOT = Path(__file__).parent.parent.parent

MOST_LOST = 1.005
"""Exact inference may cost this factor in bits."""
N_STEPS = 28
N_TOKENS = 200

every_variant = pytest.mark.parametrize("name", VARIANTS)


def test_every_family_has_a_variant() -> None:
    assert {variant.kind for variant in VARIANTS.values()} == FAMILIES.keys()


def test_the_documents_list_what_is_run_and_what_is_not() -> None:
    text = (ROOT / "docs" / "MODELS.md").read_text(encoding="utf-8")
    for kind in FAMILIES:
        assert f"| `{kind}` |" in text, kind
    for kind, what in NEEDS.items():
        assert f"| `{kind}` | {what} |" in text, kind


@every_variant
def test_a_family_is_read_as_transformers_computes_it(name: str) -> None:
    variant = VARIANTS[name]
    model = random_model(variant)
    ids = np.arange(variant.n_positions) * 7919 % model.config.vocab_size
    with torch.inference_mode():
        wanted = model.double()(torch.from_numpy(ids)[None]).logits[0].numpy()
    ours = read_model(model)
    assert ours.shape.n_positions == variant.n_positions
    found = float_reference.logits(ours, ids)
    found, wanted = (x - x.mean(-1, keepdims=True) for x in (found, wanted))
    error = np.sqrt(((found - wanted) ** 2).mean() / (wanted**2).mean())
    # transformers has RoPE's angles in float32; gelu by erf is computed as by tanh
    assert error < (3e-4 if uses_erf(variant) else 1e-5)


def uses_erf(variant: Variant) -> bool:
    return "gelu" in (variant.changes.get(n) for n in ("activation_function", "hidden_act"))


@every_variant
def test_a_trained_one_loses_little_and_every_way_computes_the_same(name: str) -> None:
    variant = VARIANTS[name]
    model = learnt(random_model(variant, 0.06), variant.n_positions)
    exact = prepare(read_model(model), Sample(n_lanes=16, n_tokens=32))
    window = Window(exact.shape.n_positions, exact.shape.n_positions // 2, 0)
    chunk = phrases(VOCAB_SIZE, N_TOKENS, seed=2)
    wanted = float_bits(model, window, [chunk])
    assert wanted < 7 * N_TOKENS, "it has learnt something: random guesses cost 8 bits a token"
    assert exact_bits(exact, window, [chunk]) < wanted * MOST_LOST
    short = chunk[: exact.shape.n_positions + 9]
    reference = next(on(exact, window, None).intervals([short]))
    for way in (way for way in RUNNABLE if takes(way, exact.shape)):
        source = on(exact, window, way)
        assert same(next(source.intervals([short])), reference), way
        assert decode(source, [short], [0]) == [short.tolist()], way


def learnt(model: Any, n_positions: int) -> Any:
    """The model when it has read for a while, by the same random numbers whenever."""
    ids = phrases(VOCAB_SIZE, 8000, seed=1).astype(np.int64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return trained(model, ids, n_positions, N_STEPS, rate=1e-2, n_pieces=4)


def on(model: ExactModel, window: Window, way: Way | None) -> ExactPredictor:
    """What predicts by the reference, or on one of the CPU's ways."""

    def engine(_: int) -> Engine:
        return TorchEngine(model, CPU) if way is None else engine_on(way, model, window.size)

    return ExactPredictor(engine, window, 1)


def same(a: Intervals, b: Intervals) -> bool:
    return all((getattr(a, name) == getattr(b, name)).all() for name in ("low", "freq", "total"))
