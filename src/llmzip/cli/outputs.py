"""The files that are written: what may be, and that they appear complete or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from llmzip import descriptors
from llmzip.cli.files import STDIO, Descriptor, RegularFile, stdout_stream
from llmzip.cli.partials import drop_finished, partial_file
from llmzip.cli.special import kind_of, own_descriptor, special_kind
from llmzip.errors import UsageError
from llmzip.temporaries import Temporary, naming, sweep, take_status

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Output:
    """Where one file goes.

    path: STDIO for standard output. is_explicit: a person has named it, with -o.
    replace: over what is there. resume: go on with what an earlier run has left.
    hold_back: no byte of it reaches a stream before all of it is written and looked at.
    makes_folder: the folder that it goes into is made where it is not there.
    """

    path: Path
    is_explicit: bool = False
    replace: bool = False
    resume: bool = False
    hold_back: bool = False
    makes_folder: bool = False

    @property
    def special(self) -> str | None:
        """What it is, in words, if it is written straight into and keeps nothing."""
        if self.path == STDIO:
            return descriptors.NAMES[1]
        return special_kind(self.path) if self.is_explicit else None

    def check(self, source: os.stat_result) -> None:
        """Refuse early, before a model is loaded, what could not be written in the end.

        source: of the input. Raises UsageError, and OSError where the path cannot be.
        """
        if self.path == STDIO:
            descriptors.require_open(1)
            output = os.fstat(descriptors.data_output())
            if stat.S_ISREG(source.st_mode) and os.path.samestat(source, output):
                raise UsageError("standard output is the input file itself; write elsewhere")
        elif self.special is None:
            self._check_file(source)

    def _check_file(self, source: os.stat_result) -> None:
        sweep(self.path.parent)  # and not later: what is refused leaves nothing behind either
        drop_finished(self.path)
        try:
            status = self.path.lstat()
        except FileNotFoundError:
            return
        if self.path.is_dir():
            raise UsageError(f"{self.path} is a folder; name a file")
        if kind := kind_of(status):
            raise UsageError(f"{self.path} is {kind}; to write into it, name it with -o")
        if self.path.exists() and os.path.samestat(source, self.path.stat()):
            raise UsageError(f"{self.path} is both input and output; name another output")
        if not self.replace:
            raise UsageError(f"{self.path} exists; use -f to replace it, or -o FILE")

    @contextmanager
    def opened(self, like: os.stat_result | None) -> Iterator[BinaryIO]:
        """Open it for writing; a file, or what is held back, can be read again too.

        like: status of the file whose mode and times a file takes.
        """
        if self.special is not None:
            with self._stream() as stream, _held_back(stream, self.hold_back) as writing:
                yield writing
            return
        make = partial_file if self.resume else whole_file
        with ExitStack() as stack:
            if self.makes_folder:
                stack.enter_context(_made(self.path.parent))
            yield stack.enter_context(make(self.path, replace=self.replace, like=like))

    @contextmanager
    def _stream(self) -> Iterator[BinaryIO]:
        number = None if self.path == STDIO else own_descriptor(self.path)
        if self.path == STDIO:
            with stdout_stream() as stream:
                yield stream
        elif number is not None:
            yield cast(BinaryIO, Descriptor(number, str(self.path)))
        else:
            descriptor = os.open(self.path, os.O_WRONLY)
            try:
                yield cast(BinaryIO, Descriptor(descriptor, str(self.path)))
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
    temporary = Temporary(target)
    try:
        yield cast(BinaryIO, RegularFile(temporary.descriptor, str(target)))
        with naming(target):
            take_status(temporary.descriptor, like)
            os.fsync(temporary.descriptor)
        temporary.put_in_place(replace)
    finally:
        temporary.close()


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make `folder`, and those that it lies in, where they are not there yet.

    If the block fails those that were made go again, as far as they are empty.
    """
    missing = [one for one in (folder, *folder.parents) if not one.is_dir()]
    try:
        for one in reversed(missing):
            one.mkdir(exist_ok=True)
        yield
    except BaseException:
        for one in missing:
            with suppress(OSError):
                one.rmdir()
        raise


@contextmanager
def _held_back(stream: BinaryIO, hold_back: bool) -> Iterator[BinaryIO]:
    """Yield a file whose contents go into `stream` if the block ends well; else `stream`."""
    if not hold_back:
        yield stream
        return
    with tempfile.TemporaryFile(buffering=0) as file:
        held = RegularFile(file.fileno(), f"temporary file in {tempfile.gettempdir()}")
        yield cast(BinaryIO, held)
        held.seek(0)
        while piece := held.read(_PIECE_BYTES):
            stream.write(piece)
