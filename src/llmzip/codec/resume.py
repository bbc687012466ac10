"""Goes on with an output that an earlier run has begun: what is whole and right, is kept.

The unit is the group, which needs nothing outside itself. What is kept has been compared, chunk
by chunk, with what it must be, and what follows is the same as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from llmzip.codec.decode import Done, OnTrailing, decode_stream, refuse_trailing
from llmzip.codec.encode import encode_stream
from llmzip.codec.extent import MAX_EASY_BYTES, period_of
from llmzip.codec.groups import FindCopies, no_copies
from llmzip.codec.levels import Level
from llmzip.codec.model import OpenToDecode, OpenToEncode, Progress, unseen
from llmzip.codec.stats import Stats
from llmzip.codec.streams import read_full
from llmzip.container import (
    Group,
    GroupEntry,
    Reader,
    Record,
    Reference,
    Wave,
    chunk_checksum,
)
from llmzip.container.resume import FoundGroup, Remains, Written
from llmzip.errors import ResumeError, TrailingError


def resume_encoding(
    source: BinaryIO,
    unfinished: BinaryIO,
    open_model: OpenToEncode,
    level: Level,
    progress: Progress = unseen,
    find_copies: FindCopies = no_copies,
    reference: Reference | None = None,
) -> Stats:
    """Complete the file on `unfinished`, which an encode_stream of all of `source` has begun.

    `unfinished` is read, written and cut off, from its start; empty, it is begun. The result is
    what encode_stream writes at once. The statistics of the model are those of the new groups.

    Raises ResumeError if what is there is no beginning of it, and then leaves it as it is;
    otherwise as encode_stream does.
    """
    written = _written(source, unfinished, level, find_copies, reference)
    if written.model is not None and open_model().ref != written.model:
        raise _misfit(f"was made with another model ({written.model.shown})")
    unfinished.seek(written.n_written)
    unfinished.truncate()
    return encode_stream(
        source, unfinished, open_model, level, progress, written, find_copies, reference
    )


def resume_decoding(
    source: BinaryIO,
    unfinished: BinaryIO,
    open_model: OpenToDecode,
    n_lanes: int | None = None,
    progress: Progress = unseen,
    on_trailing: OnTrailing = refuse_trailing,
    *,
    max_output: int | None = None,
    memlimit: int | None = None,
    reference: BinaryIO | None = None,
) -> Stats:
    """Complete on `unfinished` what a decode_stream of all of `source` has begun there.

    Both can seek. Raises ResumeError as resume_encoding does; otherwise as decode_stream does.
    """
    start = source.tell()
    n_whole = _n_decoded(source, unfinished)
    source.seek(start)
    unfinished.seek(n_whole)
    unfinished.truncate()
    unfinished.seek(0)
    return decode_stream(
        source,
        unfinished,
        open_model,
        n_lanes,
        progress,
        on_trailing,
        max_output=max_output,
        memlimit=memlimit,
        done=Done(unfinished, n_whole),
        reference=reference,
    )


def _written(
    source: BinaryIO,
    unfinished: BinaryIO,
    level: Level,
    find_copies: FindCopies,
    reference: Reference | None,
) -> Written:
    """Return the groups that can stay, having read what they hold from `source`.

    `find_copies` is given them, for what comes may copy from them.
    """
    remains = Remains(unfinished)
    if remains.is_other_data(level.options):
        raise _misfit("is no .llmz file, or one made with other options")
    written = Written(level.options)
    for group in remains:
        if not group.n_bytes or group.n_bytes % level.group_bytes:
            if group.n_bytes > MAX_EASY_BYTES:
                raise _misfit("was made with another level")
            break  # the last one, and whether all of it is there only the input could tell
        data = b"".join(_compared(group, source))
        if len(data) > level.group_bytes and not period_of(data):
            raise _misfit("was made with another level")
        find_copies(data)
        written.checksum.update(data)
        written.groups.append(GroupEntry(group.start, group.n_bytes))
        written.n_written = group.stop
    if written.n_written and remains.reference != reference:
        raise _misfit("was made from another file, or from none")
    if 0 < remains.model_offset < written.n_written:
        written.model, written.model_offset = remains.model, remains.model_offset
    return written


def _compared(group: FoundGroup, source: BinaryIO) -> Iterator[bytes]:
    for n_bytes, checksum in group.sizes:
        data = read_full(source, n_bytes)
        if len(data) < n_bytes or chunk_checksum(data) != checksum:
            raise _misfit("was made from another input")
        yield data


def _n_decoded(source: BinaryIO, unfinished: BinaryIO) -> int:
    """Return how many bytes on `unfinished` are whole groups of what `source` decodes to."""
    unfinished.seek(0)
    n_whole = 0
    for group in _groups(source):
        for n_bytes, checksum in group.sizes:
            data = read_full(unfinished, n_bytes)
            if len(data) < n_bytes:
                return n_whole
            if chunk_checksum(data) != checksum:
                raise _misfit("is no beginning of what this file decodes to")
        n_whole += group.n_bytes
    if unfinished.read(1):
        raise _misfit("is longer than what this file decodes to")
    return n_whole


def _groups(source: BinaryIO) -> Iterator[FoundGroup]:
    """Yield the groups of all members of `source`."""
    group: FoundGroup | None = None
    for record in _records(source):
        if isinstance(record, Wave):
            assert group is not None
            group.add(record.chunks, 0)
            continue
        if group is not None:
            yield group
        group = FoundGroup(0, 0) if isinstance(record, Group) else None


def _records(source: BinaryIO) -> Iterator[Record]:
    """Yield the records of `source`; what follows them is told by whoever reads them next."""
    with suppress(TrailingError):
        yield from Reader(source)


def _misfit(what: str) -> ResumeError:
    return ResumeError(
        f"what an earlier run has left {what}: remove it, or do this one without --resume"
    )
