"""Gathers what there is to see of a text while it is compressed, group by group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmzip.codec.coded import CodedGroup
from llmzip.codec.groups import PreparedGroup, PreparedRun
from llmzip.codec.learning import Predicted
from llmzip.codec.placed import PlacedGroup
from llmzip.codec.places import n_characters
from llmzip.codec.witness import Witness
from llmzip.coder.cost import ideal_bits
from llmzip.container import Chunk as CodedChunk
from llmzip.container import Kind
from llmzip.explaining.explanation import Chunk, Tokens, Unscored
from llmzip.explaining.spelt import spelt
from llmzip.predict.told import Told

_CODECS = {
    Kind.LM: "model",
    Kind.LM_LINES: "model (CR LF)",
    Kind.STORED: "stored",
    Kind.LZMA: "LZMA",
    Kind.MIXED: "context mixing",
    Kind.COUNTED: "counts",
    Kind.LAYOUT: "layout",
    Kind.TAR_HEADERS: "tar headers",
}


@dataclass(frozen=True, eq=False)
class GatheredGroup:
    """What there is to see of a group. tokens: with offsets in all of the text, in its order."""

    tokens: Tokens
    spelt: Sequence[str]
    unscored: Sequence[Unscored]
    chunks: Sequence[Chunk]
    n_characters: int
    n_payload_bytes: int


class Gatherer(Witness):
    """Looks on while a text is compressed. groups: what it has seen, in order."""

    def __init__(self) -> None:
        self.groups: list[GatheredGroup] = []
        self._predicted: dict[PreparedGroup, dict[PreparedRun, Predicted]] = {}
        self._n_bytes = 0
        self._n_chunks = 0

    def predicted(self, group: PreparedGroup, predicted: Mapping[PreparedRun, Predicted]) -> None:
        """Keep what the model has said of runs: what it says last is what is coded by."""
        self._predicted.setdefault(group, {}).update(predicted)

    def written(self, group: PreparedGroup, coded: CodedGroup) -> None:
        """Put together what there is to see of a group."""
        own = self._predicted.pop(group, {})
        in_order = {run: own[run] for run in group.runs if run in own}
        placed = PlacedGroup(group, in_order, self._n_bytes)
        self.groups.append(self._gathered(placed, coded))
        self._n_bytes += len(group.data)
        self._n_chunks += len(coded.chunks)

    def _gathered(self, placed: PlacedGroup, coded: CodedGroup) -> GatheredGroup:
        chunks = [chunk_of(chunk) for chunk in coded.chunks]
        unscored = list(_unscored(placed))
        if not placed.predicted:
            return GatheredGroup(no_tokens(), [], unscored, chunks, 0, 0)
        tokenizer = next(iter(placed.predicted)).tokenizer
        assert tokenizer is not None, "what was predicted was cut into tokens"
        numbers = _chunk_numbers(placed, coded)
        offsets, order = placed.offsets(tokenizer)
        shown = [text for piece in placed.pieces() for text in spelt(tokenizer, piece)]
        tokens = Tokens(
            placed.ids(),
            self._n_bytes + offsets,
            *_bits(placed),
            np.repeat(
                np.array(numbers, dtype=np.int32) + self._n_chunks,
                [len(piece.ids) for piece in placed.pieces()],
            ),
        )
        each = placed.predicted.values()
        return GatheredGroup(
            tokens.picked(order),
            [shown[i] for i in order.tolist()],
            unscored,
            chunks,
            sum(n_characters(tokenizer, one.pieces) for one in each),
            _n_payload_bytes(placed, coded, numbers),
        )


def no_tokens() -> Tokens:
    """Return no tokens."""
    told, none = Told.empty(0), np.zeros(0)
    ids = np.zeros(0, dtype=np.int32)
    offsets = np.zeros(0, dtype=np.int64)
    likeliest = told.likeliest, told.likeliest_freq.astype(np.float64)
    return Tokens(ids, offsets, none, none, none, told.ranks, *likeliest, ids)


def chunk_of(chunk: CodedChunk) -> Chunk:
    """Return what there is to see of a chunk."""
    kind = chunk.kind
    codec = _CODECS.get(kind) or f"model ({kind.encoding})"
    return Chunk(
        codec, chunk.n_bytes, len(chunk.payload), chunk.n_tokens if kind.needs_model else 0
    )


def _bits(
    placed: PlacedGroup,
) -> tuple[
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.int32],
    NDArray[np.int32],
    NDArray[np.float64],
]:
    """Return bits, model_bits, biased_bits, ranks, likeliest and probabilities of all tokens."""
    found = [own for one in placed.predicted.values() for own in one.intervals]
    told = Told.joined([own.told for own in found if own.told is not None])
    freq, total = (
        np.concatenate([getattr(own, name) for own in found]) for name in ("freq", "total")
    )
    probabilities = told.likeliest_freq / total.astype(np.float64)[:, None]
    bits = ideal_bits(freq, total), ideal_bits(*told.model), ideal_bits(*told.biased)
    return *bits, told.ranks, told.likeliest, probabilities


def _chunk_numbers(placed: PlacedGroup, coded: CodedGroup) -> list[int]:
    """Return of each piece in which of the group's chunks it is coded."""
    first = int(coded.has_layout)
    group, sizes = placed.group, [chunk.n_bytes for chunk in coded.chunks]
    is_whole = (group.layout is not None) != coded.has_layout
    if is_whole or sizes[first] > len(group.runs[0].data):
        return [0 for _ in placed.pieces()]
    numbers = []
    at = first
    for run in group.runs:
        own = [at]
        while sum(sizes[own[0] : at + 1]) < len(run.data):
            at += 1
            own.append(at)
        at += 1
        if run in placed.predicted:
            n_pieces = len(placed.predicted[run].pieces)
            numbers += own if len(own) == n_pieces else own[:1] * n_pieces
    return numbers


def _n_payload_bytes(placed: PlacedGroup, coded: CodedGroup, numbers: Sequence[int]) -> int:
    """Return how many bytes the range coder has made of the pieces that are coded so."""
    return sum(
        len(coded.chunks[number].payload) - len(piece.spelling.packed())
        for number, piece in zip(numbers, placed.pieces(), strict=True)
        if coded.chunks[number].kind.needs_model
    )


def _unscored(placed: PlacedGroup) -> Iterator[Unscored]:
    """Yield the stretches of which the model has said nothing."""
    for start, stop in placed.unscored().tolist():
        at = placed.start
        yield Unscored(at + start, at + stop, _as_text(placed.group.data[start:stop]))


def _as_text(data: bytes) -> str | None:
    """Return what to show of bytes, if they are text."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
