"""What becomes of a .llmz file that is cut off, damaged, or followed by other data.

Data after its end is left out, with a warning. To standard output goes what stands before the
damage; a named file appears only when it is whole.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, BinaryIO, cast

from llmzip import descriptors
from llmzip.cli.messages import AheadProgress, Messages, Progress
from llmzip.cli.work import Work, WorkAhead
from llmzip.decompressor import Decompressor
from llmzip.errors import (
    FormatError,
    NotLlmzError,
    TrailingError,
    TruncatedError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from llmzip.codec import OnTrailing, Recovery, Stats
    from llmzip.codec.decode import Known

_HINT = "--recover brings back what is whole"

Decompress = Callable[[BinaryIO, BinaryIO, Progress, "OnTrailing"], "Stats"]


def expected_bytes(decompressor: Decompressor, source: BinaryIO, to_stdout: bool) -> int | None:
    """Check a file that can seek; return what it decodes to, None if that is not known.

    Raises FormatError, but not for what follows the end, which is told when the text is out, nor
    for a file that is cut off where standard output takes what there is; LimitError.
    """
    start = source.tell() if source.seekable() else 0
    try:
        return decompressor.decoded_size(source, allow_trailing=True)
    except FormatError as exc:
        if not (isinstance(exc, TruncatedError) and to_stdout):
            raise _with_hint(exc, _HINT) from exc
    source.seek(start)
    return None


def delivering(decompress: Decompress, messages: Messages) -> Work:
    """Return what decompresses from one stream to another and says what is odd about the first."""

    def work(reading: BinaryIO, writing: BinaryIO, progress: Progress) -> Stats:
        def tell(error: TrailingError) -> None:
            text = f"{getattr(reading, 'name', 'the input')}: {error}"
            messages.info(text) if error.is_padding else messages.warning(text)

        is_kept = writing.fileno() == descriptors.data_output()
        counted = _Counted(writing)
        try:
            sink = cast(BinaryIO, counted) if is_kept else writing
            return decompress(reading, sink, progress, tell)
        except FormatError as exc:
            hint = _HINT
            if is_kept:
                hint = f"{counted.n_bytes:,} bytes before that are delivered; {_HINT}"
            raise _with_hint(exc, hint) from exc

    return work


def delivering_ahead(decompressor: Decompressor, messages: Messages) -> WorkAhead:
    """Return what lets the model do its part for many small files, and then does as delivering."""

    def work_ahead(files: Sequence[bytes], progress: AheadProgress) -> list[Work | None]:
        known = decompressor.decode_ahead(files, progress)
        return [
            None if own is None else delivering(_decompressing(decompressor, file, own), messages)
            for file, own in zip(files, known, strict=True)
        ]

    return work_ahead


def _decompressing(decompressor: Decompressor, file: bytes, known: Known) -> Decompress:
    """Return what decompresses `file`, and not whatever is read from a stream by then."""

    def decompress(
        _reading: BinaryIO, sink: BinaryIO, progress: Progress, on_trailing: OnTrailing
    ) -> Stats:
        return decompressor.decompress(io.BytesIO(file), sink, progress, on_trailing, known=known)

    return decompress


def recovering(decompressor: Decompressor, messages: Messages) -> Work:
    """Return what brings back all that is undamaged, and says what is lost."""

    def work(reading: BinaryIO, writing: BinaryIO, progress: Progress) -> Stats:
        from llmzip.codec import Stats

        begin_s = time.monotonic()
        recovery = decompressor.recover(reading, writing, progress)
        _tell_lost(recovery, getattr(reading, "name", "the input"), messages)
        seconds = time.monotonic() - begin_s
        return Stats(recovery.n_bytes, recovery.n_file_bytes, seconds=seconds)

    return work


def _tell_lost(recovery: Recovery, name: str, messages: Messages) -> None:
    for lost in recovery.lost:
        messages.error(f"{name}: {lost}")
    if recovery.lost:
        n_places = "1 place" if len(recovery.lost) == 1 else f"{len(recovery.lost):,} places"
        messages.error(
            f"{name}: {recovery.n_bytes:,} bytes recovered; what is lost is marked in {n_places}"
        )
    elif recovery.is_whole:
        messages.info(f"{name}: nothing is lost")
    if not recovery.is_consistent:
        messages.error(
            f"{name}: every piece recovered is right, but all of them are not what the file's "
            "checksum says: some stand in the wrong place, or twice"
        )
    if recovery.trailing is not None:
        messages.warning(f"{name}: no part of a file is found from byte {recovery.trailing:,} on")


class _Counted(io.RawIOBase):
    """Hands on what is written, and counts it."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self.n_bytes = 0

    def write(self, data: ReadableBuffer) -> int:
        """Write as much of `data` as the sink takes."""
        n_taken = self._sink.write(data)
        self.n_bytes += n_taken
        return n_taken


def _with_hint(error: FormatError, hint: str) -> FormatError:
    """Return `error` with what to do about it, where anything can be done."""
    if isinstance(error, NotLlmzError | UnsupportedError):
        return error
    return type(error)(f"{error}; {hint}")
