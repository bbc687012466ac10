"""The .llmz format: bytes to values and back, in a stream. Knows no models and no tokens.

docs/FORMAT.md is the specification. Typical use:

    writer = Writer(sink, options)          for record in Reader(source):
    writer.model(ref)                           match record: Header, ModelRef, Group,
    writer.group()                                            Wave, End
    writer.wave([Chunk.stored(data)], data)
    writer.finish()
"""

from llmzip.container.catalog import WELL_KNOWN
from llmzip.container.checksum import FileChecksum, chunk_checksum, dictionary_mark
from llmzip.container.claims import Claims, are_plausible, check_output
from llmzip.container.index import Index, read_group, read_index, read_lone_index
from llmzip.container.kinds import Kind
from llmzip.container.reader import Reader
from llmzip.container.records import (
    ADAPTIVE_OPTIONS,
    DEFAULT_OPTIONS,
    DICTIONARY_OPTIONS,
    Chunk,
    End,
    Group,
    GroupEntry,
    Header,
    ModelRef,
    Options,
    Record,
    Reference,
    Wave,
)
from llmzip.container.summary import Summary, inspect
from llmzip.container.wire import Readable
from llmzip.container.writer import Writer

__all__ = [
    "ADAPTIVE_OPTIONS",
    "DEFAULT_OPTIONS",
    "DICTIONARY_OPTIONS",
    "WELL_KNOWN",
    "Chunk",
    "Claims",
    "End",
    "FileChecksum",
    "Group",
    "GroupEntry",
    "Header",
    "Index",
    "Kind",
    "ModelRef",
    "Options",
    "Readable",
    "Reader",
    "Record",
    "Reference",
    "Summary",
    "Wave",
    "Writer",
    "are_plausible",
    "check_output",
    "chunk_checksum",
    "dictionary_mark",
    "inspect",
    "read_group",
    "read_index",
    "read_lone_index",
]
