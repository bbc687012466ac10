"""Names that stand for no file: pipes, devices, sockets, and the descriptors of this process."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from llmzip import descriptors

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_OWN = re.compile(r"/(?:dev|proc/(?:self|thread-self|(?P<process>\d+)))/fd/(?P<number>\d+)", re.A)


def own_descriptor(path: Path) -> int | None:
    """Return which descriptor of this process `path` names, as /dev/stdout does; None if none.

    What lies behind it may be a regular file, but one that is opened anew, or replaced, under
    this name is not what whoever wrote the name has in mind.
    """
    text = os.path.abspath(path)  # noqa: PTH100 - the name is meant, not where links lead
    if text in _STANDARD:
        return _STANDARD[text]
    found = _OWN.fullmatch(text)
    if found is None or found["process"] not in (None, str(os.getpid())):
        return None
    return int(found["number"])


def special_kind(path: Path) -> str | None:
    """Return what `path` is, links followed, if it is neither a regular file nor a folder.

    None where nothing is there.
    """
    descriptor = own_descriptor(path)
    if descriptor is not None:
        return descriptors.NAMES[descriptor] if descriptor < 3 else "an open descriptor"
    try:
        return kind_of(path.stat())
    except OSError:
        return None


def kind_of(status: os.stat_result) -> str | None:
    """Return what has this status, unless that is a regular file, a folder or a link."""
    return next((kind for is_kind, kind in _KINDS if is_kind(status.st_mode)), None)
