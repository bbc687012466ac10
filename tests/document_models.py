"""Models for the documents' decoder: one that is told what chunks decode to, and the fake one."""

from __future__ import annotations

from collections.abc import Iterable

from decoder.container import Chunk, Member
from decoder.lm import Pick
from decoder.payloads import Payloads
from decoder.tokens import Tokens
from decoder.wire import RefusedError
from fake_predictor import FakePredictor


class ToldModel:
    """Knows the texts of the lm chunks, in order: for files whose payloads are made up."""

    def __init__(self, texts: Iterable[bytes] = ()) -> None:
        self._texts = iter(texts)

    def begin(self, member: Member, dictionary: bytes | None) -> ToldModel:
        return self

    def fresh(self) -> ToldModel:
        return self

    def decode(self, chunks: list[Chunk]) -> list[bytes]:
        return [next(self._texts) for _ in chunks]


class FakeModel:
    """The fake predictor's frequencies: for files that were made with it."""

    def __init__(self, predictor: FakePredictor, tokenizer_json: str) -> None:
        self._predictor, self._tokens = predictor, Tokens(tokenizer_json)

    def begin(self, member: Member, dictionary: bytes | None) -> Payloads:
        return Payloads(FakeWaves(self._predictor, member.version > 1), self._tokens)


class FakeWaves:
    """Waves by the fake predictor, whose groups learn a number from each."""

    def __init__(self, predictor: FakePredictor, learns: bool) -> None:
        self._predictor, self._learns = predictor, learns
        self._group = predictor.group()

    def fresh(self) -> FakeWaves:
        return FakeWaves(self._predictor, self._learns)

    def narrowed(self, ids: list[int]) -> FakeWaves:
        raise RefusedError("the fake model has no shortlists")

    def wave(self, sizes: list[int], pick: Pick) -> list[list[int]]:
        frequencies = (self._group if self._learns else self._predictor).frequencies
        chunks: list[list[int]] = [[] for _ in sizes]
        for c, size in enumerate(sizes):
            while len(chunks[c]) < size:
                chunks[c].append(pick(c, frequencies(chunks[c])))
        self._group.learnt += sum(map(sum, chunks))
        return chunks
