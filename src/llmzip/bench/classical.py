"""The compressors that people use today, at their strongest settings, in this process."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from dataclasses import dataclass

PPMD_ORDER = 12  # of 5 to 16 the best or nearly so on texts of 100 kB to 1 MB
PPMD_MEMORY_BYTES = 1 << 26
ZSTD_LONG_WINDOW_LOG = 27  # what `zstd --long` uses

_SIZE_N_BYTES = 8


@dataclass(frozen=True)
class Classical:
    """Two functions of a library, under the name that people know."""

    name: str
    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes], bytes]

    @property
    def model_bits(self) -> None:
        """None: there is no language model."""


def gzip_row() -> Classical:
    """Return gzip at level 9."""
    return Classical("gzip -9", lambda data: gzip.compress(data, 9, mtime=0), gzip.decompress)


def bzip2_row() -> Classical:
    """Return bzip2 with blocks of 900 kB."""
    return Classical("bzip2 -9", lambda data: bz2.compress(data, 9), bz2.decompress)


def xz_row() -> Classical:
    """Return xz at its extreme preset 9."""
    preset = 9 | lzma.PRESET_EXTREME
    return Classical("xz -9e", lambda data: lzma.compress(data, preset=preset), lzma.decompress)


def zstd_row() -> Classical:
    """Return zstd at level 19. Raises ImportError."""
    import zstandard

    encoder, decoder = zstandard.ZstdCompressor(level=19), zstandard.ZstdDecompressor()
    return Classical("zstd -19", encoder.compress, decoder.decompress)


def zstd_long_row() -> Classical:
    """Return zstd at level 19 with long-distance matching. Raises ImportError."""
    import zstandard

    parameters = zstandard.ZstdCompressionParameters.from_level(
        19, window_log=ZSTD_LONG_WINDOW_LOG, enable_ldm=True
    )
    encoder = zstandard.ZstdCompressor(compression_params=parameters)
    decoder = zstandard.ZstdDecompressor(max_window_size=1 << ZSTD_LONG_WINDOW_LOG)
    return Classical("zstd -19 --long", encoder.compress, decoder.decompress)


def brotli_row() -> Classical:
    """Return brotli at quality 11 with its largest ordinary window. Raises ImportError."""
    import brotli

    return Classical(
        "brotli -11", lambda data: bytes(brotli.compress(data, lgwin=24)), brotli.decompress
    )


def ppmd_row() -> Classical:
    """Return PPMd, variant I. Raises ImportError."""
    import pyppmd

    def compress(data: bytes) -> bytes:
        encoder = pyppmd.Ppmd8Encoder(PPMD_ORDER, PPMD_MEMORY_BYTES)
        size = len(data).to_bytes(_SIZE_N_BYTES, "little")
        return size + bytes(encoder.encode(data) + encoder.flush())

    def decompress(packed: bytes) -> bytes:
        n_bytes = int.from_bytes(packed[:_SIZE_N_BYTES], "little")
        decoder = pyppmd.Ppmd8Decoder(PPMD_ORDER, PPMD_MEMORY_BYTES)
        data = bytes(decoder.decode(packed[_SIZE_N_BYTES:], n_bytes))
        while len(data) < n_bytes and not decoder.eof:  # it may stop before the size asked for
            more = decoder.decode(b"", n_bytes - len(data))
            if not more:
                break
            data += more
        return data

    return Classical(f"ppmd -o{PPMD_ORDER}", compress, decompress)
