"""What a file holds, without decoding it: the facts that `llmzip list` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from llmzip.container.kinds import Kind
from llmzip.container.reader import Reader
from llmzip.container.records import Chunk, End, Group, Header, ModelRef, Options, Reference, Wave
from llmzip.errors import TrailingError


@dataclass(frozen=True)
class Summary:
    """One member of a file.

    n_bytes: decoded; n_compressed: in the file, everything included.
    n_tokens: in all LM chunks. n_chunks: by kind, kinds without chunks left out. n_kind_bytes: what
        the chunks of each kind decode to. n_listed_bytes: what those by each shortlist do, by name.
    model: None if no chunk needs one. reference: None if nothing stands before its text.
    """

    options: Options
    model: ModelRef | None
    n_bytes: int
    n_compressed: int
    n_groups: int
    n_waves: int
    n_tokens: int
    n_chunks: Mapping[Kind, int]
    n_kind_bytes: Mapping[Kind, int]
    n_listed_bytes: Mapping[str, int]
    checksum: bytes
    reference: Reference | None = None


OnLayout = Callable[[Chunk], None]
"""Is given the layouts of a file, to see what they say."""


def unseen(_layout: Chunk) -> None:
    """Take no notice."""


def inspect(source: BinaryIO, on_layout: OnLayout = unseen) -> Iterator[Summary]:
    """Yield a summary of each member of `source`, having checked all of its bytes.

    on_layout: is given each layout, whose program is not looked at here.
    Raises NotLlmzError, UnsupportedError, TruncatedError or CorruptError; at the end
    TrailingError, where other data than zeros follows.
    """
    try:
        yield from _summaries(source, on_layout)
    except TrailingError as exc:
        if not exc.is_padding:
            raise


def _summaries(source: BinaryIO, on_layout: OnLayout) -> Iterator[Summary]:
    reader = Reader(source)
    model: ModelRef | None = None
    reference: Reference | None = None
    options = Options()
    n_groups = n_waves = n_tokens = 0
    n_chunks: Counter[Kind] = Counter()
    n_kind_bytes: Counter[Kind] = Counter()
    n_listed_bytes: Counter[str] = Counter()
    for record in reader:
        match record:
            case Header():
                options, model, reference = record.options, None, None
                n_groups = n_waves = n_tokens = 0
                n_chunks, n_kind_bytes, n_listed_bytes = Counter(), Counter(), Counter()
            case Reference():
                reference = record
            case ModelRef():
                model = record
            case Group():
                n_groups += 1
            case Wave():
                n_waves += 1
                n_tokens += sum(chunk.n_tokens for chunk in record.chunks)
                for chunk in record.chunks:
                    n_chunks[chunk.kind] += 1
                    n_kind_bytes[chunk.kind] += chunk.n_bytes
                    if chunk.shortlist_name is not None:
                        n_listed_bytes[chunk.shortlist_name] += chunk.n_bytes
                if record.layout is not None:
                    on_layout(record.layout)
            case End():
                yield Summary(
                    options,
                    model,
                    record.n_bytes,
                    reader.offset - reader.member_offset,
                    n_groups,
                    n_waves,
                    n_tokens,
                    dict(n_chunks),
                    dict(n_kind_bytes),
                    dict(n_listed_bytes),
                    record.checksum,
                    reference,
                )
