"""The classical codecs, for where a language model is no help: raw LZMA, and context mixing.

An LZMA payload is an LZMA2 stream with its end marker and no header. What a header would say,
the window's size, is fixed here (and in docs/FORMAT.md), so it need not be trusted. Text,
tables and records that LZMA shrinks, context mixing shrinks by a fifth more; of binaries and
of long repeats LZMA makes less.
"""

from __future__ import annotations

import lzma

from llmzip import mixing
from llmzip.container import Chunk, Kind
from llmzip.errors import CorruptError

DICTIONARY_BYTES = 1 << 24
"""The window that a decoder must keep: no chunk is longer, so every distance fits."""

MIN_EASY_BYTES = 1 << 16
EASY_RATIO = 1 / 1000
"""Longer data that LZMA shrinks further at once is left at that."""

MIN_SAMPLED_BYTES = 1 << 17
"""For fewer bytes, coding them takes hardly longer than asking what that would come to."""
_N_SAMPLES = 4
_SAMPLE_BYTES = 1 << 14
LEAST_OF_ESTIMATE = 0.7
"""Of 30 texts of 128 to 512 KiB, prose, code, lists, tables and logs, none was coded in less than
0.76 of the estimate."""

MOST_SHORT_BYTES = 1 << 12
"""For no more bytes LZMA says at once what context mixing hardly gets below."""
LEAST_OF_LZMA, LEAST_LZMA_BYTES = 0.5, 64
"""Of 2,260 texts of 50 bytes to 40 kB (prose, code, XML, and short repeats) which LZMA leaves 64
bytes of or more, context mixing left 0.54 of these at the least, and 0.71 but for the repeats."""

MIN_COUNTED_BYTES = 1 << 12
"""For so many bytes it matters whether contexts that know nothing have a say."""

_FOR_BINARY = {"lc": 3, "lp": 0, "pb": 2}
_FOR_TEXT = {"lc": 3, "lp": 0, "pb": 0}
_QUICK_PRESET = 0
_BEST_PRESET = 9 | lzma.PRESET_EXTREME
_MIN_DICTIONARY_BYTES = 1 << 12


def classical_chunk(data: bytes) -> Chunk:
    """Return `data` (at most DICTIONARY_BYTES) as the shortest chunk that needs no model.

    What is next to nothing already is not tried in other ways, which would take long.
    """
    if len(data) >= MIN_EASY_BYTES:
        quick = _compress(data, _QUICK_PRESET, _FOR_BINARY)
        if len(quick) < EASY_RATIO * len(data):
            return Chunk.lzma(data, quick)
    best = compress_lzma(data)
    if len(best) >= len(data):
        return Chunk.stored(data)  # noise: nothing else would help
    chunk = Chunk.lzma(data, best)
    by_mixing = mixing.compress(data, len(chunk.payload) - 1)
    chunk = chunk if by_mixing is None else Chunk.mixed(data, by_mixing)
    if len(data) < MIN_COUNTED_BYTES:
        return chunk
    by_counts = mixing.compress_counted(data, len(chunk.payload) - 1)
    return chunk if by_counts is None else Chunk.counted(data, by_counts)


def says_least(data: bytes) -> bool:
    """Whether `least_size` takes less time than `data` takes to be coded."""
    return not MOST_SHORT_BYTES < len(data) < MIN_SAMPLED_BYTES


def least_size(data: bytes) -> int:
    """Return a size that `data`, of which it `says_least`, hardly gets below without the model.

    Of long data a quick LZMA sees what repeats in all of it; by how much context mixing then does
    better, parts of it tell.
    """
    if len(data) <= MOST_SHORT_BYTES:
        by_lzma = len(compress_lzma(data))
        return int(LEAST_OF_LZMA * by_lzma) if by_lzma >= LEAST_LZMA_BYTES else 0
    step = len(data) // _N_SAMPLES
    sample = b"".join(data[i * step :][:_SAMPLE_BYTES] for i in range(_N_SAMPLES))
    mixed = mixing.compress(sample, len(sample)) or sample
    ratio = len(mixed) / len(_compress(sample, _QUICK_PRESET, _FOR_BINARY))
    quick = len(_compress(data, _QUICK_PRESET, _FOR_BINARY))
    return int(LEAST_OF_ESTIMATE * ratio * quick)


def decompress_classical(chunk: Chunk) -> bytes:
    """Return what `chunk`, not of the LM, says it is. Raises CorruptError if it is damaged."""
    if chunk.kind is Kind.LZMA:
        return decompress_lzma(chunk.payload, chunk.n_bytes)
    if chunk.kind is Kind.MIXED:
        return mixing.decompress(chunk.payload, chunk.n_bytes)
    if chunk.kind is Kind.COUNTED:
        return mixing.decompress_counted(chunk.payload, chunk.n_bytes)
    return chunk.payload


def compress_lzma(data: bytes) -> bytes:
    """Return the payload of `data` (at most DICTIONARY_BYTES): the best of a few settings."""
    payload = _compress(data, _BEST_PRESET, _FOR_BINARY)
    if len(payload) >= len(data):
        return payload  # noise: other settings would not help
    return min(payload, _compress(data, _BEST_PRESET, _FOR_TEXT), key=len)


def quick_ratio(data: bytes) -> float:
    """Return about how small `data` gets, as a fraction of its size, for little time."""
    return len(_compress(data, _QUICK_PRESET, _FOR_BINARY)) / max(len(data), 1)


def decompress_lzma(payload: bytes, n_bytes: int) -> bytes:
    """Return the `n_bytes` that `payload` stands for; never makes more than one byte beyond them.

    Raises CorruptError if it is no whole stream, or one of another length.
    """
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": DICTIONARY_BYTES}]
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    try:
        data = decoder.decompress(payload, max_length=n_bytes + 1)
        if len(data) == n_bytes and not decoder.eof:  # the end marker may still wait to be read
            data += decoder.decompress(b"", max_length=1)
    except (lzma.LZMAError, EOFError) as exc:
        raise CorruptError("a chunk's LZMA data is damaged; get the file again") from exc
    if not decoder.eof or decoder.unused_data or len(data) != n_bytes:
        raise CorruptError(
            f"a chunk's LZMA data does not decode to the {n_bytes} bytes it claims; "
            "the file is damaged, get it again"
        )
    return data


def _compress(data: bytes, preset: int, settings: dict[str, int]) -> bytes:
    """Compress with a window just long enough, which saves memory and changes no distance."""
    window = max(_MIN_DICTIONARY_BYTES, 1 << max(len(data) - 1, 1).bit_length())
    lzma2 = {"id": lzma.FILTER_LZMA2, "preset": preset, "dict_size": window, **settings}
    return lzma.compress(data, lzma.FORMAT_RAW, filters=[lzma2])
