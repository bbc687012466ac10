"""What exactness costs: cross-entropy beside transformers in float32, once models have learnt."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from exact_training import exact_bits, float_bits, trained_gpt2
from llmzip.errors import ModelNotFoundError
from llmzip.exact.families import read_model
from llmzip.exact.prepare import prepare
from llmzip.models import DEFAULT_MODEL, LoadedModel, load_transformers, locate, open_exact
from llmzip.models.load import open_stored
from llmzip.predict.windows import Window

ROOT = Path(__file__).parent.parent.parent
LICENSE = ROOT / "LICENSE"
NOVEL = ROOT / "benchmarks" / "data" / "alice-1-3.txt"
MOST_LOST = 1.003
"""Exact inference may cost this factor in bits."""


def test_a_trained_gpt2_loses_next_to_nothing(byte_tokenizer_json: str) -> None:
    text = LICENSE.read_text(encoding="utf-8")
    ids = np.array(Tokenizer.from_str(byte_tokenizer_json).encode(text).ids, dtype=np.int64)
    model = trained_gpt2(ids)
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


def assert_read_as_loaded(loaded: LoadedModel) -> None:
    """Its GGUF with its adapter, and blocks of several kinds, part by part."""
    stored, wanted = open_stored(locate(DEFAULT_MODEL)), loaded.model.state_dict()
    assert not stored.is_whole
    for name in ("model.layers.0.self_attn.q_proj", "model.layers.7.mlp.down_proj", "model.norm"):
        found = torch.from_numpy(np.array(stored.weights[f"{name}.weight"][:]))
        assert torch.equal(found, wanted[f"{name}.weight"]), name
    rows = slice(40_000, 40_100)
    found = torch.from_numpy(np.array(stored.weights["lm_head.weight"][rows]))
    assert torch.equal(found, wanted["lm_head.weight"][rows])


@pytest.mark.slow
def test_the_default_model_is_loaded_without_a_word_and_loses_next_to_nothing(
    request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    """Loading it takes long: so what it is, how else it is read, what it loses, in one test."""
    try:
        name = request.getfixturevalue("prepared_default_model")
    except ModelNotFoundError as exc:
        pytest.skip(f"the default model cannot be fetched: {exc}")
    assert name == DEFAULT_MODEL
    capfd.readouterr()
    loaded = load_transformers(locate(name))
    assert capfd.readouterr() == ("", "")
    assert_as_published(loaded)
    assert_read_as_loaded(loaded)
    opened = open_exact(name, quiet=True)
    ids = opened.tokenizer.encode(NOVEL.read_bytes())[:2048]
    chunks = [ids[:1024], ids[1024:]]
    window = Window(1024, 0, opened.bos_id)
    wanted = float_bits(loaded.model, window, chunks)
    assert exact_bits(opened.model, window, chunks) < wanted * MOST_LOST
