"""What is to be done, known as a whole before any of it begins: which file becomes which."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llmzip.cli.files import STDIO, as_file
from llmzip.cli.messages import Messages, located
from llmzip.cli.outputs import Output
from llmzip.cli.partials import partial_of
from llmzip.cli.settings import Settings
from llmzip.cli.sources import Search, Source, named
from llmzip.cli.special import own_descriptor, special_kind
from llmzip.cli.suffixes import suffix_of
from llmzip.cli.work import Job, Verb
from llmzip.errors import LlmzipError, UsageError

NOWHERE = Path(os.devnull)


@dataclass(frozen=True)
class _Destination:
    """Where outputs go that do not go beside their inputs: to one file, or into a folder."""

    file: Path | None
    folder: Path | None

    @classmethod
    def of(cls, settings: Settings) -> _Destination:
        """Return what the settings say. Raises UsageError where that cannot be."""
        folder, text = settings.output_dir, settings.output
        if text is not None and text != "-" and (text.endswith(os.sep) or Path(text).is_dir()):
            folder, text = Path(text), None
        if folder is not None and folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is a file; name a folder that output can go into")
        if text is None:
            return cls(None, folder)
        file = STDIO if text == "-" else as_file(Path(text))
        return cls(STDIO if own_descriptor(file) == 1 else file, folder)


def plan(verb: Verb, settings: Settings, messages: Messages) -> list[Job]:
    """Return what is to be done, in order, having said what cannot be.

    Raises UsageError where the settings contradict each other, or two files would become one;
    OSError where a list of files cannot be read.
    """
    destination = _Destination.of(settings) if verb.keeps else _Destination(NOWHERE, None)
    paths = named(settings)
    _check(settings, paths)

    def is_wanted(path: Path) -> bool:
        return (suffix_of(path, settings.suffix) is not None) == verb.reads_llmz

    search = Search(settings, is_wanted, messages)
    jobs: list[Job] = []
    for path in paths:
        try:
            for source in search.files_of(path):
                jobs += _jobs(verb, source, destination, settings, messages)
        except (LlmzipError, OSError) as exc:
            messages.error(located(path, exc))
    if verb.keeps and destination.file is not None and max(len(paths), len(jobs)) > 1:
        raise UsageError("-o takes the output of one file; use --output-dir, or -c for all in one")
    _refuse_collisions(jobs)
    unfinished = {partial_of(job.output.path) for job in jobs}
    return [job for job in jobs if job.source not in unfinished]


def _check(settings: Settings, paths: Sequence[Path]) -> None:
    if settings.output is not None and settings.to_stdout:
        raise UsageError("-o and -c contradict each other; give one of them")
    if settings.output_dir is not None and (settings.output is not None or settings.to_stdout):
        raise UsageError("--output-dir goes neither with -o nor with -c; give one of them")
    if settings.removes and (settings.wants_stdout or STDIO in paths):
        raise UsageError("--rm is for files that are replaced by files, not for - or -c")
    if settings.resume and settings.wants_stdout:
        raise UsageError("--resume is for output to a file, not for - or -c")


def _jobs(
    verb: Verb, source: Source, where: _Destination, settings: Settings, messages: Messages
) -> list[Job]:
    """Return what is to be done to one file, which may be nothing, having said why."""
    is_said = where.file is not None or settings.to_stdout or source.path == STDIO
    if not is_said and (kind := special_kind(source.path)) is not None:
        messages.warning(
            f"{source.path} is {kind}, not a regular file; skipped (-c or -o FILE says where to)"
        )
        return []
    try:
        path = _output_path(verb, source, where, settings)
    except UsageError as exc:
        messages.error(located(source.path, exc))
        return []
    if path is None:
        return []
    is_explicit = where.file is not None
    output = Output(
        path,
        is_explicit,
        settings.force,
        settings.resume,
        settings.verify,
        makes_folder=where.folder is not None,
    )
    return [Job(source.path, output, source.n_bytes)]


def _output_path(
    verb: Verb, source: Source, where: _Destination, settings: Settings
) -> Path | None:
    """Return where the output of a file goes; None to skip it. Raises UsageError."""
    if where.file is not None:
        return where.file
    if source.path == STDIO and where.folder is not None:
        raise UsageError(
            f"it has no name to have in the folder {where.folder}; name a file with -o"
        )
    if settings.to_stdout or source.path == STDIO:
        return STDIO
    target = verb.target_of(source.path)
    if target is None or where.folder is None:
        return target
    return as_file(where.folder / source.below.parent / target.name)


def _refuse_collisions(jobs: Sequence[Job]) -> None:
    """Raise UsageError if two files would be written to one place."""
    sources: dict[str, Path] = {}
    for job in jobs:
        if job.output.special is None:
            first = sources.setdefault(os.path.abspath(job.output.path), job.source)  # noqa: PTH100
            if first != job.source:
                raise UsageError(
                    f"{first} and {job.source} would both become {job.output.path}; "
                    "write them into different folders"
                )
