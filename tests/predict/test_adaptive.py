"""Groups of waves: the decoder, token by token, sees what the encoder saw slice by slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from adaptive_digest import waves
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from exact_models import CPU, GPT2, LLAMA, TEAM, Recipe, exact_model, phrases
from llmzip.adapt import SLICE_TOKENS
from llmzip.coder import MAX_TOTAL, RangeDecoder, encode_lanes
from llmzip.exact.cpu.engine import CpuEngine
from llmzip.exact.engines import make_engine
from llmzip.exact.model import ExactModel
from llmzip.exact.torch_engine import TorchEngine
from llmzip.predict import Intervals
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.protocol import LearningGroup
from llmzip.predict.windows import Window

Chunk = NDArray[np.int32]
SHORT = Window(24, 10, 0)
WHOLE = Window(128, 64, 0)
RECIPES = (GPT2, LLAMA, TEAM)


def predictor(model: ExactModel, window: Window = WHOLE, n_workers: int = 1) -> ExactPredictor:
    return ExactPredictor(partial(make_engine, model, CPU, window.size), window, n_workers)


def encode(group: LearningGroup, wave: Sequence[Chunk]) -> list[Intervals]:
    return group.intervals(wave, lambda _: None)


def decode(group: LearningGroup, coded: Sequence[Intervals], *, backwards: bool) -> list[list[int]]:
    """Decode the payloads that the encoder would write of a wave; every step is checked."""
    payloads = encode_lanes(coded)
    sizes = [len(intervals.low) for intervals in coded]
    lanes, coder = group.lanes(sizes), RangeDecoder(len(sizes))
    found: list[list[int]] = [[] for _ in sizes]
    for lane, payload in enumerate(payloads):
        lanes.open(lane)
        coder.open(lane, payload)
    for step in range(max(sizes)):
        rows = np.array([lane for lane, size in enumerate(sizes) if step < size])
        rows = rows[::-1].copy() if backwards else rows
        totals = lanes.totals(rows)
        assert totals.tolist() == [int(coded[lane].total[step]) for lane in rows]
        ids, low, freq = lanes.find(rows, coder.targets(rows, totals))
        coder.consume(rows, low, freq, totals)
        assert low.tolist() == [int(coded[lane].low[step]) for lane in rows]
        assert freq.tolist() == [int(coded[lane].freq[step]) for lane in rows]
        for lane, token in zip(rows.tolist(), ids.tolist(), strict=True):
            found[lane].append(token)
    for lane in range(len(sizes)):
        coder.close(lane)
    return found


def assert_round_trip(
    encoder: LearningGroup, decoder: LearningGroup, group: Sequence[Sequence[Chunk]]
) -> None:
    for i, wave in enumerate(group):
        coded = encode(encoder, wave)
        assert all((c.total <= MAX_TOTAL).all() for c in coded)
        found = decode(decoder, coded, backwards=bool(i % 2))
        assert found == [chunk.tolist() for chunk in wave]


def same(a: Sequence[Intervals], b: Sequence[Intervals]) -> bool:
    return all(
        (getattr(x, name) == getattr(y, name)).all()
        for x, y in zip(a, b, strict=True)
        for name in ("low", "freq", "total")
    )


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("window", [WHOLE, SHORT, Window(5, 0, 0)])
@pytest.mark.parametrize("n_workers", [1, 2, 3])
def test_token_by_token_finds_what_was_coded(
    recipe: Recipe, window: Window, n_workers: int
) -> None:
    """Waves of chunks shorter and longer than window and slice, one token among them."""
    encoder, decoder = (predictor(exact_model(recipe), window, n) for n in (1, n_workers))
    group = waves(recipe.vocab_size)
    assert_round_trip(encoder.group(), decoder.group(), group)


@settings(max_examples=10)
@given(
    sizes=st.lists(st.lists(st.integers(1, 100), min_size=1, max_size=5), min_size=1, max_size=3),
    n_workers=st.integers(1, 3),
    recipe=st.sampled_from(RECIPES),
)
def test_any_waves_round_trip(sizes: list[list[int]], n_workers: int, recipe: Recipe) -> None:
    source = predictor(exact_model(recipe), SHORT, n_workers)
    group = [
        [phrases(recipe.vocab_size, size, 10 * i + j) for j, size in enumerate(own)]
        for i, own in enumerate(sizes)
    ]
    assert_round_trip(source.group(), source.group(), group)


def test_a_team_of_threads_decodes_what_lone_workers_coded() -> None:
    model = exact_model(TEAM)
    team = ExactPredictor(lambda _: CpuEngine(model, SHORT.size, 2), SHORT, 2)
    assert_round_trip(predictor(model, SHORT, 3).group(), team.group(), waves(TEAM.vocab_size))


@pytest.mark.parametrize("recipe", [GPT2, LLAMA])
def test_the_reference_as_engine_adapts_alike(recipe: Recipe) -> None:
    model = exact_model(recipe)
    reference = ExactPredictor(lambda _: TorchEngine(model, CPU), SHORT, 1)
    group = waves(recipe.vocab_size)[:2]
    ours, theirs = predictor(model, SHORT, 2).group(), reference.group()
    for wave in group:
        assert same(encode(ours, wave), encode(theirs, wave))
    assert_round_trip(predictor(model, SHORT).group(), reference.group(), group)


def test_more_chunks_than_rows_of_a_batch() -> None:
    """A slice of all chunks is cut among workers: 70 chunks make 2,240 rows."""
    recipe = replace(LLAMA, d_model=12, n_heads=1, n_kv_heads=1, n_layers=1, d_ff=8)
    source = predictor(exact_model(recipe), SHORT, 2)
    wave = [phrases(recipe.vocab_size, 40, seed) for seed in range(70)]
    assert_round_trip(source.group(), source.group(), [wave])


def test_waves_learn_from_those_before_and_groups_do_not() -> None:
    source = predictor(exact_model(LLAMA), WHOLE)
    first, second = waves(LLAMA.vocab_size)[:2]
    group = source.group()
    begun = encode(group, first)
    taught = encode(group, second)
    fresh = encode(source.group(), second)
    assert not same(taught, fresh)
    assert sum(c.bits for c in taught) < sum(c.bits for c in fresh)
    again = source.group()
    assert same(encode(again, first), begun)
    assert same(encode(again, second), taught)


def test_nothing_is_learnt_within_a_slice() -> None:
    """The first slice of a group is predicted by the model alone, the second no more."""
    source = predictor(exact_model(GPT2), WHOLE)
    wave = [phrases(GPT2.vocab_size, 2 * SLICE_TOKENS, seed) for seed in range(2)]
    adaptive, plain = encode(source.group(), wave), list(source.intervals(wave))
    for ours, model in zip(adaptive, plain, strict=True):
        is_same = (ours.low == model.low) & (ours.total == model.total)
        assert is_same[:SLICE_TOKENS].all()
        assert not is_same[SLICE_TOKENS:].any()


def test_a_slice_knows_nothing_of_what_comes_after() -> None:
    """Other tokens later, in any chunk of the wave, change nothing before their slice's end."""
    source = predictor(exact_model(LLAMA), WHOLE)
    wave = [phrases(LLAMA.vocab_size, 100, seed) for seed in range(2)]
    other = [wave[0].copy(), wave[1].copy()]
    other[1][70:] = 5
    ours, theirs = encode(source.group(), wave), encode(source.group(), other)
    for a, b, known in zip(ours, theirs, (96, 70), strict=True):
        for name in ("low", "freq", "total"):
            assert (getattr(a, name)[:known] == getattr(b, name)[:known]).all()
    assert (ours[0].low[96:] != theirs[0].low[96:]).any()


def test_whatever_a_damaged_file_asks_for_leads_to_a_token() -> None:
    """Targets at both ends of the total, again and again: learning goes on, within bounds."""
    source = predictor(exact_model(GPT2), SHORT)
    lanes = source.group().lanes([120, 120, 90])
    for lane in range(3):
        lanes.open(lane)
    for step in range(120):
        rows = np.arange(3 if step < 90 else 2)
        totals = lanes.totals(rows)
        assert (totals <= MAX_TOTAL).all()
        targets = np.array([totals[0] - np.uint64(1), 0, totals[-1] // np.uint64(2)])
        ids, low, freq = lanes.find(rows, targets[: len(rows)].astype(np.uint64))
        assert ((low <= targets[: len(rows)]) & (targets[: len(rows)] < low + freq)).all()
        assert ((ids >= 0) & (ids < GPT2.vocab_size)).all()


def test_progress_grows_to_the_whole() -> None:
    seen: list[float] = []
    source = predictor(exact_model(GPT2), WHOLE, 2)
    source.group().intervals(waves(GPT2.vocab_size)[0], seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)
