"""Outputs that a later run can go on with: kept under a name of their own until complete."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from llmzip.cli.files import RegularFile
from llmzip.errors import UsageError, VerifyError
from llmzip.temporaries import (
    give_name,
    is_still,
    lock,
    naming,
    sync_folder,
    take_status,
)


def partial_of(target: Path) -> Path:
    """Return where what there is of `target` so far is kept: a hidden file beside it."""
    return target.with_name(f".{target.name}.partial")


def drop_finished(target: Path) -> None:
    """Remove the second name of a `target` that a run was killed right after completing."""
    partial = partial_of(target)
    with suppress(OSError):
        if os.path.samestat(partial.lstat(), target.lstat()):
            partial.unlink()


@contextmanager
def partial_file(
    target: Path, *, replace: bool = False, like: os.stat_result | None = None
) -> Iterator[BinaryIO]:
    """Open what an earlier run has left of `target`, or begin it; complete, it gets its name.

    Where the block ends early, what has been written stays for the next run; but not what
    VerifyError says is wrong. Nobody else can open it meanwhile.
    Raises UsageError where it cannot be had, FileExistsError as whole_file does.
    """
    partial = partial_of(target)
    with naming(target):
        target.parent.stat()
        descriptor = _open_locked(partial)
    try:
        yield cast(BinaryIO, RegularFile(descriptor, str(target)))
        with naming(target):
            take_status(descriptor, like)
            os.fsync(descriptor)
            give_name(partial, target, replace)
            sync_folder(target.parent)
    except VerifyError:
        partial.unlink(missing_ok=True)
        raise
    finally:
        if os.fstat(descriptor).st_size == 0 and is_still(partial, descriptor):
            # nothing to go on with
            partial.unlink(missing_ok=True)
        drop_finished(target)
        os.close(descriptor)


def _open_locked(path: Path) -> int:
    """Open or create the file, nobody else's, and lock it."""
    while True:
        descriptor = _open_own(path)
        if not lock(descriptor):
            os.close(descriptor)
            raise UsageError(f"{path} is in use: another llmzip is at work on this output")
        if is_still(path, descriptor):
            return descriptor
        os.close(descriptor)  # who had it has completed it in between


def _open_own(path: Path) -> int:
    """Open or create a file of this user's with no other name. Raises UsageError."""
    with suppress(FileNotFoundError):
        status = path.lstat()
        ours = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or not ours:
            raise UsageError(f"{path} is not what an earlier run has left; remove it")
        if not status.st_mode & stat.S_IWUSR:  # it had its final mode already
            path.chmod(0o600)
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, 0o600)
