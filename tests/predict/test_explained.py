"""What is told of tokens: the same intervals, and of the same distributions what is written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from exact_models import CPU, GPT2, LLAMA, Recipe, exact_model, phrases
from llmzip.adapt import Mixed, Rows
from llmzip.exact.distribution import TokenIntervals
from llmzip.exact.engines import make_engine
from llmzip.exact.torch_engine import TorchEngine
from llmzip.predict import Intervals
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.explained import ExplainingPredictor, told_of
from llmzip.predict.told import N_LIKELIEST, Told
from llmzip.predict.windows import Window

WINDOW = Window(40, 16, 0)
BIASED = replace(LLAMA, biases=True, tied=False)
SIZES = [[50], [2, 70], [33, 1]]
"""How long the chunks of waves are."""
I64 = NDArray[np.int64]


def predictor(recipe: Recipe, n_workers: int = 2) -> ExactPredictor:
    return ExactPredictor(
        partial(make_engine, exact_model(recipe), CPU, WINDOW.size), WINDOW, n_workers
    )


def waves(recipe: Recipe) -> list[list[NDArray[np.int32]]]:
    return [[phrases(recipe.vocab_size, n, n) for n in sizes] for sizes in SIZES]


def learnt(own: ExactPredictor, recipe: Recipe) -> list[Intervals]:
    group = own.group()
    return [one for wave in waves(recipe) for one in group.intervals(wave, lambda _: None)]


def told(found: Sequence[Intervals]) -> Told:
    parts = [one.told for one in found if one.told is not None]
    assert len(parts) == len(found)
    return Told.joined(parts)


def columns(own: Told) -> list[list[int]]:
    arrays = own.model, own.biased, own.ranks, own.likeliest, own.likeliest_freq
    return [array.tolist() for array in arrays]


def same_intervals(some: Sequence[Intervals], others: Sequence[Intervals]) -> bool:
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for a, b in zip(some, others, strict=True)
        for name in ("low", "freq", "total")
    )


@pytest.mark.parametrize("recipe", [GPT2, BIASED])
def test_the_intervals_are_those_of_the_coder(recipe: Recipe) -> None:
    plain = predictor(recipe)
    explaining = ExplainingPredictor(plain)
    assert same_intervals(learnt(plain, recipe), learnt(explaining, recipe))
    chunks = [chunk for wave in waves(recipe) for chunk in wave]
    assert same_intervals(list(plain.intervals(chunks)), list(explaining.intervals(chunks)))


@pytest.mark.parametrize("recipe", [GPT2, BIASED])
def test_the_model_alone_is_what_a_predictor_that_learns_nothing_says(recipe: Recipe) -> None:
    plain = predictor(recipe)
    found = told(learnt(ExplainingPredictor(plain), recipe))
    chunks = [chunk for wave in waves(recipe) for chunk in wave]
    alone = list(plain.intervals(chunks))
    assert found.model[0].tolist() == np.concatenate([one.freq for one in alone]).tolist()
    assert found.model[1].tolist() == np.concatenate([one.total for one in alone]).tolist()
    frozen = told(list(ExplainingPredictor(plain).intervals(chunks)))
    assert frozen.model.tolist() == frozen.biased.tolist() == found.model.tolist()
    assert found.biased.tolist() != found.model.tolist()


def test_it_is_the_same_for_any_number_of_threads_and_any_engine() -> None:
    wanted = columns(told(learnt(ExplainingPredictor(predictor(GPT2, 1)), GPT2)))
    assert columns(told(learnt(ExplainingPredictor(predictor(GPT2, 3)), GPT2))) == wanted
    by_torch = ExactPredictor(lambda _: TorchEngine(exact_model(GPT2), CPU), WINDOW, 1)
    assert columns(told(learnt(ExplainingPredictor(by_torch), GPT2))) == wanted


def test_what_came_is_among_the_likeliest_where_its_rank_says_so() -> None:
    found = learnt(ExplainingPredictor(predictor(GPT2)), GPT2)
    tokens = np.concatenate([chunk for wave in waves(GPT2) for chunk in wave])
    freq = np.concatenate([one.freq for one in found]).astype(np.int64)
    own = told(found)
    is_listed = own.likeliest == tokens[:, None]
    assert is_listed.any()
    assert (own.likeliest_freq[is_listed] == freq[is_listed.any(1)]).all()
    assert (is_listed.any(1) <= (own.ranks <= N_LIKELIEST)).all()
    assert (is_listed.any(1) >= (own.ranks < N_LIKELIEST)).all()  # but for ties


def ranked(freq: I64, token: int) -> tuple[int, list[int], list[int]]:
    """Rank, likeliest and their frequencies of one row, written out."""
    order = sorted(range(len(freq)), key=lambda v: (-freq[v], v))[:N_LIKELIEST]
    none = N_LIKELIEST - len(order)
    rank = 1 + int((freq > freq[token]).sum())
    return rank, [*order, *([-1] * none)], [*(int(freq[v]) for v in order), *([0] * none)]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 40), st.integers(0, 9999))
def test_ranks_are_those_of_the_distribution_after_mixing(
    n_rows: int, vocab_size: int, seed: int
) -> None:
    some = np.random.default_rng(seed)
    freq = some.integers(1, 9, (n_rows, vocab_size))  # few values, so that there are ties
    rows = Rows.empty(n_rows)
    own = rows.candidates
    own.n[:] = some.integers(0, min(vocab_size, own.ids.shape[1]) + 1, n_rows)
    mixed_freq = some.integers(1, 12, own.ids.shape)
    wanted = freq.copy()
    for row, n in enumerate(own.n):
        own.ids[row, :n] = some.permutation(vocab_size)[:n]
        wanted[row, own.ids[row, :n]] = mixed_freq[row, :n]
    tokens = some.integers(0, vocab_size, n_rows)
    alone = TokenIntervals.empty(n_rows)
    alone.freq[:], alone.total[:] = 3, 7
    before = freq[np.arange(n_rows), tokens].tolist()
    found = told_of(tokens, Mixed(rows, mixed_freq, wanted.sum(1)), alone, freq)
    assert found.model.tolist() == [[3] * n_rows, [7] * n_rows]
    assert found.biased[0].tolist() == before
    for row, token in enumerate(tokens):
        own_row = (
            found.ranks[row],
            found.likeliest[row].tolist(),
            found.likeliest_freq[row].tolist(),
        )
        assert own_row == ranked(wanted[row], token)
