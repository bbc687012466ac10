"""Context mixing: many small statistics of the bytes so far, weighed against each other bit by bit.

A codec for bytes that needs no model from elsewhere: what a language model does not know (other
languages, tables, records), it learns from the data alone, better than LZMA, bzip2 and PPMd do.
docs/FORMAT.md specifies it (*Mixed chunks*). All of it is integer arithmetic, so a text has
one payload, on every machine. It takes about 2 µs a byte in both directions.
"""

from __future__ import annotations

import numpy as np

from llmzip.errors import CorruptError


def compress(data: bytes, most: int) -> bytes | None:
    """Return the payload of `data`, or None if it takes more than `most` bytes."""
    from llmzip.mixing import kernel
    from llmzip.mixing.states import fresh_state

    text = np.frombuffer(data, dtype=np.uint8).copy()
    payload = np.zeros(most, dtype=np.uint8)
    with fresh_state(text) as state:
        n_payload = kernel.encode(state, text, payload)
    return None if n_payload < 0 else payload[:n_payload].tobytes()


def decompress(payload: bytes, n_bytes: int) -> bytes:
    """Return the `n_bytes` that `payload` stands for. Raises CorruptError if it is malformed."""
    from llmzip.mixing import kernel
    from llmzip.mixing.states import fresh_state

    if not payload:
        return b"\xff" * n_bytes  # nothing but ones: see kernel._is_spent
    text = np.zeros(n_bytes, dtype=np.uint8)
    coded = np.frombuffer(payload, dtype=np.uint8).copy()
    with fresh_state(text) as state:
        is_whole = kernel.decode(state, coded, text)
    if payload.endswith(b"\0") or not is_whole:
        raise CorruptError("a chunk's mixed data is damaged; get the file again")
    return text.tobytes()


def compress_counted(data: bytes, most: int) -> bytes | None:
    """Return `data` by how often each byte has come, or None if it takes more than `most` bytes.

    Where nothing but that can be known, as of random digits, nothing is smaller.
    """
    from llmzip.mixing import counted

    payload = np.zeros(most, dtype=np.uint8)
    text = np.frombuffer(data, dtype=np.uint8).copy()
    n_payload = counted.encode(counted.new_counts(), text, payload)
    return None if n_payload < 0 else payload[:n_payload].tobytes()


def decompress_counted(payload: bytes, n_bytes: int) -> bytes:
    """Return the `n_bytes` of a counted payload. Raises CorruptError if it is malformed."""
    from llmzip.mixing import counted

    text = np.zeros(n_bytes, dtype=np.uint8)
    coded = np.frombuffer(payload, dtype=np.uint8).copy()
    is_whole = counted.decode(counted.new_counts(), coded, text)
    if payload.endswith(b"\0") or not is_whole:
        raise CorruptError("a chunk's counted data is damaged; get the file again")
    return text.tobytes()
