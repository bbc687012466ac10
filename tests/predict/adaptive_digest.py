"""Digests of adaptive prediction: run it to see them, with --write to pin them anew.

    python tests/predict/adaptive_digest.py            # a JSON line: this process's digests
    python tests/predict/adaptive_digest.py --write    # pin them in adaptive_golden.json
    LLMZIP_WAY=avx2 python tests/predict/adaptive_digest.py    # those that this way takes

Pin anew only together with a new ENGINE_VERSION, or a new arithmetic of adaptation: files made
before would not decode. Needs the package installed, or its src folder on PYTHONPATH.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent))

from digests import intervals_digest, pin_or_print
from exact_models import CPU, GPT2, LLAMA, WIDE, exact_model, is_taken, phrases, ways_taken
from llmzip.exact import ENGINE_VERSION
from llmzip.exact.engines import make_engine
from llmzip.exact.model import ExactModel
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.windows import Window
from llmzip.processors import usable_threads

GOLDEN = Path(__file__).with_name("adaptive_golden.json")
RECIPES = {
    "gpt2": replace(GPT2, vocab_size=1300),
    "llama": replace(LLAMA, vocab_size=700, gain=1.0),
    "llama-biases-head": replace(LLAMA, biases=True, tied=False),
    **WIDE,
}
WINDOW = Window(100, 50, 0)
WAVES = ((150, 1, 70), (210,), (33, 32, 64, 31))
"""Sizes of the chunks of each wave."""

Chunk = NDArray[np.int32]


def waves(vocab_size: int, seed: int = 0) -> list[list[Chunk]]:
    """A group's chunks, wave by wave."""
    return [
        [phrases(vocab_size, size, seed + 10 * i + j) for j, size in enumerate(sizes)]
        for i, sizes in enumerate(WAVES)
    ]


def adaptive_digest(model: ExactModel, device: str = CPU, way: str | None = None) -> str:
    """SHA-256 over low, freq and total of a group's chunks, by workers as many as threads."""
    make = partial(make_engine, model, device, WINDOW.size, way=way)
    n_workers = usable_threads() if device == "cpu" else 1
    predictor = ExactPredictor(make, WINDOW, n_workers)
    assert way is None or predictor.way == f"{device}, {way}"
    group = predictor.group()
    return intervals_digest(
        intervals
        for chunks in waves(model.shape.vocab_size)
        for intervals in group.intervals(chunks, lambda _: None)
    )


def digests() -> dict[str, object]:
    """What adaptive_golden.json pins, of the recipes that the way in LLMZIP_WAY takes."""
    models = {name: exact_model(recipe) for name, recipe in RECIPES.items() if is_taken(recipe)}
    return {
        "engine": ENGINE_VERSION,
        "adaptive": {name: adaptive_digest(model) for name, model in models.items()},
    }


def found() -> dict[str, object]:
    """The digests and the ways in use."""
    return {**digests(), "ways": ways_taken(RECIPES)}


if __name__ == "__main__":
    pin_or_print(digests, found, GOLDEN)
