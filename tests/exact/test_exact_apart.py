"""Threads of one step go to processors of their own, and stay as free as they were."""

import os
from collections.abc import Iterator

import pytest

from llmzip.exact.cpu import apart
from llmzip.exact.cpu.apart import Apart

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="threads can't be moved on this system"
)


@pytest.fixture
def allowed() -> Iterator[set[int]]:
    """The processors that this thread may use: whatever a test does, they are its own again."""
    found = os.sched_getaffinity(0)
    yield found
    os.sched_setaffinity(0, found)


def test_one_that_comes_where_another_is_goes_elsewhere(allowed: set[int]) -> None:
    if len(allowed) < 2:
        pytest.skip("one processor")
    places = Apart()
    places.take_place()
    places.take_place()
    assert len(places._taken) == 2
    assert os.sched_getaffinity(0) == allowed


def test_where_there_is_no_other_they_share(allowed: set[int]) -> None:
    os.sched_setaffinity(0, {min(allowed)})
    places = Apart()
    for _ in range(3):
        places.take_place()
    assert places._taken == {min(allowed)} == os.sched_getaffinity(0)


def test_one_that_cannot_be_moved_stays(allowed: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, processors: set[int]) -> None:
        raise PermissionError("not here")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    places = Apart()
    places.take_place()
    places.take_place()
    monkeypatch.undo()
    assert os.sched_getaffinity(0) == allowed


def test_where_the_system_does_not_say_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_processor", None)
    places = Apart()
    places.take_place()
    assert not places._taken
