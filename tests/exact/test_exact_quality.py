"""What exactness costs: cross-entropy beside transformers in float32, once models have learnt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from exact_models import CPU
from exact_training import trained_gpt2
from llmzip.errors import ModelNotFoundError
from llmzip.exact.engines import make_engine
from llmzip.exact.families import read_model
from llmzip.exact.model import ExactModel
from llmzip.exact.prepare import prepare
from llmzip.models import DEFAULT_MODEL, LoadedModel, load_transformers, locate, open_exact
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.windows import Window

ROOT = Path(__file__).parent.parent.parent
LICENSE = ROOT / "LICENSE"
NOVEL = ROOT / "benchmarks" / "data" / "alice-1-3.txt"
MOST_LOST = 1.003
"""Exact inference may cost this factor in bits."""


def float_bits(model: Any, window: Window, chunks: Sequence[NDArray[np.int32]]) -> float:
    """Cross-entropy of the chunks by transformers in float32, fed through the same windows."""
    bits = 0.0
    for chunk in chunks:
        done = 0
        for inputs, n_context in window.cut(chunk.astype(np.int64)):
            count = len(inputs) - n_context
            with torch.inference_mode():
                logits = model(torch.from_numpy(inputs)[None]).logits[0, n_context:].double()
            own = torch.from_numpy(chunk[done : done + count].astype(np.int64))
            bits += float(torch.nn.functional.cross_entropy(logits, own, reduction="sum"))
            done += count
    return bits / float(np.log(2))


def exact_bits(model: ExactModel, window: Window, chunks: Sequence[NDArray[np.int32]]) -> float:
    """What the exact predictor's intervals cost, in bits."""
    make = partial(make_engine, model, CPU, window.size)
    found = ExactPredictor(make, window, 1).intervals(chunks)
    return sum(float(-np.log2(x.freq / x.total).sum()) for x in found)


def test_a_trained_gpt2_loses_next_to_nothing(byte_tokenizer_json: str) -> None:
    text = LICENSE.read_text(encoding="utf-8")
    ids = np.array(Tokenizer.from_str(byte_tokenizer_json).encode(text).ids, dtype=np.int64)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model gains nothing from more, and others may run
    model = trained_gpt2(ids)
    torch.set_num_threads(n_threads)
    chunks = [ids[:700].astype(np.int32), ids[700:1400].astype(np.int32)]
    window = Window(128, 64, 0)
    wanted = float_bits(model, window, chunks)
    assert wanted < 6 * 1400, "it has learnt something: random guesses cost 9 bits a token"
    assert exact_bits(prepare(read_model(model)), window, chunks) < wanted * MOST_LOST


def assert_as_published(loaded: LoadedModel) -> None:
    """The default model is what its makers say it is."""
    assert loaded.bos_id == 0
    assert loaded.model.config.model_type == "llama"
    assert sum(p.numel() for p in loaded.model.parameters()) == 134_515_008
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}
    assert len(json.loads(loaded.tokenizer_json)["model"]["vocab"]) == 49_152


@pytest.mark.slow
def test_the_default_model_is_loaded_without_a_word_and_loses_next_to_nothing(
    request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    """Loading it takes long: so what it is, and what it loses, in one test."""
    try:
        name = request.getfixturevalue("prepared_default_model")
    except ModelNotFoundError as exc:
        pytest.skip(f"the default model cannot be fetched: {exc}")
    assert name == DEFAULT_MODEL
    capfd.readouterr()
    loaded = load_transformers(locate(name))
    assert capfd.readouterr() == ("", "")
    assert_as_published(loaded)
    opened = open_exact(name, quiet=True)
    ids = opened.tokenizer.encode(NOVEL.read_bytes())[:2048]
    chunks = [ids[:1024], ids[1024:]]
    window = Window(1024, 0, opened.bos_id)
    wanted = float_bits(loaded.model, window, chunks)
    assert exact_bits(opened.model, window, chunks) < wanted * MOST_LOST
