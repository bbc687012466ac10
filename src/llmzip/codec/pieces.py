"""Text as tokens, and tokens in pieces that become chunks."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmzip.codec.lines import Unified, unify
from llmzip.codec.model import Tokenizer
from llmzip.codec.spelling import Spelling
from llmzip.codec.transcode import Transcoded, transcode
from llmzip.container import Chunk, Kind
from llmzip.encodings.detect import Found
from llmzip.errors import CorruptError, UsageError

_HELD = 4
"""How many tokens a character takes as a rule at most that does not fit into a piece any more."""
_MOST_HELD = 36
"""The same where each of its bytes is an escape, the longest that a vocabulary has."""

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Piece:
    """Tokens that become a chunk, the bytes that it decodes to, and how they spell these."""

    ids: Ids
    data: bytes
    spelling: Spelling
    shortlist: int = 0

    def chunk(self, payload: bytes) -> Chunk:
        """Return the chunk whose tokens are coded as `payload`."""
        whole = self.spelling.packed() + payload
        kind, n_tokens = self.spelling.kind, len(self.ids)
        return Chunk.spelled(kind, self.data, n_tokens, whole, self.shortlist)


@dataclass(frozen=True)
class Tokens:
    """A run as tokens.

    unified: where they spell it with other line ends. transcoded: where in another encoding.
    shortlist: the ids are those of this one.
    """

    ids: Ids
    unified: Unified | None = None
    transcoded: Transcoded | None = None
    shortlist: int = 0

    @property
    def n_spare(self) -> int:
        """How many more tokens a piece should hold than would do if all could be cut anywhere."""
        return 0 if self.transcoded is None else _HELD

    @property
    def kind(self) -> Kind:
        """The kind of their chunks."""
        if self.transcoded is not None:
            return Kind.of_encoding(self.transcoded.encoding.name)
        return Kind.LM if self.unified is None else Kind.LM_LINES


def tokens_of(tokenizer: Tokenizer, data: bytes, found: Found | None = None) -> Tokens:
    """Return `data` as tokens. found: the encoding that it seems to be text in."""
    transcoded = None if found is None else transcode(data, found.encoding, found.n_before)
    text = data if transcoded is None else transcoded.text.encode()
    unified = unify(text)
    ids = tokenizer.encode(text if unified is None else unified.text)
    return Tokens(ids, unified, transcoded)


def cut_into_pieces(
    tokenizer: Tokenizer, tokens: Tokens, data: bytes, n_tokens: int
) -> list[Piece]:
    """Return the tokens of `data` in pieces of at most `n_tokens`. Raises UsageError."""
    try:
        cut = _cut(tokenizer, tokens, n_tokens)
    except ValueError as exc:
        raise UsageError(f"chunk_tokens cannot be {n_tokens} with this model: {exc}") from exc
    if cut is None:
        bare = replace(tokens_of(tokenizer, data), shortlist=tokens.shortlist)
        return cut_into_pieces(tokenizer, bare, data, n_tokens)
    texts = [tokenizer.decode(ids) for ids in cut]
    pieces = [
        Piece(ids, spelling.bytes_of(text), spelling, tokens.shortlist)
        for ids, text, spelling in zip(
            cut, texts, _spellings(texts, tokens, len(data)), strict=True
        )
    ]
    if b"".join(piece.data for piece in pieces) != data:
        raise AssertionError("the tokens do not spell the text that they were made from")
    return pieces


def _spellings(texts: list[bytes], tokens: Tokens, n_bytes: int) -> list[Spelling]:
    """Return how each of `texts`, which are those of `tokens`, spells what it stands for."""
    bare = _bare_line_feeds(texts, tokens.unified)
    if tokens.transcoded is None:
        return [Spelling(tokens.kind, n_bytes, places) for places in bare]
    spellings = []
    start = 0
    for number, (text, places) in enumerate(zip(texts, bare, strict=True)):
        n_returns = 0 if places is None else text.count(b"\n") - len(places)
        stop = start + len(text.decode()) + n_returns
        is_last = number == len(texts) - 1
        own = tokens.transcoded.exceptions.between(start, stop + is_last)
        spellings.append(Spelling(tokens.kind, n_bytes, places, own))
        start = stop
    return spellings


def _bare_line_feeds(texts: list[bytes], unified: Unified | None) -> list[array[int] | None]:
    """Return of each text which of its line feeds have no carriage return, where that is said."""
    if unified is None:
        return [None] * len(texts)
    stops = np.cumsum([text.count(b"\n") for text in texts])
    flags = np.split(unified.is_bare, stops[:-1])
    return [array("I", np.flatnonzero(own).tolist()) for own in flags]


def _cut(tokenizer: Tokenizer, tokens: Tokens, n_tokens: int) -> list[Ids] | None:
    """Return the tokens in pieces; None where no character of another encoding fits into one.

    Raises ValueError where no escape does.
    """
    if tokens.transcoded is None:
        return list(tokenizer.split(tokens.ids, n_tokens))
    for most in (n_tokens, n_tokens - _HELD, n_tokens - _MOST_HELD):
        if most > _MOST_HELD:
            cut = _between_characters(tokenizer, tokenizer.split(tokens.ids, most))
            if all(ids.size <= n_tokens for ids in cut):
                return cut
    return None


def _between_characters(tokenizer: Tokenizer, cut: Sequence[Ids]) -> list[Ids]:
    """Return the pieces with what one of them has of a character that goes on put into the next."""
    moved: list[Ids] = []
    held: Ids = np.zeros(0, dtype=np.int32)
    for ids in cut:
        whole = np.concatenate([held, ids])
        stop = next(n for n in range(whole.size, -1, -1) if _is_text(tokenizer, whole[:n]))
        held = whole[stop:]
        if stop:
            moved.append(whole[:stop])
    assert not held.size, "the tokens of a text end with a character"
    return moved


def _is_text(tokenizer: Tokenizer, ids: Ids) -> bool:
    """Whether no escape and no character goes on behind `ids`."""
    try:
        tokenizer.decode(ids).decode()
    except (CorruptError, UnicodeDecodeError):
        return False
    return True
