"""SHA-256 of files, remembered: a model of some hundred megabytes is read once, not at every start.

What is remembered of a file, or was found in it otherwise, counts while it is the same one, of the
same size, and was not touched since, as the system's own time of that says. A file that changed
within the last seconds is not remembered, for its next change might not show in the times.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from llmzip.models import home

_BLOCK_N_BYTES = 1 << 20
_SETTLED_NS = 2_000_000_000  # coarser than any file system's clock in use


def file_sha256(path: Path, *, anew: bool = False) -> str:
    """Return the SHA-256 of a file's contents in hex, from memory where it is known.

    anew: read it all the same, and remember that.

    Raises: OSError; UntrustedError if others can have written what is remembered.
    """
    return str(remembered(path, "sha256", read_sha256, anew=anew))


def remembered(
    path: Path, what: str, read: Callable[[Path], str | bool], *, anew: bool = False
) -> str | bool:
    """Return what `read` finds in a file's contents, from memory where it is known.

    what: its name, of which there is one for each way to read it. anew: as above.

    Raises: as `file_sha256`, and what `read` raises.
    """
    status = path.stat()
    note = _note_path(path)
    known = _known(note, status)
    if what in known and not anew:
        return known[what]
    found = read(path)
    if time.time_ns() - status.st_mtime_ns > _SETTLED_NS:
        _remember(note, status, {**({} if anew else known), what: found})
    return found


def read_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's contents in hex, by reading all of it.

    Raises: OSError.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_N_BYTES):
            digest.update(block)
    return digest.hexdigest()


def files_sha256(paths: Iterable[Path]) -> str:
    """Return one SHA-256 in hex over the names and contents of several files of a folder.

    Raises: OSError.
    """
    lines = sorted(f"{file_sha256(path)}  {path.name}\n" for path in paths)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _state(status: os.stat_result) -> list[int]:
    """What no change leaves as it was: even who sets the time back cannot set that of doing so."""
    return [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]


def _note_path(path: Path) -> Path:
    key = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
    return home.home_folder() / "digests" / f"{key}.json"


def _known(note: Path, status: os.stat_result) -> dict[str, str | bool]:
    """What is remembered of a file in this state."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = dict(json.loads(home.trusted(note).read_text(encoding="utf-8")))
        if known.pop("state") == _state(status):
            return {name: value for name, value in known.items() if isinstance(value, str | bool)}
    return {}


def _remember(note: Path, status: os.stat_result, known: dict[str, str | bool]) -> None:
    with contextlib.suppress(OSError):  # a cache that cannot be written is only slower
        home.write_text(note, json.dumps({"state": _state(status), **known}))
