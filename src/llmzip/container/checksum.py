"""Digests of decoded bytes: XXH3 with 64 bits, canonical (big-endian) byte order; of a dictionary.

A chunk keeps the first 4 bytes, a whole file all 8. The digest of a file that is one chunk
therefore starts with the chunk's checksum, and a lone chunk's member need not store both.
"""

from __future__ import annotations

from hashlib import sha256

import xxhash

from llmzip.container.limits import CHUNK_CHECKSUM_BYTES, DICTIONARY_MARK_BYTES


def chunk_checksum(data: bytes | bytearray | memoryview) -> bytes:
    """Return the 4-byte checksum of one chunk's decoded bytes."""
    return xxhash.xxh3_64_digest(data)[:CHUNK_CHECKSUM_BYTES]


def dictionary_mark(fingerprint: bytes, dictionary: bytes) -> bytes:
    """Return the 2 bytes that a file has of a dictionary and the model of that fingerprint."""
    return sha256(fingerprint + sha256(dictionary).digest()).digest()[:DICTIONARY_MARK_BYTES]


class FileChecksum:
    """The running checksum and size of everything decoded so far."""

    def __init__(self) -> None:
        self._state = xxhash.xxh3_64()
        self.n_bytes = 0

    def update(self, data: bytes | memoryview) -> None:
        """Add the next decoded bytes, in file order."""
        self._state.update(data)
        self.n_bytes += len(data)

    def digest(self) -> bytes:
        """Return the 8-byte checksum of all bytes so far."""
        return self._state.digest()
