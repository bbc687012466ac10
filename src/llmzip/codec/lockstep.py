"""Decodes waves whose chunks learn from each other: all together, one token in each at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from llmzip.codec.lanes import Lanes, Slot
from llmzip.codec.memory import check_memory, limit_drafts, wave_bytes
from llmzip.codec.model import OpenedModel, Progress
from llmzip.codec.schedule import STEPS_PER_REPORT, decode_without_model
from llmzip.container import Group, Wave
from llmzip.container.wire import corrupt
from llmzip.predict.protocol import Drafted, LearningGroup


class Lockstep:
    """Decodes groups of waves and yields what their chunks decode to, in order.

    records: each group, then its waves. open_model: called at the first chunk that needs it.
    memlimit: what a wave may take beside the model, in bytes. drafted: counts drafts.
    Raises LimitError.
    """

    def __init__(
        self,
        records: Iterable[Group | Wave],
        open_model: Callable[[], OpenedModel],
        progress: Progress,
        memlimit: int | None = None,
        drafted: Drafted | None = None,
    ) -> None:
        self._records = records
        self._open_model = open_model
        self._progress = progress
        self._memlimit = memlimit
        self._drafted = drafted or Drafted()
        self._n_group_tokens = 0
        self._model: OpenedModel | None = None
        self._learning: LearningGroup | None = None
        self._shortlist: int | None = None  # of the group
        self._n_bytes_out = 0

    def __iter__(self) -> Iterator[bytes]:
        for record in self._records:
            yield from self.pieces(record)

    def pieces(self, record: Group | Wave) -> Iterator[bytes]:
        """Yield what the next record decodes to: of a wave its chunks, in order."""
        if isinstance(record, Group):
            self.begin_group()
            return
        slots = [Slot(chunk) for chunk in record.chunks]
        self.decode(slots)
        for slot in slots:
            assert slot.data is not None
            self._n_bytes_out += slot.chunk.n_bytes
            yield slot.data
        self._progress(self._n_bytes_out)

    def begin_group(self) -> None:
        """Forget what was learnt."""
        self._learning, self._n_group_tokens, self._shortlist = None, 0, None

    def decode(self, slots: list[Slot]) -> None:
        """Decode the chunks of the group's next wave. Raises CorruptError."""
        together = [slot for slot in slots if slot.chunk.kind.needs_model]
        for slot in slots:
            if not slot.chunk.kind.needs_model:
                slot.data = decode_without_model(slot.chunk)
        if together:
            self._advance(together, self._lanes(together), slots)

    def _lanes(self, together: list[Slot]) -> Lanes:
        self._model = self._model or self._open_model()
        running = self._model.listed(self._shortlist_of(together))
        n_tokens = [slot.chunk.n_tokens for slot in together]
        needed = wave_bytes(running.predictor, n_tokens, self._n_group_tokens)
        check_memory(needed, self._memlimit, f"{len(together)} chunks that learn from each other")
        limit_drafts(self._drafted, running.predictor, len(together), needed, self._memlimit)
        self._learning = self._learning or running.predictor.group()
        self._n_group_tokens += sum(n_tokens)
        return Lanes(running, len(together), self._learning.lanes(n_tokens, self._drafted))

    def _shortlist_of(self, together: list[Slot]) -> int:
        """Return the one shortlist of the group. Raises CorruptError."""
        found = {slot.chunk.shortlist for slot in together}
        if self._shortlist is not None:
            found.add(self._shortlist)
        if len(found) > 1:
            raise corrupt("chunks that learn from each other by different shortlists")
        self._shortlist = found.pop()
        return self._shortlist

    def _advance(self, together: list[Slot], lanes: Lanes, slots: list[Slot]) -> None:
        for slot in together:
            lanes.open(slot)
        n_steps = 0
        while lanes.n_active:
            lanes.step()
            n_steps += 1
            if n_steps % STEPS_PER_REPORT == 0:
                lanes.note_progress()
                self._progress(self._n_bytes_out + sum(slot.n_bytes_done for slot in slots))
