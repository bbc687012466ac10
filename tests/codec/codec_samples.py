"""A model that runs in milliseconds, and data of every awkward kind."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fake_predictor import FakePredictor
from llmzip.codec import Stats, decode_stream, encode_stream
from llmzip.codec.levels import Level
from llmzip.codec.model import Shortlist
from llmzip.container import DEFAULT_OPTIONS, Chunk, ModelRef, Options, Reader, Wave
from llmzip.errors import UnsupportedError
from llmzip.tokens import ByteTokenizer

REF = ModelRef("fake", "local", b"finger")


class Foreteller(FakePredictor):
    """Foresees a word after any two tokens, hardly ever the same: clear to it, noise to LZMA."""

    def __init__(self, tokenizer: ByteTokenizer) -> None:
        super().__init__(tokenizer.vocab_size)
        tokens = (tokenizer.table[i] for i in range(tokenizer.vocab_size))
        found = (tokenizer.encode(t) for t in tokens if t[:1] == b" " and t[1:].isalpha())
        self.words = [int(ids[0]) for ids in found if len(ids) == 1]

    def foreseen(self, context: list[int]) -> int:
        before, last = ([0, 0, *context[-2:]])[-2:]
        return self.words[(last * 7919 + before * 104729) // 31 % len(self.words)]

    def frequencies(self, context: list[int]) -> NDArray[np.uint64]:
        freq = super().frequencies(context)
        freq[self.foreseen(context)] += np.uint64(1 << 38)
        return freq


@dataclass
class FakeModel:
    """What the codec takes for an opened model, and how often it was opened."""

    predictor: Foreteller
    tokenizer: ByteTokenizer
    ref: ModelRef = REF
    opened: list[ModelRef | None] = field(default_factory=list)
    shortlists: Mapping[int, Shortlist] = field(default_factory=dict)

    def listed(self, shortlist: int) -> FakeModel:
        if shortlist:
            raise UnsupportedError("the fake model has no shortlists")
        return self

    @classmethod
    def of(cls, tokenizer_json: str) -> FakeModel:
        tokenizer = ByteTokenizer(tokenizer_json)
        return cls(Foreteller(tokenizer), tokenizer)

    def open_to_encode(self) -> FakeModel:
        self.opened.append(None)
        return self

    def open_to_decode(self, ref: ModelRef | None, _options: Options) -> FakeModel:
        self.opened.append(ref)
        return self


def encode(model: FakeModel, data: bytes, options: Level | Options = DEFAULT_OPTIONS) -> bytes:
    return encode_with_stats(model, data, options)[0]


def encode_with_stats(
    model: FakeModel, data: bytes, options: Level | Options = DEFAULT_OPTIONS
) -> tuple[bytes, Stats]:
    sink = io.BytesIO()
    stats = encode_stream(io.BytesIO(data), sink, model.open_to_encode, options)
    return sink.getvalue(), stats


def decode(model: FakeModel, packed: bytes, n_lanes: int | None = None) -> bytes:
    sink = io.BytesIO()
    decode_stream(io.BytesIO(packed), sink, model.open_to_decode, n_lanes)
    return sink.getvalue()


def chunks_of(packed: bytes) -> list[Chunk]:
    waves = [record for record in Reader(io.BytesIO(packed)) if isinstance(record, Wave)]
    return [chunk for wave in waves for chunk in wave.chunks]


def foretold(model: FakeModel, n_tokens: int) -> bytes:
    """Return text of `n_tokens` tokens, each the one that the fake model foresees."""
    ids: list[int] = []
    while len(ids) < n_tokens:
        ids.append(model.predictor.foreseen(ids))
    return b"".join(model.tokenizer.table[i] for i in ids)


def mostly_foretold(model: FakeModel, n_tokens: int, seed: int) -> bytes:
    """Return text that the fake model foresees, but for a word now and then."""
    chance = random.Random(seed)
    ids: list[int] = []
    while len(ids) < n_tokens:
        surprised = chance.random() < 0.05
        ids.append(
            chance.choice(model.predictor.words) if surprised else model.predictor.foreseen(ids)
        )
    return b"".join(model.tokenizer.table[i] for i in ids)


def words(n_bytes: int, seed: int = 7) -> bytes:
    """Return sentences of random words: neither trivial nor hopeless for any codec."""
    chance = random.Random(seed)
    vocabulary = ["the", "of", "and", "model", "predicts", "next", "token", "each", "chunk"]
    text = ""
    while len(text) < n_bytes:
        text += " ".join(chance.choices(vocabulary, k=9)).capitalize() + ".\n"
    return text.encode()[:n_bytes]


def awkward() -> dict[str, bytes]:
    """Return the inputs that any lossless compressor must carry, by name."""
    noise = random.Random(1).randbytes
    return {
        "empty": b"",
        "one byte": b"a",
        "every byte value": bytes(range(256)),
        "100 kB random": noise(100_000),
        "broken utf-8": b"caf\xc3 na\xefve \xe2\x82 \xf0\x9f\x98 \xed\xa0\x80 overlong \xc0\xaf end"
        * 5,
        "utf-16": "Down the rabbit hole, again and again.\n".encode("utf-16") * 9,
        "crlf": b"first line\r\nsecond line\r\n\r\nfourth\r\n",
        "nuls": b"some\0text\0\0with\0nuls" + bytes(50),
        "1 MB of one letter": b"a" * 1_000_000,
        "64 dashes": b"-" * 64 + b"\n",
        "200 spaces": b" " * 200 + b"\n",
        "emoji": "👩‍👩‍👧‍👦 ❤️ 🏳️‍🌈 🇺🇳".encode() * 3,
        "chinese": "道可道非常道。名可名非常名。".encode() * 3,
        "special token text": b"before <|endoftext|> between <|im_start|> after <|endoftext|>",
        "gzip file": gzip.compress(words(20_000), mtime=0),
    }


def single_bytes() -> list[bytes]:
    return [bytes([value]) for value in range(256)]
