"""Models of the golden files: made by integer arithmetic, so every machine makes them again.

The wide ones are what the fast kernels take (widths that are multiples of 64), the
others run on the plain ones everywhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from exact_models import CPU, GPT2, LLAMA, SAMPLE, Recipe, float_model
from llmzip.container import ModelRef, Options, dictionary_mark
from llmzip.container.limits import FINGERPRINT_BYTES
from llmzip.exact.distribution import Engine
from llmzip.exact.engines import make_engine
from llmzip.exact.floats import FloatModel
from llmzip.exact.model import ExactModel
from llmzip.exact.prepare import prepare
from llmzip.exact.stored import AnyModel, whole_model
from llmzip.exact.torch_engine import TorchEngine
from llmzip.predict import OpenedPredictor
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.narrowed import Narrowed
from llmzip.predict.windows import Window
from llmzip.tokens import ByteTokenizer
from small_tokenizer import MISSING, SCRIPTS, WORDS, small_tokenizer_json

BOS = 0
REFERENCE = "reference"
"""The way of exact/reference.py, which defines all others."""

PRINTABLE = frozenset(b"abcdefghijklmnopqrstuvwxyz ABCDEFGHIJ.,;\n")

_GPT2 = replace(GPT2, tied=False, gain=0.5)
_LLAMA = replace(LLAMA, tied=False, gain=0.5)
RECIPES = {
    "gpt2": _GPT2,
    "llama": _LLAMA,
    "gpt2-wide": replace(_GPT2, d_model=128, d_head=64, d_ff=192, n_heads=2, n_kv_heads=2),
    "llama-wide": replace(_LLAMA, d_model=128, d_head=64, d_ff=192, n_heads=2, n_kv_heads=1),
    "listed": replace(_LLAMA, d_model=128, d_head=64, d_ff=192, n_heads=2, vocab_size=374),
    "long": replace(_LLAMA, n_layers=1, n_positions=4096, d_model=48, d_ff=96),
}


@dataclass(frozen=True)
class GoldenModel:
    """A prepared model with its tokenizer. Llama's lacks the bytes that SmolLM2's lacks."""

    name: str
    recipe: Recipe
    model: ExactModel
    tokenizer_json: str

    @property
    def tokenizer(self) -> ByteTokenizer:
        return _tokenizer(self.tokenizer_json)

    @property
    def ref(self) -> ModelRef:
        """How a file names it: the fingerprint is that of docs/EXACT.md."""
        state = hashlib.sha256(_digest(self.name))
        state.update(self.tokenizer.fingerprint_bytes())
        state.update(f"\nbos {BOS}".encode())
        return ModelRef(f"golden-{self.name}", "tests", state.digest()[:FINGERPRINT_BYTES])

    def opened(
        self, options: Options, way: str | None = None, dictionary: bytes | None = None
    ) -> OpenedPredictor:
        """Open it for files of these options. way: how it computes, the fastest for None."""
        numbers = options.window_tokens, options.carry_tokens, self.model.shape.n_positions
        window = Window.fit(*numbers, BOS)
        known = None if dictionary is None else self.tokenizer.encode(dictionary)

        def make(model: AnyModel, own: Window) -> ExactPredictor:
            return ExactPredictor(partial(_engine, model, own.size, way), own, 2, None, known)

        predictor = make(self.model, window)
        if dictionary is not None:
            mark = dictionary_mark(self.ref.fingerprint, dictionary)
            return OpenedPredictor(predictor, self.tokenizer, self.ref, mark)
        narrowed = Narrowed(self.model, self.tokenizer, window, self.ref, make)
        return OpenedPredictor(predictor, self.tokenizer, self.ref, narrowed=narrowed)


@cache
def golden_model(name: str) -> GoldenModel:
    """Return the model by that name."""
    recipe = RECIPES[name]
    missing = MISSING if recipe.llama else frozenset[int]()
    words = SCRIPTS if name == "listed" else WORDS
    spec = small_tokenizer_json(recipe.vocab_size, missing, words)
    exact = prepare(_fond_of_text(float_model(recipe), _tokenizer(spec)), SAMPLE)
    return GoldenModel(name, recipe, exact, spec)


def printable(tokenizer: ByteTokenizer) -> list[int]:
    """Return the tokens of letters, spaces, common signs and line ends."""
    table = tokenizer.table
    return [i for i in range(len(table)) if table[i] and PRINTABLE.issuperset(table[i])]


def _fond_of_text(model: FloatModel, tokenizer: ByteTokenizer) -> FloatModel:
    """Return the model with sharp predictions, all other tokens than those of text unlikely.

    What it writes is text then, and hangs more on the last token than on those before: it is
    clear to the model however it is cut into chunks.
    """
    scale = np.full(tokenizer.vocab_size, 2.0**-2)
    scale[printable(tokenizer)] = 2.0**4
    return replace(model, head=replace(model.head, weight=model.head.weight * scale[:, None]))


@cache
def _digest(name: str) -> bytes:
    return golden_model(name).model.digest()


@cache
def _tokenizer(tokenizer_json: str) -> ByteTokenizer:
    return ByteTokenizer(tokenizer_json)


def _engine(model: AnyModel, n_positions: int, way: str | None, step_threads: int = 1) -> Engine:
    if way == REFERENCE:
        return TorchEngine(whole_model(model), CPU)
    return make_engine(model, CPU, n_positions, step_threads, way)
