"""Files of groups that were made elsewhere: written in order, with their index and checksums."""

from __future__ import annotations

from typing import BinaryIO

from llmzip.codec.parts import EncodedPart, PartJoiner, PartWriter
from llmzip.codec.stats import Stats
from llmzip.codec.streams import read_full, write_full
from llmzip.container import FileChecksum
from llmzip.errors import UsageError
from llmzip.spread.run import Groups, Run
from llmzip.spread.units import MadeText


def write_packed(run: Run, groups: Groups, source: BinaryIO, sink: BinaryIO) -> Stats:
    """Write the .llmz file of `source` onto `sink`, byte for byte as encode_stream does.

    Raises what a group's worker has raised; CorruptError or UsageError where the source is not
    what the groups were made of.
    """
    writer = PartWriter(sink, groups.reference)
    for unit in groups.units:
        part = run.part(unit)
        assert isinstance(part, EncodedPart)
        writer.add(part, read_full(source, part.stats.n_bytes))
    if source.read(1):
        raise UsageError("the file has grown while it was read; do it again")
    return writer.finish()


def write_text(run: Run, groups: Groups, sink: BinaryIO) -> Stats:
    """Write what a .llmz file decodes to onto `sink`.

    Raises what a group's worker has raised, CorruptError where all of them are not the text.
    """
    assert groups.end is not None
    checksum, stats = FileChecksum(), Stats()
    joiner = PartJoiner(groups.are_open)
    for unit in groups.units:
        part = run.part(unit)
        assert isinstance(part, MadeText)
        text = joiner.text(part.text)
        write_full(sink, text)
        checksum.update(text)
        stats.add(part.stats)
    groups.end.verify(checksum)
    stats.n_file_bytes = groups.state_n_bytes
    return stats
