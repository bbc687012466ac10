"""Many small files: their chunks decoded side by side, ahead of what reads and verifies each.

All that the model has to say is worked out first, for as many files as there are lanes. Each file
is then decoded as if it were alone, with the bytes of those chunks at hand. What goes wrong ahead
is told by nobody: it comes up again, in its place, where the file is decoded for good.
"""

from __future__ import annotations

import io
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from llmzip.codec.decode import Known
from llmzip.codec.lanes import Slot
from llmzip.codec.memory import check_memory, groups_within, limit_drafts, wave_bytes
from llmzip.codec.model import OpenedModel, OpenToDecode
from llmzip.codec.schedule import STEPS_PER_REPORT, Schedule
from llmzip.codec.stats import Stats, share_drafts, share_time
from llmzip.codec.together import LearningWaves, Together
from llmzip.container import Claims, Group, Header, ModelRef, Options, Reader, Wave
from llmzip.errors import LlmzipError, TrailingError
from llmzip.predict.protocol import Drafted

AheadProgress = Callable[[int, int], None]
"""Takes how many bytes are decoded of how many that are to be."""

MAX_FILE_BYTES = 1 << 18
"""Files that claim to hold more are left to be decoded alone."""


@dataclass(eq=False)
class _Member:
    """What the model has to do for a member of a file. groups: the chunks of each, by waves."""

    options: Options
    ref: ModelRef | None = None
    groups: list[list[list[Slot]]] = field(default_factory=list)
    stats: Stats = field(default_factory=Stats)

    def slots(self) -> Iterator[Slot]:
        """Yield the chunks, in order."""
        for group in self.groups:
            for wave in group:
                yield from wave

    @property
    def model(self) -> ModelRef | None:
        """The model, however it is named."""
        return None if self.ref is None else self.ref.nameless

    @property
    def shortlists(self) -> set[int]:
        """Those that its chunks are by."""
        return {slot.chunk.shortlist for slot in self.slots()}

    @property
    def n_bytes(self) -> int:
        """How many bytes the chunks decode to."""
        return sum(slot.chunk.n_bytes for slot in self.slots())


def decode_ahead(
    files: Sequence[bytes],
    open_model: OpenToDecode,
    n_lanes: int | None = None,
    progress: AheadProgress | None = None,
    *,
    max_output: int | None = None,
    memlimit: int | None = None,
) -> list[Known | None]:
    """Return of each file what its chunks for the model decode to, or None.

    None where no model is wanted, or the file says what cannot be, or a file beside it does, or
    it is long, or goes by several shortlists: then it is to be decoded alone, for `decode_stream`
    to tell. The arguments are those of it.
    """
    begin_s = time.monotonic()
    members = [_members(file, max_output) for file in files]
    wanting = [one for own in members for one in own if one.n_bytes]
    alike: defaultdict[tuple[ModelRef | None, Options, int], list[_Member]] = defaultdict(list)
    for member in wanting:
        shortlist, *others = member.shortlists
        if not others:
            alike[member.model, member.options, shortlist].append(member)
    report = _Report(sum(one.n_bytes for one in wanting), progress)
    for (_, _, shortlist), own in alike.items():
        with suppress(LlmzipError, OSError, MemoryError):
            model = _opened(own, open_model)
            report(0)  # from here on its speed counts
            decode = _decode_learning if own[0].options.adaptive else _decode_frozen
            decode(own, model, shortlist, n_lanes, memlimit, report)
        report.n_before += sum(one.n_bytes for one in own)
    share_time([one.stats for one in wanting], time.monotonic() - begin_s)
    return [_known(own) for own in members]


def _opened(members: Sequence[_Member], open_model: OpenToDecode) -> OpenedModel:
    """Open the model of all of them, and note it."""
    begin_s = time.monotonic()
    model = open_model(members[0].ref, members[0].options)
    members[0].stats.opening_seconds = time.monotonic() - begin_s
    for member in members:
        member.stats.model_name, member.stats.way = model.ref.name, model.predictor.way
        member.stats.n_bytes = member.n_bytes
    return model


class _Report:
    """Says how many bytes are decoded of those that the model is wanted for.

    n_before: of what was decoded before that which is being decoded now.
    """

    def __init__(self, n_all: int, progress: AheadProgress | None) -> None:
        self.n_before = 0
        self._n_all = n_all
        self._progress = progress

    def __call__(self, n_bytes: int) -> None:
        """Say that so many of what is being decoded now are done."""
        if self._progress is not None:
            self._progress(self.n_before + n_bytes, self._n_all)


def _known(members: Sequence[_Member]) -> Known | None:
    """Return what the chunks decode to if all is known."""
    data = [slot.data for member in members for slot in member.slots()]
    known = [one for one in data if one is not None]
    if not known or len(known) < len(data):
        return None
    stats = Stats()
    for member in members:
        stats.model_name = member.stats.model_name or stats.model_name
        stats.way = member.stats.way or stats.way
        stats.seconds += member.stats.seconds
        stats.opening_seconds += member.stats.opening_seconds
        stats.n_drafted += member.stats.n_drafted
        stats.n_drafts_taken += member.stats.n_drafts_taken
    return Known(known, stats)


def _members(file: bytes, max_output: int | None) -> list[_Member]:
    """Return what the model has to do for a file; nothing if it is damaged or long."""
    members: list[_Member] = []
    claims, n_bytes = Claims(max_output), 0
    reader = Reader(io.BytesIO(file))
    try:
        for record in reader:
            match record:
                case Header():
                    members.append(_Member(record.options))
                case ModelRef():
                    members[-1].ref = record
                case Group():
                    members[-1].groups.append([])
                case Wave():
                    claims.admit(record, reader.offset)
                    n_bytes += record.n_bytes
                    slots = [Slot(chunk) for chunk in record.chunks if chunk.kind.needs_model]
                    if slots:
                        members[-1].groups[-1].append(slots)
    except TrailingError:
        pass  # it comes up again where the file is decoded; all before it is right
    except LlmzipError:
        return []
    return members if n_bytes <= MAX_FILE_BYTES else []


def _decode_frozen(
    members: Sequence[_Member],
    model: OpenedModel,
    _shortlist: int,
    n_lanes: int | None,
    memlimit: int | None,
    report: _Report,
) -> None:
    """Decode chunks that share nothing: whenever one is done, the next takes its lane."""
    slots = [slot for member in members for slot in member.slots()]
    chunks = [slot.chunk for slot in slots]
    decoded = Schedule(chunks, lambda: model, n_lanes, report, memlimit)
    for slot, data in zip(slots, decoded, strict=True):
        slot.data = data


def _decode_learning(
    members: Sequence[_Member],
    opened: OpenedModel,
    shortlist: int,
    n_lanes: int | None,
    memlimit: int | None,
    report: _Report,
) -> None:
    """Decode waves: whenever there are lanes for the next one, of whatever group, it begins."""
    model = opened.listed(shortlist)
    groups = [
        LearningWaves(deque(waves))
        for member in members
        for group in member.groups
        if (waves := [wave for wave in group if wave])
    ]
    all_waves = [wave for one in groups for wave in one.waves]
    n_tokens = max(slot.chunk.n_tokens for wave in all_waves for slot in wave)
    n_most = sum(len(one.waves[0]) for one in groups)
    n_wanted = min(n_lanes or model.predictor.default_lanes, n_most)
    is_primed = members[0].options.dictionary is not None
    n_lanes = groups_within(model.predictor, n_wanted, n_tokens, memlimit, is_primed)
    n_lanes = max(n_lanes, max(len(wave) for wave in all_waves))
    needed = wave_bytes(model.predictor, [n_tokens] * n_lanes, 0)
    check_memory(needed, memlimit, f"{n_lanes} chunks")
    slots = [slot for wave in all_waves for slot in wave]
    drafted = Drafted()
    limit_drafts(drafted, model.predictor, n_lanes, needed, memlimit)
    together = Together(model, groups, n_lanes, n_tokens, drafted)
    for n_steps in together.steps():
        if n_steps % STEPS_PER_REPORT == 0:
            together.note_progress()
            report(sum(slot.n_bytes_done for slot in slots))
    share_drafts([member.stats for member in members], drafted)
