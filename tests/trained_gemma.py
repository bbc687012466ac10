"""A small Gemma 3, trained on a text that is at hand, as a folder: trained_gemma.py FOLDER TEXT

Windows, norms behind sublayers and of heads, two RoPEs: what kernels have of the newest kind. For
machines that are to write one another's files; see `scripts/arm`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from conftest import _train_tokenizer
from exact_training import trained
from family_models import Variant, random_model


def save_trained(folder: Path, text: str) -> None:
    """Save the model, and its tokenizer, into a folder."""
    tokenizer = Tokenizer.from_str(_train_tokenizer(frozenset()))
    model = random_model(Variant("gemma3_text", {"vocab_size": 512}), 0.02)
    trained(model, np.array(tokenizer.encode(text).ids), 64, 40, rate=1e-2).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))


if __name__ == "__main__":
    save_trained(Path(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="utf-8"))
