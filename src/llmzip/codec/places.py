"""Where tokens stand in the bytes that they are for, however they spell them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llmzip.codec.lines import flags_of, restore
from llmzip.codec.model import Tokenizer
from llmzip.codec.pieces import Piece
from llmzip.codec.transcode import Exceptions
from llmzip.encodings import ENCODINGS, Encoding

_LF = 10

Places = NDArray[np.int64]


def token_places(tokenizer: Tokenizer, piece: Piece) -> Places:
    """Return the byte of `piece.data` at which each token begins, int64, shape (n_tokens,).

    They never fall. All tokens of an escape begin at its byte, and a line feed that stands for
    CR LF at the carriage return; a token that begins within a character of another encoding
    than UTF-8 counts as beginning with it.
    """
    lengths = tokenizer.lengths(piece.ids)
    starts: Places = np.cumsum(lengths) - lengths
    spelling = piece.spelling
    if spelling.places is None and spelling.exceptions is None:
        return starts
    text = tokenizer.decode(piece.ids)
    if spelling.places is not None:
        starts = _with_returns(text, spelling.places)[starts]
        text = restore(text, flags_of(text, spelling.places))
    if spelling.exceptions is not None:
        assert spelling.kind.encoding is not None
        encoding = ENCODINGS[spelling.kind.encoding]
        starts = _in_encoding(text, encoding, spelling.exceptions)[starts]
    return starts


def n_characters(tokenizer: Tokenizer, pieces: Sequence[Piece]) -> int:
    """Return how many characters the pieces of a run hold; a byte that is no text counts as one."""
    if any(piece.spelling.exceptions is not None for piece in pieces):
        return sum(_n_transcoded(tokenizer, piece) for piece in pieces)
    data = b"".join(piece.data for piece in pieces)
    return len(data.decode("utf-8", "surrogateescape"))


def _n_transcoded(tokenizer: Tokenizer, piece: Piece) -> int:
    text, spelling = tokenizer.decode(piece.ids), piece.spelling
    assert spelling.exceptions is not None
    n_returns = 0 if spelling.places is None else text.count(b"\n") - len(spelling.places)
    return len(text.decode()) + n_returns + len(spelling.exceptions.joined)


def _with_returns(text: bytes, bare: array[int]) -> Places:
    """Return where each byte of `text`, and its end, stands once the carriage returns are there."""
    feeds = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == _LF)
    n_before = np.zeros(len(text) + 1, dtype=np.int64)
    n_before[feeds[~flags_of(text, bare)] + 1] = 1
    places: Places = np.arange(len(text) + 1) + np.cumsum(n_before)
    return places


def _in_encoding(text: bytes, encoding: Encoding, exceptions: Exceptions) -> Places:
    """Return where each byte of UTF-8, and its end, stands in another encoding."""
    chars = text.decode()
    n_of = {char: len(encoding.encode(char)) for char in set(chars)}
    sizes = np.zeros(len(chars) + 1, dtype=np.int64)  # of what stands right before each character
    sizes[1:] = np.fromiter((n_of[char] for char in chars), dtype=np.int64, count=len(chars))
    np.add.at(sizes, np.array(exceptions.places, dtype=np.int64), exceptions.sizes)
    places: Places = np.cumsum(sizes)
    begins = (np.frombuffer(text, dtype=np.uint8) & 0xC0) != 0x80
    number: Places = np.append(np.cumsum(begins) - 1, len(chars))
    return places[number]
