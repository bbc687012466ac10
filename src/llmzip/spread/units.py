"""What a worker is given at a time, and what it gives back: values that travel."""

from __future__ import annotations

from dataclasses import dataclass, replace

import xxhash

from llmzip.codec.access import CodedPart
from llmzip.codec.parts import EncodedPart
from llmzip.codec.stats import Stats
from llmzip.layout.planned import Repeat
from llmzip.spread.places import Span, is_url


@dataclass(frozen=True)
class WholeFiles:
    """Small files, which go through the model together.

    targets: where each is to be written by the worker, None where it is to give it back.
    replace: write over what is there.
    """

    spans: tuple[Span, ...]
    targets: tuple[str | None, ...] = ()
    replace: bool = False


@dataclass(frozen=True)
class OneGroup:
    """A group of a large file.

    part: what there is to know of it, to decode it. copies: what of it was there before, to encode
        it; None where it copies from itself alone.
    """

    spans: tuple[Span]
    part: CodedPart | None = None
    copies: tuple[Repeat, ...] | None = None


Unit = WholeFiles | OneGroup


@dataclass(frozen=True)
class Made:
    """A whole file. data: None where the worker has written it. digest: of the data.

    source_digest: of what it was made of.
    """

    data: bytes | None
    n_bytes: int
    digest: bytes
    source_digest: bytes
    stats: Stats


@dataclass(frozen=True)
class MadeFiles:
    """What became of small files; None of one that has to be dealt with alone, to say why."""

    files: tuple[Made | None, ...]


@dataclass(frozen=True)
class MadeText:
    """What a group was decoded to: its text, or of an open part what stands for it."""

    text: bytes
    stats: Stats


@dataclass(frozen=True)
class Failed:
    """What was raised instead."""

    error: Exception


Result = MadeFiles | EncodedPart | MadeText | Failed


def n_bytes_of(unit: Unit) -> int:
    """Return how much there is to read for a unit, in bytes: what speeds are counted in.

    Of a group that is to be decoded it is what comes out, for that is what takes the time.
    """
    if isinstance(unit, OneGroup) and unit.part is not None:
        return max(1, unit.part.entry.n_bytes)
    return max(1, sum(span.n_bytes for span in unit.spans))


def with_data(unit: Unit) -> Unit:
    """Return the unit with its bytes, for a worker that cannot read them.

    What it could not write either it is to give back. Raises as Span.read.
    """
    spans = tuple(span if span.data is not None else _filled(span) for span in unit.spans)
    if isinstance(unit, WholeFiles):
        targets = tuple(one if one and is_url(one) else None for one in unit.targets)
        return replace(unit, spans=spans, targets=targets)
    return replace(unit, spans=(spans[0],))


def _filled(span: Span) -> Span:
    return replace(span, data=span.read())


def digest(data: bytes) -> bytes:
    """Return 16 bytes that tell data from other data, damage and mistakes included."""
    return xxhash.xxh3_128_digest(data)
