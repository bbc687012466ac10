"""Whose a folder is: what lies in a cache is believed only if nobody else can have put it there.

Compiled kernels run, and prepared models decide what a file decodes to. So a cache folder is
made for its owner alone, and one that other people own or may write to is refused. Folders of
the superuser are trusted: whoever could plant something there needs no cache for it, and so one
machine's users can share a cache that they cannot write to.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from llmzip.errors import UntrustedError

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ROOT_UID = 0


def make_private(folder: Path) -> None:
    """Make `folder`, and what is missing above it, for this user alone; check one that is there.

    Raises: UntrustedError, OSError.
    """
    missing = []
    at = folder
    while not at.exists():
        missing.append(at)
        at = at.parent
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
    require_trusted(folder)


def require_trusted(path: Path) -> None:
    """Make sure that only this user, or the superuser, can have put anything into `path`.

    A path that is not there is trusted, and everything is where files have no owners.

    Raises: UntrustedError, OSError.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    _require_trusted_status(path, status)


def _require_trusted_status(path: Path, status: os.stat_result) -> None:
    if not hasattr(os, "geteuid"):
        return
    me = os.geteuid()
    if status.st_uid not in (me, _ROOT_UID):
        raise UntrustedError(
            f"{path} belongs to user {status.st_uid}, not to you (user {me}), so nothing in it is "
            "used: remove it, or set LLMZIP_HOME to a folder of your own"
        )
    if status.st_mode & _OTHERS_MAY_WRITE:
        raise UntrustedError(
            f"{path} may be written to by others, so nothing in it is used: remove it, or run "
            f"'chmod -R go-w {path}' if you trust what is in it"
        )


def is_trusted(path: Path) -> bool:
    """Whether require_trusted raises nothing."""
    try:
        require_trusted(path)
    except (UntrustedError, OSError):
        return False
    return True


def is_trusted_file(descriptor: int, path: Path) -> bool:
    """As is_trusted, of an open file: `path` may lead elsewhere by now."""
    try:
        _require_trusted_status(path, os.fstat(descriptor))
    except (UntrustedError, OSError):
        return False
    return True
