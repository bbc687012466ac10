"""What other compressors make of a text, to be seen beside what llmzip does."""

from __future__ import annotations

from llmzip.bench.rows import OTHERS

SHOWN = ("gzip", "xz", "zstd")


def sizes_of(data: bytes) -> dict[str, int]:
    """Return how many bytes `data` comes to, by the names of those that are installed."""
    sizes = {}
    for row in (OTHERS[name] for name in SHOWN):
        try:
            codec = row.opened()
        except ImportError:
            continue
        sizes[row.name] = len(codec.compress(data))
    return sizes
