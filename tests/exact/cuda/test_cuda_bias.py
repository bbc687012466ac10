"""What adaptation asks of the CUDA engine: the reference's look-ups and gradients, any bias."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from cuda_device import DEVICE, numbers
from numpy.typing import NDArray

from exact_models import CPU, GPT2, LLAMA, Recipe, exact_model, random_ids
from llmzip.exact.bias import RowBias
from llmzip.exact.cuda.engine import CudaEngine
from llmzip.exact.cuda.head import GRADIENT_ROWS
from llmzip.exact.distribution import Distributions, Engine
from llmzip.exact.tensors import TensorHidden
from llmzip.exact.torch_engine import TorchEngine

RECIPES = [
    GPT2,
    replace(LLAMA, biases=True, tied=False),
    replace(GPT2, vocab_size=513, tied=False),
    replace(LLAMA, vocab_size=1),
    replace(LLAMA, vocab_size=1024),
    replace(LLAMA, vocab_size=1500, gain=0.0),
    replace(LLAMA, vocab_size=513, logit_cap=3.0),
]


def bias_of(recipe: Recipe, seed: int) -> NDArray[np.float32]:
    return numbers(seed).normal(0, 2, recipe.vocab_size).astype(np.float32)


def hidden_states(recipe: Recipe, count: int) -> TensorHidden:
    some = numbers(count)
    q = torch.from_numpy(some.integers(-127, 128, (count, recipe.d_model))).to(torch.int8)
    return TensorHidden(q, torch.from_numpy(some.uniform(0.0001, 2.0, count).astype("f")))


def asked(found: Distributions, recipe: Recipe, n_rows: int, columns: int) -> list[Any]:
    """All that is asked of distributions, as lists."""
    ids = random_ids(recipe, n_rows * columns, 1).astype(np.int64).reshape(n_rows, columns)
    ids[0, 0], ids[-1, -1] = recipe.vocab_size - 1, 0
    gradient = np.arange(recipe.vocab_size, dtype=np.int64)  # adds to what is there
    totals = found.totals()
    answer = found.find(totals - totals // np.uint64(3) - np.uint64(1))
    low, freq = found.look_up(ids)
    every = found.frequencies()
    found.add_gradient(ids[:, 0], gradient)
    answers = (
        totals,
        answer.tokens,
        answer.low,
        answer.freq,
        low.ravel(),
        freq.ravel(),
        gradient,
        every,
    )
    return [answer.tolist() for answer in answers]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(("n_rows", "columns"), [(1, 1), (5, 7)])
def test_the_heads_answers_are_the_references(
    recipe: Recipe, biased: bool, n_rows: int, columns: int
) -> None:
    model, hidden = exact_model(recipe), hidden_states(recipe, n_rows)
    bias = bias_of(recipe, n_rows) if biased else None
    makers: list[Engine] = [
        TorchEngine(model, CPU),
        CudaEngine(model, DEVICE.type, 128, 64),
        CudaEngine(model, DEVICE.type, 128, 64, pad=True),
    ]
    reference, plain, padded = (
        asked(engine.distributions(hidden, bias), recipe, n_rows, columns) for engine in makers
    )
    assert plain == reference
    assert padded == reference


@pytest.mark.parametrize("n_rows", [65, 130])
def test_gradients_of_many_rows(n_rows: int) -> None:
    recipe = replace(LLAMA, vocab_size=20)
    model, hidden = exact_model(recipe), hidden_states(recipe, n_rows)
    makers: list[Engine] = [TorchEngine(model, CPU), CudaEngine(model, DEVICE.type, 128, 256)]
    reference, ours = (asked(e.distributions(hidden), recipe, n_rows, 1) for e in makers)
    assert ours == reference


@pytest.mark.parametrize("max_rows", [2, 64])
def test_steps_take_a_bias_whole_or_in_parts(max_rows: int) -> None:
    """A bias where the head has none, another one, none, its own."""
    recipe = replace(LLAMA, n_layers=1, biases=True, tied=False)
    model = exact_model(recipe)
    ids, at = np.arange(5), np.zeros(5, dtype=np.int64)
    answers = []
    makers: list[Engine] = [TorchEngine(model, CPU), CudaEngine(model, DEVICE.type, 128, max_rows)]
    for engine in makers:
        cache = engine.cache(5, 8)
        biases = bias_of(recipe, 1), bias_of(recipe, 2), None, engine.head_bias
        found = [
            asked(engine.step(ids, ids, at + i, cache, bias), recipe, 5, 6)
            for i, bias in enumerate(biases)
        ]
        answers.append(found)
    assert answers[0] == answers[1]


@pytest.mark.parametrize("max_rows", [2, 64])
def test_a_bias_of_its_own_for_each_row(max_rows: int) -> None:
    """In prefill and in steps; the gradients of some of the rows, over the ends of parts."""
    recipe = replace(LLAMA, n_layers=1, vocab_size=513)
    model, hidden, answers = exact_model(recipe), hidden_states(recipe, 5), []
    values = np.stack([bias_of(recipe, seed) for seed in range(3)])
    biases = RowBias(values, np.array([2, 0, 1, 2, 0], dtype=np.int64))
    ids, at = np.arange(5), np.zeros(5, dtype=np.int64)
    makers: list[Engine] = [TorchEngine(model, CPU), CudaEngine(model, DEVICE.type, 128, max_rows)]
    for engine in makers:
        step = engine.step(ids, ids, at, engine.cache(5, 8), biases)
        for found in (engine.distributions(hidden, biases), step):
            gradient = np.zeros(recipe.vocab_size, dtype=np.int64)
            found.add_gradient(ids[1:4], gradient, 1)
            answers.append((asked(found, recipe, 5, 4), gradient.tolist()))
    assert answers[:2] == answers[2:]


@pytest.mark.parametrize("max_rows", [2, 64])
def test_gradients_of_groups_are_summed_where_the_engine_runs(max_rows: int) -> None:
    """Several steps of several groups, one of which learns meanwhile and begins again."""
    recipe = replace(LLAMA, n_layers=1, vocab_size=513)
    engine = CudaEngine(exact_model(recipe), DEVICE.type, 128, max_rows)
    ids, of, room = np.arange(5), np.array([7, 7, 7, 2, 2]), engine.gradient_room()
    expected = {number: np.zeros(recipe.vocab_size, dtype=np.int64) for number in (2, 7)}
    cache = engine.cache(5, 8)
    for at in range(3):
        found = engine.step(ids, ids, np.full(5, at), cache)
        room.add(found, ids + at, of)
        for number, rows in ((7, slice(0, 3)), (2, slice(3, 5))):
            found.add_gradient((ids + at)[rows], expected[number], rows.start)
        if at == 1:
            assert (room.taken(7) == expected[7]).all()
            expected[7][:] = 0
    for number, gradient in expected.items():
        assert gradient.any()
        assert (room.taken(number) == gradient).all()
    assert not room.taken(7).any()


def test_gradients_of_more_rows_than_a_program_takes_are_the_references() -> None:
    recipe = replace(LLAMA, n_layers=1, vocab_size=513)
    model, n_rows = exact_model(recipe), 2 * GRADIENT_ROWS + 7
    hidden, engine = hidden_states(recipe, n_rows), CudaEngine(model, DEVICE.type, 128, 64)
    tokens = random_ids(recipe, n_rows, 3).astype(np.int64)
    of, room = np.repeat([4, 1], [GRADIENT_ROWS + 3, GRADIENT_ROWS + 4]), engine.gradient_room()
    room.add(engine.distributions(hidden), tokens, of)
    reference = TorchEngine(model, CPU).distributions(hidden)
    for number in (4, 1):
        rows, expected = np.flatnonzero(of == number), np.zeros(recipe.vocab_size, dtype=np.int64)
        reference.add_gradient(tokens[rows], expected, int(rows[0]))
        assert (room.taken(number) == expected).all()


def test_biases_are_sent_again_when_they_have_changed() -> None:
    recipe = replace(LLAMA, n_layers=1, vocab_size=20)
    model, hidden = exact_model(recipe), hidden_states(recipe, 3)
    engine, reference = CudaEngine(model, DEVICE.type, 128, 64), TorchEngine(model, CPU)
    values = np.stack([bias_of(recipe, seed) for seed in range(2)])
    of = np.array([1, 0, 1], dtype=np.int64)
    totals = []
    for version in (1, 1, 2):
        if version == 2:
            values[1, ::2] += np.float32(3)
        ours = engine.distributions(hidden, RowBias(values, of, version)).totals()
        assert (ours == reference.distributions(hidden, RowBias(values, of)).totals()).all()
        totals.append(ours.tolist())
    assert totals[0] == totals[1] != totals[2]


def test_the_heads_own_bias_is_told() -> None:
    for recipe in (LLAMA, GPT2, replace(GPT2, vocab_size=513, tied=False)):
        model = exact_model(recipe)
        ours = CudaEngine(model, DEVICE.type, 128, 64).head_bias
        theirs = TorchEngine(model, CPU).head_bias
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            assert ours.tobytes() == theirs.tobytes()
