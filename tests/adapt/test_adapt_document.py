"""docs/ADAPT.md says enough: a group predicted from it alone gives the same integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from adapt_from_document import SLICE, History, Mixer, Proposal
from numpy.typing import NDArray

from exact_models import CPU, GPT2, LLAMA, Recipe, exact_model, phrases
from llmzip.exact import arith
from llmzip.exact.engines import make_engine
from llmzip.exact.model import ExactModel
from llmzip.exact.reference import Reference
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.windows import Window

WINDOW = Window(128, 64, 0)
SIZES = ((100, 1, 45), (128, 33))
RECIPES = [GPT2, LLAMA, replace(LLAMA, biases=True, tied=False, vocab_size=41)]

Floats = NDArray[np.float32]
Triple = tuple[int, int, int]


def exp2(x: Floats) -> Floats:
    """2^x as EXACT.md defines it; `tests/exact` holds it to that page."""
    weights: Floats = arith.exp2(torch.from_numpy(x)).numpy()
    return weights


class Rows:
    """The model's logits of a chunk without any bias: the rest is in the document's hands."""

    def __init__(self, model: ExactModel, chunk: Sequence[int]) -> None:
        reference, lane = Reference(model, CPU), torch.tensor([0])
        inputs = torch.tensor([[WINDOW.bos_id, *chunk[:-1]]])
        hidden = reference.forward(inputs, lane, lane, reference.cache(1, len(chunk)))
        zeros = torch.zeros(model.shape.vocab_size)
        self.logits: Floats = reference.logits(hidden, zeros).numpy()


class Group:
    """A group as the document has it."""

    def __init__(self, model: ExactModel) -> None:
        self.model, self.history, self.mixer = model, History(), Mixer()
        own = model.head.bias
        self.own = None if own is None else own.numpy()
        self.learnt = np.zeros(model.shape.vocab_size, dtype=np.float32)

    def wave(self, chunks: list[list[int]]) -> list[list[Triple]]:
        """Each token's (low, freq, total)."""
        first_chunk = len(self.history.chunks)
        self.history.chunks += chunks
        rows = [Rows(self.model, chunk) for chunk in chunks]
        found: list[list[Triple]] = [[] for _ in chunks]
        for first in range(0, max(map(len, chunks)), SLICE):
            gradient = np.zeros(len(self.learnt), dtype=np.int64)
            bias = self.learnt if self.own is None else self.own + self.learnt
            lessons = []
            for c, chunk in enumerate(chunks):
                for at in range(first, min(first + SLICE, len(chunk))):
                    place, logits = (first_chunk + c, at), rows[c].logits[at] + bias
                    weights = exp2(logits - logits.max())
                    freq = np.rint(weights * np.float32(2.0**28)).astype(np.int64) + 1
                    proposal = self.history.proposal(place)
                    found[c].append(self.interval(proposal, freq, chunk[at]))
                    unit = np.float32(2.0**52 / float(freq.sum()))
                    gradient -= np.rint(weights * unit).astype(np.int64)
                    gradient[chunk[at]] += 1 << 24
                    own = [int(freq[c.token]) for c in proposal.candidates]
                    lessons.append((place, proposal, own, int(freq.sum()), chunk[at]))
            for _, proposal, own, total, token in lessons:
                self.mixer.learn(proposal, own, total, token)
            for place, *_ in lessons:
                self.history.learn(place)
            step = gradient.astype(np.float32) * np.float32(0.07 / 2**24)
            self.learnt = self.learnt + np.minimum(np.maximum(step, np.float32(-0.75)), 0.75)
            assert self.learnt.dtype == np.float32
        return found

    def interval(self, proposal: Proposal, freq: NDArray[np.int64], token: int) -> Triple:
        own = [int(freq[c.token]) for c in proposal.candidates]
        mixed, total = self.mixer.mix(proposal, own, int(freq.sum()))
        whole = freq.copy()
        whole[[c.token for c in proposal.candidates]] = mixed
        assert int(whole.sum()) == total
        return int(whole[:token].sum()), int(whole[token]), total


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_document_predicts_the_same_intervals(recipe: Recipe) -> None:
    model = exact_model(recipe)
    make = partial(make_engine, model, CPU, WINDOW.size)
    ours, theirs = ExactPredictor(make, WINDOW, 2).group(), Group(model)
    for i, sizes in enumerate(SIZES):
        chunks = [phrases(recipe.vocab_size, n, 10 * i + j) for j, n in enumerate(sizes)]
        expected = theirs.wave([chunk.tolist() for chunk in chunks])
        for found, triples in zip(ours.intervals(chunks, lambda _: None), expected, strict=True):
            columns = zip(found.low, found.freq, found.total, strict=True)
            assert [(int(a), int(b), int(c)) for a, b, c in columns] == triples
