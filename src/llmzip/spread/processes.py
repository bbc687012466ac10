"""Workers that are processes of this machine, started afresh, and talked to through pipes.

A process ends with its standard input, so none outlives whoever started it, however that ends.
"""

from __future__ import annotations

import os
import pickle
import queue
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import llmzip
from llmzip.children import Process, start_code
from llmzip.spread.places import is_private
from llmzip.spread.pool import Advanced, Event, Finished, Lost, Ready
from llmzip.spread.units import Result, Unit, with_data
from llmzip.spread.worker import Tools

_RESTARTS_EACH = 2
"""How often a worker is replaced, on average: what ends again and again has a reason."""
_START = "import sys; sys.path.append({root!r}); from llmzip.spread.child import main; main()"


@dataclass
class _Child:
    """A process that is a worker. place: which of the pool's it stands for."""

    process: Process
    place: int
    is_ready: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def sink(self) -> IO[bytes]:
        return cast(IO[bytes], self.process.stdin)

    def send(self, message: object) -> None:
        """Send a message; whoever has ended is told of elsewhere."""
        data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        with self.lock, suppress(OSError, ValueError):
            self.sink.write(data)
            self.sink.flush()


class Processes:
    """A pool of `n_workers` processes, each with one of this machine's GPUs if it has any."""

    def __init__(self, tools: Tools, n_workers: int) -> None:
        self._tools = tools
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._children: dict[int, _Child] = {}
        self._n_started = 0
        self._n_restarts = _RESTARTS_EACH * n_workers
        self._is_closed = False
        for place in range(n_workers):
            self._start(place)

    @property
    def is_here(self) -> bool:
        """True."""
        return True

    @property
    def n_coming(self) -> int:
        """How many are being started."""
        return sum(not child.is_ready for child in self._children.values())

    def submit(self, worker: int, number: int, unit: Unit) -> None:
        """Give a unit to a process, which reads the files itself unless they are in our memory."""
        if any(is_private(span.place) for span in unit.spans):
            unit = with_data(unit)
        if (child := self._children.get(worker)) is not None:
            child.send((number, unit))

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """Return what has happened, or does so soon."""
        events: list[Event] = []
        with suppress(queue.Empty):
            events.append(self._events.get(timeout=timeout_s))
            while True:
                events.append(self._events.get_nowait())
        for event in events:
            self._note(event)
        return events

    def close(self) -> None:
        """End the processes."""
        self._is_closed = True
        for child in self._children.values():
            child.process.kill()
        for child in self._children.values():
            child.process.wait()
            with suppress(OSError):
                child.sink.close()
        self._children.clear()

    @property
    def process_ids(self) -> list[int]:
        """Those of the workers."""
        return [child.process.pid for child in self._children.values()]

    def _start(self, place: int) -> None:
        number, self._n_started = self._n_started, self._n_started + 1
        root = str(Path(llmzip.__file__).parents[1])
        process = start_code(_START.format(root=root), _variables(place))
        child = self._children[number] = _Child(process, place)
        threading.Thread(target=self._listen, args=(number, child), daemon=True).start()
        child.send(self._tools)

    def _listen(self, number: int, child: _Child) -> None:
        """Turn what a process says into events, until it ends. Runs in a thread of its own."""
        source = cast(IO[bytes], child.process.stdout)
        with source, suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                self._events.put(_event(number, pickle.load(source)))
        status = child.process.wait()
        if not self._is_closed:
            self._events.put(Lost(number, f"process {child.process.pid} ended, {_ended(status)}"))

    def _note(self, event: Event) -> None:
        if isinstance(event, Ready):
            self._children[event.worker].is_ready = True
        if isinstance(event, Lost):
            child = self._children.pop(event.worker)
            with suppress(OSError):
                child.sink.close()
            if self._n_restarts > 0:
                self._n_restarts -= 1
                self._start(child.place)


def _event(worker: int, message: tuple[str, int, object]) -> Event:
    kind, number, what = message
    match kind:
        case "ready":
            return Ready(worker, f"process {number}")
        case "advanced":
            return Advanced(worker, number, cast(int, what))
        case _:
            return Finished(worker, number, cast("Result", what))


def _ended(status: int) -> str:
    return f"by signal {-status}" if status < 0 else f"with status {status}"


def _variables(place: int) -> dict[str, str]:
    """Return the variables of the process that is number `place`: which GPU is its own."""
    gpus = visible_gpus()
    return {"CUDA_VISIBLE_DEVICES": gpus[place % len(gpus)]} if gpus else {}


def visible_gpus() -> list[str]:
    """Return the names by which CUDA knows the GPUs that this process may use."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name.strip()]
    found = Path("/proc/driver/nvidia/gpus")
    return [str(n) for n in range(len(list(found.iterdir())))] if found.is_dir() else []
