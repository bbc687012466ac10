"""What the host does while a learning level is decoded: functions by their own time."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable, Iterator
from pathlib import Path

from gpu_files import packed, unpacked
from gpu_models import open_on, written_by
from gpu_plan import Plan
from gpu_report import Found
from gpu_speed import level_of
from llmzip.codec.levels import LEVELS
from llmzip.models import OpenedExact

N_SHOWN = 12


def host_times(name: str, opened: OpenedExact, plan: Plan) -> Iterator[Found]:
    """Yield the functions that take the most, compressing and then decompressing."""
    number, n_lanes = max(plan.levels), plan.profile_lanes
    model = open_on(opened, plan.where, LEVELS[number].options, n_lanes)
    n_tokens = 4 * plan.profile_steps
    text = written_by(model, n_lanes, n_tokens, seed=5)
    level = level_of(number, text, n_lanes, n_tokens)
    file, _ = packed(model, text, level)  # compiles
    title = f"{name}, level {number}, {n_lanes} lanes"
    yield from _slowest(f"{title}, compress", lambda: packed(model, text, level))
    yield from _slowest(f"{title}, decompress", lambda: unpacked(model, file, n_lanes))


def _slowest(title: str, work: Callable[[], object]) -> Iterator[Found]:
    profiler = cProfile.Profile()
    profiler.runcall(work)
    entries = sorted(
        ((own_s, n_calls, where) for where, (_, n_calls, own_s, *_) in _table(profiler).items()),
        key=lambda entry: -entry[0],
    )
    whole_s = sum(own_s for own_s, _, _ in entries)
    for own_s, n_calls, (path, line, function) in entries[:N_SHOWN]:
        place = f"{Path(path).name}:{line} {function}" if line else function
        note = f"{n_calls:,} calls, {own_s / whole_s:.0%} of the main thread's time"
        yield Found(f"{title}: {place}", own_s, "s", note=note, is_rate=False)


def _table(profiler: cProfile.Profile) -> dict[tuple[str, int, str], tuple[int, int, float, float]]:
    return dict(pstats.Stats(profiler).stats)  # type: ignore[attr-defined]
