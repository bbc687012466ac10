"""Digests of what the engine computes: run it to see them, with --write to pin them anew.

    python tests/exact/interval_digest.py            # a JSON line: this process's digests
    python tests/exact/interval_digest.py --write    # pin them in golden.json
    LLMZIP_WAY=avx2 python tests/exact/interval_digest.py    # those that this way takes

Pin anew only together with a new ENGINE_VERSION: files made before would not decode.
Needs the package installed, or its src folder on PYTHONPATH.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent))

from digests import intervals_digest, pin_or_print
from exact_models import (
    CAPPED_WIDE,
    CPU,
    GPT2,
    LAYERED,
    LLAMA,
    NORMED_WIDE,
    WIDE,
    exact_model,
    is_taken,
    random_ids,
    ways_taken,
)
from llmzip.exact import ENGINE_VERSION
from llmzip.exact.engines import make_engine
from llmzip.exact.gemm import exact_gemm
from llmzip.exact.merging import Product
from llmzip.exact.model import ExactModel
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.windows import Window
from llmzip.processors import usable_threads

GOLDEN = Path(__file__).with_name("golden.json")
RECIPES = {
    "gpt2": replace(GPT2, d_model=96, d_head=24, d_ff=384, vocab_size=1300),
    "llama": replace(LLAMA, d_model=144, d_head=36, d_ff=300, vocab_size=1300, tied=False),
    "llama-biases-head": replace(LLAMA, biases=True, tied=False, vocab_size=700),
    "layered": replace(LAYERED, d_model=80, d_head=32),
    "normed-behind": replace(LLAMA, norms="after", head_norm="whole", layer_rope=(0, -1)),
    **WIDE,
    **NORMED_WIDE,
    **CAPPED_WIDE,
}
WINDOW = Window(100, 50, 0)


def chunks() -> list[NDArray[np.int32]]:
    """What is predicted."""
    return [random_ids(GPT2, size, size) for size in (210, 1, 77)]


def interval_digest(model: ExactModel, device: str = CPU, way: str | None = None) -> str:
    """SHA-256 over low, freq and total of three chunks, by workers as many as threads."""
    make = partial(make_engine, model, device, WINDOW.size, way=way)
    n_workers = usable_threads() if device == "cpu" else 1
    predictor = ExactPredictor(make, WINDOW, n_workers)
    assert way is None or predictor.way == f"{device}, {way}"
    return intervals_digest(predictor.intervals(chunks()))


def merged_digest() -> str:
    """SHA-256 over a linear layer's weights, an adapter merged with them."""
    draw = np.random.RandomState(7)  # whose stream stays as it is, whatever the numpy
    weight, a, b = (draw.uniform(-1, 1, shape) for shape in ((1152, 576), (16, 576), (1152, 16)))
    made = Product.of(a / 24, b / 50, 2.0 / 3.0).added(weight.astype(np.float32))
    return hashlib.sha256(made.astype("<f4").tobytes()).hexdigest()


def digests() -> dict[str, object]:
    """What golden.json pins, of the recipes that the way in LLMZIP_WAY takes."""
    models = {name: exact_model(recipe) for name, recipe in RECIPES.items() if is_taken(recipe)}
    return {
        "engine": ENGINE_VERSION,
        "prepared": {name: model.digest().hex() for name, model in models.items()},
        "intervals": {name: interval_digest(model) for name, model in models.items()},
        "merged": merged_digest(),
    }


def found() -> dict[str, object]:
    """The digests, the product and the ways in use."""
    product = exact_gemm(torch.device(CPU)).__name__
    return {**digests(), "product": product, "ways": ways_taken(RECIPES)}


if __name__ == "__main__":
    pin_or_print(digests, found, GOLDEN)
