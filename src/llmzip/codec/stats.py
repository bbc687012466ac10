"""What one run of the codec has measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmzip.container import Chunk, Wave
    from llmzip.layout.program import Supplied
    from llmzip.predict.protocol import Drafted


@dataclass
class Stats:
    """Sizes and times of one compression or decompression; the codec adds up as it goes.

    Of the original bytes, `n_model_bytes` in `n_chunks` chunks of `n_tokens` tokens went
    through the model and took `n_payload_bytes`; the rest were stored or coded classically.
    transcoded: of `n_model_bytes` those that are text in another encoding than UTF-8, by its name.
    n_drafted, n_drafts_taken: rows that decompressing has computed for tokens that were only
        guessed, and those of them whose tokens came.
    listed: of `n_model_bytes` those by a shortlist of the vocabulary, by its name.
    coded: bytes that went to other codecs, by their names. n_copied, n_filled, n_padding: bytes
        that are none of these: copies of earlier ones, runs of one byte, padding of tars.
    """

    n_bytes: int = 0  # the original
    n_file_bytes: int = 0  # the .llmz file, all of it
    n_model_bytes: int = 0
    n_payload_bytes: int = 0  # what the range coder made of them
    n_tokens: int = 0
    n_chunks: int = 0
    n_drafted: int = 0
    n_drafts_taken: int = 0
    model_bits: float = 0.0  # cross-entropy over the tokens; known when compressing only
    seconds: float = 0.0  # in all
    opening_seconds: float = 0.0  # of these, until the model was ready
    model_name: str | None = None  # None where no chunk needed one
    way: str | None = None  # where and how the model runs, as "cpu, avx2", once it is opened
    transcoded: dict[str, int] = field(default_factory=dict)
    listed: dict[str, int] = field(default_factory=dict)
    coded: dict[str, int] = field(default_factory=dict)
    n_copied: int = 0
    n_filled: int = 0
    n_padding: int = 0

    def count(self, chunk: Chunk) -> None:
        """Add a chunk; of a layout nothing, see count_layout."""
        if chunk.kind.needs_model:
            self._count_tokens(chunk)
        elif chunk.kind.name != "LAYOUT":
            _add(self.coded, {chunk.kind.name.lower(): chunk.n_bytes})

    def count_layout(self, supplied: Supplied) -> None:
        """Add what a layout supplies."""
        self.n_copied += supplied.n_copied
        self.n_filled += supplied.n_filled
        self.n_padding += supplied.n_padding

    def count_drafts(self, drafted: Drafted) -> None:
        """Add what drafts a decoder has made."""
        self.n_drafted += drafted.n_rows
        self.n_drafts_taken += drafted.n_taken

    def _count_tokens(self, chunk: Chunk) -> None:
        self.n_chunks += 1
        self.n_tokens += chunk.n_tokens
        self.n_model_bytes += chunk.n_bytes
        self.n_payload_bytes += len(chunk.payload)
        if chunk.kind.encoding is not None:
            _add(self.transcoded, {chunk.kind.encoding: chunk.n_bytes})
        if chunk.shortlist_name is not None:
            _add(self.listed, {chunk.shortlist_name: chunk.n_bytes})

    def add(self, other: Stats) -> None:
        """Count what was measured of another part of the same file; times add up, too."""
        for each in fields(self):
            own, more = getattr(self, each.name), getattr(other, each.name)
            if isinstance(own, dict):
                _add(own, more)
            elif not isinstance(own, str | None):
                setattr(self, each.name, own + more)
            elif more is not None:
                setattr(self, each.name, more)

    @property
    def bits_per_byte(self) -> float:
        """Bits of the file for each byte of the original."""
        return 8 * self.n_file_bytes / self.n_bytes if self.n_bytes else math.nan

    @property
    def bits_per_token(self) -> float:
        """The model's cross-entropy for each token it predicted."""
        return self.model_bits / self.n_tokens if self.n_tokens else math.nan

    @property
    def perplexity(self) -> float:
        """Among how many equally likely tokens the model hesitated on average."""
        return float(2.0**self.bits_per_token)

    @property
    def bytes_per_second(self) -> float:
        """Bytes of the original dealt with each second, once the model is ready."""
        working_seconds = self.seconds - self.opening_seconds
        return self.n_bytes / working_seconds if working_seconds > 0 else math.nan


def _add(counts: dict[str, int], more: Mapping[str, int]) -> None:
    for name, n in more.items():
        counts[name] = counts.get(name, 0) + n


def share_time(stats: Sequence[Stats], seconds: float) -> None:
    """Spread the time that all have taken together, but for opening the model, by their bytes."""
    n_bytes = max(1, sum(one.n_bytes for one in stats))
    working = max(0.0, seconds - sum(one.opening_seconds for one in stats))
    for one in stats:
        one.seconds = one.opening_seconds + working * one.n_bytes / n_bytes


def share_drafts(stats: Sequence[Stats], drafted: Drafted) -> None:
    """Spread the drafts that all have taken together by their bytes."""
    ends, whole = [0], max(1, sum(one.n_bytes for one in stats))
    for one in stats:
        ends.append(ends[-1] + one.n_bytes)
        first, last = ends[-2:]
        one.n_drafted += drafted.n_rows * last // whole - drafted.n_rows * first // whole
        one.n_drafts_taken += drafted.n_taken * last // whole - drafted.n_taken * first // whole


def count_wave(stats: Stats, wave: Wave) -> None:
    """Count the chunks of a wave that is to be decoded."""
    for chunk in wave.chunks:
        stats.count(chunk)


@contextmanager
def way_noted(stats: Stats) -> Iterator[None]:
    """Add to an error how the model was computed: whoever reports a bug has it from there."""
    try:
        yield
    except Exception as exc:
        if stats.way is not None:
            exc.add_note(f"computed by {stats.way}")
        raise
