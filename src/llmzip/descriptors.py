"""The process's descriptors 0, 1 and 2: never free for a file, never for what is not theirs.

A descriptor that the parent has closed is the next one that a file gets, and whatever a library
then prints goes into that file. Python prints to standard output what it should print to a
standard error that is not there. So closed descriptors are opened onto nothing, and remembered:
to read from a closed standard input, or to write data to a closed standard output, is an error
still.
"""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

NAMES = ("standard input", "standard output", "standard error")

_closed: set[int] = set()
_data_output: int | None = None


def open_closed() -> None:
    """Open whichever of 0, 1 and 2 is closed onto the null device; call it before all else."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            _closed.add(descriptor)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - pathlib takes 10 ms to import
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(_Closed()), "utf-8")


def require_open(descriptor: int) -> None:
    """Raise OSError if standard input (0) or output (1) was closed when the process began."""
    stream = (sys.stdin, sys.stdout)[descriptor]
    if descriptor in _closed or stream is None:
        raise OSError(errno.EBADF, "is closed", NAMES[descriptor])


def data_output() -> int:
    """Return the descriptor of standard output for data, whoever has claimed it."""
    return 1 if _data_output is None else _data_output


@contextmanager
def claimed_output() -> Iterator[int]:
    """Yield a descriptor of standard output that nobody else has.

    What libraries print meanwhile, some of them to descriptor 1 itself, goes to standard error.
    Raises OSError where standard output is closed.
    """
    global _data_output
    require_open(1)
    _data_output = os.dup(1)
    os.dup2(2, 1)
    try:
        yield _data_output
    finally:
        os.dup2(_data_output, 1)
        os.close(_data_output)
        _data_output = None


class _Closed(io.RawIOBase):
    """A standard output that says so when something is printed to it."""

    def writable(self) -> bool:
        """Return True: it is to be tried."""
        return True

    def write(self, _data: object) -> int:
        """Raise OSError."""
        raise OSError(errno.EBADF, "is closed", NAMES[1])
