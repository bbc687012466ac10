"""Files that are not finished: without a name where the system has such, else swept up later.

On Linux most file systems can hold a file that has no name until it is linked to one, and that
is gone when whoever writes it is killed. Elsewhere, and for the moment in which a finished file
replaces another, there is a name of a pattern of our own. Its file is locked while somebody
works on it, so the next run knows what nobody will ever finish, and removes it.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

_PATTERN = re.compile(r"\.llmzip-[0-9a-f]{16}\.tmp", re.ASCII)
_NO_UNNAMED = {errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EISDIR, errno.ENOENT}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_DESCRIPTORS = Path("/proc/self/fd")
_swept: set[Path] = set()

unfinished: set[Path] = set()
"""The named temporary files of this process, to be removed if it is asked to end."""


class Temporary:
    """An unfinished file in the folder of `target`, readable by its owner only.

    descriptor: reads and writes it. put_in_place() gives it the target's name.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._name: Path | None = None
        with naming(target):
            unnamed = _open_unnamed(target.parent)
            if unnamed is None:
                self.descriptor, self._name = _open_named(target.parent)
            else:
                self.descriptor = unnamed

    def put_in_place(self, replace: bool) -> None:
        """Give the finished file its name; without `replace` never over another file.

        Raises FileExistsError, OSError.
        """
        with naming(self._target):
            if self._name is not None:
                give_name(self._name, self._target, replace)
            elif replace:
                self._name = _fresh_name(self._target.parent)
                _link_unnamed(self.descriptor, self._name)
                self._name.replace(self._target)
            else:
                _link_unnamed(self.descriptor, self._target)
        sync_folder(self._target.parent)

    def close(self) -> None:
        """Be done with it: what has not been put in place is gone."""
        if self._name is not None:
            with suppress(OSError):
                self._name.unlink()
            unfinished.discard(self._name)
        os.close(self.descriptor)


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """Make errors of the operating system speak of `target`, the only name that people know."""
    try:
        yield
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, str(target)) from exc


def is_temporary(name: str) -> bool:
    """Return whether a file of that name is one of ours that is not finished."""
    return _PATTERN.fullmatch(name) is not None


def sweep(folder: Path) -> None:
    """Remove what runs that were killed have left in `folder`; looks once for each folder.

    Only files of our own pattern, that belong to this user, and that nobody has locked.
    """
    if fcntl is None or folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if is_temporary(entry.name):
                with suppress(OSError):
                    _remove_if_abandoned(Path(entry.path))


def lock(descriptor: int) -> bool:
    """Lock a file for as long as it is open; return False if somebody else has done so.

    Where the file system has no locks nothing is locked, nor ever swept.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def is_still(path: Path, descriptor: int) -> bool:
    """Return whether `path` names the file that is open as `descriptor`."""
    with suppress(OSError):
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    return False


def sync_folder(folder: Path) -> None:
    """Ask the disk to keep a new name too, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _open_unnamed(folder: Path) -> int | None:
    """Open a file without a name in `folder`; None where it could not get one later."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None:
        return None
    try:
        descriptor = os.open(folder, flag | os.O_RDWR, 0o600)
    except OSError as exc:
        if exc.errno in _NO_UNNAMED and folder.is_dir():
            return None
        raise
    if not _is_linkable(descriptor):
        os.close(descriptor)
        return None
    lock(descriptor)  # before it has a name, for while it has one of our pattern
    return descriptor


def _is_linkable(descriptor: int) -> bool:
    """Return whether the system shows open files by number, whence they can be linked."""
    with suppress(OSError):
        return os.path.samestat((_DESCRIPTORS / str(descriptor)).stat(), os.fstat(descriptor))
    return False


def _link_unnamed(descriptor: int, name: Path) -> None:
    # Only with a folder's descriptor, whose use an absolute path makes none of, does Python
    # call the function that follows the link which stands for the open file.
    os.link(_DESCRIPTORS / str(descriptor), name, src_dir_fd=descriptor, follow_symlinks=True)


def _open_named(folder: Path) -> tuple[int, Path]:
    """Create and lock a file of our pattern in `folder`."""
    while True:
        path = _fresh_name(folder)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        if lock(descriptor) and is_still(path, descriptor):
            return descriptor, path
        os.close(descriptor)  # a sweeping run came in between, and takes it away


def _fresh_name(folder: Path) -> Path:
    """Return a name of our pattern that is removed if a signal ends the process."""
    path = folder / f".llmzip-{secrets.token_hex(8)}.tmp"
    unfinished.add(path)
    return path


def give_name(name: Path, target: Path, replace: bool) -> None:
    """Let the file `name` be called `target` too, or instead; over another only with `replace`."""
    if not replace:
        try:
            target.hardlink_to(name)
        except OSError as exc:
            if exc.errno not in _NO_LINKS:
                raise
        else:
            return
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # claims the name
    name.replace(target)


def _remove_if_abandoned(path: Path) -> None:
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        return
    descriptor = _open_to_lock(path)
    try:
        if _is_abandoned(descriptor) and is_still(path, descriptor):
            path.unlink()
    finally:
        os.close(descriptor)


def _open_to_lock(path: Path) -> int:
    flags = os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(path, os.O_RDWR | flags)  # over a network a lock needs both
    except PermissionError:
        return os.open(path, os.O_RDONLY | flags)  # it had its final mode already


def _is_abandoned(descriptor: int) -> bool:
    """Return whether we can lock what whoever works on it would have locked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def take_status(descriptor: int, like: os.stat_result | None) -> None:
    """Give the file the mode, times and if allowed the owner of `like`; else the usual mode."""
    if like is None:
        umask = os.umask(0)
        os.umask(umask)
        os.fchmod(descriptor, 0o666 & ~umask)
        return
    mode = stat.S_IMODE(like.st_mode) & 0o777
    try:
        os.fchown(descriptor, like.st_uid, like.st_gid)
    except OSError:  # another group now: it may do no more than anybody
        mode &= 0o707 | (mode & 0o007) << 3
    os.fchmod(descriptor, mode)
    os.utime(descriptor, ns=(like.st_atime_ns, like.st_mtime_ns))
