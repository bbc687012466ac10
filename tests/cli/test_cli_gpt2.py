"""GPT-2 from a folder, as `save_pretrained` leaves it: full-sized and random, small and trained."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cli_runner import llmzip, succeeds
from tokenizers import Tokenizer

from exact_training import trained_gpt2
from llmzip.container import Kind, Reader, Wave

LICENSE = (Path(__file__).parents[2] / "LICENSE").read_bytes()
SETTINGS = (
    ("--threads", "1", "--batch", "1"),
    ("--threads", "2", "--batch", "3"),
    ("--threads", "3", "--batch", "64"),
)


def save(model: Any, tokenizer_json: str, folder: Path) -> Path:
    """Leave the model in `folder` as transformers does, with its tokenizer."""
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(tokenizer_json, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {"LLMZIP_HOME": str(tmp_path_factory.mktemp("home"))}


def check(
    folder: Path,
    text: bytes,
    home: dict[str, str],
    *options: str,
    writing: Sequence[tuple[str, ...]] = SETTINGS,
    reading: Sequence[tuple[str, ...]] = SETTINGS,
) -> bytes:
    """The file of `text`, the same under all settings for writing; those for reading read it."""
    files = {
        llmzip("compress", "-q", "-m", folder, *options, *setting, input=text, env=home).stdout
        for setting in writing
    }
    assert len(files) == 1
    file = files.pop()
    for setting in reading:
        assert succeeds(llmzip("decompress", *setting, input=file, env=home)) == text
    return file


def test_a_trained_model_compresses_its_kind_of_text(
    tmp_path: Path, byte_tokenizer_json: str, home: dict[str, str]
) -> None:
    tokenizer = Tokenizer.from_str(byte_tokenizer_json)
    ids = np.array(tokenizer.encode(LICENSE.decode()).ids, dtype=np.int64)
    folder = save(trained_gpt2(ids), byte_tokenizer_json, tmp_path / "trained")
    text = LICENSE[3000:5000]
    # chunks of 300 tokens are longer than the model's 128 positions
    file = check(folder, text, home, "--chunk-tokens", "300")
    assert len(file) < len(text) // 2


@pytest.mark.slow
def test_a_full_sized_model_with_random_weights(
    tmp_path: Path, byte_tokenizer_json: str, kept_folder: Path
) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        model = GPT2LMHeadModel(GPT2Config())
        with torch.no_grad():  # or chance would choose among 50,257 tokens: LZMA would win
            model.transformer.wte.weight[512:, 0] -= 3.0
            model.transformer.ln_f.bias[0] += 3.0
    assert sum(p.numel() for p in model.parameters()) > 124e6
    folder = save(model, byte_tokenizer_json, tmp_path / "full")
    # so large a model takes its time: two settings write, the third reads; it is prepared once
    home = {"LLMZIP_HOME": str(kept_folder)}
    file = check(folder, LICENSE[3000:3300], home, writing=SETTINGS[:2], reading=SETTINGS[2:])
    waves = [record for record in Reader(io.BytesIO(file)) if isinstance(record, Wave)]
    assert [chunk.kind for wave in waves for chunk in wave.chunks] == [Kind.LM]
