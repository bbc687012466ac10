"""Files that are named by paths or URLs, done by the workers of a pool: for programs.

Workers write what they make of small files themselves, where it is to go next to what they have
read, or to a URL; large files are put together here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from llmzip.codec.stats import Stats
from llmzip.compressor import Compressor
from llmzip.decompressor import Decompressor
from llmzip.errors import LlmzipError, UsageError
from llmzip.spread.assembly import write_packed, write_text
from llmzip.spread.cutting import Cutter, InputFile, PackedCutter, TextCutter
from llmzip.spread.manifest import Manifest
from llmzip.spread.places import State, exists, file_system, is_private, is_url, opened, state_of
from llmzip.spread.pool import Pool, WorkersLostError
from llmzip.spread.run import Run
from llmzip.spread.units import Made
from llmzip.spread.writing import digest_at, write_whole, writing

SUFFIX = ".llmz"


@dataclass(frozen=True)
class Report:
    """What became of a file. target: None if it was not even known where to.

    n_bytes: of the text; n_file_bytes: of the .llmz file; 0 where nothing was made now.
    error: why there is no output; None if there is. was_there: whether an earlier run made it.
    """

    source: str
    target: str | None
    n_bytes: int = 0
    n_file_bytes: int = 0
    error: Exception | None = None
    was_there: bool = False


@dataclass(frozen=True)
class Task:
    """One direction. alone: does a file that cannot be spread, in this process."""

    cutter: Cutter
    settings: str
    name_of: Callable[[str], str]
    alone: Callable[[BinaryIO, BinaryIO], Stats]


def compressing(compressor: Compressor) -> Task:
    """Return the task that adds .llmz to names."""
    return Task(
        TextCutter(compressor),
        f"compress {compressor.settings}",
        lambda name: name + SUFFIX,
        compressor.compress,
    )


def decompressing(decompressor: Decompressor) -> Task:
    """Return the task that takes .llmz off names."""
    return Task(PackedCutter(decompressor), "decompress", _plain_name, decompressor.decompress)


def do_files(
    pool: Pool,
    task: Task,
    sources: Iterable[str | os.PathLike[str]],
    output: str | os.PathLike[str] | None = None,
    *,
    force: bool = False,
    resume: str | os.PathLike[str] | None = None,
) -> Iterator[Report]:
    """Do a task to files, and to those in folders; yield a report of each, in order.

    output: the folder, or its URL, that results go into; None: beside the sources.
    force: write over what is there. resume: a folder of this machine, where what is done is noted;
        what an earlier call has noted there is not done again. It goes once all is done.
    What goes wrong with a file is in its report. Raises WorkersLostError, OSError where a folder
    cannot be read, UsageError.
    """
    named = list(_named(task, [_text(source) for source in sources], output))
    manifest = None if resume is None else Manifest(Path(resume), task.settings)
    n_failed = 0
    try:
        for report in _Files(pool, task, named, manifest, force).reports():
            n_failed += report.error is not None
            yield report
    except BaseException:
        n_failed += 1
        raise
    finally:
        if manifest is not None:
            manifest.close(is_done=n_failed == 0)


class _Files:
    """A run over sources and their targets."""

    def __init__(
        self,
        pool: Pool,
        task: Task,
        named: Sequence[Report],
        manifest: Manifest | None,
        force: bool,
    ) -> None:
        self._is_here = pool.is_here
        self._task = task
        self._named = named
        self._manifest = manifest
        self._force = force
        self._states: dict[int, State] = {}
        self._run = Run(pool, len(named), self._look, task.cutter, replace=force, manifest=manifest)

    def reports(self) -> Iterator[Report]:
        """Yield what becomes of each."""
        for number, named in enumerate(self._named):
            report = named
            if named.error is None:
                try:
                    report = self._done(number, named)
                except WorkersLostError:
                    raise
                except (LlmzipError, OSError, MemoryError) as exc:
                    report = replace(named, error=exc)
            self._run.end(number)
            yield report

    def _look(self, number: int) -> InputFile | None:
        """Return a file, unless its turn will not need it."""
        named = self._named[number]
        if named.target is None or named.error is not None:
            return None
        state = self._states[number] = state_of(named.source)
        if self._was_there(named, state):
            return None
        if not self._force and self._manifest is None and exists(named.target):
            return None  # with a manifest it may be what a run that was killed has not noted
        return InputFile(named.source, state, named.target if self._is_shared(named) else None)

    def _is_shared(self, named: Report) -> bool:
        """Return whether any worker can write the target, so that we see it there."""
        assert named.target is not None
        if is_private(named.target):
            return False
        if is_url(named.target) or self._is_here:
            return True
        beside = os.path.dirname(named.target) == os.path.dirname(named.source)  # noqa: PTH120
        return beside and not is_url(named.source)

    def _was_there(self, named: Report, state: State) -> bool:
        if self._manifest is None or named.target is None:
            return False
        made = self._manifest.finished(named.target, state)
        return made is not None and made == digest_at(named.target)

    def _done(self, number: int, named: Report) -> Report:
        assert named.target is not None
        groups = self._run.groups(number)  # and so it has been looked at
        state = self._states.get(number) or state_of(named.source)
        if self._was_there(named, state):
            return replace(named, was_there=True)
        if groups is None and (made := self._run.made(number)) is not None:
            return self._finished(named, state, self._deliver(named.target, made))
        with opened(named.source) as source, writing(named.target, replace=self._force) as sink:
            if groups is None:
                stats = self._task.alone(source, sink)
            elif groups.end is None:
                stats = write_packed(self._run, groups, source, sink)
            else:
                stats = write_text(self._run, groups, sink)
        return self._finished(named, state, stats)

    def _deliver(self, target: str, made: Made) -> Stats:
        if made.data is not None:
            write_whole(target, made.data, replace=self._force)
        return made.stats

    def _finished(self, named: Report, state: State, stats: Stats) -> Report:
        assert named.target is not None
        if self._manifest is not None and (found := digest_at(named.target)) is not None:
            self._manifest.finish(named.target, state, found)
        return replace(named, n_bytes=stats.n_bytes, n_file_bytes=stats.n_file_bytes)


def _named(
    task: Task, sources: Sequence[str], output: str | os.PathLike[str] | None
) -> Iterator[Report]:
    """Yield the files that are meant, each with where its output goes, or why nowhere.

    Raises UsageError where two would become one.
    """
    targets: dict[str, str] = {}
    for source in sources:
        for path, below in _files_of(source):
            try:
                target = _target(task, path, below, output)
            except UsageError as exc:
                yield Report(path, None, error=exc)
                continue
            if targets.setdefault(target, path) != path:
                raise UsageError(f"{targets[target]} and {path} would both become {target}")
            yield Report(path, target)


def _target(task: Task, path: str, below: str, output: str | os.PathLike[str] | None) -> str:
    if output is None:
        return task.name_of(path)
    return f"{_text(output).rstrip('/')}/{task.name_of(below)}"


def _files_of(source: str) -> Iterator[tuple[str, str]]:
    """Yield the files that a path or URL stands for, each with its path below that, in order."""
    if is_url(source):
        system, path = file_system(source)
        if not system.isdir(path):
            yield source, path.rpartition("/")[2]
            return
        for found in sorted(system.find(path)):
            yield system.unstrip_protocol(found), found[len(path) :].strip("/")
    elif Path(source).is_dir():
        files = sorted(one for one in Path(source).rglob("*") if one.is_file())
        yield from ((str(one), str(one.relative_to(source))) for one in files)
    else:
        yield source, Path(source).name


def _plain_name(name: str) -> str:
    if not name.endswith(SUFFIX):
        raise UsageError(f"{name}: no {SUFFIX} to take off its name")
    return name.removesuffix(SUFFIX)


def _text(place: str | os.PathLike[str]) -> str:
    """Return a URL as it is, a path as one that means the same to any process."""
    text = os.fspath(place)
    return text if is_url(text) else os.path.abspath(text)  # noqa: PTH100
