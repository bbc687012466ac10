"""Files as the command line meets them: no byte lost on a stream, no half-written output.

Standard input and output are used through their descriptors, because Python's own objects
change with the environment: under PYTHONUNBUFFERED=1 `sys.stdout.buffer.write` may write a
part and say nothing. An output file is written beside its target under another name and put
in place only when it is complete.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
import select
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

STDIO = Path("-")
"""What a person writes for standard input or output."""

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_SIGNALS = [s for s in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, s)]

_unfinished: set[Path] = set()


class InterruptedBySignal(BaseException):
    """A signal asks the program to end; unwinds the stack so that every room cleans up."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


class ReaderGoneError(Exception):
    """Whoever read our output has closed the pipe."""


class Descriptor(io.RawIOBase):
    """A raw stream over a file descriptor that it does not close.

    A write is whole or an error, and a descriptor that another program has made
    non-blocking is waited for: neither end can be cut off unnoticed. Errors carry `name`.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self.name = name

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether a person sits at the other end."""
        return os.isatty(self._descriptor)

    def readable(self) -> bool:
        """Return True: what the descriptor really allows shows at the first read."""
        return True

    def writable(self) -> bool:
        """Return True: what the descriptor really allows shows at the first write."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read some bytes, at least one unless at the end."""
        view = memoryview(buffer).cast("B")
        with self._named():
            while True:
                try:
                    data = os.read(self._descriptor, len(view))
                except BlockingIOError:
                    select.select([self._descriptor], [], [])
                    continue
                view[: len(data)] = data
                return len(data)

    def write(self, data: ReadableBuffer) -> int:
        """Write all of `data`.

        Raises ReaderGoneError if the other end of a pipe is closed, OSError otherwise.
        """
        view = memoryview(data).cast("B")
        n_written = 0
        with self._named():
            while n_written < len(view):
                try:
                    n_written += os.write(self._descriptor, view[n_written:])
                except BlockingIOError:
                    select.select([], [self._descriptor], [])
                except BrokenPipeError as exc:
                    raise ReaderGoneError(self.name) from exc
        return n_written

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            exc.filename = self.name
            raise


def stdin_stream() -> BinaryIO:
    """Return standard input as a buffered stream. Raises OSError where it is closed."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, "is closed", "standard input")
    return cast(BinaryIO, io.BufferedReader(Descriptor(0, "standard input"), 1 << 16))


def pipe_stream(pipe: BinaryIO) -> BinaryIO:
    """Return what can be read from `pipe`, which may be closed while a thread waits for more."""
    name = str(getattr(pipe, "name", "pipe"))
    return cast(BinaryIO, io.BufferedReader(Descriptor(pipe.fileno(), name), 1 << 16))


def stdout_stream() -> BinaryIO:
    """Return standard output as a stream whose writes are whole. Raises OSError where closed."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "is closed", "standard output")
    return cast(BinaryIO, Descriptor(1, "standard output"))


def is_special(target: Path) -> bool:
    """Return whether `target` is there and is a device, pipe or socket: nothing to replace."""
    try:
        mode = target.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


@contextmanager
def special_file(target: Path) -> Iterator[BinaryIO]:
    """Write straight into a device or named pipe."""
    descriptor = os.open(target, os.O_WRONLY)
    try:
        yield cast(BinaryIO, Descriptor(descriptor, str(target)))
    finally:
        os.close(descriptor)


@contextmanager
def whole_file(
    target: Path, *, replace: bool = False, like: os.stat_result | None = None
) -> Iterator[BinaryIO]:
    """Open `target` for writing so that it appears complete at the end of the block, or not at all.

    like: status of the file whose mode and times the target takes.
    Raises FileExistsError if `target` is there and `replace` is not set.
    """
    temporary = target.with_name(f".llmzip-{secrets.token_hex(8)}.tmp")
    _unfinished.add(temporary)
    try:
        descriptor = _create(temporary, target)
        try:
            yield cast(BinaryIO, Descriptor(descriptor, str(target)))
            _take_status(descriptor, like)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _put_in_place(temporary, target, replace)
        _sync_folder(target.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()
        _unfinished.discard(temporary)


def _create(temporary: Path, target: Path) -> int:
    """Create the file, readable by its owner only; an error names the target."""
    try:
        return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as exc:
        exc.filename = str(target)
        raise


def _take_status(descriptor: int, like: os.stat_result | None) -> None:
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


def _put_in_place(temporary: Path, target: Path, replace: bool) -> None:
    """Give the finished file its name; without `replace` never over another file."""
    if not replace:
        try:
            target.hardlink_to(temporary)
        except OSError as exc:
            if exc.errno == errno.EEXIST:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from exc
            if exc.errno not in _NO_LINKS:
                raise
        else:
            return
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # claims the name
    temporary.replace(target)


def _sync_folder(folder: Path) -> None:
    """Ask the disk to keep the new name too, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def clean_up_on_signals() -> None:
    """Make INT, TERM and HUP remove unfinished outputs and unwind as InterruptedBySignal.

    A signal that the parent has asked to ignore (nohup, a shell's background job) stays ignored.
    """
    for name in _SIGNALS:
        number = getattr(signal, name)
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)


def _on_signal(signum: int, _frame: FrameType | None) -> None:
    """Remove at once, for what follows may be cut short; a second signal ends the program."""
    for path in list(_unfinished):
        with suppress(OSError):
            path.unlink()
    for name in _SIGNALS:
        if signal.getsignal(getattr(signal, name)) is _on_signal:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    raise InterruptedBySignal(signum)


def die_by(signum: int) -> None:
    """End this process by the signal, so that its parent sees the true reason."""
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)
