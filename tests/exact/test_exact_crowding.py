"""How many threads decode: one while others want the processors; the bits are the same."""

from __future__ import annotations

import numpy as np
import pytest

from exact_models import TEAM, exact_model
from llmzip.exact.cpu import crowding
from llmzip.exact.cpu.crowding import FEWEST_ALONE, JUDGED_STEPS, MOST_ALONE, Crowding
from llmzip.exact.cpu.ways import Way
from ways import engine_on, fast_ways


def steps(crowding: Crowding, n_steps: int, seconds: float, waited: float) -> list[int]:
    """Note steps that are all alike; return how many threads each had."""
    taken = []
    for _ in range(n_steps):
        taken.append(crowding.n_threads)
        crowding.note(seconds, waited)
    return taken


def test_all_threads_are_taken_while_they_get_their_processors() -> None:
    assert set(steps(Crowding(4), 1000, 0.05, 0.4)) == {4}


def test_short_waits_are_no_crowd() -> None:
    assert set(steps(Crowding(2), 1000, 0.001, 0.9)) == {2}


def test_a_step_that_takes_long_by_itself_is_none() -> None:
    """As the first does, which has its code compiled."""
    found = Crowding(2)
    found.note(30.0, 0.1)
    assert set(steps(found, 1000, 0.005, 0.1)) == {2}


def test_one_long_wait_is_none() -> None:
    """The machine hiccups: a step waits for a tenth of a second, those around it do not."""
    found = Crowding(2)
    for _ in range(100):
        assert steps(found, 1, 0.1, 0.95) == [2]
        assert set(steps(found, 2 * JUDGED_STEPS - 1, 0.005, 0.1)) == {2}


def test_long_waits_again_and_again_are() -> None:
    """One of four steps waits for others' shares of a processor."""
    found = Crowding(2)
    taken = []
    for _ in range(3):
        taken += steps(found, 1, 0.1, 0.95) + steps(found, JUDGED_STEPS - 1, 0.005, 0.1)
    assert taken == [2] * (2 * JUDGED_STEPS) + [1] * JUDGED_STEPS


def test_a_crowd_leaves_one_thread_for_longer_and_longer() -> None:
    found = Crowding(2)
    taken = steps(found, 3000, 0.05, 0.9)
    assert taken[: JUDGED_STEPS + 1] == [2] * JUDGED_STEPS + [1]
    alone = [len(part) for part in "".join(map(str, taken)).split("2") if part]
    assert alone[:3] == [FEWEST_ALONE, 2 * FEWEST_ALONE, 4 * FEWEST_ALONE]
    assert max(alone) <= MOST_ALONE


def test_after_a_crowd_one_step_says_that_it_is_there_yet() -> None:
    found = Crowding(2)
    steps(found, JUDGED_STEPS + FEWEST_ALONE, 0.05, 0.9)
    assert steps(found, 2, 0.05, 0.9) == [2, 1]


def test_when_the_crowd_is_gone_all_come_back() -> None:
    found = Crowding(2)
    steps(found, JUDGED_STEPS, 0.05, 0.9)
    assert steps(found, FEWEST_ALONE, 0.01, 0.0) == [1] * FEWEST_ALONE
    assert set(steps(found, 1000, 0.005, 0.1)) == {2}
    steps(found, JUDGED_STEPS, 0.05, 0.9)
    assert steps(found, FEWEST_ALONE + JUDGED_STEPS, 0.005, 0.1)[-1] == 2


def test_a_single_thread_is_never_judged() -> None:
    assert set(steps(Crowding(1), 100, 1.0, 1.0)) == {1}


@fast_ways
def test_the_bits_are_those_of_any_number_of_threads(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step is taken for one in a crowd, so threads come and go."""
    monkeypatch.setattr(crowding, "JUDGED_STEPS", 1)
    monkeypatch.setattr(crowding, "FEWEST_ALONE", 1)
    monkeypatch.setattr(crowding, "MOST_ALONE", 1)
    monkeypatch.setattr(crowding, "LEAST_S", -1.0)
    monkeypatch.setattr(crowding, "CROWDED", -1.0)
    model, lanes = exact_model(TEAM), np.arange(3)
    totals = []
    for n_threads in (3, 1):
        engine = engine_on(way, model, TEAM.n_positions, n_threads)
        cache = engine.cache(3, 64)
        found = [
            engine.step((lanes + at) % TEAM.vocab_size, lanes, lanes * 0 + at, cache).totals()
            for at in range(12)
        ]
        totals.append(np.stack(found))
    assert np.array_equal(totals[0], totals[1])
