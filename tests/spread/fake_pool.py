"""Workers without processes: what they do takes time on a clock that only they move."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from llmzip.spread.pool import Advanced, Event, Finished, Lost, Ready
from llmzip.spread.units import Result, Unit, n_bytes_of


@dataclass
class FakeWorker:
    """bytes_per_s: how fast it is. ends_after_s: when it is lost, of its own time; None: never."""

    bytes_per_s: float = 1.0
    ends_after_s: float | None = None
    ready_after_s: float = 0.0
    given: deque[tuple[int, Unit]] = field(default_factory=deque)
    since_s: float = 0.0
    begin_s: float = 0.0
    is_ready: bool = False

    def done_at(self) -> float:
        return self.since_s + n_bytes_of(self.given[0][1]) / self.bytes_per_s

    def ends_at(self) -> float:
        return float("inf") if self.ends_after_s is None else self.begin_s + self.ends_after_s


class FakePool:
    """A pool of `workers`; those that are lost are replaced by `spares`, as long as there are any.

    do: does a unit. received: every unit that was given, with its worker.
    """

    is_here = True

    def __init__(
        self,
        workers: Sequence[FakeWorker],
        do: Callable[[Unit], Result],
        spares: Sequence[FakeWorker] = (),
    ) -> None:
        self.now_s = 0.0
        self.received: list[tuple[int, int]] = []
        self._do = do
        self._workers = dict(enumerate(workers))
        self._spares = deque(spares)
        self._n_started = len(workers)

    def clock(self) -> float:
        return self.now_s

    @property
    def n_coming(self) -> int:
        return sum(not worker.is_ready for worker in self._workers.values())

    def submit(self, worker: int, number: int, unit: Unit) -> None:
        self.received.append((worker, number))
        own = self._workers[worker]
        if not own.given:
            own.since_s = self.now_s
        own.given.append((number, unit))

    def wait(self, timeout_s: float) -> list[Event]:
        """Go on to when the next thing happens."""
        until = self.now_s + timeout_s
        times = [(self._next(worker), number) for number, worker in self._workers.items()]
        at, number = min(times, default=(until, -1))
        if at > until:
            self.now_s = until
            return self._progress()
        self.now_s = max(self.now_s, at)
        return [self._happen(number)]

    def close(self) -> None:
        self._workers.clear()

    def _next(self, worker: FakeWorker) -> float:
        if not worker.is_ready:
            return min(worker.begin_s + worker.ready_after_s, worker.ends_at())
        done = worker.done_at() if worker.given else float("inf")
        return min(done, worker.ends_at())

    def _happen(self, number: int) -> Event:
        worker = self._workers[number]
        if self.now_s >= worker.ends_at():
            del self._workers[number]
            if self._spares:
                spare = self._spares.popleft()
                spare.begin_s = self.now_s
                self._workers[self._n_started] = spare
                self._n_started += 1
            return Lost(number, "it was told to")
        if not worker.is_ready:
            worker.is_ready = True
            return Ready(number, "here")
        unit, what = worker.given.popleft()
        worker.since_s = self.now_s
        return Finished(number, unit, self._do(what))

    def _progress(self) -> list[Event]:
        return [
            Advanced(number, worker.given[0][0], int(spent * worker.bytes_per_s))
            for number, worker in self._workers.items()
            if worker.given and (spent := self.now_s - worker.since_s) > 0
        ]
