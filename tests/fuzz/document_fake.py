"""The fake model behind docs/decoder: what a file decodes to, and whether, by the documents."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache

import numpy as np
from codec_samples import FakeModel

from decoder import decode_chunk, program, put_together
from decoder.container import LAYOUT, LM_KINDS, Chunk, Member
from decoder.forward import Array
from decoder.layout import layout_of
from decoder.lm import Pick
from decoder.payloads import Payloads
from decoder.tokens import Tokens
from decoder.wire import RefusedError, UnsupportedError, require
from llmzip.container import Group, Header, ModelRef, Options, Reader, Wave
from llmzip.errors import DictionaryError, FingerprintError, FormatError
from small_tokenizer import MISSING, small_tokenizer_json

MARK = b"\xd1\xc7"
TOKENIZER = small_tokenizer_json(missing=MISSING)


class Fake(FakeModel):
    """The fake model; refuses files of others as the real opening does."""

    def open_to_decode(self, ref: ModelRef | None, options: Options) -> FakeModel:
        if options.dictionary is not None and options.dictionary != MARK:
            raise DictionaryError("another dictionary")
        if ref is not None and (ref.fingerprint != self.ref.fingerprint or ref.machine):
            raise FingerprintError("another model")
        return self


@cache
def fake() -> Fake:
    """Return the fake model, as llmzip takes it."""
    made = Fake.of(TOKENIZER)
    assert isinstance(made, Fake)
    return made


@cache
def _tokens() -> Tokens:
    return Tokens(TOKENIZER)


class Waves:
    """The fake model's waves. learnt: what its group has seen, None where groups learn nothing."""

    def __init__(self, learnt: int | None) -> None:
        self.learnt = learnt

    def fresh(self) -> Waves:
        return Waves(self.learnt)

    def narrowed(self, ids: list[int]) -> Waves:
        raise UnsupportedError("the fake model has no shortlists")

    def wave(self, sizes: list[int], pick: Pick) -> list[list[int]]:
        found = []
        for c, size in enumerate(sizes):
            ids: list[int] = []
            for _ in range(size):
                ids.append(pick(c, self.frequencies(ids)))
            found.append(ids)
        if self.learnt is not None:
            self.learnt += sum(map(sum, found))
        return found

    def frequencies(self, ids: list[int]) -> Array:
        freq = fake().predictor.frequencies(ids[-2:]).astype(np.int64)
        if self.learnt is not None:
            freq[self.learnt % freq.size] += 1 << 30
        return freq


class DocumentFake:
    """The fake model, as the documents' decoder takes it."""

    def begin(self, member: Member, _dictionary: bytes | None) -> Payloads:
        if member.mark is not None:
            require(member.mark == MARK, "another dictionary")
        if member.model is not None:
            right = member.model.fingerprint == fake().ref.fingerprint
            require(right and member.model.machine is None, "another model")
        return payloads(member.version)


def payloads(version: int) -> Payloads:
    """Return a group that has learnt nothing, of a file of this version."""
    return Payloads(Waves(None if version == 1 else 0), _tokens())


def beginning(data: bytes) -> bytes:
    """Return what can be decoded of a file's first member up to where it is refused."""
    text = b""
    try:
        for one in _texts(data):
            text += one
    except (RefusedError, FormatError):
        pass
    return text


def _texts(data: bytes) -> Iterator[bytes]:
    """Yield the texts of chunks; of a group with a layout all of it, when its content is there."""
    before, laid_out, content = bytearray(), list[Chunk](), b""
    for chunk, text in _chunks(data):
        if chunk is None:
            laid_out, content = [], b""
        elif chunk.kind == LAYOUT:
            laid_out = [chunk]
        content += text
        if laid_out:
            if len(content) < sum(layout_of(program(laid_out[0])).sizes) or chunk is None:
                continue
            start = len(before)
            put_together([laid_out], content, before)
            yield bytes(before[start:])
        else:
            before += text
            yield text


def _chunks(data: bytes) -> Iterator[tuple[Chunk | None, bytes]]:
    """Yield the chunks of a file's first members, decoded; None where a group begins."""
    version, group = 1, payloads(1)
    for record in Reader(io.BytesIO(data)):
        if isinstance(record, Header):
            version = 1 + record.options.adaptive
        if not isinstance(record, Wave):
            if isinstance(record, Group):
                group = payloads(version)
                yield None, b""
            continue
        chunks = [
            Chunk(c.kind, c.n_bytes, c.n_tokens, len(c.payload), c.checksum, c.payload)
            for c in record.chunks
        ]
        # chunks that share nothing come out one by one
        for together in [[one] for one in chunks] if version == 1 else [chunks]:
            texts = iter(group.decode([c for c in together if c.kind in LM_KINDS]))
            for chunk in together:
                yield chunk, decode_chunk(chunk, texts)
