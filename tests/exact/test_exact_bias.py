"""What adaptation asks of an engine: a bias instead of the head's own, look-ups, gradients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from exact_models import (
    CPU,
    GPT2,
    LLAMA,
    Numbers,
    Recipe,
    as_given,
    as_tensors,
    engines,
    exact_model,
    random_ids,
)
from llmzip.exact.bias import GRADIENT_BITS, LONGEST_STEP, RATE, HeadBias, RowBias
from llmzip.exact.cpu.buffers import CpuHidden
from llmzip.exact.cpu.head import GRADIENT_ROWS
from llmzip.exact.cpu.ways import Way
from llmzip.exact.distribution import Distributions, Engine
from llmzip.exact.model import ExactModel
from llmzip.exact.reference import Reference
from llmzip.exact.torch_engine import TorchEngine
from ways import engine_on, every_way, fitting

Bias = NDArray[np.float32]
RECIPES = [
    GPT2,
    LLAMA,
    replace(LLAMA, biases=True, tied=False),
    replace(GPT2, vocab_size=513, tied=False),
    replace(GPT2, vocab_size=512),
    replace(LLAMA, vocab_size=1),
    replace(LLAMA, vocab_size=1500, gain=0.0),
    replace(LLAMA, vocab_size=1041, gain=50.0),
    replace(LLAMA, vocab_size=700, gain=5.0, logit_cap=3.0),
]
TEAM = replace(LLAMA, d_model=128, n_heads=3, n_kv_heads=1, d_head=64, d_ff=192, vocab_size=1041)


def bias_of(recipe: Recipe, seed: int, width: float = 3.0) -> Bias:
    return (Numbers(seed << 20).spread(recipe.vocab_size) * width).astype(np.float32)


def hidden_states(recipe: Recipe, count: int, seed: int) -> CpuHidden:
    """Hidden states of a run of the model, whatever its family."""
    model = TorchEngine(exact_model(replace(recipe, n_positions=count)), CPU)
    ids = random_ids(recipe, count, seed)[None].astype(np.int64)
    lane = np.array([0])
    found = model.forward(ids, lane, lane, model.cache(1, count))
    return CpuHidden(found.q.numpy(), found.scale.numpy())


@dataclass(frozen=True)
class Asked:
    """All that is asked of distributions, as lists."""

    totals: list[int]
    low: list[list[int]]
    freq: list[list[int]]
    every: list[list[int]]
    gradient: list[int]
    found: list[list[int]]

    @classmethod
    def of(cls, found: Distributions, recipe: Recipe, n_rows: int) -> Asked:
        ids = random_ids(recipe, n_rows * 7, n_rows).astype(np.int64).reshape(n_rows, 7)
        ids[:, 0], ids[:, 1] = 0, recipe.vocab_size - 1
        gradient = np.arange(recipe.vocab_size, dtype=np.int64)  # adds to what is there
        totals = found.totals()
        answer = found.find(totals - totals // np.uint64(3) - np.uint64(1))
        low, freq = found.look_up(ids)
        every = found.frequencies()
        found.add_gradient(ids[:, 2], gradient)
        columns = [x.tolist() for x in (answer.tokens, answer.low, answer.freq)]
        return cls(
            totals.tolist(), low.tolist(), freq.tolist(), every.tolist(), gradient.tolist(), columns
        )


def written_out(model: ExactModel, hidden: CpuHidden, bias: Bias | None) -> NDArray[np.int64]:
    own = None if bias is None else torch.from_numpy(bias)
    return Reference(model, CPU).frequencies(as_tensors(hidden), own).numpy()


@every_way
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("n_rows", [1, 9, 65, 300])
@pytest.mark.parametrize("biased", [False, True])
def test_engines_agree(recipe: Recipe, n_rows: int, biased: bool, way: Way) -> None:
    recipe = fitting(recipe, way)
    model, hidden = exact_model(recipe), hidden_states(recipe, n_rows, 1)
    bias = bias_of(recipe, n_rows) if biased else None
    both = [engine.distributions(as_given(engine, hidden), bias) for engine in engines(model, way)]
    reference, fast = (Asked.of(found, recipe, n_rows) for found in both)
    assert fast == reference
    freq = written_out(model, hidden, bias)
    assert reference.totals == freq.sum(1).tolist()
    assert reference.every == freq.tolist()
    ids = random_ids(recipe, n_rows * 7, n_rows).reshape(n_rows, 7)
    rows, token = np.arange(n_rows), ids[:, 3]
    assert [line[3] for line in reference.freq] == freq[rows, token].tolist()
    below = [freq[row, :v].sum() for row, v in enumerate(token)]
    assert [line[3] for line in reference.low] == below


@every_way
@pytest.mark.parametrize("recipe", [GPT2, LLAMA, TEAM, replace(TEAM, llama=False, biases=True)])
@pytest.mark.parametrize("n_lanes", [1, 7, 70, 270])
@pytest.mark.parametrize("biased", [False, True])
def test_steps_agree(recipe: Recipe, n_lanes: int, biased: bool, way: Way) -> None:
    """Two steps, of other lanes; the bias changes between them."""
    recipe = fitting(recipe, way)
    model, answers = exact_model(recipe), []
    makers: list[Engine] = [
        TorchEngine(model, CPU),
        engine_on(way, model, 16, 1),
        engine_on(way, model, 16, 3),
    ]
    for engine in makers:
        cache, lanes = engine.cache(n_lanes, 16), np.arange(n_lanes)[::-1].copy()
        ids = random_ids(recipe, n_lanes).astype(np.int64)
        for step in range(2):
            bias = bias_of(recipe, step) if biased else None
            found = engine.step(ids, lanes, np.full(n_lanes, step), cache, bias)
            answers.append(Asked.of(found, recipe, n_lanes))
            lanes = lanes[: -(-n_lanes // 2)]
            ids, n_lanes = ids[: len(lanes)], len(lanes)
        n_lanes = cache.keys.shape[1]
    assert answers[0:2] == answers[2:4] == answers[4:6]


@every_way
def test_a_bias_is_for_one_call(way: Way) -> None:
    """The next call without one has the head's own again, in steps and in prefill."""
    recipe = replace(TEAM, biases=True, llama=False)
    model = exact_model(recipe)
    lane = np.array([0])
    for engine in [*engines(model, way), engine_on(way, model, 16, 2)]:
        cache = engine.cache(1, 16)
        totals = [
            engine.step(lane, lane, lane, cache, bias).totals().tolist()
            for bias in (None, bias_of(recipe, 1), None, engine.head_bias)
        ]
        assert totals[0] == totals[2] == totals[3] != totals[1]


def row_biases(recipe: Recipe, n_rows: int) -> RowBias:
    """Three biases, dealt out to the rows in no order."""
    values = np.stack([bias_of(recipe, seed) for seed in range(3)])
    return RowBias(values, np.arange(n_rows, dtype=np.int64) * 7 % 5 % 3)


def of_each_row(
    found: Distributions, recipe: Recipe, n_rows: int, rows: Iterable[int] | None = None
) -> list[tuple[int, ...]]:
    """Of every row, or some, its total, where a token lies, and a digest of its own gradient."""
    tokens = random_ids(recipe, n_rows, n_rows).astype(np.int64)
    totals, (low, freq) = found.totals(), found.look_up(tokens[:, None])
    answers: list[tuple[int, ...]] = []
    for row in range(n_rows) if rows is None else rows:
        gradient = np.zeros(recipe.vocab_size, dtype=np.int64)
        found.add_gradient(tokens[row : row + 1], gradient, row)
        digest = hash(gradient.tobytes())
        answers.append((int(totals[row]), int(low[row, 0]), int(freq[row, 0]), digest))
    return answers


@every_way
@pytest.mark.parametrize("recipe", [LLAMA, replace(GPT2, vocab_size=513, tied=False)])
@pytest.mark.parametrize("n_rows", [2, 9, 300])
def test_a_bias_of_its_own_for_each_row(recipe: Recipe, n_rows: int, way: Way) -> None:
    """Every row is what it would be if its bias were that of all."""
    recipe = fitting(recipe, way)
    model, hidden = exact_model(recipe), hidden_states(recipe, n_rows, 1)
    biases = row_biases(recipe, n_rows)
    alone: dict[int, tuple[int, ...]] = {}
    for which, bias in enumerate(biases.values):
        found = TorchEngine(model, CPU).distributions(as_tensors(hidden), bias)
        rows = np.flatnonzero(biases.of == which).tolist()
        alone |= zip(rows, of_each_row(found, recipe, n_rows, rows), strict=True)
    wanted = [alone[row] for row in range(n_rows)]
    for engine in engines(model, way):
        found = engine.distributions(as_given(engine, hidden), biases)
        assert of_each_row(found, recipe, n_rows) == wanted


@every_way
@pytest.mark.parametrize("recipe", [LLAMA, replace(TEAM, llama=False, biases=True)])
@pytest.mark.parametrize("n_lanes", [2, 33])
def test_a_bias_of_its_own_for_each_lane(recipe: Recipe, n_lanes: int, way: Way) -> None:
    """Steps with a bias a lane, one of all, and none, one after the other."""
    recipe = fitting(recipe, way)
    model, answers = exact_model(recipe), []
    makers: list[Engine] = [
        TorchEngine(model, CPU),
        engine_on(way, model, 16, 1),
        engine_on(way, model, 16, 2),
    ]
    lanes, ids = np.arange(n_lanes), random_ids(recipe, n_lanes).astype(np.int64)
    for engine in makers:
        cache = engine.cache(n_lanes, 16)
        answers.append(
            [
                of_each_row(
                    engine.step(ids, lanes, np.full(n_lanes, at), cache, bias), recipe, n_lanes
                )
                for at, bias in enumerate([row_biases(recipe, n_lanes), bias_of(recipe, 9), None])
            ]
        )
    assert answers[0] == answers[1] == answers[2]


@every_way
@pytest.mark.parametrize("n_rows", [1, 70])
def test_the_gradient_of_some_of_the_rows(n_rows: int, way: Way) -> None:
    recipe = fitting(LLAMA, way)
    model, hidden = exact_model(recipe), hidden_states(recipe, n_rows, 3)
    tokens, cut = random_ids(recipe, n_rows, 3).astype(np.int64), n_rows // 3
    for engine in engines(model, way):
        whole, parts = np.zeros((2, recipe.vocab_size), dtype=np.int64)
        found = engine.distributions(as_given(engine, hidden))
        found.add_gradient(tokens, whole)
        found.add_gradient(tokens[:cut], parts)
        found.add_gradient(tokens[cut:], parts, cut)
        assert (whole == parts).all()


@every_way
@settings(max_examples=15)
@given(recipe=st.sampled_from(RECIPES), seed=st.integers(0, 99), n_rows=st.integers(1, 90))
def test_gradients_sum_up_in_any_order(way: Way, recipe: Recipe, seed: int, n_rows: int) -> None:
    recipe = fitting(recipe, way)
    model, hidden = exact_model(recipe), hidden_states(recipe, n_rows, seed)
    tokens = random_ids(recipe, n_rows, seed).astype(np.int64)
    cut = seed % n_rows
    for engine in engines(model, way):
        whole, parts = np.zeros((2, recipe.vocab_size), dtype=np.int64)
        engine.distributions(as_given(engine, hidden)).add_gradient(tokens, whole)
        for part in (slice(cut, n_rows), slice(0, cut)):
            if len(tokens[part]):
                rows = as_given(engine, hidden.part(part))
                engine.distributions(rows).add_gradient(tokens[part], parts)
        assert (whole == parts).all()
        # probabilities sum up to one, but for their rounding
        assert abs(int(whole.sum())) <= n_rows * (recipe.vocab_size / 2 + 64)


@every_way
def test_the_largest_probabilities_do_not_overflow(way: Way) -> None:
    """Rows that are all but certain of one token, as many as int32 sums at once, and more."""
    recipe = fitting(replace(GPT2, vocab_size=2), way)
    model, n_rows = exact_model(recipe), 2 * GRADIENT_ROWS + 1
    hidden = hidden_states(recipe, n_rows, 0)
    bias = np.array([100.0, -100.0], dtype=np.float32)
    for engine in engines(model, way):
        gradient = np.zeros(2, dtype=np.int64)
        found = engine.distributions(as_given(engine, hidden), bias)
        found.add_gradient(np.ones(n_rows, dtype=np.int64), gradient)
        assert gradient.tolist() == [-n_rows << GRADIENT_BITS, n_rows << GRADIENT_BITS]


def test_a_step_goes_along_the_gradient_and_never_far() -> None:
    own = np.array([1.0, -2.0, 0.0, 0.5], dtype=np.float32)
    for start in (None, own):
        bias = HeadBias(4, start)
        before = bias.values.copy()
        assert (before == (0 if start is None else own)).all()
        bias.step(np.array([1 << GRADIENT_BITS, -(1 << GRADIENT_BITS), 1 << 50, -(1 << 50)]))
        moved = (bias.values - before).tolist()
        assert moved[0] == pytest.approx(0.07, rel=1e-6)
        assert moved[1] == pytest.approx(-0.07, rel=1e-6)
        assert moved[2:] == [LONGEST_STEP, -LONGEST_STEP]


def test_steps_add_up_in_single_precision_before_the_heads_own() -> None:
    """(own + (step + step)), each sum rounded to float32: the order of the document."""
    numbers = Numbers(3)
    own = numbers.spread(500).astype(np.float32)
    bias, learnt = HeadBias(500, own), np.zeros(500, dtype=np.float32)
    for _ in range(20):
        gradient = (numbers.spread(500) * 2.0**30).astype(np.int64)
        bias.step(gradient)
        step = np.minimum(gradient.astype(np.float32) * RATE, LONGEST_STEP)
        learnt = learnt + np.maximum(step, -LONGEST_STEP)
    assert bias.values.dtype == np.float32
    assert bias.values.tobytes() == (own + learnt).tobytes()


def test_values_handed_out_stay_as_they_are() -> None:
    """A step makes new values: an engine may still be reading the old ones."""
    bias = HeadBias(3, None)
    handed = bias.values
    bias.step(np.array([1 << 30, 0, -5]))
    assert handed.tolist() == [0.0, 0.0, 0.0]
    assert bias.values[0] != 0
