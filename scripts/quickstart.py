"""Compress a text with the default model, get it back, and stand the figures beside those of xz.

The figures are of whole commands as a person runs them, start-up included.
"""

from __future__ import annotations

import lzma
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

TEXT = Path(__file__).parent.parent / "benchmarks" / "data" / "alice-1-3.txt"


def main() -> None:
    """Run everything and print a table; exit with an error if the text does not come back."""
    text = TEXT.read_bytes()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        llmzip("models", "pull", stdout=subprocess.DEVNULL)
        llmzip("compress", "-o", folder / "warm.llmz", _short(folder))  # prepares it the first time
        packed, unpacked = folder / "text.llmz", folder / "text"
        compress_s = seconds(lambda: llmzip("compress", "-o", packed, TEXT))
        decompress_s = seconds(lambda: llmzip("decompress", "-o", unpacked, packed))
        if unpacked.read_bytes() != text:
            sys.exit("quickstart: the text that came back is not the one that went in")
        n_packed = packed.stat().st_size
    print(f"{TEXT.name}: {len(text):,} bytes, compressed, decompressed, and the same again\n")
    print(f"{'':12}{'bytes':>10}{'bits/byte':>12}{'compress':>16}{'decompress':>16}")
    print(row("llmzip", len(text), n_packed, compress_s, decompress_s))
    print(xz_row(text))


def llmzip(*arguments: str | Path, stdout: int | None = None) -> None:
    """Run the command line; what it says on stderr is shown."""
    command = [sys.executable, "-m", "llmzip", *map(str, arguments)]
    result = subprocess.run(command, stdout=stdout, check=False)
    if result.returncode:
        sys.exit(result.returncode)


def _short(folder: Path) -> Path:
    path = folder / "short.txt"
    path.write_text("The quick brown fox jumps over the lazy dog.\n", encoding="utf-8")
    return path


def xz_row(text: bytes) -> str:
    """Return the table's row for xz at its strongest."""
    packed = b""

    def compress() -> None:
        nonlocal packed
        packed = lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)

    compress_s = seconds(compress)
    decompress_s = seconds(lambda: lzma.decompress(packed))
    return row("xz -9e", len(text), len(packed), compress_s, decompress_s)


def row(name: str, n_bytes: int, n_packed: int, compress_s: float, decompress_s: float) -> str:
    """Return one row of the table."""
    speeds = (f"{n_bytes / 1e3 / s:,.1f} kB/s" for s in (compress_s, decompress_s))
    bits_per_byte = 8 * n_packed / n_bytes
    return f"{name:12}{n_packed:10,}{bits_per_byte:12.3f}" + "".join(f"{s:>16}" for s in speeds)


def seconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
