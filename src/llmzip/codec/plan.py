"""What a group is made of: copies of what was there before, and streams of the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmzip.codec.segment import plan_runs
from llmzip.layout.planned import Planned, Repeat, Stream
from llmzip.layout.program import Copy, Layout, Op, Take


def plan_group(data: bytes, copies: Sequence[Repeat] = ()) -> Planned:
    """Return how to code a group, of which `copies` (in order, disjoint) are there already."""
    content = b"".join(data[start:stop] for start, stop in _between(copies, len(data)))
    streams = [
        Stream(content[run.start : run.stop], run.for_model, run.found)
        for run in plan_runs(content)
    ]
    if not copies:
        return Planned(None, streams)
    ops: list[Op] = []
    taker = _Taker(streams)
    at = 0
    for copy in copies:
        ops += taker.take(copy.start - at)
        ops.append(Copy(copy.distance, copy.stop - copy.start))
        at = copy.stop
    ops += taker.take(len(data) - at)
    return Planned(Layout(tuple(len(stream.data) for stream in streams), tuple(ops)), streams)


class _Taker:
    """Takes streams one after the other."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._left = [len(stream.data) for stream in streams]
        self._stream = 0

    def take(self, n_bytes: int) -> Iterator[Take]:
        """Yield ops that take the next `n_bytes`."""
        while n_bytes:
            n = min(n_bytes, self._left[self._stream])
            if n:
                yield Take(self._stream, n)
                self._left[self._stream] -= n
                n_bytes -= n
            else:
                self._stream += 1


def _between(copies: Sequence[Repeat], n_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield where what is no copy starts and stops."""
    at = 0
    for copy in copies:
        yield at, copy.start
        at = copy.stop
    yield at, n_bytes
