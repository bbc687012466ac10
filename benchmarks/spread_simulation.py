"""A large run in simulated time, dealt by the real dealer: how long it takes, what the driver does.

    python benchmarks/spread_simulation.py [--workers 64] [--speed 8e6] [--bytes 2e10]
        [--group 4194304] [--spread 0.1] [--lost-every 3600] [--restart 120]

Workers have --speed bytes a second, give or take a share --spread of it; one of them is lost every
--lost-every seconds (0: never) and replaced after --restart. Workers and clock are simulated, the
dealer is the product's, and the processor time that it takes for each unit is measured; so is how
fast the driver puts files together, of groups that did not compress, the most that there is to do.
"""

from __future__ import annotations

import argparse
import heapq
import io
import random
import time
from collections import deque
from collections.abc import Sequence

from llmzip.codec.parts import PartWriter
from llmzip.codec.stats import Stats
from llmzip.compressor import Compressor
from llmzip.spread.dealer import Dealer
from llmzip.spread.places import Span, State
from llmzip.spread.pool import Event, Finished, Lost, Ready
from llmzip.spread.units import MadeText, OneGroup, Result, Unit, n_bytes_of

_N_ASSEMBLED = 100
DONE: Result = MadeText(b"", Stats())


class SimulatedPool:
    """Workers whose units end when their bytes are done, on a clock that jumps."""

    is_here = True

    def __init__(self, options: argparse.Namespace) -> None:
        self.now_s = 0.0
        self._options = options
        self._chance = random.Random(1)
        self._given: dict[int, deque[tuple[int, Unit]]] = {}
        self._speeds: dict[int, float] = {}
        self._events: list[tuple[float, int, str]] = []
        self._n_started = 0
        for _ in range(options.workers):
            self._start(0.0)
        if options.lost_every:
            heapq.heappush(self._events, (options.lost_every, -1, "loss"))

    def clock(self) -> float:
        """Return the simulated time."""
        return self.now_s

    @property
    def n_coming(self) -> int:
        """How many have been started and are not ready."""
        return self._n_started - len(self._speeds)

    def submit(self, worker: int, number: int, unit: Unit) -> None:
        """Give a unit."""
        given = self._given[worker]
        given.append((number, unit))
        if len(given) == 1:
            self._begin(worker)

    def wait(self, timeout_s: float) -> Sequence[Event]:  # noqa: ARG002
        """Go to the next event."""
        self.now_s, worker, kind = heapq.heappop(self._events)
        if kind == "loss":
            heapq.heappush(self._events, (self.now_s + self._options.lost_every, -1, "loss"))
            return self._lose()
        if kind == "ready":
            spread = self._options.spread
            self._speeds[worker] = self._options.speed * self._chance.uniform(
                1 - spread, 1 + spread
            )
            self._given[worker] = deque()
            return [Ready(worker, "")]
        if worker not in self._given or not self._given[worker]:
            return []  # it has been lost
        number, _ = self._given[worker].popleft()
        if self._given[worker]:
            self._begin(worker)
        return [Finished(worker, number, DONE)]

    def close(self) -> None:
        """Do nothing."""

    def _start(self, after_s: float) -> None:
        number, self._n_started = self._n_started, self._n_started + 1
        heapq.heappush(self._events, (self.now_s + after_s, number, "ready"))

    def _begin(self, worker: int) -> None:
        seconds = n_bytes_of(self._given[worker][0][1]) / self._speeds[worker]
        heapq.heappush(self._events, (self.now_s + seconds, worker, "done"))

    def _lose(self) -> Sequence[Event]:
        worker = self._chance.choice(list(self._given))
        del self._given[worker]
        self._start(self._options.restart)
        return [Lost(worker, "simulated")]


def main(arguments: Sequence[str] | None = None) -> str:
    """Simulate; print and return a line."""
    options = _parsed(arguments)
    pool = SimulatedPool(options)
    dealer = Dealer(pool, pool.clock)
    n_units = max(1, int(options.bytes) // options.group)
    span = Span("", 0, options.group, State(0, ""))
    begin_s, n_added, n_done = time.process_time(), 0, 0
    while n_done < n_units:
        while n_added < n_units and dealer.wants_more:
            dealer.add(n_added, OneGroup((span,)))
            n_added += 1
        dealer.is_drained = n_added == n_units
        n_done += len(dealer.step())
    driver_s = (time.process_time() - begin_s) / n_units
    ideal_s = n_units * options.group / (options.workers * options.speed)
    line = (
        f"{options.workers} workers, {n_units:,} units: {pool.now_s:,.0f} s, "
        f"{100 * (pool.now_s / ideal_s - 1):.1f} % more than if all were busy and none lost; "
        f"{dealer.counts.n_lost:,} lost, {dealer.counts.n_again:,} units given again; "
        f"the dealer takes {1e6 * driver_s:,.0f} us a unit"
    )
    line += f"; files are put together at {assembly_bytes_per_s() / 1e6:,.0f} MB/s"
    print(line)
    return line


def assembly_bytes_per_s() -> float:
    """Measure how fast groups that others have made are written into one file, without a disk."""
    text = random.Random(1).randbytes(1 << 20)
    part = Compressor(level=1, threads=1).encode_part(text)
    writer, begin_s = PartWriter(io.BytesIO()), time.process_time()
    for _ in range(_N_ASSEMBLED):
        writer.add(part, text)
    return _N_ASSEMBLED * len(text) / (time.process_time() - begin_s)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--speed", type=float, default=8e6, help="bytes a second of each")
    parser.add_argument("--bytes", type=float, default=2e10)
    parser.add_argument("--group", type=int, default=1 << 22)
    parser.add_argument("--spread", type=float, default=0.1)
    parser.add_argument("--lost-every", type=float, default=0.0, dest="lost_every")
    parser.add_argument("--restart", type=float, default=120.0)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
