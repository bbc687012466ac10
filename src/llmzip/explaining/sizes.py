"""What other compressors make of a text, to be seen beside what llmzip does."""

from __future__ import annotations

import gzip
import lzma


def sizes_of(data: bytes) -> dict[str, int]:
    """Return how many bytes `data` comes to, by their names."""
    return {
        "gzip -9": len(gzip.compress(data, 9, mtime=0)),
        "xz -9e": len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)),
    }
