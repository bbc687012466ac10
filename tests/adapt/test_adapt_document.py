"""docs/ADAPT.md says enough: a group predicted from it alone gives the same integers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from decoder.forward import Array, Network, Shape
from decoder.lm import Learning
from decoder.lm import Window as TheirWindow
from exact_models import CPU, GPT2, LLAMA, Recipe, exact_model, phrases
from llmzip.exact.engines import make_engine
from llmzip.exact.model import ExactModel
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.windows import Window

WINDOW = Window(128, 64, 0)
SIZES = ((100, 1, 45), (128, 33))
RECIPES = [GPT2, LLAMA, replace(LLAMA, biases=True, tied=False, vocab_size=41)]

Triple = tuple[int, int, int]


def documented(model: ExactModel) -> Learning:
    """A group as the documents have it."""
    network = Network(Shape(**vars(model.shape)), dict(model.named_tensors()))
    return Learning(network, TheirWindow(WINDOW.size, WINDOW.carry, WINDOW.bos_id))


def wave(group: Learning, chunks: list[list[int]]) -> list[list[Triple]]:
    """Each token's (low, freq, total)."""
    found: list[list[Triple]] = [[] for _ in chunks]

    def pick(c: int, freq: Array) -> int:
        token = chunks[c][len(found[c])]
        found[c].append((int(freq[:token].sum()), int(freq[token]), int(freq.sum())))
        return token

    assert group.wave([len(chunk) for chunk in chunks], pick) == chunks
    return found


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_document_predicts_the_same_intervals(recipe: Recipe) -> None:
    model = exact_model(recipe)
    make = partial(make_engine, model, CPU, WINDOW.size)
    ours, theirs = ExactPredictor(make, WINDOW, 2).group(), documented(model)
    for i, sizes in enumerate(SIZES):
        chunks = [phrases(recipe.vocab_size, n, 10 * i + j) for j, n in enumerate(sizes)]
        expected = wave(theirs, [chunk.tolist() for chunk in chunks])
        for found, triples in zip(ours.intervals(chunks, lambda _: None), expected, strict=True):
            columns = zip(found.low, found.freq, found.total, strict=True)
            assert [(int(a), int(b), int(c)) for a, b, c in columns] == triples
        assert theirs.bias.dtype == np.float32
