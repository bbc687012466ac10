"""Units are given by speed, done again where workers are lost, and each counts once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from fake_pool import FakePool, FakeWorker
from hypothesis import given
from hypothesis import strategies as st

from llmzip.codec.stats import Stats
from llmzip.spread.dealer import MAX_LOSSES, Dealer
from llmzip.spread.places import Span, State
from llmzip.spread.pool import WorkersLostError
from llmzip.spread.units import Failed, MadeText, OneGroup, Result, Unit

STATE = State(1 << 40, "")


def unit(n_bytes: int, start: int = 0) -> OneGroup:
    return OneGroup((Span("nowhere", start, start + n_bytes, STATE),))


def name(what: Unit) -> Result:
    """Stands for the work: says which unit it was."""
    return MadeText(str(what.spans[0].start).encode(), Stats())


def finish(pool: FakePool, units: Sequence[Unit]) -> tuple[dict[int, Result], Dealer]:
    """Have all units done; each must come once."""
    dealer, found = Dealer(pool, pool.clock), dict[int, Result]()
    waiting = list(enumerate(units))
    dealer.is_drained = not waiting
    while len(found) < len(units):
        while waiting and dealer.wants_more:
            dealer.add(*waiting.pop(0))
            dealer.is_drained = not waiting
        for number, result in dealer.step():
            assert number not in found
            found[number] = result
        assert pool.now_s < 1e6, "it does not come to an end"
    return found, dealer


@given(
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=30),
    workers=st.lists(
        st.builds(
            FakeWorker,
            st.floats(0.5, 40),
            st.none() | st.floats(0, 60),
            st.floats(0, 9),
        ),
        max_size=4,
    ),
    spares=st.lists(st.builds(FakeWorker, st.floats(0.5, 40), st.floats(0, 60)), max_size=3),
    last=st.builds(FakeWorker, st.floats(0.5, 40)),
)
def test_whoever_is_lost_all_is_done_once_while_one_worker_lasts(
    sizes: list[int], workers: list[FakeWorker], spares: list[FakeWorker], last: FakeWorker
) -> None:
    units = [unit(size, number) for number, size in enumerate(sizes)]
    found, dealer = finish(FakePool([*workers, last], name, spares), units)
    for number, result in found.items():
        if isinstance(result, Failed):  # it has cost too many workers
            assert isinstance(result.error, WorkersLostError)
            assert dealer.counts.n_lost >= MAX_LOSSES
        else:
            assert isinstance(result, MadeText)
            assert result.text == str(number).encode()


def test_a_fast_worker_gets_as_much_more_as_it_is_faster() -> None:
    pool = FakePool([FakeWorker(10.0), FakeWorker(1.0)], name)
    finish(pool, [unit(10, number) for number in range(110)])
    share = Counter(worker for worker, _ in pool.received)
    assert 95 <= share[0] <= 104
    assert pool.now_s < 1.15 * 100  # as if both had been at work all the time


def test_units_of_a_lost_worker_go_first_and_only_to_others() -> None:
    pool = FakePool([FakeWorker(1.0), FakeWorker(1.0, ends_after_s=15.0)], name)
    _, dealer = finish(pool, [unit(10, number) for number in range(6)])
    lost = [number for worker, number in pool.received if worker == 1][-1]
    again = [worker for worker, number in pool.received if number == lost]
    assert again == [1, 0]
    assert (dealer.counts.n_lost, dealer.counts.n_again) == (1, 1)


def test_what_hangs_is_done_by_another_in_the_end() -> None:
    slow = FakeWorker(1e-6)
    pool = FakePool([FakeWorker(10.0), slow], name)
    finish(pool, [unit(10, number) for number in range(8)])
    assert pool.now_s < 30


def test_a_unit_that_costs_several_workers_is_the_reason_and_the_rest_is_done() -> None:
    spares = [FakeWorker(1.0, ends_after_s=30.0) for _ in range(9)]
    pool = FakePool([FakeWorker(1.0, ends_after_s=30.0)], name, [*spares])
    found, _ = finish(pool, [unit(1000), unit(5, 1), unit(5, 2)])
    assert isinstance(found[0], Failed)
    assert f"{MAX_LOSSES} workers were lost" in str(found[0].error)
    assert isinstance(found[1], MadeText)
    assert isinstance(found[2], MadeText)


def test_where_no_worker_is_left_that_is_said() -> None:
    pool = FakePool([FakeWorker(1.0, ends_after_s=3.0)] * 1, name)
    with pytest.raises(WorkersLostError, match="no worker is left: it was told to"):
        finish(pool, [unit(10)])


def test_how_far_a_unit_is_can_be_seen() -> None:
    pool = FakePool([FakeWorker(4.0)], name)
    dealer = Dealer(pool, pool.clock)
    dealer.add(7, unit(40))
    seen = []
    while not dealer.step():
        seen += [n_bytes for number, n_bytes in dealer.begun() if number == 7]
    assert seen == sorted(seen)
    assert 0 < seen[0] < 10 < seen[-1] < 40
