"""Keeps the decoder's lanes busy: whenever a chunk is done, the next one takes its lane.

Lanes finish in any order, so a finished chunk waits for those before it. What waits is
bounded, whatever sizes a file claims.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from llmzip.codec.classical import decompress_classical
from llmzip.codec.lanes import Lanes, Slot
from llmzip.codec.layouts import program_of
from llmzip.codec.memory import lanes_within
from llmzip.codec.model import OpenedModel, Progress
from llmzip.codec.tar_chunks import headers_of
from llmzip.container import Chunk, Kind

MAX_WAITING_BYTES = 1 << 26
"""No further chunk is read while this many bytes, decoded or coded, wait in order."""

STEPS_PER_REPORT = 32


class Schedule:
    """Decodes `chunks` in lanes and yields what they decode to, in order.

    open_model: called at the first LM chunk, if there is one.
    n_lanes: how many chunks at once; None leaves it to the predictor.
    memlimit: what the lanes may take, in bytes: there are fewer if need be.

    Raises LimitError where not even one lane fits.
    """

    def __init__(
        self,
        chunks: Iterable[Chunk],
        open_model: Callable[[], OpenedModel],
        n_lanes: int | None,
        progress: Progress,
        memlimit: int | None = None,
    ) -> None:
        self._chunks = iter(chunks)
        self._open_model = open_model
        self._n_wanted = n_lanes
        self._progress = progress
        self._memlimit = memlimit
        self._model: OpenedModel | None = None
        self._lanes: Lanes | None = None
        self._shortlist = 0  # that of the lanes
        self._queue: deque[Slot] = deque()  # everything read and not yet yielded, in order
        self._unbegun: deque[Slot] = deque()  # those of the queue that wait for a lane
        self._n_waiting_bytes = 0
        self._n_bytes_out = 0
        self._exhausted = False

    def __iter__(self) -> Iterator[bytes]:
        n_steps = 0
        while True:
            self._read_ahead()
            self._begin()
            yield from self._take_finished()
            if self._lanes is not None and self._lanes.n_active:
                self._lanes.step()
                n_steps += 1
                if n_steps % STEPS_PER_REPORT == 0:
                    self._report()
            elif self._exhausted and not self._queue:
                return

    def _read_ahead(self) -> None:
        """Read until as many LM chunks wait as lanes can be free, or all that may wait, waits."""
        while not self._exhausted and self._n_waiting_bytes < MAX_WAITING_BYTES:
            if len(self._unbegun) >= self._n_free():
                return
            chunk = next(self._chunks, None)
            if chunk is None:
                self._exhausted = True
                return
            self._admit(chunk)
            if self._queue[0].data is not None:
                return  # nothing holds it up: out with it first

    def _n_free(self) -> int:
        """Return how many chunks could be begun now; at least 1 before the model is open."""
        if self._lanes is not None:
            return self._lanes.n_lanes - self._lanes.n_active
        if self._model is None:
            return 1
        return self._n_wanted or self._model.predictor.default_lanes

    def _admit(self, chunk: Chunk) -> None:
        slot = Slot(chunk)
        if not chunk.kind.needs_model:
            slot.data = decode_without_model(chunk)
        else:
            self._unbegun.append(slot)
            self._model = self._model or self._open_model()
        self._queue.append(slot)
        self._n_waiting_bytes += _weight(chunk)

    def _begin(self) -> None:
        """Give free lanes to waiting chunks; there are no more lanes than the file can fill."""
        if self._lanes is None and self._unbegun:
            assert self._model is not None
            self._shortlist = self._unbegun[0].chunk.shortlist
            running = self._model.listed(self._shortlist)
            n_wanted = min(self._n_free(), len(self._unbegun))
            n_lanes = lanes_within(running.predictor, n_wanted, self._memlimit)
            self._lanes = Lanes(running, n_lanes)
        while self._unbegun and self._n_free() > 0:
            assert self._lanes is not None
            if self._unbegun[0].chunk.shortlist != self._shortlist:
                if not self._lanes.n_active:
                    self._lanes = None  # others, once more of what comes is read
                return
            self._lanes.open(self._unbegun.popleft())

    def _take_finished(self) -> Iterator[bytes]:
        while self._queue and self._queue[0].data is not None:
            slot = self._queue.popleft()
            assert slot.data is not None
            self._n_waiting_bytes -= _weight(slot.chunk)
            self._n_bytes_out += slot.chunk.n_bytes
            yield slot.data
            self._report()

    def _report(self) -> None:
        if self._lanes is not None:
            self._lanes.note_progress()
        self._progress(self._n_bytes_out + sum(slot.n_bytes_done for slot in self._queue))


def decode_without_model(chunk: Chunk) -> bytes:
    """Return what a chunk stands for that is not an LM chunk: of a layout, its program.

    Raises CorruptError.
    """
    if chunk.kind is Kind.LAYOUT:
        return program_of(chunk)
    is_headers = chunk.kind is Kind.TAR_HEADERS
    data = headers_of(chunk) if is_headers else decompress_classical(chunk)
    chunk.verify(data)
    return data


def _weight(chunk: Chunk) -> int:
    """Return how much memory a waiting chunk may take, in bytes."""
    return max(chunk.n_bytes, len(chunk.payload))
