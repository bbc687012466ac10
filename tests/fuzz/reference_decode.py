"""Whole files decoded as docs/FORMAT.md says, with the fake model in place of a real one.

Shares no code with llmzip but the fake predictor's frequencies (and what long mixed chunks are):
what it decodes, and whether, is what the decoder has to give.
"""

from __future__ import annotations

import lzma
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xxhash
from format_parser import (
    LM_LINES,
    LZMA,
    STORED,
    ChunkClaim,
    Cursor,
    MemberClaim,
    RefusedError,
    must,
)
from mixed_decoder import Mixed
from numpy.typing import NDArray

from llmzip import mixing
from llmzip.errors import CorruptError

MAX_MIXED_BYTES = 40
"""Longer chunks take the document's decoder too long: there llmzip's own is believed."""

FakeFrequencies = Callable[[list[int]], NDArray[np.uint64]]


@dataclass(frozen=True)
class FakeFile:
    """What a file made with the fake model is decoded with.

    tokens: the bytes of each id, none for special ones. frequencies: after the last two tokens.
    """

    tokens: Sequence[bytes]
    frequencies: FakeFrequencies
    fingerprint: bytes
    mark: bytes


def texts(file: FakeFile, member: MemberClaim) -> Iterator[bytes]:
    """Yield the text of each chunk of a member. Raises RefusedError where the document refuses."""
    waves = iter(member.waves)
    for n_waves in member.n_waves_of_groups:
        learnt = 0 if member.version > 1 else -1
        for _ in range(n_waves):
            wave = next(waves, None)
            if wave is None:
                return
            n_seen = 0
            for chunk in wave:
                if chunk.is_lm:
                    check_model(file, member)
                    ids, text = lm_text(file, chunk, learnt)
                    n_seen += sum(ids)
                else:
                    text = classical_text(chunk.kind, chunk.payload, chunk.n_bytes)
                must(len(text) == chunk.n_bytes, "decoded size")
                must(xxhash.xxh3_64_digest(text)[:4] == chunk.checksum, "chunk checksum")
                yield text
            learnt += n_seen if member.version > 1 else 0


def check_model(file: FakeFile, member: MemberClaim) -> None:
    if member.mark is not None:
        must(member.mark == file.mark, "mark of the dictionary")
    if member.model is not None:
        must(member.model[2] == file.fingerprint and member.model[3] is None, "fingerprint")


@lru_cache(4096)
def classical_text(kind: int, payload: bytes, n_bytes: int) -> bytes:
    if kind == STORED:
        return payload
    try:
        if kind == LZMA:
            filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 16 << 20}]
            decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
            text = decoder.decompress(payload)
            must(decoder.eof and not decoder.unused_data, "end of an lzma stream")
            return text
        if n_bytes > MAX_MIXED_BYTES:
            return mixing.decompress(payload, n_bytes)
        return Mixed(payload, n_bytes).decode()
    except CorruptError as exc:
        raise RefusedError("payload of a long mixed chunk") from exc
    except (lzma.LZMAError, AssertionError) as exc:
        raise RefusedError(f"payload: {exc}") from exc


def lm_text(file: FakeFile, chunk: ChunkClaim, learnt: int) -> tuple[list[int], bytes]:
    payload, bare = chunk.payload, list[int]()
    if chunk.kind == LM_LINES:
        cursor = Cursor(payload)
        for _ in range(cursor.varint()):
            bare.append((bare[-1] + 1 if bare else 0) + cursor.varint())
        payload = payload[cursor.at :]
    ids = decode_tokens(file, payload, chunk.n_tokens, learnt)
    text = spelled(file, ids)
    if chunk.kind == LM_LINES:
        lines = text.split(b"\n")
        must(not bare or bare[-1] < len(lines) - 1, "a line end that is not there")
        ends = [b"\n" if i in bare else b"\r\n" for i in range(len(lines) - 1)]
        text = b"".join(line + end for line, end in zip(lines, [*ends, b""], strict=True))
    return ids, text


def rows(file: FakeFile, learnt: int, seen: list[int]) -> NDArray[np.uint64]:
    """Return where each token's interval ends, after the tokens seen."""
    freq = file.frequencies(seen[-2:])
    freq[learnt % freq.size] += np.uint64(1 << 30 if learnt >= 0 else 0)
    return np.cumsum(freq)


def decode_tokens(file: FakeFile, payload: bytes, n_tokens: int, learnt: int) -> list[int]:
    """Decode as *Range coder* says. learnt: -1 for a model that learns nothing."""
    must(not payload.endswith(b"\0"), "zero at the end")
    digits = payload + bytes(8 + 6 * n_tokens)
    width, offset, read = 2**64 - 256, int.from_bytes(digits[:8]), 8
    must(offset < width, "offset")
    ids: list[int] = []
    for _ in range(n_tokens):
        ends = rows(file, learnt, ids)
        unit, spare = divmod(width, int(ends[-1]))
        border = spare * (unit + 1)
        inside = offset < border
        target = offset // (unit + 1) if inside else spare + (offset - border) // unit
        token = int(np.searchsorted(ends, np.uint64(target), side="right"))
        low, high = int(ends[token - 1]) if token else 0, int(ends[token])
        begin, end = (c * unit + min(c, spare) for c in (low, high))
        ids.append(token)
        offset, width = offset - begin, end - begin
        while width < 2**56:
            offset, width, read = 256 * offset + digits[read], 256 * width, read + 1
    last = (int.from_bytes(digits[read - 8 : read]) - offset) % 2**64
    carry, digit = (2**64 - last) % 2**64, (2**64 - last) % 2**56
    must(offset == (carry if carry < width else digit), "end of a payload")
    must(len(payload) <= read, "payload longer than what was read")
    return ids


def spelled(file: FakeFile, ids: list[int]) -> bytes:
    """Return the bytes of tokens as *Token stream* says."""
    alone = {token[0]: i for i, token in enumerate(file.tokens) if len(token) == 1}
    missing = [byte for byte in range(256) if byte not in alone]
    there = [alone[byte] for byte in sorted(alone)]
    escape = max((i for i, token in enumerate(file.tokens) if not token), default=-1)
    n_digits = next(d for d in range(9) if len(there) ** d >= len(missing)) if missing else 0
    text, at = b"", 0
    while at < len(ids):
        token = ids[at]
        at += 1
        if token != escape or not missing:
            must(bool(file.tokens[token]), "a token of no bytes")
            text += file.tokens[token]
            continue
        digits, at = ids[at : at + n_digits], at + n_digits
        must(len(digits) == n_digits and all(d in there for d in digits), "digits of an escape")
        number = 0
        for d in digits:
            number = number * len(there) + there.index(d)
        must(number < len(missing), "number of an escape")
        text += bytes([missing[number]])
    return text
