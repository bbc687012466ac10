"""Bits to text and back: the range decoder chooses the tokens, the encoder finds the bits again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from llmzip.coder import RangeDecoder, encode_lanes
from llmzip.errors import CorruptError, LimitError, SamplingError
from llmzip.sampling.bits import framed, seed_bits, unframed, whitened
from llmzip.sampling.walk import U64, Walk
from llmzip.tokens import ByteTokenizer

_LANE = np.zeros(1, dtype=np.int64)
_MOST_DIGITS = 6
"""Bytes that one token takes from a stream at most."""
_FIRST_DIGITS = 8
_PADDING_BYTES = 64
"""What the text's last words, after the payload, are decoded from."""


@dataclass(frozen=True)
class Intervals:
    """Where each token of a text lies among those that might have come: uint64, (n_tokens,)."""

    low: U64
    freq: U64
    total: U64


def text_of_seed(walk: Walk, tokenizer: ByteTokenizer, seed: int, n_tokens: int) -> str:
    """Return what the bits of a seed decode to: `n_tokens`, or a few less.

    Less where only a shorter text is made into its tokens again. Raises SamplingError.
    """
    stream = seed_bits(seed, _FIRST_DIGITS + _MOST_DIGITS * n_tokens)
    ids: list[int] = []
    n_complete = 0
    for token, _ in _decoded(walk, stream):
        ids.append(token)
        if walk.is_complete:
            n_complete = len(ids)
        if len(ids) >= n_tokens:
            break
    return _spelled(tokenizer, ids[:n_complete])


def text_of_payload(
    walk: Walk, tokenizer: ByteTokenizer, payload: bytes, seed: int, most_tokens: int | None
) -> str:
    """Return a text from which `bits_of` gets `payload` back, less its seed's stream.

    Raises LimitError if that takes more tokens; SamplingError.
    """
    data = framed(payload)
    stream = whitened(data + bytes(_PADDING_BYTES), seed)
    most = most_tokens or 1024 + 256 * len(data)
    ids: list[int] = []
    for token, n_settled in _decoded(walk, stream):
        ids.append(token)
        if n_settled >= len(data) and walk.is_complete:
            return _spelled(tokenizer, ids)
        if len(ids) >= most:
            break
    raise LimitError(
        f"the {len(payload):,} bytes of the payload take more than {most:,} tokens: "
        "allow more of them, or a higher temperature"
    )


def _decoded(walk: Walk, stream: bytes) -> Iterator[tuple[int, int]]:
    """Yield each token that `stream` decodes to, with how many of its bytes are settled by then."""
    decoder = RangeDecoder(1)
    try:
        decoder.open(0, stream.rstrip(b"\0"))
    except CorruptError as exc:  # seven bytes of 0xFF: nobody will see it by chance
        raise SamplingError("these bits lie outside every interval: take another seed") from exc
    while True:
        choice = walk.choice()
        total = _one(choice.total)
        place = choice.at(int(decoder.targets(_LANE, total)[0]))
        decoder.consume(_LANE, _one(choice.low(place)), choice.weights[place : place + 1], total)
        token = int(choice.ids[place])
        walk.take(token)
        yield token, decoder.settled(0)


def _spelled(tokenizer: ByteTokenizer, ids: Sequence[int]) -> str:
    """Return the text of `ids`, having looked whether it is made into them again."""
    text = tokenizer.decode(np.array(ids, dtype=np.int32))
    if tokenizer.encode(text).tolist() != list(ids):
        raise SamplingError(
            "the model's tokenizer makes other tokens of this text: take another seed or model"
        )
    return text.decode()


def bits_of(walk: Walk, tokenizer: ByteTokenizer, text: bytes) -> tuple[bytes, str]:
    """Return the bytes that `text`, in UTF-8, leaves no doubt of, and why no more of it was read.

    The latter is empty for a text that was read to its end.
    """
    rows: list[tuple[int, int, int]] = []
    n_read, refusal = 0, ""
    for token in tokenizer.encode(text).tolist():
        choice = walk.choice()
        places = np.flatnonzero(choice.ids == token)
        if not places.size:
            refusal = _refusal(text, n_read)
            break
        place = int(places[0])
        rows.append((choice.low(place), int(choice.weights[place]), choice.total))
        walk.take(token)
        n_read += int(tokenizer.table.lengths[token])
    low, freq, total = np.array(rows, dtype=np.uint64).reshape(-1, 3).T.copy()
    return _settled(Intervals(low, freq, total)), refusal


def _refusal(text: bytes, n_read: int) -> str:
    line = text.count(b"\n", 0, n_read) + 1
    found = text[n_read : n_read + 20].decode(errors="replace")
    return (
        f"the model would not have written {found!r} at byte {n_read:,} (line {line:,}) with this "
        "prompt and these settings"
    )


def _settled(intervals: Intervals) -> bytes:
    """Return the bytes with which all streams begin that decode to these tokens."""
    (coded,) = encode_lanes([intervals])
    decoder = RangeDecoder(1)
    decoder.open(0, coded)
    for i in range(intervals.low.size):
        now = slice(i, i + 1)
        decoder.consume(_LANE, intervals.low[now], intervals.freq[now], intervals.total[now])
    n_settled = decoder.settled(0)
    return coded[:n_settled].ljust(n_settled, b"\0")


def payload_of(bits: bytes, refusal: str, seed: int) -> bytes:
    """Return the payload in what `bits_of` has found. Raises SamplingError if there is none."""
    try:
        return unframed(whitened(bits, seed))
    except SamplingError as exc:
        raise (SamplingError(refusal) if refusal else exc) from None


def _one(number: int) -> U64:
    return np.array([number], dtype=np.uint64)
