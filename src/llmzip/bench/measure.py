"""Times a codec both ways and checks what comes back: no row without its own round trip."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from llmzip.errors import LlmzipError

WARM_UP = b"The quick brown fox jumps over the lazy dog. " * 8
ENOUGH_S = 60.0
"""Work that has taken this long is not repeated."""

T = TypeVar("T")


class Codec(Protocol):
    """Something that compresses, and decompresses what it compressed."""

    @property
    def name(self) -> str:
        """What the table calls it."""

    @property
    def model_bits(self) -> float | None:
        """The model's cross-entropy over the data compressed last, if there is a model."""

    def compress(self, data: bytes, /) -> bytes:
        """Return `data`, shorter."""

    def decompress(self, packed: bytes, /) -> bytes:
        """Return what `packed` was made from."""


class RoundTripError(LlmzipError):
    """A codec did not give back what it was given."""


@dataclass(frozen=True)
class Result:
    """One row: a codec on one text. Seconds are medians; model_bits is None without a model."""

    row: str
    n_bytes: int
    n_packed_bytes: int
    compress_s: float
    decompress_s: float
    model_bits: float | None
    n_runs: int

    @property
    def bits_per_byte(self) -> float:
        """Bits of the output for each byte of the input."""
        return 8 * self.n_packed_bytes / self.n_bytes

    @property
    def model_bits_per_byte(self) -> float | None:
        """What a perfect coder would need with the same model."""
        return None if self.model_bits is None else self.model_bits / self.n_bytes

    @property
    def compress_kb_per_s(self) -> float:
        """Speed of compression in units of 1,000 bytes of the input a second."""
        return self.n_bytes / 1e3 / self.compress_s

    @property
    def decompress_kb_per_s(self) -> float:
        """Speed of decompression in units of 1,000 bytes of the output a second."""
        return self.n_bytes / 1e3 / self.decompress_s


def measure(codec: Codec, data: bytes, n_runs: int, enough_s: float = ENOUGH_S) -> Result:
    """Compress and decompress `data` (not empty) `n_runs` times after a small warm-up.

    enough_s: each direction is not repeated any more once it has taken so long in all.
    Raises RoundTripError if what comes back is not `data`, or differs from run to run.
    """
    check_round_trip(codec, WARM_UP[: len(data)])
    packed, compress_s, n_done = timed(lambda: codec.compress(data), n_runs, enough_s)
    model_bits = codec.model_bits
    unpacked, decompress_s, _ = timed(lambda: codec.decompress(packed), n_runs, enough_s)
    if unpacked != data:
        raise RoundTripError(f"{codec.name}: what came back is not what went in")
    return Result(
        row=codec.name,
        n_bytes=len(data),
        n_packed_bytes=len(packed),
        compress_s=compress_s,
        decompress_s=decompress_s,
        model_bits=model_bits,
        n_runs=n_done,
    )


def check_round_trip(codec: Codec, data: bytes) -> None:
    """Raise RoundTripError unless `data` comes back from `codec`."""
    if codec.decompress(codec.compress(data)) != data:
        raise RoundTripError(f"{codec.name}: what came back is not what went in")


def timed(work: Callable[[], T], n_runs: int, enough_s: float = ENOUGH_S) -> tuple[T, float, int]:
    """Run `work` up to `n_runs` times; return its result, the median of seconds, the runs done.

    Raises RoundTripError if two runs give different results.
    """
    result, seconds = _once(work)
    all_seconds = [seconds]
    while len(all_seconds) < n_runs and sum(all_seconds) < enough_s:
        again, seconds = _once(work)
        if again != result:
            raise RoundTripError("two runs on the same data gave different results")
        all_seconds.append(seconds)
    return result, statistics.median(all_seconds), len(all_seconds)


def _once(work: Callable[[], T]) -> tuple[T, float]:
    begin_s = time.perf_counter()
    result = work()
    return result, time.perf_counter() - begin_s
