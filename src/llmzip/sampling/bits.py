"""The bits that a text is decoded from: a seed's, or a payload's with its length and checksum."""

from __future__ import annotations

from hashlib import sha256

from llmzip.container.checksum import chunk_checksum
from llmzip.container.wire import Body, varint
from llmzip.errors import CorruptError, SamplingError

_LABEL = b"llmzip sample 1\0"
_BLOCK_BYTES = 32


def seed_bits(seed: int, n_bytes: int) -> bytes:
    """Return the first `n_bytes` bytes of the stream of a seed, 0 to 2^64 - 1.

    It is SHA-256 in counter mode: block i is the digest of a label, the seed and i (64 bits each,
    little-endian).
    """
    key = _LABEL + seed.to_bytes(8, "little")
    n_blocks = -(-n_bytes // _BLOCK_BYTES)
    blocks = (sha256(key + i.to_bytes(8, "little")).digest() for i in range(n_blocks))
    return b"".join(blocks)[:n_bytes]


def whitened(data: bytes, seed: int) -> bytes:
    """Return `data` with the seed's stream added bit by bit: twice gives it back.

    So that zeros, too, make a text as any other. It keeps nothing secret.
    """
    stream = seed_bits(seed, len(data))
    mixed = int.from_bytes(data) ^ int.from_bytes(stream)
    return mixed.to_bytes(len(data))


def framed(payload: bytes) -> bytes:
    """Return `payload` with what tells its end: its length before it, its checksum after it."""
    return varint(len(payload)) + payload + chunk_checksum(payload)


def unframed(data: bytes) -> bytes:
    """Return the payload that `data` begins with. Raises SamplingError if it is none."""
    fields = Body(data, 0)
    try:
        payload = fields.take(fields.varint())
        checksum = fields.take(len(chunk_checksum(b"")))
    except CorruptError:
        payload, checksum = b"", b""
    if checksum != chunk_checksum(payload):
        raise SamplingError(
            "the text holds no payload, or not all of it: give the whole text, and the model, "
            "prompt, seed, temperature and top_k that it was written with"
        )
    return payload
