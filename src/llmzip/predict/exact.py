"""The exact predictor: portable, batched, the same integers from prefill and step by step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import islice
from queue import SimpleQueue
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from llmzip.exact.cache import KVCache
from llmzip.exact.distribution import Distributions, Engine, TokenIntervals
from llmzip.exact.hidden import Hidden
from llmzip.predict.batches import chunk_intervals, grouped
from llmzip.predict.protocol import Intervals
from llmzip.predict.windows import Ids, Window

CACHE_BYTES = 768 << 20
"""What the KV caches of all lanes may take by default."""
MAX_LANES = 64

T = TypeVar("T")
Lanes = NDArray[np.int64]
Totals = NDArray[np.uint64]


class ExactPredictor:
    """Predicts with exact engines, one for each worker thread.

    Which worker runs what, and how many there are, changes no integer.
    """

    def __init__(
        self,
        make_engine: Callable[[int], Engine],
        window: Window,
        n_workers: int,
        n_lanes: int | None = None,
    ) -> None:
        self._workers = Workers(make_engine, n_workers)
        self._window = window
        engine = self._workers.engines[0]
        self.vocab_size = engine.shape.vocab_size
        self.default_lanes = n_lanes or lanes_to_decode(engine, window.size)
        self._n_together = lanes_to_prefill(engine, window.size)

    def intervals(self, chunks: Iterable[NDArray[np.int32]]) -> Iterator[Intervals]:
        """Yield the intervals of each chunk, in order; workers take chunks as they are free."""
        tasks = (partial(self._chunks, group) for group in grouped(chunks, self._n_together))
        for found in self._workers.in_order(tasks):
            yield from found

    def lanes(self, n_lanes: int) -> ExactLanes:
        """Return a decoder for up to `n_lanes` chunks side by side."""
        return ExactLanes(self._workers, self._window, n_lanes)

    def _chunks(self, chunks: list[NDArray[np.int32]], engine: Engine) -> list[Intervals]:
        return chunk_intervals(engine, self._window, chunks, self._n_together)


def lanes_to_decode(engine: Engine, n_positions: int) -> int:
    """Lanes to decode side by side by default: the engine's choice, else what memory allows."""
    if hasattr(engine, "default_lanes"):
        return int(engine.default_lanes(n_positions))
    shape = engine.shape
    lane_bytes = shape.n_layers * shape.n_kv_heads * (shape.d_head + 4) * 2 * n_positions
    return max(1, min(MAX_LANES, CACHE_BYTES // lane_bytes))


def lanes_to_prefill(engine: Engine, n_positions: int) -> int:
    """Windows to prefill side by side: the engine's choice, else one."""
    return int(engine.prefill_lanes(n_positions)) if hasattr(engine, "prefill_lanes") else 1


def prefill(engine: Engine, cache: KVCache, lane: int, inputs: Ids) -> Iterator[tuple[int, Hidden]]:
    """Run `inputs` from position 0 of a lane, in blocks; yield each block's first row and rows."""
    for first in range(0, len(inputs), engine.max_rows):
        block = inputs[None, first : first + engine.max_rows]
        yield first, engine.forward(block, np.array([lane]), np.array([first]), cache)


class ExactLanes:
    """Lanes in groups, each stepped by an engine of its own.

    An engine that keeps all threads busy with one step has all lanes in one group;
    otherwise they are spread over the workers, lane by lane.
    """

    def __init__(self, workers: Workers, window: Window, n_lanes: int) -> None:
        self._workers = workers
        shared = workers.engines[0].step_threads > 1
        n_groups = 1 if shared else min(len(workers.engines), n_lanes)
        self._groups = [
            LaneGroup(engine, window, -(-(n_lanes - i) // n_groups), workers if shared else None)
            for i, engine in enumerate(workers.engines[:n_groups])
        ]

    def open(self, lane: int) -> None:
        """Start a new chunk in `lane`."""
        place, group = divmod(lane, len(self._groups))
        self._groups[group].open(place)

    def totals(self, lanes: Lanes) -> Totals:
        """Predict the next token of each of the distinct `lanes`; return the totals, in order."""
        totals = np.zeros(len(lanes), dtype=np.uint64)

        def run(group: LaneGroup, own: NDArray[np.bool_], places: Lanes) -> None:
            totals[own] = group.totals(places)

        self._each(lanes, run)
        return totals

    def find(self, lanes: Lanes, targets: Totals) -> tuple[NDArray[np.int32], Totals, Totals]:
        """Take the token whose interval holds each target and append it to its lane."""
        ids = np.zeros(len(lanes), dtype=np.int32)
        low, freq = np.zeros_like(targets), np.zeros_like(targets)

        def run(group: LaneGroup, own: NDArray[np.bool_], places: Lanes) -> None:
            found = group.find(places, targets[own])
            ids[own], low[own], freq[own] = found.tokens, found.low, found.freq

        self._each(lanes, run)
        return ids, low, freq

    def _each(
        self, lanes: Lanes, run: Callable[[LaneGroup, NDArray[np.bool_], Lanes], None]
    ) -> None:
        """Let every group that has some of the lanes run, all at once."""
        places, groups = np.divmod(lanes, len(self._groups))
        jobs = []
        for index, group in enumerate(self._groups):
            own = groups == index
            if own.any():
                jobs.append(partial(run, group, own, places[own]))
        self._workers.all(jobs)


class LaneGroup:
    """The lanes that one engine steps together.

    helpers: workers that may prefill lanes of the group side by side, where they are free.
    """

    def __init__(
        self, engine: Engine, window: Window, n_lanes: int, helpers: Workers | None
    ) -> None:
        self._engine = engine
        self._window = window
        self._helpers = helpers
        self._cache = engine.cache(n_lanes, window.size)
        self._seen = [_History() for _ in range(n_lanes)]
        self._found: Distributions | None = None

    def open(self, lane: int) -> None:
        """Forget what the lane has seen."""
        self._seen[lane].clear()

    def totals(self, lanes: Lanes) -> Totals:
        """Feed each lane its last token (or a new window) and predict the next."""
        self._begin_windows(lanes)
        last = np.array([self._last_input(int(lane)) for lane in lanes], dtype=np.int64)
        ids, at = np.ascontiguousarray(last.T)
        self._found = self._engine.step(ids, lanes, at, self._cache)
        return self._found.totals()

    def _begin_windows(self, lanes: Lanes) -> None:
        """Prefill the lanes whose next token opens a new window, but for its last input."""
        due = [lane for lane in lanes.tolist() if self._window.begins(len(self._seen[lane]))]
        tasks = [partial(self._prefill, lane) for lane in due if len(self._seen[lane])]
        if self._helpers is None:
            for task in tasks:
                task(self._engine)
        else:
            for _ in self._helpers.in_order(tasks):
                pass

    def _prefill(self, lane: int, engine: Engine) -> None:
        inputs = self._window.inputs(self._seen[lane].ids())
        for _ in prefill(engine, self._cache, lane, inputs[:-1]):
            pass

    def _last_input(self, lane: int) -> tuple[int, int]:
        """The window's last token in this lane and its position."""
        seen = self._seen[lane].ids()
        position = len(seen) - self._window.start_of(len(seen))
        return int(seen[-1]) if position else self._window.bos_id, position

    def find(self, lanes: Lanes, targets: Totals) -> TokenIntervals:
        """Search the distributions of the last `totals`, append the tokens found."""
        assert self._found is not None, "find must follow totals"
        found, self._found = self._found.find(targets), None
        for lane, token in zip(lanes.tolist(), found.tokens.tolist(), strict=True):
            self._seen[lane].append(token)
        return found


class _History:
    """The tokens a lane has seen, in an array that grows."""

    def __init__(self) -> None:
        self._ids = np.zeros(2048, dtype=np.int64)
        self._size = 0

    def clear(self) -> None:
        self._size = 0

    def append(self, token: int) -> None:
        if self._size == len(self._ids):
            self._ids = np.concatenate([self._ids, np.zeros_like(self._ids)])
        self._ids[self._size] = token
        self._size += 1

    def __len__(self) -> int:
        return self._size

    def ids(self) -> Ids:
        return self._ids[: self._size]


class Workers:
    """Threads, each with an engine of its own; torch runs one thread inside each.

    A lone task runs in the calling thread, with all of torch's threads.
    """

    def __init__(self, make_engine: Callable[[int], Engine], n_workers: int) -> None:
        self._n_threads = n_workers
        self._pool = ThreadPoolExecutor(n_workers, "llmzip", initializer=_one_torch_thread)
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


def _one_torch_thread() -> None:
    """Workers are the parallelism: inside one, torch needs no threads of its own."""
    torch.set_num_threads(1)


def usable_threads() -> int:
    """How many threads this process may use: OMP_NUM_THREADS where set, else its CPUs."""
    with suppress(KeyError, ValueError):
        return max(1, int(os.environ["OMP_NUM_THREADS"].split(",")[0]))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
