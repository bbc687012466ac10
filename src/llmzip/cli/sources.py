"""Which files are meant: named ones, listed ones, and what lies in folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from llmzip.cli.files import STDIO, as_file, stdin_stream
from llmzip.cli.messages import Messages, describe
from llmzip.cli.settings import Settings
from llmzip.cli.special import kind_of
from llmzip.errors import UsageError
from llmzip.temporaries import is_temporary

RESUME_FOLDER = ".llmzip-resume"
"""Where runs by several workers keep what they have done: see `spread.manifest`."""


@dataclass(frozen=True)
class Source:
    """A file to be read.

    below: its name, or its path below the folder that was named. n_bytes: None if unknown.
    """

    path: Path
    below: Path
    n_bytes: int | None = None


def named(settings: Settings) -> tuple[Path, ...]:
    """Return what is named, in words and in lists; STDIO where nothing is.

    Raises OSError where a list cannot be read, UsageError.
    """
    lists = [(settings.files_from, b"\n"), (settings.files_from0, b"\0")]
    given = [(path, end) for path, end in lists if path is not None]
    if [*settings.files, *(path for path, _ in given)].count(STDIO) > 1:
        raise UsageError("standard input can be read only once")
    if not given and not settings.files:
        return (STDIO,)
    return (*settings.files, *(path for one, end in given for path in _listed(one, end)))


def _listed(source: Path, end: bytes) -> Iterator[Path]:
    """Yield the names in a list, each before an `end`; `-` is the name of a file there."""
    data = stdin_stream().read() if source == STDIO else source.read_bytes()
    for name in data.split(end):
        if name:
            yield as_file(Path(os.fsdecode(name)))


class Search:
    """Finds the files that a name stands for, which may be that of a folder.

    is_wanted: whether a file that lies in a folder is one of them.
    """

    def __init__(
        self, settings: Settings, is_wanted: Callable[[Path], bool], messages: Messages
    ) -> None:
        self._is_recursive = settings.recursive
        self._patterns = [pattern.rstrip("/") for pattern in settings.exclude]
        self._is_wanted = is_wanted
        self._messages = messages

    def files_of(self, path: Path) -> Iterator[Source]:
        """Yield them, those in a folder in the order of their names.

        Raises OSError if nothing is there, UsageError for a folder that was not asked for.
        """
        if path == STDIO:
            yield Source(STDIO, STDIO)
        elif self._is_excluded(path):
            self._messages.info(f"{path}: left out by --exclude")
        elif not path.is_dir():
            yield Source(path, Path(path.name), path.stat().st_size)
        elif self._is_recursive:
            yield from self._files_in(path)
        else:
            raise UsageError(f"{path} is a folder; use -r for the files in it")

    def _files_in(self, folder: Path) -> Iterator[Source]:
        """Yield what is wanted in a folder and those in it; say what is neither file nor folder."""
        waiting = self._entries(folder, Path())
        while waiting:  # and no recursion: paths may be deeper than Python's stack
            entry, below = waiting.pop()
            path = as_file(Path(entry.path))
            if self._is_excluded(below):
                self._messages.info(f"{path}: left out by --exclude")
            elif entry.is_symlink():
                self._messages.info(f"{path} is a link; not followed")
            elif entry.name == RESUME_FOLDER:
                pass
            elif entry.is_dir():
                waiting += self._entries(path, below)
            elif is_temporary(entry.name):
                pass  # another run is at work on it, or was killed
            elif entry.is_file():
                if self._is_wanted(path):
                    yield Source(path, below, entry.stat().st_size)
            else:
                kind = kind_of(entry.stat(follow_symlinks=False)) or "something else"
                self._messages.warning(f"{path} is {kind}, not a regular file; skipped")

    def _entries(self, folder: Path, below: Path) -> list[tuple[os.DirEntry[str], Path]]:
        """Return what a folder holds, the last first, each with its path below the one named."""
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: os.fsencode(entry.name), reverse=True)
        except OSError as exc:
            self._messages.error(describe(exc))
            return []
        return [(entry, below / entry.name) for entry in found]

    def _is_excluded(self, path: Path) -> bool:
        """Return whether a pattern fits the name, or the path below the folder that was named."""
        texts = (path.name, str(path))
        return any(fnmatchcase(text, one) for one in self._patterns for text in texts)
