"""Decodes groups whose chunks learn from each other, several side by side where lanes are many.

A group has a few lanes, and a large device takes thousands: so groups are read ahead, and each
decodes its waves in lanes of its own, all of them in the same steps. What comes out is what
`Lockstep` makes of them one after the other, in the same order, and so is what goes wrong: where
anything does, the groups that were begun together are decoded again one by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from llmzip.codec.lanes import Slot
from llmzip.codec.lockstep import Lockstep
from llmzip.codec.memory import GROUP_BYTES, limit_drafts, wave_bytes
from llmzip.codec.model import OpenedModel, Progress
from llmzip.codec.schedule import STEPS_PER_REPORT, decode_without_model
from llmzip.codec.together import LearningWaves, Together
from llmzip.container import Group, Wave
from llmzip.errors import LlmzipError
from llmzip.predict.protocol import Drafted

AHEAD_LANE_BYTES = 1 << 20
MAX_AHEAD_BYTES = 1 << 28
"""No further group is read while so many bytes a lane, or in all, are at hand, decoded or coded."""
LEAST_LANES = 128
"""What has fewer lanes of its own accord is busy with one group: it saves the memory."""
TABLES_BYTES = 1 << 31
"""What the histories of groups that are decoded side by side may take."""


@dataclass
class _Pending:
    """A group that has been read, or the part of one that has.

    width: chunks for the model of its widest wave. longest: tokens of the longest. n_bytes: what
    it takes, decoded or coded.
    """

    records: list[Group | Wave] = field(default_factory=list)
    width: int = 0
    longest: int = 0
    n_tokens: int = 0
    n_bytes: int = 0
    shortlists: set[int] = field(default_factory=set)

    def add(self, record: Group | Wave) -> None:
        """Take its next record."""
        self.records.append(record)
        if isinstance(record, Wave):
            for_model = [chunk for chunk in record.chunks if chunk.kind.needs_model]
            n_tokens = [chunk.n_tokens for chunk in for_model]
            self.shortlists.update(chunk.shortlist for chunk in for_model)
            self.width = max(self.width, len(n_tokens))
            self.longest = max(self.longest, *n_tokens, 0)
            self.n_tokens += sum(n_tokens)
            self.n_bytes += sum(max(c.n_bytes, len(c.payload)) for c in record.chunks)

    @property
    def is_begun(self) -> bool:
        """Whether what stands before it in its group is decoded already."""
        return isinstance(self.records[0], Wave)

    def slots(self) -> list[list[Slot]]:
        """Its chunks, wave by wave."""
        waves = (record for record in self.records if isinstance(record, Wave))
        return [[Slot(chunk) for chunk in wave.chunks] for wave in waves]


class Abreast:
    """Decodes groups of waves and yields what their chunks decode to, in order.

    records: each group, then its waves; read ahead as far as there are lanes for them.
    n_lanes: how many chunks at once; None leaves it to the predictor.
    The other arguments, and what is raised, are those of Lockstep.
    """

    def __init__(
        self,
        records: Iterable[Group | Wave],
        open_model: Callable[[], OpenedModel],
        n_lanes: int | None,
        progress: Progress,
        memlimit: int | None = None,
        drafted: Drafted | None = None,
    ) -> None:
        self._records = iter(records)
        self._open_model = open_model
        self._n_wanted = n_lanes
        self._progress = progress
        self._memlimit = memlimit
        self._drafted = drafted or Drafted()
        self._model: OpenedModel | None = None
        self._held: list[_Pending] = []  # what is read and not decoded yet, in order
        self._failure: Exception | None = None  # of reading; told once all before it is out
        self._ended = False
        self._n_bytes_out = 0

    def __iter__(self) -> Iterator[bytes]:
        self._alone = self._lockstep()
        try:
            while True:
                self._read_ahead()
                if not self._held:
                    break
                n_next = self._n_together()
                groups, self._held = self._held[:n_next], self._held[n_next:]
                yield from self._decoded(groups)
        finally:
            del self._alone  # it knows this, and both hold the model
        if self._failure is not None:
            raise self._failure

    def _read_ahead(self) -> None:
        """Read on until what is at hand fills all lanes, or is as much as may be."""
        while not self._ended and self._is_room_at_hand():
            try:
                record = next(self._records, None)
            except Exception as exc:
                self._failure, record = exc, None
            if record is None:
                self._ended = True
                return
            if isinstance(record, Group) or not self._held:
                self._held.append(_Pending())
            self._held[-1].add(record)

    def _is_room_at_hand(self) -> bool:
        """Whether reading on pays: a group after the first may find lanes beside it."""
        if not self._held:
            return True
        first = self._held[0]
        if first.is_begun or not first.width:  # it is decoded as it comes
            return not first.is_begun and len(first.records) == 1
        n_lanes = self._n_lanes()
        n_held = sum(group.width for group in self._held)
        another = first.width if len(self._held) == 1 else 0
        most_bytes = min(MAX_AHEAD_BYTES, n_lanes * AHEAD_LANE_BYTES)
        n_bytes = sum(group.n_bytes for group in self._held)
        return n_bytes < most_bytes and n_held + another <= n_lanes

    def _n_lanes(self) -> int:
        """How many lanes groups may share; 0 where they are decoded one by one."""
        n_lanes = self._n_wanted or self._opened().predictor.default_lanes
        return n_lanes if self._n_wanted or n_lanes >= LEAST_LANES else 0

    def _opened(self) -> OpenedModel:
        self._model = self._model or self._open_model()
        return self._model

    def _n_together(self) -> int:
        """How many groups of those at hand, from the first, are decoded next."""
        n_whole = len(self._held) if self._ended else len(self._held) - 1
        n_next = 1
        while n_next < n_whole and self._fits(self._held[: n_next + 1]):
            n_next += 1
        return n_next

    def _fits(self, groups: Sequence[_Pending]) -> bool:
        """Whether these may be decoded side by side."""
        n_lanes = sum(group.width for group in groups)
        tables = len(groups) * GROUP_BYTES
        if not n_lanes or n_lanes > self._n_lanes() or tables > TABLES_BYTES:
            return False
        if len(set().union(*(group.shortlists for group in groups))) > 1:
            return False
        if self._memlimit is None:
            return True
        return self._n_bytes_for(groups) <= self._memlimit

    def _n_bytes_for(self, groups: Sequence[_Pending]) -> int:
        """What groups side by side take, beside the model."""
        n_lanes = sum(group.width for group in groups)
        n_tokens = [max(group.longest for group in groups)] * n_lanes
        n_before = sum(group.n_tokens for group in groups)
        lanes = wave_bytes(self._opened().predictor, n_tokens, n_before)
        return lanes + len(groups) * GROUP_BYTES

    def _decoded(self, groups: Sequence[_Pending]) -> Iterator[bytes]:
        """Yield what groups, or the part of one that is at hand, decode to."""
        if not groups[0].is_begun:
            self._alone = self._lockstep()
        n_done = 0
        if len(groups) > 1:
            try:
                for data in self._side_by_side(groups):
                    n_done += 1
                    self._n_bytes_out += len(data)
                    yield data
                return
            except (LlmzipError, MemoryError):
                pass  # it comes up again, where it belongs
        for data in islice(self._one_by_one(groups), n_done, None):
            self._n_bytes_out += len(data)
            yield data

    def _one_by_one(self, groups: Sequence[_Pending]) -> Iterator[bytes]:
        for group in groups:
            for record in group.records:
                yield from self._alone.pieces(record)

    def _side_by_side(self, groups: Sequence[_Pending]) -> Iterator[bytes]:
        """Yield each chunk's bytes as soon as they, and all before them, are decoded."""
        waves = [group.slots() for group in groups]
        queue = deque(slot for group in waves for wave in group for slot in wave)
        learning = [one for one in map(_for_model, waves) if one.waves]
        n_lanes = sum(group.width for group in groups)
        longest = max(group.longest for group in groups)
        needed = self._n_bytes_for(groups)
        limit_drafts(self._drafted, self._opened().predictor, n_lanes, needed, self._memlimit)
        (shortlist,) = set().union(*(group.shortlists for group in groups))
        running = self._opened().listed(shortlist)
        together = Together(running, learning, n_lanes, longest, self._drafted)
        for n_steps in together.steps():
            yield from _taken(queue)
            if n_steps % STEPS_PER_REPORT == 0:
                together.note_progress()
                self._report(self._n_bytes_out + sum(slot.n_bytes_done for slot in queue))
        yield from _taken(queue)

    def _lockstep(self) -> Lockstep:
        """One that begins with the next group."""
        n_before = self._n_bytes_out

        def report(n_bytes: int) -> None:
            self._report(n_before + n_bytes)

        return Lockstep((), self._opened, report, self._memlimit, self._drafted)

    def _report(self, n_bytes: int) -> None:
        self._progress(max(self._n_bytes_out, n_bytes))


def _for_model(waves: Sequence[Sequence[Slot]]) -> LearningWaves:
    """A group's chunks that the model decodes, without waves that have none."""
    wanted = ([slot for slot in wave if slot.chunk.kind.needs_model] for wave in waves)
    return LearningWaves(deque(wave for wave in wanted if wave))


def _taken(queue: deque[Slot]) -> Iterator[bytes]:
    """Take what is decoded from the front, or needs no model. Raises CorruptError."""
    while queue:
        slot = queue[0]
        if slot.data is None and not slot.chunk.kind.needs_model:
            slot.data = decode_without_model(slot.chunk)
        if slot.data is None:
            return
        data, slot.data = slot.data, b""
        queue.popleft()
        yield data
