"""Preparing holds a layer of the weights at a time: its memory grows by some bits a weight.

By the resident memory of a process of its own, which counts alike what torch, numpy and mapped
files take. It prepares a model of few layers first: the next one, of many, is as wide. (Processes
and models of some size: this takes seconds.)
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tiny_gguf import write_gguf

MOST_BYTES_A_WEIGHT = 3
"""A byte each of the model of the first rounding, and a margin; float32 takes four at least."""
N_FEW, N_MANY = 4, 84
WIDTH, D_FF, VOCAB_SIZE = 192, 512, 512

PREPARE = """
import resource, sys
from pathlib import Path
from llmzip.exact.calibration import Sample
from llmzip.exact.families import read_weights
from llmzip.exact.prepare import prepare_file
from llmzip.models import locate
from llmzip.models.load import open_stored

for number, model in enumerate(sys.argv[2:]):
    stored = open_stored(locate(model))
    assert not stored.is_whole
    scratch = Path(sys.argv[1]) / str(number)
    scratch.mkdir()
    made = scratch.with_suffix(".safetensors")
    weights = read_weights(stored.config, stored.weights)
    prepare_file(weights, made, scratch, lambda _: None, Sample(n_lanes=4, n_tokens=16))
    print(made.stat().st_size, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def save_llama(folder: Path, tokenizer: Path, n_layers: int) -> Path:
    """Save a Llama of so many layers."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=WIDTH,
        intermediate_size=D_FF,
        num_hidden_layers=n_layers,
        num_attention_heads=3,
        num_key_value_heads=1,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="no resource usage of processes there")
@pytest.mark.parametrize("kind", ["folder", "gguf"])
def test_no_model_is_ever_held_in_floats(kind: str, tmp_path: Path, tiny_gpt2_folder: Path) -> None:
    models = []
    for n_layers in (N_FEW, N_MANY):
        model = save_llama(tmp_path / f"{n_layers}", tiny_gpt2_folder / "tokenizer.json", n_layers)
        models.append(model if kind == "folder" else write_gguf(model, tmp_path / f"{model}.gguf"))
    command = [sys.executable, "-c", PREPARE, str(tmp_path), *map(str, models)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    few, many = (tuple(map(int, line.split())) for line in said.splitlines())
    n_weights = many[0] - few[0]  # of a byte each
    assert n_weights > 25_000_000
    assert many[1] - few[1] < MOST_BYTES_A_WEIGHT * n_weights
