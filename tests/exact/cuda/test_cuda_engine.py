"""The whole CUDA engine gives the reference's integers, for both families, in any company."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from cuda_device import DEVICE, INTERPRETED, numbers
from numpy.typing import NDArray

from exact_models import CPU, GPT2, LLAMA, Recipe, exact_model, random_ids
from llmzip.errors import DeviceError
from llmzip.exact.bias import RowBias
from llmzip.exact.cuda import gemm
from llmzip.exact.cuda.engine import CudaEngine, step_rows
from llmzip.exact.distribution import Engine, Ids, TokenIntervals
from llmzip.exact.model import ExactModel
from llmzip.exact.narrowed import NarrowedModel
from llmzip.exact.tensors import TensorHidden
from llmzip.exact.torch_engine import TorchEngine

ONE = replace(GPT2, n_layers=1)
RECIPES = [
    GPT2,
    LLAMA,
    replace(LLAMA, biases=True, tied=False, n_layers=1),
    replace(ONE, d_model=60, n_heads=5, n_kv_heads=5, d_ff=77, vocab_size=513, tied=False),
    replace(ONE, d_model=100, n_heads=2, n_kv_heads=2, d_head=50, vocab_size=1),
    replace(LLAMA, d_model=100, n_heads=3, n_kv_heads=1, d_head=64, vocab_size=1500, n_layers=1),
    replace(LLAMA, d_model=7, n_heads=1, n_kv_heads=1, d_head=2, d_ff=3, vocab_size=5, gain=8.0),
    replace(ONE, gain=0.0),
    replace(LLAMA, gain=1e-25, n_layers=1, tied=False),
    replace(LLAMA, gain=1000.0, n_layers=1, tied=False),
    replace(LLAMA, n_layers=1, head_norm="before"),
    replace(LLAMA, n_layers=1, head_norm="after"),
    replace(LLAMA, parallel=True, activation="gelu"),
    replace(LLAMA, norms="both", layer_window=(3, 0), layer_rope=(1, 0)),
    replace(LLAMA, norms="after", layer_rope=(-1, 0), head_norm="whole", biases=True),
    replace(LLAMA, norms="both", layer_window=(3, 0), score_cap=2.0, logit_cap=3.0),
]


def cuda(model: ExactModel, max_rows: int = 64, *, pad: bool | None = None) -> CudaEngine:
    return CudaEngine(model, DEVICE.type, model.shape.n_positions, max_rows, pad=pad)


def run(engine: Engine, ids: NDArray[np.int32], blocks: list[int]) -> TokenIntervals:
    """Feed ids[:-1] to lane 0 of 2 in blocks of these sizes; ask for ids[1:]."""
    inputs, targets = ids[:-1].astype(np.int64), ids[1:].astype(np.int64)
    cache = engine.cache(2, len(inputs))
    parts, first = [], 0
    for size in blocks:
        block = inputs[None, first : first + size]
        hidden = engine.forward(block, np.array([0]), np.array([first]), cache)
        parts.append(engine.intervals(hidden, targets[first : first + size]))
        first += size
    assert first == len(inputs)
    return TokenIntervals.joined(parts)


def assert_same(ours: TokenIntervals, expected: TokenIntervals) -> None:
    for name in ("low", "freq", "total"):
        assert (getattr(ours, name) == getattr(expected, name)).all(), name
    assert ours.bits == pytest.approx(expected.bits, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("recipe", RECIPES)
def test_prefill_and_steps_agree_with_the_reference(recipe: Recipe) -> None:
    model, ids = exact_model(recipe), random_ids(recipe, 10)
    expected = run(TorchEngine(model, CPU), ids, [9])
    engine = cuda(model)
    assert_same(run(engine, ids, [9]), expected)
    assert_same(run(engine, ids, [5, 2, 1, 1]), expected)


@pytest.mark.parametrize("recipe", [GPT2, LLAMA])
def test_rows_that_fill_a_batch_up_change_nothing(recipe: Recipe) -> None:
    recipe = replace(recipe, n_layers=1)
    model, ids = exact_model(recipe), random_ids(recipe, 8)
    expected = run(TorchEngine(model, CPU), ids, [7])
    assert_same(run(cuda(model, pad=True), ids, [6, 1]), expected)


def four_lanes(engine: Engine, recipe: Recipe) -> list[NDArray[np.uint64]]:
    """Steps of lanes at different positions, some of them resting; the totals, tokens and lows."""
    cache = engine.cache(4, 20)
    for lane, length in enumerate((5, 1, 12, 3)):
        ids = random_ids(recipe, length, lane)[None].astype(np.int64)
        engine.forward(ids, np.array([lane]), np.array([0]), cache)
    answers: list[NDArray[np.uint64]] = []
    at = np.array([5, 1, 12, 3])
    tokens = np.array([3, 1, 4, 1])
    for step, awake in enumerate(([2, 0, 3, 1], [1, 2], [3, 2, 1])):
        lanes = np.array(awake)
        found = engine.step(tokens[lanes], lanes, at[lanes], cache)
        totals = found.totals()
        targets = (totals.astype(np.float64) * (0.2 + 0.3 * step)).astype(np.uint64)
        answer = found.find(targets)
        at[lanes] += 1
        tokens[lanes] = answer.tokens
        answers += [totals, answer.tokens.astype(np.uint64), answer.low, answer.freq]
    return answers


@pytest.mark.parametrize("recipe", [GPT2, LLAMA])
def test_lanes_step_side_by_side(recipe: Recipe) -> None:
    model = exact_model(recipe)
    expected = four_lanes(TorchEngine(model, CPU), recipe)
    for ours, theirs in zip(four_lanes(cuda(model), recipe), expected, strict=True):
        assert (ours == theirs).all()


def test_more_lanes_than_rows_step_in_parts() -> None:
    recipe = replace(LLAMA, n_layers=1)
    model = exact_model(recipe)
    ids, lanes, at = np.arange(5), np.arange(5), np.zeros(5, dtype=np.int64)
    answers = []
    for engine in (TorchEngine(model, CPU), cuda(model, 2)):
        found = engine.step(ids, lanes, at, engine.cache(5, 8))
        answers.append((found.totals(), found.find(found.totals() // np.uint64(3))))
    assert (answers[0][0] == answers[1][0]).all()
    assert (answers[0][1].tokens == answers[1][1].tokens).all()


def test_lanes_prefill_together() -> None:
    recipe = replace(LLAMA, n_layers=1)
    model = exact_model(recipe)
    ids = np.stack([random_ids(recipe, 10, lane) for lane in range(2)]).astype(np.int64)
    lanes, starts = np.array([2, 0]), np.array([0, 0])
    hidden = []
    for engine in (TorchEngine(model, CPU), cuda(model)):
        cache = engine.cache(3, 16)
        engine.forward(ids[:, :4], lanes, starts, cache)
        hidden.append(engine.forward(ids[:, 4:], lanes, starts + 4, cache))
    assert torch.equal(hidden[0].q, hidden[1].q.cpu())
    assert torch.equal(hidden[0].scale, hidden[1].scale.cpu())


def hidden_states(recipe: Recipe, count: int) -> TensorHidden:
    """Random hidden states: whatever the head may be given."""
    some = numbers(count)
    q = torch.from_numpy(some.integers(-127, 128, (count, recipe.d_model))).to(torch.int8)
    return TensorHidden(q, torch.from_numpy(some.uniform(0.0001, 2.0, count).astype("f")))


@pytest.mark.parametrize("recipe", RECIPES[:6])
def test_the_head_finds_what_it_tells(recipe: Recipe) -> None:
    """Intervals as the reference has them; and the search finds them from both of their ends."""
    n_rows = 7
    model, hidden = exact_model(recipe), hidden_states(recipe, n_rows)
    tokens = random_ids(recipe, n_rows).astype(np.int64)
    tokens[:2] = [0, recipe.vocab_size - 1]
    engine = cuda(model)
    known = engine.intervals(hidden, tokens)
    assert_same(known, TorchEngine(model, CPU).intervals(hidden, tokens))
    found = engine.distributions(hidden)
    assert (found.totals() == known.total).all()
    for target in (known.low, known.low + known.freq - np.uint64(1)):
        answer = found.find(target)
        assert (answer.tokens == tokens).all()
        assert (answer.low == known.low).all()
        assert (answer.freq == known.freq).all()


def test_long_requests_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    model, hidden = exact_model(GPT2), hidden_states(GPT2, 5)
    tokens: Ids = np.arange(5)
    expected = TorchEngine(model, CPU).intervals(hidden, tokens)
    monkeypatch.setattr("llmzip.exact.cuda.engine.HEAD_BYTES", 3000)
    assert_same(cuda(model).intervals(hidden, tokens), expected)


@pytest.mark.parametrize(
    ("rows", "inner", "columns"), [(1, 64, 64), (5, 576, 96), (40, 2064, 48), (1030, 96, 40)]
)
@pytest.mark.parametrize("extreme", [False, True])
def test_products_are_exact(rows: int, inner: int, columns: int, extreme: bool) -> None:
    some = numbers(inner)
    low, high = (127, 128) if extreme else (-128, 128)
    a = torch.from_numpy(some.integers(low, high, (rows, inner))).to(torch.int8)
    weight = torch.from_numpy(some.integers(low, high, (columns, inner))).to(torch.int8)
    out = torch.empty(rows, columns, dtype=torch.int32, device=DEVICE)
    gemm.product(a.to(DEVICE), weight.to(DEVICE), out)
    assert torch.equal(out.cpu().long(), a.long() @ weight.long().t())


@pytest.mark.skipif(INTERPRETED, reason="no CUDA device here")
@pytest.mark.parametrize("recipe", RECIPES)
def test_replayed_graphs_give_the_same_integers(recipe: Recipe) -> None:
    """The first run of a size is launched, the second captured, the later ones are replayed."""
    model, ids = exact_model(recipe), random_ids(recipe, 101)
    expected = run(TorchEngine(model, CPU), ids, [100])
    assert_same(run(cuda(model), ids, [1] * 100), expected)
    assert_same(run(cuda(model), ids, [50, *[1] * 20, 30]), expected)
    assert_same(run(cuda(model), ids, [20] * 5), expected)


@pytest.mark.parametrize("recipe", [GPT2, LLAMA])
def test_steps_say_the_same_of_the_head_again_and_again(recipe: Recipe) -> None:
    """Steps of a few sizes, with biases that change in their place, that grow, and with none."""
    recipe = replace(recipe, n_layers=1)
    model = exact_model(recipe)
    assert said(cuda(model), recipe) == said(TorchEngine(model, CPU), recipe)


def said(engine: Engine, recipe: Recipe) -> list[list[int]]:
    cache, some = engine.cache(3, 40), numbers(7)
    values = some.normal(0, 2, (2, recipe.vocab_size)).astype(np.float32)
    answers = []
    for step in range(10):
        lanes = np.arange(3)[: 3 - step % 2]
        at, ids = np.full(len(lanes), step), (lanes + step) % recipe.vocab_size
        if step == 4:
            values[1] += 1.0
        if step == 7:
            values = np.concatenate([values, values + np.float32(0.5)])
        bias = RowBias(values, (lanes + step) % len(values), version=(step >= 4) + (step >= 7))
        found = engine.step(ids, lanes, at, cache, None if step % 4 == 3 else bias)
        totals = found.totals()
        answer = found.find(totals // np.uint64(2))
        answers += [totals.tolist(), answer.tokens.tolist(), answer.freq.tolist()]
    return answers


def test_batches_come_in_few_sizes() -> None:
    sizes = {step_rows(n) for n in range(1, 4097)}
    assert all(step_rows(n) >= n for n in range(1, 4097))
    assert all(size % 16 == 0 for size in sizes)
    assert len(sizes) <= 16


def test_lanes_fit_into_memory() -> None:
    engine = cuda(exact_model(GPT2))
    assert engine.default_lanes(128) >= engine.default_lanes(60_000) >= 1


def test_more_positions_than_sums_hold_are_refused() -> None:
    with pytest.raises(DeviceError, match="positions"):
        CudaEngine(exact_model(GPT2), DEVICE.type, (1 << 16) + 1, 32)


def test_a_shortlist_is_what_the_reference_makes_of_it() -> None:
    recipe = replace(LLAMA, n_layers=1)
    ids = np.arange(1, recipe.vocab_size, 3, dtype=np.int64)
    model = NarrowedModel(exact_model(recipe), ids).whole
    tokens = random_ids(replace(recipe, vocab_size=len(ids)), 12)
    expected = run(TorchEngine(model, CPU), tokens, [11])
    assert_same(run(cuda(model), tokens, [8, 2, 1]), expected)
