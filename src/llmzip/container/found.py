"""What is found of a damaged file, as values: the records that recover_records yields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmzip.container.bodies import ChunkHead
from llmzip.container.records import Chunk, Group, ModelRef, Options, Reference


@dataclass(frozen=True)
class Start:
    """The start of a member.

    options: None if they are lost; then what needs the model cannot be decoded.
    is_sure: whether a CRC has confirmed them, and the model reference that may follow.
    """

    options: Options | None
    is_sure: bool = True


@dataclass(frozen=True)
class FoundWave:
    """A wave whose table is known.

    at: where in the member's text it begins; None if that is unknown.
    chunks: as many as heads; None for a chunk of whose payload a part is missing.
    is_whole: whether the CRC of the payloads is right; if not, some chunks are damaged.
    is_content: whether it is a later wave of a group with a layout.
    """

    at: int | None
    heads: Sequence[ChunkHead]
    chunks: Sequence[Chunk | None]
    is_whole: bool
    is_content: bool = False


@dataclass(frozen=True)
class Gap:
    """Bytes `start` to `stop` (exclusive) of the file are no records any more."""

    start: int
    stop: int


@dataclass(frozen=True)
class Finish:
    """The end of a member.

    n_bytes, checksum: of its text, None if lost. is_complete: whether this is its end indeed;
    else more may have followed.
    """

    n_bytes: int | None = None
    checksum: bytes | None = None
    is_complete: bool = False


@dataclass(frozen=True)
class Garbage:
    """From byte `start` on follows what never was part of a member."""

    start: int


Found = Start | Reference | ModelRef | Group | FoundWave | Gap | Finish | Garbage
