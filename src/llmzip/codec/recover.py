"""Decompresses what is intact of a damaged file, and names what is lost.

In a group whose chunks share nothing every undamaged chunk comes back. Where they learn from each
other, a damaged wave takes with it what the model codes in the later waves of its group; stored
and classical chunks come back all the same. Nothing is written that its checksum does not confirm.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO, cast

from llmzip.codec.lanes import Lanes, Slot
from llmzip.codec.lockstep import Lockstep
from llmzip.codec.member_text import MemberText, RestoredGroups
from llmzip.codec.memory import lanes_within
from llmzip.codec.model import OpenedModel, Progress, RunningModel, unseen
from llmzip.codec.reference import opened_reference
from llmzip.codec.schedule import decode_without_model
from llmzip.codec.stitch import LostRange, Stitcher
from llmzip.container import Group, ModelRef, Options, Reference
from llmzip.container.claims import are_plausible, check_output
from llmzip.container.found import Finish, FoundWave, Gap, Garbage, Start
from llmzip.container.layouts import may_copy_ahead
from llmzip.container.recover import recover_records
from llmzip.errors import CorruptError
from llmzip.layout.history import History
from llmzip.layout.program import MAX_DISTANCE

_SPOOL_BYTES = 1 << 24  # of a pipe that are kept in memory, the rest in a temporary file

OpenToRecover = Callable[[ModelRef | None, Options, bool], OpenedModel]
"""Opens the model of a damaged file, or raises a ModelError.

The reference is None where the file does not say it any more; the last argument is whether a CRC
confirms it, and the options. The chunks' checksums tell whether the model is the right one.
"""


@dataclass(frozen=True)
class Recovery:
    """What was brought back of a file, and what was not.

    n_bytes: of the original, brought back and verified chunk by chunk.
    n_file_bytes: of the .llmz file, all of it.
    lost: the ranges of the original that are lost, in order; each is marked in the output.
    is_consistent: whether members that lost nothing are what their whole checksums say.
    trailing: where in the file other data begins that no member is found in; None if nowhere.
    """

    n_bytes: int
    n_file_bytes: int
    lost: tuple[LostRange, ...]
    is_consistent: bool
    trailing: int | None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is lost."""
        return not self.lost and self.is_consistent


def recover_stream(
    source: BinaryIO,
    sink: BinaryIO,
    open_model: OpenToRecover,
    n_lanes: int | None = None,
    progress: Progress = unseen,
    *,
    max_output: int | None = None,
    memlimit: int | None = None,
    reference: BinaryIO | None = None,
) -> Recovery:
    """Decompress what is intact of the .llmz file on `source` onto `sink`, with marks between.

    A source that cannot seek is read to its end first, into a temporary file if it is long.
    max_output, memlimit, reference: as for decode_stream.
    Raises CorruptError if nothing is found, LimitError, PatchError, what `open_model` raises, and
    OSError.
    """
    with _seekable(source) as file:
        start = file.tell()
        n_file_bytes = file.seek(0, io.SEEK_END) - start
        file.seek(start)
        limits = _Limits(n_file_bytes, max_output, memlimit, n_lanes)
        reach = MAX_DISTANCE if may_copy_ahead(file) else 0
        recoverer = _Recoverer(sink, open_model, limits, progress, reach, reference)
        for found in recover_records(file):
            recoverer.take(found)
        return recoverer.result()


@dataclass
class _Limits:
    """What may be believed and taken: see decode_stream."""

    n_file_bytes: int
    max_output: int | None
    memlimit: int | None
    n_lanes: int | None
    n_claimed_bytes: int = 0

    def admit(self, wave: FoundWave) -> None:
        """Raise LimitError if all waves so far claim more than the file may come to."""
        self.n_claimed_bytes += sum(head.n_bytes for head in wave.heads)
        check_output(self.n_claimed_bytes, self.n_file_bytes, self.max_output)

    def are_plausible(self, slots: Sequence[Slot]) -> bool:
        """Whether it is worth the time to decode these."""
        return self.max_output is not None or are_plausible([slot.chunk for slot in slots])


class _Recoverer:
    """Takes what is found of a file, in order."""

    def __init__(
        self,
        sink: BinaryIO,
        open_model: OpenToRecover,
        limits: _Limits,
        progress: Progress,
        reach: int,
        reference: BinaryIO | None,
    ) -> None:
        self._stitcher = Stitcher(sink)
        self._open_model = open_model
        self._limits = limits
        self._progress = progress
        self._reach = reach
        self._reference = reference
        self._history = History(reach=reach)
        self._text = MemberText(self._stitcher, 0, self._history)
        self._groups = RestoredGroups(self._text, False, limits.memlimit)
        self._start = Start(None)
        self._ref: ModelRef | None = None
        self._model: OpenedModel | None = None
        self._lockstep: Lockstep | None = None
        self._has_learnt_all = False  # whether all that this group taught so far is known
        self._n_lost_before = 0
        self._is_consistent = True
        self._trailing: int | None = None

    def take(self, found: object) -> None:
        """Write what it decodes to."""
        match found:
            case Start():
                self._groups.end_group()
                self._stitcher.flush()
                self._history = History(reach=self._reach)
                self._text = MemberText(self._stitcher, self._stitcher.at, self._history)
                self._groups = RestoredGroups(self._text, found.is_sure, self._limits.memlimit)
                self._start, self._ref = found, None
                self._model = self._lockstep = None
                self._n_lost_before = len(self._stitcher.lost)
            case Reference():
                self._history.reference = opened_reference(found, self._reference)
            case ModelRef():
                self._ref = found
            case Group():
                self._groups.end_group()
                self._has_learnt_all = True
                if self._lockstep is not None:
                    self._lockstep.begin_group()
            case FoundWave():
                self._wave(found)
            case Gap():
                self._has_learnt_all = False
                self._groups.gap()
            case Finish():
                self._groups.end_group()
                self._finish(found)
            case Garbage():
                self._trailing = found.start

    def result(self) -> Recovery:
        """Mark what was lost at the end, and return what there was."""
        self._groups.end_group()
        self._stitcher.flush()
        self._history.close()
        lost = tuple(self._stitcher.lost)
        return Recovery(
            self._stitcher.n_bytes,
            self._limits.n_file_bytes,
            lost,
            self._is_consistent,
            self._trailing,
        )

    def _wave(self, wave: FoundWave) -> None:
        self._limits.admit(wave)
        slots = [None if chunk is None else Slot(chunk) for chunk in wave.chunks]
        self._decode([slot for slot in slots if slot is not None], wave.is_whole, None in slots)
        self._groups.wave(wave, [None if slot is None else slot.data for slot in slots])
        self._progress(self._stitcher.n_bytes)

    def _finish(self, finish: Finish) -> None:
        self._text.move_to(finish.n_bytes)
        if not finish.is_complete:
            self._text.lose(None)
            return
        self._stitcher.flush()
        if finish.checksum is not None and len(self._stitcher.lost) == self._n_lost_before:
            checksum = self._text.checksum
            digest = checksum.digest()[: len(finish.checksum)]
            is_right = checksum.n_bytes == finish.n_bytes and digest == finish.checksum
            self._is_consistent = self._is_consistent and is_right

    def _decode(self, slots: Sequence[Slot], is_whole: bool, is_cut: bool) -> None:
        """Decode what can be decoded of a wave: what can't has no data then."""
        by_model = [slot for slot in slots if slot.chunk.kind.needs_model]
        is_cut = is_cut or not self._limits.are_plausible(by_model)
        for slot in slots:
            if not slot.chunk.kind.needs_model:
                with suppress(CorruptError):
                    slot.data = decode_without_model(slot.chunk)
        if not by_model or self._start.options is None:
            self._has_learnt_all = self._has_learnt_all and not by_model
        elif not self._start.options.adaptive:
            self._decode_apart([slot for slot in by_model if self._limits.are_plausible([slot])])
        elif self._has_learnt_all and not is_cut:
            others_fail = any(slot.data is None for slot in slots if slot not in by_model)
            # Where another chunk has the damage, these are likely to be intact.
            self._has_learnt_all = (is_whole or others_fail) and self._decode_together(by_model)
        else:
            self._has_learnt_all = False

    def _decode_apart(self, slots: Sequence[Slot]) -> None:
        opened = self._opened()
        for shortlist in sorted({slot.chunk.shortlist for slot in slots}):
            own = [slot for slot in slots if slot.chunk.shortlist == shortlist]
            self._decode_in_lanes(own, opened.listed(shortlist))

    def _decode_in_lanes(self, slots: Sequence[Slot], model: RunningModel) -> None:
        n_lanes = min(self._limits.n_lanes or model.predictor.default_lanes, len(slots))
        n_lanes = lanes_within(model.predictor, n_lanes, self._limits.memlimit)
        lanes = _ForgivingLanes(model, n_lanes)
        waiting = deque(slots)
        while waiting or lanes.n_active:
            while waiting and lanes.n_active < lanes.n_lanes:
                with suppress(CorruptError):
                    lanes.open(waiting.popleft())
            if lanes.n_active:
                lanes.step()

    def _decode_together(self, slots: list[Slot]) -> bool:
        """Decode chunks that learn from each other; return whether they are all right."""
        if self._lockstep is None:
            self._lockstep = Lockstep((), self._opened, unseen, self._limits.memlimit)
        try:
            self._lockstep.decode(slots)
        except CorruptError:
            for slot in slots:
                slot.data = None
            return False
        return True

    def _opened(self) -> OpenedModel:
        if self._model is None:
            assert self._start.options is not None
            self._model = self._open_model(self._ref, self._start.options, self._start.is_sure)
        return self._model


class _ForgivingLanes(Lanes):
    """Lanes of chunks that share nothing: one that is damaged ends without data."""

    def close(self, lane: int) -> None:
        """Finish the chunk of `lane`, and free it whatever it holds."""
        with suppress(CorruptError):
            super().close(lane)
        self.free(lane)


@contextmanager
def _seekable(source: BinaryIO) -> Iterator[BinaryIO]:
    """Yield `source`, or all of it in a file of which nobody knows the name."""
    seekable: Callable[[], bool] | None = getattr(source, "seekable", None)
    if seekable is not None and seekable():
        yield source
        return
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as copy:
        shutil.copyfileobj(source, copy)
        copy.seek(0)
        yield cast(BinaryIO, copy)
