"""What runs in a process that is a worker: messages in, messages out, by standard streams.

In: the tools, then pairs of a number and a unit. Out: triples of a word, a number and a value.
Only whoever has started the process holds the other ends.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
import time
from typing import IO, cast

from llmzip.children import become_child
from llmzip.spread.units import Unit
from llmzip.spread.worker import Tools, Worker

REPORTED_S = 0.25
"""Progress is told so often at most."""


def main() -> None:
    """Be the process."""
    sink = become_child()
    source = sys.stdin.buffer
    worker = Worker(cast(Tools, pickle.load(source)))
    units: queue.SimpleQueue[tuple[int, Unit]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(source, units), daemon=True).start()
    _send(sink, ("ready", os.getpid(), None))
    while True:
        number, unit = units.get()
        report = Report(sink, number)
        _send(sink, ("finished", number, worker.do(unit, report)))


class Report:
    """Tells how far a unit is, now and then."""

    def __init__(self, sink: IO[bytes], number: int) -> None:
        self._sink = sink
        self._number = number
        self._last_s = time.monotonic()

    def __call__(self, n_bytes: int) -> None:
        """Note that so many bytes are done."""
        if (now_s := time.monotonic()) - self._last_s >= REPORTED_S:
            self._last_s = now_s
            _send(self._sink, ("advanced", self._number, n_bytes))


def _receive(source: IO[bytes], units: queue.SimpleQueue[tuple[int, Unit]]) -> None:
    """Take units as they come; end the process where nobody is left to give any."""
    try:
        while True:
            units.put(pickle.load(source))
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(0)


def _send(sink: IO[bytes], message: tuple[str, int, object]) -> None:
    try:
        pickle.dump(message, sink, protocol=pickle.HIGHEST_PROTOCOL)
        sink.flush()
    except OSError:
        os._exit(0)
