"""Which rows there are beside llmzip's own, and what has to be installed for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llmzip.bench import classical
from llmzip.bench.measure import Codec

EXTRA = "llmzip[bench]"
"""What brings all the libraries."""


@dataclass(frozen=True)
class Row:
    """A compressor. package: what has to be installed for it, "" where Python brings it.

    opened: returns it; raises ImportError where the package is not there.
    """

    name: str
    opened: Callable[[], Codec]
    package: str = ""


OTHERS = {
    "gzip": Row("gzip -9", classical.gzip_row),
    "bzip2": Row("bzip2 -9", classical.bzip2_row),
    "xz": Row("xz -9e", classical.xz_row),
    "zstd": Row("zstd -19", classical.zstd_row, "zstandard"),
    "zstd-long": Row("zstd -19 --long", classical.zstd_long_row, "zstandard"),
    "brotli": Row("brotli -11", classical.brotli_row, "brotli"),
    "ppmd": Row(f"ppmd -o{classical.PPMD_ORDER}", classical.ppmd_row, "pyppmd"),
}
"""By the names that options take."""

SHOWN = ("gzip", "bzip2", "xz", "zstd", "brotli", "ppmd")
"""Those that people ask about."""


def absence(row: Row) -> str:
    """Return why a row is not there, and what would bring it."""
    return f"needs the package {row.package}: pip install '{EXTRA}'"
