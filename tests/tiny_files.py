"""Small models as both sides have them, texts that they foresee, and files of them."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from decoder.container import Chunk, members
from decoder.forward import Lane, frequencies
from decoder.model import Model
from llmzip.codec import encode_stream
from llmzip.codec.levels import LEVELS, Level
from llmzip.models.prepared import list_prepared, open_exact
from llmzip.predict import open_predictor


@dataclass(frozen=True)
class Tiny:
    """A model: its name for the product, its prepared folder for the documents' decoder."""

    name: str
    folder: Path

    @classmethod
    def prepare(cls, folder: Path) -> Tiny:
        wanted = open_exact(str(folder), quiet=True).fingerprint.hex()
        found = [path for path, info in list_prepared() if info.fingerprint == wanted]
        return cls(str(folder), found[0])

    @cached_property
    def model(self) -> Model:
        return Model(self.folder)

    @cached_property
    def words(self) -> list[int]:
        """Tokens that a tokenizer makes of what they spell, whatever stands beside it."""
        table = self.model.tokens.table
        return [i for i, token in enumerate(table) if token[:1] == b" " and token[1:].isalpha()]

    def foreseen(self, n_words: int, seed: int = 0) -> bytes:
        """Text as the model would write it: clear to it, noise to classical codecs."""
        chance, tokens = random.Random(seed), self.model.tokens.table
        network, text, token = self.model.network, b"", self.model.bos
        for n in range(n_words):
            if n % network.shape.n_positions == 0:
                lane = Lane(network, network.shape.n_positions)
            freq = frequencies(network.logits(lane.feed(token)))[self.words].tolist()
            (token,) = chance.choices(self.words, freq)
            text += tokens[token]
        return text

    def compress(self, text: bytes, level: int | Level, dictionary: bytes | None = None) -> bytes:
        """A file, as the product makes it."""
        level = LEVELS[level] if isinstance(level, int) else level
        if dictionary is not None:
            level = level.roomy()
        opened = open_predictor(
            self.name,
            device="cpu",
            threads=1,
            batch=None,
            exact=True,
            options=level.options,
            quiet=True,
            dictionary=dictionary,
        )
        if dictionary is not None:
            level = level.with_dictionary(opened.dictionary)
        sink = io.BytesIO()
        encode_stream(io.BytesIO(text), sink, lambda: opened, level)
        return sink.getvalue()


def chunks_of(file: bytes) -> list[Chunk]:
    return [
        chunk
        for member in members(file)
        for group in member.groups
        for wave in group
        for chunk in wave
    ]


def lines_of(text: bytes, end: bytes) -> bytes:
    """The same with a line end before every fourth space."""
    words = text.split(b" ")
    ended = [word + end if n % 4 == 3 else word for n, word in enumerate(words)]
    return b" ".join(ended)
