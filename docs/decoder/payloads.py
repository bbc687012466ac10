"""FORMAT.md, *Token stream*: payloads of lm kinds to the bytes of their chunks."""

from __future__ import annotations

import numpy as np

from decoder.container import Chunk
from decoder.forward import Array
from decoder.lm import Predictor
from decoder.rangecoder import RangeDecoder
from decoder.shortlists import shortlist
from decoder.spelling import Spelling
from decoder.tokens import Tokens
from decoder.wire import require


class Payloads:
    """Those of a group, wave by wave."""

    def __init__(self, predictor: Predictor, tokens: Tokens, bos: int = 0) -> None:
        self.predictor, self.tokens, self.bos = predictor, tokens, bos
        self.shortlist: int | None = None  # of the group
        self.ids: list[int] = []  # that it has

    def fresh(self) -> Payloads:
        """The same, to go on with independently."""
        return Payloads(self.predictor.fresh(), self.tokens, self.bos)

    def narrow(self, number: int) -> None:
        """Go by a list, or by the whole vocabulary, as all of the group does."""
        require(self.shortlist in (None, number), "another shortlist within a group")
        if number and self.shortlist is None:
            self.ids = shortlist(self.tokens, number, self.bos)
            self.predictor = self.predictor.narrowed(self.ids)
        self.shortlist = number

    def decode(self, chunks: list[Chunk]) -> list[bytes]:
        """The bytes of the next wave's chunks of lm kinds."""
        for chunk in chunks:
            self.narrow(chunk.shortlist)
        spellings, coders = [Spelling(chunk) for chunk in chunks], list[RangeDecoder]()
        for chunk, spelling in zip(chunks, spellings, strict=True):
            require(len(spelling.rest) <= 6 * chunk.n_tokens + 8, "more than its tokens can take")
            coders.append(RangeDecoder(spelling.rest))

        def pick(c: int, freq: Array) -> int:
            ends = np.cumsum(freq)
            total = int(ends[-1])
            token = int(np.searchsorted(ends, coders[c].target(total), side="right"))
            coders[c].consume(int(ends[token] - freq[token]), int(freq[token]), total)
            return token

        texts = []
        for c, ids in enumerate(self.predictor.wave([chunk.n_tokens for chunk in chunks], pick)):
            coders[c].finish()
            named = [self.ids[place] for place in ids] if self.shortlist else ids
            texts.append(spellings[c].restore(self.tokens.spell(named)))
        return texts
