"""Plans a group: which bytes are coded together, and how its text is put together from them.

What an archive frames is joined, so that a model reads the texts of its files one after the other;
so is what is text between binary data, and binary data between texts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from llmzip.codec.extent import period_of
from llmzip.codec.segment import Fate, Run, by_worth, find_runs, merged, plan_runs
from llmzip.codec.weaving import Weaving
from llmzip.encodings import ENCODINGS
from llmzip.encodings.detect import Found
from llmzip.layout.planned import Planned, Repeat
from llmzip.layout.program import MAX_OPS, Copy, Fill, Layout
from llmzip.layout.tar import Archive, find_archives

MIN_COPY_BYTES = 32
"""What headers of an archive have left of a copy must be as long."""


Part = Archive | Run | Repeat
"""What a group consists of, in order; of an archive, the framing of what comes next."""


def plan_group(data: bytes, copies: Sequence[Repeat] = (), *, any_text: bool = False) -> Planned:
    """Return how to code a group, of which `copies` (in order, disjoint) are there already.

    any_text: let the model have text, too, that is too short to be worth it.
    """
    period = period_of(data)
    if period == 1:
        return Planned(Layout((), (Fill(data[0], len(data)),)), ())
    if period:
        repeat = Repeat(period, len(data), period)
        return _woven(data, _between(data, 0, len(data), [repeat]), any_text)
    archives = find_archives(data, [(copy.start, copy.stop) for copy in copies])
    planned = _woven(data, _parts(data, archives, copies), any_text)
    if planned.layout is not None and len(planned.layout.ops) > MAX_OPS:
        return _woven(data, plan_runs(data), any_text)
    return planned


def _woven(data: bytes, parts: Iterable[Part], any_text: bool) -> Planned:
    weaving = Weaving(any_text)
    for part in _aligned(list(parts)):
        match part:
            case Archive():
                weaving.frame(part.headers(data), len(part.members))
            case Repeat():
                weaving.copy(Copy(part.distance, part.stop - part.start))
            case Run():
                weaving.take(part, data[part.start : part.stop])
    return weaving.planned()


def _parts(data: bytes, archives: Sequence[Archive], copies: Sequence[Repeat]) -> Iterator[Part]:
    """Yield the parts of a group, in order."""
    at = 0
    for archive in archives:
        yield from _between(data, at, archive.start, copies)
        yield archive
        for member in archive.members:
            yield from _between(data, member.content, member.stop, copies)
        at = archive.end
    yield from _between(data, at, len(data), copies)


def _between(data: bytes, start: int, stop: int, copies: Sequence[Repeat]) -> Iterator[Part]:
    """Yield the parts of bytes `start` to `stop`, in which there are no headers."""
    if start == stop:
        return
    runs: list[Run] | None = None
    at = start
    for copy in (*_within(copies, start, stop), Repeat(stop, stop, 1)):
        if at < copy.start:
            if runs is None:
                runs = [run.moved(start) for run in find_runs(data[start:stop])]
            own = (_part(run, at, copy.start) for run in runs)
            yield from _worthy(data, [run for run in own if run.start < run.stop])
        if copy.start < copy.stop:
            yield copy
        at = copy.stop


def _within(copies: Sequence[Repeat], start: int, stop: int) -> Iterator[Repeat]:
    """Yield what of the copies lies from `start` to `stop`, if it is worth it."""
    for copy in copies[bisect_right(copies, start, key=_stop) :]:
        if copy.start >= stop:
            return
        first, last = max(copy.start, start), min(copy.stop, stop)
        if last - first >= MIN_COPY_BYTES or (first, last) == (copy.start, copy.stop):
            yield Repeat(first, last, copy.distance)


def _stop(copy: Repeat) -> int:
    return copy.stop


def _part(run: Run, start: int, stop: int) -> Run:
    """Return what of a run lies from `start` to `stop`; nothing of it, if it starts at its end."""
    first = max(run.start, start)
    return run.part(first, max(first, min(run.stop, stop)))


def _worthy(data: bytes, runs: Iterable[Run]) -> list[Run]:
    return merged(part for run in runs for part in by_worth(data, run))


def _aligned(parts: Sequence[Part]) -> Iterator[Part]:
    """Yield the parts; texts of the same wide characters begin and end with a whole one.

    Only so can they be joined. What is by itself is left as it is.
    """
    n_of = Counter(p.found.encoding for p in parts if isinstance(p, Run) and p.found)
    for part in parts:
        found = part.found if isinstance(part, Run) else None
        if found is None or n_of[found.encoding] == 1:
            yield part
        else:
            assert isinstance(part, Run)
            yield from _whole_characters(part, found)


def _whole_characters(run: Run, found: Found) -> Iterator[Run]:
    unit = ENCODINGS[found.encoding].unit
    start = min(run.start + found.n_before, run.stop)
    stop = run.stop - (run.stop - start) % unit
    for first, last, fate in (
        (run.start, start, Fate.BINARY),
        (start, stop, run.fate),
        (stop, run.stop, Fate.BINARY),
    ):
        if first < last:
            yield Run(first, last, fate, None if fate is Fate.BINARY else Found(found.encoding))
