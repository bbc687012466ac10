"""Models of new families as a person has them: a folder, its tokenizer, text there and back."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

import llmzip
from exact_training import trained
from family_models import Variant, random_model

READ = (Path(__file__).parents[2] / "LICENSE").read_text(encoding="utf-8")[2000:6000]
TEXT = READ[:600].encode()
KINDS = {
    "qwen2": Variant("qwen2", {"vocab_size": 512}),
    "glm": Variant("glm", {"vocab_size": 512}),
    "gpt_bigcode": Variant("gpt_bigcode", {"vocab_size": 512}),
    "cohere": Variant("cohere", {"vocab_size": 512, "use_qk_norm": True}),
    "gemma2": Variant("gemma2", {"vocab_size": 512, "num_hidden_layers": 2}),
    "gemma3_text": Variant("gemma3_text", {"vocab_size": 512}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(kind: str, tmp_path: Path, tiny_gpt2_folder: Path) -> None:
    folder = tmp_path / f"a {kind}"
    ids = np.array(Tokenizer.from_file(str(tiny_gpt2_folder / "tokenizer.json")).encode(READ).ids)
    trained(random_model(KINDS[kind], 0.02), ids, 64, 40, rate=1e-2).save_pretrained(folder)
    shutil.copyfile(tiny_gpt2_folder / "tokenizer.json", folder / "tokenizer.json")
    packed = llmzip.compress(TEXT, model=str(folder))
    assert llmzip.decompress(packed) == TEXT, "by what was prepared"
    assert next(llmzip.inspect(packed)).model is not None, "the model was worth it"
