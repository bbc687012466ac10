"""Drafts: whatever is guessed ahead of what is decoded, every interval is the encoder's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from unittest import mock

import numpy as np
import pytest
from adaptive_digest import waves
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from exact_models import CPU, GPT2, LLAMA, TEAM, Recipe, exact_model, phrases
from llmzip.adapt import SLICE_TOKENS, Least
from llmzip.coder import RangeDecoder, encode_lanes
from llmzip.exact.cpu.engine import CpuEngine
from llmzip.exact.cpu.ways import Way
from llmzip.exact.distribution import StepCosts
from llmzip.exact.engines import make_engine
from llmzip.exact.torch_engine import TorchEngine
from llmzip.predict import Intervals
from llmzip.predict.drafts import Pace
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.protocol import Drafted, LearningGroup, SharedLanes
from llmzip.predict.windows import Window
from ways import every_way

Chunk = NDArray[np.int32]
SHORT = Window(24, 10, 0)
WHOLE = Window(128, 64, 0)
RECIPES = (GPT2, LLAMA, TEAM)


def predictor(recipe: Recipe, window: Window = WHOLE, n_workers: int = 1) -> ExactPredictor:
    model = exact_model(recipe)
    return ExactPredictor(partial(make_engine, model, CPU, window.size), window, n_workers)


def team(way: str, window: Window) -> ExactPredictor:
    model = exact_model(TEAM)
    return ExactPredictor(lambda _: CpuEngine(model, window.size, 2, way), window, 2)


def recklessly() -> mock._patch[object]:
    """Drafts of up to 8 tokens whatever they are like: nearly all of them are wrong."""
    return mock.patch.multiple(Pace, least=lambda *_: Least(0.0, 0.0), most=lambda *_: 8)


def as_many_as_pay() -> mock._patch[object]:
    """Drafts as they pay, of up to 15 tokens."""
    return mock.patch.multiple(Pace, most=lambda *_: 15)


def encode(group: LearningGroup, wave: Sequence[Chunk]) -> list[Intervals]:
    return group.intervals(wave, lambda _: None)


def decode(lanes: SharedLanes, coded: Sequence[Intervals], first_lane: int = 0) -> list[list[int]]:
    """Decode the payloads of a wave in lanes that were begun; every interval is checked."""
    payloads, n_all = encode_lanes(coded), first_lane + len(coded)
    coder, found = RangeDecoder(n_all), [[] for _ in coded]  # type: RangeDecoder, list[list[int]]
    for i, payload in enumerate(payloads):
        lanes.open(first_lane + i)
        coder.open(first_lane + i, payload)
    while going := [i for i, own in enumerate(coded) if len(found[i]) < len(own.low)]:
        rows = lanes.due(first_lane + np.array(going)[::-1])
        assert rows.size
        while rows.size:
            totals = lanes.totals(rows)
            ids, low, freq = lanes.find(rows, coder.targets(rows, totals))
            coder.consume(rows, low, freq, totals)
            answers = zip(low, freq, totals, ids, strict=True)
            for row, answer in zip(rows - first_lane, answers, strict=True):
                own, at = coded[row], len(found[row])
                assert answer[:3] == (own.low[at], own.freq[at], own.total[at])
                found[row].append(int(answer[3]))
            rows = lanes.ahead(rows)
    for i in range(len(coded)):
        coder.close(first_lane + i)
    return found


def assert_round_trip(
    encoder: LearningGroup, decoder: LearningGroup, group: Sequence[Sequence[Chunk]]
) -> Drafted:
    drafted = Drafted()
    for wave in group:
        coded = encode(encoder, wave)
        lanes = decoder.lanes([len(chunk) for chunk in wave], drafted)
        found = decode(lanes, coded)  # type: ignore[arg-type]
        assert found == [chunk.tolist() for chunk in wave]
    return drafted


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("window", [WHOLE, SHORT, Window(5, 0, 0)])
@pytest.mark.parametrize("n_workers", [1, 3])
def test_drafts_change_no_interval(recipe: Recipe, window: Window, n_workers: int) -> None:
    encoder, decoder = (predictor(recipe, window, n) for n in (1, n_workers))
    drafted = assert_round_trip(encoder.group(), decoder.group(), waves(recipe.vocab_size))
    assert drafted.n_taken > 0 or window.size < 24


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("window", [WHOLE, Window(5, 0, 0)])
def test_wrong_drafts_change_no_interval(recipe: Recipe, window: Window) -> None:
    encoder, decoder = predictor(recipe, window), predictor(recipe, window, 2)
    with recklessly():
        drafted = assert_round_trip(encoder.group(), decoder.group(), waves(recipe.vocab_size))
    assert drafted.n_rows > 2 * drafted.n_taken > 0


@settings(max_examples=10)
@given(
    sizes=st.lists(st.lists(st.integers(1, 150), min_size=1, max_size=5), min_size=1, max_size=3),
    n_workers=st.integers(1, 3),
    recipe=st.sampled_from(RECIPES),
    window=st.sampled_from([WHOLE, SHORT, Window(33, 1, 0)]),
    reckless=st.booleans(),
)
def test_any_waves_round_trip(
    sizes: list[list[int]], n_workers: int, recipe: Recipe, window: Window, reckless: bool
) -> None:
    source = predictor(recipe, window, n_workers)
    group = [
        [phrases(recipe.vocab_size, size, 10 * i + j, 2) for j, size in enumerate(own)]
        for i, own in enumerate(sizes)
    ]
    with recklessly() if reckless else as_many_as_pay():
        assert_round_trip(source.group(), source.group(), group)


@every_way
@pytest.mark.parametrize("reckless", [False, True])
def test_a_team_on_every_way_takes_drafts(way: str, reckless: bool) -> None:
    group = waves(TEAM.vocab_size)
    with recklessly() if reckless else as_many_as_pay():
        drafted = assert_round_trip(
            predictor(TEAM, SHORT, 2).group(), team(way, SHORT).group(), group
        )
    assert drafted.n_taken > 0


def test_an_engine_that_takes_none_is_given_none() -> None:
    model = exact_model(LLAMA)
    reference = ExactPredictor(lambda _: TorchEngine(model, CPU), SHORT, 1)
    group = waves(LLAMA.vocab_size)[:2]
    drafted = assert_round_trip(predictor(LLAMA, SHORT).group(), reference.group(), group)
    assert drafted == Drafted()


def test_whoever_asks_for_no_drafts_gets_a_token_of_each_lane_a_step() -> None:
    lanes = predictor(GPT2).group().lanes([70, 70])
    for lane in range(2):
        lanes.open(lane)
    both = np.arange(2)
    for _ in range(70):
        assert (lanes.due(both) == both).all()
        totals = lanes.totals(both)
        lanes.find(both, totals // np.uint64(2))
        assert not lanes.ahead(both).size


def test_lanes_wait_for_each_other_at_the_end_of_a_slice() -> None:
    """One lane repeats itself, the other does not: neither is more than a slice ahead."""
    source, drafted = predictor(LLAMA), Drafted()
    wave = [np.tile(phrases(LLAMA.vocab_size, 7, 1), 40), phrases(LLAMA.vocab_size, 280, 2)]
    payloads = encode_lanes(encode(source.group(), wave))
    lanes, coder = source.group().lanes([280, 280], drafted), RangeDecoder(2)
    done, spread = np.zeros(2, dtype=np.int64), 0
    for lane, payload in enumerate(payloads):
        lanes.open(lane)
        coder.open(lane, payload)
    while (going := np.flatnonzero(done < 280)).size:
        rows = lanes.due(going)
        while rows.size:
            totals = lanes.totals(rows)
            _, low, freq = lanes.find(rows, coder.targets(rows, totals))
            coder.consume(rows, low, freq, totals)
            done[rows] += 1
            rows = lanes.ahead(rows)
        spread = max(spread, int(done[0] - done[1]))
        assert np.ptp(-(-done // SLICE_TOKENS)) <= 1
    assert SLICE_TOKENS // 2 < spread <= SLICE_TOKENS
    assert drafted.n_taken > 100


def test_groups_of_different_lengths_share_lanes() -> None:
    source, drafted = predictor(GPT2, SHORT, 2), Drafted()
    groups = [source.group() for _ in range(3)]
    texts = [phrases(GPT2.vocab_size, size, 3, 2) for size in (200, 90, 33)]
    coded = [encode(source.group(), [text])[0] for text in texts]
    lanes = groups[0].shared_lanes(3, 200, drafted)
    for lane, (group, text) in enumerate(zip(groups, texts, strict=True)):
        lanes.begin(group, [lane], [len(text)])
    with as_many_as_pay():
        assert decode(lanes, coded) == [text.tolist() for text in texts]
    assert drafted.n_taken > 0


@pytest.mark.parametrize("window", [SHORT, WHOLE, Window(5, 0, 0), Window(33, 16, 0)])
def test_room_ends_where_the_next_window_begins(window: Window) -> None:
    seen = np.arange(400)
    begins = window.begin(np.arange(800))
    nexts = [n + 1 + int(np.argmax(begins[n + 1 :])) for n in seen]
    assert (window.room(seen) == np.array(nexts) - seen).all()


COST = StepCosts(few=8, row=0.1, more=0.3, lane=0.2, second=0.05)


def test_more_is_asked_of_drafts_where_steps_bring_more() -> None:
    pace = Pace(COST)
    alone = pace.least(1)
    assert alone == pytest.approx((COST.row + COST.second, COST.row))
    for _ in range(50):
        pace.note(1, 8, 1, 8)
    for before, after in zip(alone, pace.least(1), strict=True):
        assert 2 * before < after < 1
    for _ in range(200):
        pace.note(1, 1, 0, 1)
    assert pace.least(1) == pytest.approx(alone, rel=0.02)
    for many, two in zip(Pace(COST).least(32), Pace(COST).least(2), strict=True):
        assert many > two > 0


def test_many_lanes_have_fewer_drafts_each() -> None:
    pace = Pace(Way.VNNI.isa.COSTS)
    most = [pace.most(n) for n in (1, 2, 8, 32, 64, 256, 1000)]
    assert most == sorted(most, reverse=True)
    assert most[0] == 15
    assert most[-1] == 0
    assert [pace.most(2, most_rows) for most_rows in (2, 3, 4, 9, 100)] == [0, 0, 1, 3, 15]
