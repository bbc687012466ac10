"""Groups side by side: each is what it would be alone, encoded and decoded."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from exact_models import CPU, GPT2, LLAMA, TEAM, Recipe, exact_model, phrases
from llmzip.coder import RangeDecoder, encode_lanes
from llmzip.exact.cpu.engine import CpuEngine
from llmzip.exact.engines import make_engine
from llmzip.exact.torch_engine import TorchEngine
from llmzip.predict import Intervals
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.protocol import LearningGroup
from llmzip.predict.together import _batches
from llmzip.predict.windows import Window

Chunk = NDArray[np.int32]
Group = list[list[Chunk]]
WINDOW = Window(40, 16, 0)
BIASED = replace(LLAMA, biases=True, tied=False)
SIZES = [
    [[50]],
    [[1], [2, 70], [33]],
    [[31, 32, 33]],
    [[90, 5], [64]],
    *[[[20 + i]] for i in range(5)],
]
"""Of groups, of their waves: how long the chunks are."""


def groups_of(recipe: Recipe, sizes: Sequence[Sequence[Sequence[int]]]) -> list[Group]:
    """Groups that repeat themselves and each other, so that what one learns would show."""
    return [
        [[phrases(recipe.vocab_size, n, 7 * i % 3 + j) for j, n in enumerate(own)] for own in group]
        for i, group in enumerate(sizes)
    ]


def predictor(
    recipe: Recipe, n_workers: int = 2, dictionary: Chunk | None = None
) -> ExactPredictor:
    make = partial(make_engine, exact_model(recipe), CPU, WINDOW.size)
    return ExactPredictor(make, WINDOW, n_workers, dictionary=dictionary)


def flat(coded: Sequence[Sequence[Sequence[Intervals]]]) -> list[list[list[int]]]:
    """Chunk by chunk, as lists."""
    chunks = [one for group in coded for wave in group for one in wave]
    return [[x.tolist() for x in (one.low, one.freq, one.total)] for one in chunks]


def alone(source: ExactPredictor, groups: Sequence[Group]) -> list[list[list[Intervals]]]:
    """The intervals of each group that is encoded by itself."""
    found = []
    for group in groups:
        learning = source.group()
        found.append([learning.intervals(wave, lambda _: None) for wave in group])
    return found


def side_by_side(source: ExactPredictor, groups: Sequence[Group]) -> list[list[list[Intervals]]]:
    """The same, the next waves of all groups that have one at once."""
    learning = [source.group() for _ in groups]
    found: list[list[list[Intervals]]] = [[] for _ in groups]
    for step in range(max(map(len, groups))):
        going = [i for i, group in enumerate(groups) if step < len(group)]
        waves = [(learning[i], groups[i][step]) for i in going]
        for i, coded in zip(going, learning[0].encode(waves, lambda _: None), strict=True):
            found[i].append(coded)
    return found


def decoded(
    source: ExactPredictor, coded: Sequence[Sequence[Sequence[Intervals]]], n_lanes: int, seed: int
) -> list[list[list[list[int]]]]:
    """Decode groups in shared lanes, waves beginning in any free lanes, at any time."""
    some = random.Random(seed)
    sizes = [[[len(one.low) for one in wave] for wave in group] for group in coded]
    result: list[list[list[list[int]]]] = [[[[] for _ in w] for w in group] for group in sizes]
    learning: list[LearningGroup] = [source.group() for _ in coded]
    most = max(n for group in sizes for wave in group for n in wave)
    lanes, coder = learning[0].shared_lanes(n_lanes, most), RangeDecoder(n_lanes)
    waiting = [(i, 0) for i in range(len(coded))]
    holds: dict[int, tuple[int, int, int]] = {}  # lane: which group, wave, chunk
    while waiting or holds:
        free = [lane for lane in range(n_lanes) if lane not in holds]
        some.shuffle(free)
        while waiting and len(sizes[waiting[0][0]][waiting[0][1]]) <= len(free):
            i, step = waiting.pop(0)
            payloads = encode_lanes(coded[i][step])
            own = [free.pop() for _ in payloads]
            for chunk, (lane, payload) in enumerate(zip(own, payloads, strict=True)):
                lanes.open(lane)
                coder.open(lane, payload)
                holds[lane] = i, step, chunk
            lanes.begin(learning[i], own, sizes[i][step])
        rows = np.array(sorted(holds))
        totals = lanes.totals(rows)
        ids, low, freq = lanes.find(rows, coder.targets(rows, totals))
        coder.consume(rows, low, freq, totals)
        for lane, token in zip(rows.tolist(), ids.tolist(), strict=True):
            i, step, chunk = holds[lane]
            result[i][step][chunk].append(token)
            if len(result[i][step][chunk]) == sizes[i][step][chunk]:
                coder.close(lane)
                del holds[lane]
                left = any((i, step) == where[:2] for where in holds.values())
                if not left and step + 1 < len(sizes[i]):
                    waiting.append((i, step + 1))
    return result


@pytest.mark.parametrize("recipe", [GPT2, LLAMA, BIASED, TEAM])
@pytest.mark.parametrize("n_workers", [1, 2])
def test_groups_are_coded_side_by_side_as_alone(recipe: Recipe, n_workers: int) -> None:
    groups = groups_of(recipe, SIZES)
    found = side_by_side(predictor(recipe, n_workers), groups)
    assert flat(found) == flat(alone(predictor(recipe, 3), groups))


@pytest.mark.parametrize("recipe", [LLAMA, BIASED, TEAM])
@pytest.mark.parametrize(("n_lanes", "n_workers"), [(3, 1), (7, 2), (64, 2)])
def test_groups_in_shared_lanes_are_decoded(recipe: Recipe, n_lanes: int, n_workers: int) -> None:
    groups = groups_of(recipe, SIZES)
    coded = alone(predictor(recipe), groups)
    found = decoded(predictor(recipe, n_workers), coded, n_lanes, seed=n_lanes)
    assert found == [[[chunk.tolist() for chunk in wave] for wave in group] for group in groups]


def test_more_groups_than_an_engine_takes_rows() -> None:
    """Of one or two tokens each; chunks that share nothing, too."""
    source = predictor(LLAMA, n_workers=1)
    groups = groups_of(LLAMA, [[[1 + i % 2]] for i in range(CpuEngine.max_rows + 90)])
    coded = side_by_side(source, groups)
    assert flat(coded[-5:]) == flat(alone(source, groups[-5:]))
    chunks = [chunk for group in groups for wave in group for chunk in wave]
    frozen = list(source.intervals(chunks))
    assert flat([[frozen[-5:]]]) == flat([[list(source.intervals(chunks[-5:]))]])


def test_a_team_and_the_reference_decode_them_too() -> None:
    model, groups = exact_model(TEAM), groups_of(TEAM, SIZES)
    coded = alone(predictor(TEAM), groups)
    team = ExactPredictor(lambda _: CpuEngine(model, WINDOW.size, 2), WINDOW, 2)
    reference = ExactPredictor(lambda _: TorchEngine(model, CPU), WINDOW, 1)
    wanted = [[[chunk.tolist() for chunk in wave] for wave in group] for group in groups]
    assert decoded(team, coded, 8, seed=1) == wanted
    assert decoded(reference, coded, 5, seed=2) == wanted


def test_groups_that_begin_with_a_dictionary() -> None:
    source = predictor(LLAMA, dictionary=phrases(LLAMA.vocab_size, 60, 1))
    groups = groups_of(LLAMA, SIZES[:4])
    coded = side_by_side(source, groups)
    assert flat(coded) == flat(alone(source, groups))
    found = decoded(source, coded, 6, seed=3)
    assert found == [[[chunk.tolist() for chunk in wave] for wave in group] for group in groups]


@settings(max_examples=10)
@given(
    sizes=st.lists(
        st.lists(st.lists(st.integers(1, 80), min_size=1, max_size=3), min_size=1, max_size=3),
        min_size=1,
        max_size=6,
    ),
    n_lanes=st.integers(3, 9),
)
def test_any_groups_come_back(sizes: list[list[list[int]]], n_lanes: int) -> None:
    source, groups = predictor(LLAMA), groups_of(LLAMA, sizes)
    coded = side_by_side(source, groups)
    found = decoded(source, coded, n_lanes, seed=n_lanes)
    assert found == [[[chunk.tolist() for chunk in wave] for wave in group] for group in groups]


@given(st.lists(st.integers(1, 200), min_size=1, max_size=20), st.integers(1, 300))
def test_batches_hold_every_row_once(sizes: list[int], most: int) -> None:
    batches = list(_batches(sizes, most))
    rows = [[] for _ in sizes]  # type: list[list[int]]
    for parts, own in batches:
        assert own.stop - own.start <= most
        assert parts[0][2].start == 0
        for index, theirs, ours in parts:
            assert theirs.stop - theirs.start == ours.stop - ours.start
            begin = sum(sizes[:index])
            assert begin + theirs.start == own.start + ours.start
            rows[index] += range(theirs.start, theirs.stop)
    assert rows == [list(range(size)) for size in sizes]
