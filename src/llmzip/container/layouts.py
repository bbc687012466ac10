"""Which groups of a member have a layout, and what that is, without reading the rest of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from llmzip.container import bodies
from llmzip.container.claims import check_output
from llmzip.container.index import Index, read_group, read_lone_index
from llmzip.container.kinds import Kind
from llmzip.container.records import Chunk, Wave
from llmzip.container.wire import CRC_BYTES, Body, Source, take_frame
from llmzip.errors import CorruptError, LimitError

_HEAD_BYTES = 24  # of a wave: tag, length, number of chunks, the kind of the first


def may_copy_ahead(source: BinaryIO) -> bool:
    """Return whether groups of the file that `source` stands before may copy from earlier ones.

    Where it cannot be looked at, or is several members, the answer is yes.
    """
    seekable: Callable[[], bool] | None = getattr(source, "seekable", None)
    if seekable is None or not seekable() or source.tell() != 0:
        return True
    index = read_lone_index(source)
    found = index is None or may_copy(source, index)
    source.seek(0)
    return found


def may_copy(source: BinaryIO, index: Index) -> bool:
    """Return whether a group of the member may copy from what stands before it.

    It takes a look at the first bytes of each. Where they are damaged the answer is yes.
    """
    if index.reference is not None:
        return True
    return _has_layouts(source, index, 1)


def check_size(source: BinaryIO, n_bytes: int, n_file_bytes: int, max_output: int | None) -> None:
    """Do what check_output does, for a file of which only the size of its text is known.

    What layouts may supply is looked for where it matters.
    """
    try:
        check_output(n_bytes, n_file_bytes, max_output, 0)
    except LimitError:
        index = read_lone_index(source)
        if max_output is not None or not (index is None or _has_layouts(source, index)):
            raise
        check_output(n_bytes, n_file_bytes, max_output)


def layout_of_group(source: BinaryIO, index: Index, number: int) -> Chunk | None:
    """Return the layout of a group, if it has one; its payload is not verified.

    Raises as Reader does.
    """
    entry = index.groups[number]
    if entry.offset == 0:
        waves = (one for one in read_group(source, index, number) if isinstance(one, Wave))
        return next(waves).layout
    source.seek(index.start + entry.offset)
    at = Source(source, index.start + entry.offset)
    tag, body = take_frame(at)
    while tag in (bodies.TAG_GROUP, bodies.TAG_MODEL):
        tag, body = take_frame(at)
    if tag != bodies.TAG_WAVE:
        return None
    head = bodies.unpack_wave(body)[0]
    return head.with_payload(at.take(head.n_payload)) if head.kind is Kind.LAYOUT else None


def _has_layouts(source: BinaryIO, index: Index, first: int = 0) -> bool:
    """Whether any group from number `first` on has one."""
    for number, group in enumerate(index.groups):
        if number >= first and _begins_with_layout(source, index.start + group.offset):
            return True
    return False


def _begins_with_layout(source: BinaryIO, at: int) -> bool:
    """Whether the first wave of the group at `at` in the file does, or is not what it should be."""
    try:
        for tag in (bodies.TAG_GROUP, bodies.TAG_MODEL):
            source.seek(at)
            head = Body(source.read(_HEAD_BYTES), at)
            found, n_bytes = head.byte(), head.varint()
            if found == tag:
                at = head.offset + n_bytes + CRC_BYTES
        source.seek(at)
        head = Body(source.read(_HEAD_BYTES), at)
        if head.byte() != bodies.TAG_WAVE:
            return True
        head.varint(), head.varint()
        return head.byte() == Kind.LAYOUT
    except CorruptError:
        return True
