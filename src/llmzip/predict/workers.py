"""Threads that run engines: tasks in order, and jobs side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from itertools import islice
from queue import SimpleQueue
from typing import TypeVar

from llmzip import torch_threads
from llmzip.exact.distribution import Engine
from llmzip.forks import Threads

T = TypeVar("T")


class Workers:
    """Threads, each with an engine of its own; torch runs one thread inside each.

    A lone task runs in the calling thread, with all of torch's threads.
    """

    def __init__(self, make_engine: Callable[[int], Engine], n_workers: int) -> None:
        self._n_threads = n_workers
        self._pool = Threads(n_workers, "llmzip", torch_threads.be_alone)
        threads = [n_workers if i == 0 else 1 for i in range(n_workers)]
        self.engines = list(self._pool.map(make_engine, threads))
        self._free: SimpleQueue[Engine] = SimpleQueue()
        for engine in self.engines:
            self._free.put(engine)

    def in_order(self, tasks: Iterable[Callable[[Engine], T]]) -> Iterator[T]:
        """Run tasks on free engines, a few ahead of the one whose result is awaited."""
        remaining = iter(tasks)
        waiting = [self._submit(task) for task in islice(remaining, self._n_threads + 1)]
        while waiting:
            yield waiting.pop(0).result()
            waiting += [self._submit(task) for task in islice(remaining, 1)]

    def _submit(self, task: Callable[[Engine], T]) -> Future[T]:
        def run() -> T:
            engine = self._free.get()
            try:
                return task(engine)
            finally:
                self._free.put(engine)

        return self._pool.submit(run)

    def all(self, jobs: Iterable[Callable[[], None]]) -> None:
        """Run jobs side by side and wait for all."""
        todo = list(jobs)
        if len(todo) == 1:
            todo[0]()
            return
        for future in [self._pool.submit(job) for job in todo]:
            future.result()
