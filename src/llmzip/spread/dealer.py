"""Gives units to workers: by their speed, and those of lost workers to others.

A worker is given what it has done within HORIZON_S by the speed that was measured of it, and one
unit at least, so a fast one has several waiting and a slow one never holds up many. In the end,
where nothing is left to be given, an idle worker does again what another one is slow with: the
first result counts, and both are the same.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from llmzip.spread.pool import Advanced, Finished, Lost, Pool, Ready, WorkersLostError
from llmzip.spread.units import Failed, Result, Unit, n_bytes_of

HORIZON_S = 2.0
MAX_GIVEN = 8
"""Units that a worker has at most, the one that it is at included."""
MAX_LOSSES = 3
"""After so many workers have been lost over a unit, it is taken to be the reason."""
LEAST_WAIT_S = 1.0
"""Nothing is done twice to save less than this."""
WAIT_S = 0.5


@dataclass
class _Task:
    """A unit that is not done. workers: who has it."""

    unit: Unit
    n_losses: int = 0
    n_bytes_done: int = 0
    workers: set[int] = field(default_factory=set)


@dataclass
class _Load:
    """What a worker has, and how fast it was.

    given: bytes of its units, by their numbers, in order; n_given_bytes: of all of them.
    since_s: when it began what it is at.
    """

    given: dict[int, int] = field(default_factory=dict)
    n_given_bytes: int = 0
    since_s: float = 0.0
    n_bytes: int = 0
    seconds: float = 0.0

    @property
    def bytes_per_s(self) -> float | None:
        """How fast it was so far; None if that is not known."""
        return self.n_bytes / self.seconds if self.seconds > 0 else None


@dataclass
class Counts:
    """What has happened. n_again: units that were given a second time, or more often."""

    n_finished: int = 0
    n_again: int = 0
    n_lost: int = 0


class Dealer:
    """Has units done by the workers of `pool`. clock: seconds, which never go back."""

    def __init__(self, pool: Pool, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts = Counts()
        self.is_drained = False
        """Whether nothing more will come, so that what is slow is done twice."""
        self._pool = pool
        self._clock = clock
        self._tasks: dict[int, _Task] = {}
        self._waiting: deque[int] = deque()
        self._loads: dict[int, _Load] = {}
        self._done: list[tuple[int, Result]] = []
        self._last_loss = ""

    @property
    def wants_more(self) -> bool:
        """Whether there should be more units to choose from."""
        return len(self._waiting) < max(1, len(self._loads))

    @property
    def n_workers(self) -> int:
        """How many there are that can be given units."""
        return len(self._loads)

    def begun(self) -> Iterator[tuple[int, int]]:
        """Yield the units that are begun, each with the bytes done of it, as n_bytes_of counts."""
        for number, task in self._tasks.items():
            if task.n_bytes_done:
                yield number, task.n_bytes_done

    def add(self, number: int, unit: Unit) -> None:
        """Take a unit, to be known by `number`."""
        self._tasks[number] = _Task(unit)
        self._waiting.append(number)

    def step(self) -> list[tuple[int, Result]]:
        """Give what can be given, wait for something to happen, and return what is done by then.

        Raises WorkersLostError where no worker is left.
        """
        self._deal()
        if not self._done:
            for event in self._pool.wait(WAIT_S):
                self._take(event)
            self._require_workers()
        done, self._done = self._done, []
        return done

    def _take(self, event: Ready | Advanced | Finished | Lost) -> None:
        match event:
            case Ready():
                self._loads[event.worker] = _Load()
            case Advanced():
                if (task := self._tasks.get(event.number)) is not None:
                    task.n_bytes_done = max(task.n_bytes_done, event.n_bytes)
            case Finished():
                self._finish(event)
            case Lost():
                self._lose(event)

    def _finish(self, event: Finished) -> None:
        self._measure(event.worker, event.number)
        if (task := self._tasks.pop(event.number, None)) is None:
            return  # another worker was faster
        if not task.workers:
            self._waiting.remove(event.number)
        self.counts.n_finished += 1
        self._done.append((event.number, event.result))

    def _measure(self, worker: int, number: int) -> None:
        load, now_s = self._loads.get(worker), self._clock()
        if load is None or number not in load.given:
            return
        load.n_given_bytes -= load.given.pop(number)
        if (task := self._tasks.get(number)) is not None:
            load.n_bytes += n_bytes_of(task.unit)
            load.seconds += max(1e-6, now_s - load.since_s)
        load.since_s = now_s

    def _lose(self, event: Lost) -> None:
        self.counts.n_lost += 1
        self._last_loss = event.reason
        load = self._loads.pop(event.worker, None)
        given = [] if load is None else list(load.given)
        for place, number in reversed(list(enumerate(given))):
            if (task := self._tasks.get(number)) is not None:
                task.workers.discard(event.worker)
                task.n_losses += place == 0  # the others had not been begun
                self._give_back(number, task)

    def _give_back(self, number: int, task: _Task) -> None:
        """Let others do what a lost worker has not done, unless one of them has it already."""
        if task.workers:
            return
        task.n_bytes_done = 0
        if task.n_losses < MAX_LOSSES:
            self._waiting.appendleft(number)
            return
        del self._tasks[number]
        error = WorkersLostError(
            f"{task.n_losses} workers were lost over this part, the last one because: "
            f"{self._last_loss}"
        )
        self._done.append((number, Failed(error)))

    def _require_workers(self) -> None:
        if not self._loads and not self._pool.n_coming and not self._done:
            raise WorkersLostError(f"no worker is left: {self._last_loss}")

    def _deal(self) -> None:
        """Give waiting units to whoever will be done with them first, as far as anybody may."""
        while self._waiting:
            number = self._waiting[0]
            n_bytes = n_bytes_of(self._tasks[number].unit)
            free = [worker for worker in self._loads if self._may_take(worker, n_bytes)]
            if not free:
                return
            self._waiting.popleft()
            self._give(min(free, key=lambda one: self._seconds_until(one, n_bytes)), number)
        if self.is_drained:
            self._deal_again()

    def _may_take(self, worker: int, n_bytes: int) -> bool:
        load = self._loads[worker]
        if not load.given:
            return True
        if len(load.given) >= MAX_GIVEN or load.bytes_per_s is None:
            return False
        return self._seconds_until(worker, n_bytes) <= HORIZON_S

    def _seconds_until(self, worker: int, n_bytes: int) -> float:
        """Return how long a worker will take for what it has, and so many bytes more."""
        load = self._loads[worker]
        speed = load.bytes_per_s or self._highest_speed()  # a new one is tried
        return (load.n_given_bytes + n_bytes) / speed

    def _highest_speed(self) -> float:
        return max(load.bytes_per_s or 0.0 for load in self._loads.values()) or 1.0

    def _give(self, worker: int, number: int) -> None:
        load, task = self._loads[worker], self._tasks[number]
        if not load.given:
            load.since_s = self._clock()
        load.given[number] = n_bytes_of(task.unit)
        load.n_given_bytes += load.given[number]
        self.counts.n_again += task.n_losses > 0 or bool(task.workers)
        task.workers.add(worker)
        try:
            self._pool.submit(worker, number, task.unit)
        except Exception as exc:
            self._finish(Finished(worker, number, Failed(exc)))

    def _deal_again(self) -> None:
        """Let idle workers do again what others are slow with."""
        idle = [worker for worker, load in self._loads.items() if not load.given]
        for worker in idle:
            slow = [n for n, task in self._tasks.items() if self._is_slow(task, worker)]
            if slow:
                self._give(worker, max(slow, key=lambda n: self._longest_wait(self._tasks[n])))

    def _is_slow(self, task: _Task, worker: int) -> bool:
        """Return whether a worker would probably be done with a task before who has it."""
        speed = self._loads[worker].bytes_per_s
        if len(task.workers) != 1 or speed is None:
            return False
        wait_s = self._longest_wait(task)
        return wait_s > LEAST_WAIT_S and 2 * n_bytes_of(task.unit) / speed < wait_s

    def _longest_wait(self, task: _Task) -> float:
        """Return how long who has a task will still take: as long as it has taken, if too long."""
        n_bytes = n_bytes_of(task.unit)
        waits = []
        for worker in task.workers:
            load = self._loads[worker]
            spent_s = self._clock() - load.since_s
            waits.append(max(self._seconds_until(worker, 0) - spent_s, spent_s))
        return max(waits, default=float(n_bytes))
