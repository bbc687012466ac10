"""Which rows there are, by the names that `--only` takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import classical
import neural
from measure import Codec

WHOLE_ROWS = ("gzip", "bzip2", "xz", "zstd", "zstd-long", "brotli", "ppmd", "llmzip")
"""Rows over each file as it is."""

PREFIX_ROWS = ("llmzip", "float", "constriction")
"""Rows over the beginning of each file, where one token at a time is bearable."""

ALL_ROWS = tuple(dict.fromkeys(WHOLE_ROWS + PREFIX_ROWS))


def openers(settings: neural.Settings) -> dict[str, Callable[[], Codec]]:
    """Return what opens each row; opening raises ImportError where a library is not there."""
    return {
        "gzip": classical.gzip_row,
        "bzip2": classical.bzip2_row,
        "xz": classical.xz_row,
        "zstd": classical.zstd_row,
        "zstd-long": classical.zstd_long_row,
        "brotli": classical.brotli_row,
        "ppmd": classical.ppmd_row,
        "llmzip": partial(neural.LlmzipCodec, settings),
        "float": partial(neural.LlmzipCodec, settings, exact=False),
        "constriction": partial(neural.ConstrictionCodec, settings),
    }
