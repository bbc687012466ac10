"""Goes on with an output that an earlier run has begun: what is whole and right, is kept.

The unit is the group, which needs nothing outside itself. What is kept has been compared, chunk
by chunk, with what it must be, and what follows is the same as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from llmzip.codec.decode import Done, decode_stream
from llmzip.codec.encode import encode_stream
from llmzip.codec.levels import Level
from llmzip.codec.model import OpenToDecode, OpenToEncode, Progress, unseen
from llmzip.codec.stats import Stats
from llmzip.codec.streams import read_full
from llmzip.container import GroupEntry, Reader, Wave, chunk_checksum
from llmzip.container.resume import FoundGroup, Remains, Written
from llmzip.errors import ResumeError


def resume_encoding(
    source: BinaryIO,
    unfinished: BinaryIO,
    open_model: OpenToEncode,
    level: Level,
    progress: Progress = unseen,
) -> Stats:
    """Complete the file on `unfinished`, which an encode_stream of all of `source` has begun.

    `unfinished` is read, written and cut off, from its start; empty, it is begun. The result is
    what encode_stream writes at once. The statistics of the model are those of the new groups.

    Raises ResumeError if what is there is no beginning of it, and then leaves it as it is;
    otherwise as encode_stream does.
    """
    written = _written(source, unfinished, level)
    if written.model is not None and open_model().ref != written.model:
        raise _misfit(f"was made with another model ({written.model.name})")
    unfinished.seek(written.n_written)
    unfinished.truncate()
    return encode_stream(source, unfinished, open_model, level, progress, written)


def resume_decoding(
    source: BinaryIO,
    unfinished: BinaryIO,
    open_model: OpenToDecode,
    n_lanes: int | None = None,
    progress: Progress = unseen,
    *,
    max_output: int | None = None,
    memlimit: int | None = None,
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
        max_output=max_output,
        memlimit=memlimit,
        done=Done(unfinished, n_whole),
    )


def _written(source: BinaryIO, unfinished: BinaryIO, level: Level) -> Written:
    """Return the groups that can stay, having read what they hold from `source`."""
    remains = Remains(unfinished)
    if remains.is_other_data(level.options):
        raise _misfit("is no .llmz file, or one made with other options")
    written = Written(level.options)
    for group in remains:
        if group.n_bytes > level.group_bytes:
            raise _misfit("was made with another level")
        if group.n_bytes < level.group_bytes:
            break  # the last one, and whether all of it is there only the input could tell
        for data in _compared(group, source):
            written.checksum.update(data)
        written.groups.append(GroupEntry(group.start, group.n_bytes))
        written.n_written = group.stop
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
    n_bytes = n_whole = 0
    for record in Reader(source):
        if not isinstance(record, Wave):
            n_whole = n_bytes
            continue
        for chunk in record.chunks:
            data = read_full(unfinished, chunk.n_bytes)
            if len(data) < chunk.n_bytes:
                return n_whole
            if chunk_checksum(data) != chunk.checksum:
                raise _misfit("is no beginning of what this file decodes to")
            n_bytes += chunk.n_bytes
    if unfinished.read(1):
        raise _misfit("is longer than what this file decodes to")
    return n_whole


def _misfit(what: str) -> ResumeError:
    return ResumeError(
        f"what an earlier run has left {what}: remove it, or do this one without --resume"
    )
