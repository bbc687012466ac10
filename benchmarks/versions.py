"""What repeats far back costs: python benchmarks/versions.py FILE

The first --bytes of FILE are the first version of a text. Each of the next ones is the one before,
with --changed of its lines replaced by others of FILE. What is measured: the first version alone;
all of them in one file; the last one alone, and against the one before it (--patch-from). Then
noise of --noise bytes, once and twice. Each row is decompressed and compared. With --find-only no
model is asked: what is left for it is counted, and the finder of copies is timed.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import llmzip
from llmzip.codec.layouts import layout_chunk
from llmzip.codec.plan import plan_group
from llmzip.compressor import DEFAULT_LEVEL
from llmzip.errors import LlmzipError
from llmzip.layout.copies import CopyFinder
from llmzip.layout.earlier import Spool
from llmzip.models.catalog import DEFAULT_MODEL
from table import markdown_table

GROUP_BYTES = 1 << 22
WARM_UP = b"The quick brown fox jumps over the lazy dog. " * 8


@dataclass(frozen=True)
class Row:
    """A text: bytes before and after, seconds of processor time both ways."""

    name: str
    n_bytes: int
    n_packed_bytes: int
    compress_s: float
    decompress_s: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return the exit status."""
    options = parse(arguments)
    try:
        texts = versions(
            options.file.read_bytes(), options.bytes, options.versions, options.changed
        )
        if options.find_only:
            found("warm-up", 3 * texts[0][:100_000])  # kernels are loaded
            print(found("the first version", texts[0]))
            print(found(f"{len(texts)} versions", b"".join(texts)))
            return 0
        rows = list(all_rows(texts, options))
    except (LlmzipError, OSError, ValueError) as exc:
        print(f"versions.py: {exc}", file=sys.stderr)
        return 1
    print(table(rows))
    print(f"\n{summary(rows)}")
    return 0


def summary(rows: Sequence[Row]) -> str:
    """Return what the rows are to each other, in words."""
    first, together, last, patch = rows[:4]
    return (
        f"{together.name}: {together.n_packed_bytes / first.n_packed_bytes:.2f} times the bytes of "
        f"the first alone, {together.compress_s / first.compress_s:.2f} times the time to compress "
        f"and {together.decompress_s / first.decompress_s:.2f} to decompress\n"
        f"--patch-from: {patch.n_packed_bytes / last.n_packed_bytes:.2%} of the size without"
    )


def versions(text: bytes, n_bytes: int, n_versions: int, changed: float) -> list[bytes]:
    """Return the versions. Raises ValueError if `text` has nothing after the first."""
    lines, others = text[:n_bytes].splitlines(True), text[n_bytes:].splitlines(True)[1:]
    if not others:
        raise ValueError(f"a text of {len(text):,} bytes: more than --bytes are wanted")
    chance = random.Random(1)
    made = [lines]
    for _ in range(1, n_versions):
        made.append([
            chance.choice(others) if chance.random() < changed else line for line in made[-1]
        ])  # fmt: skip
    return [b"".join(version) for version in made]


def all_rows(texts: Sequence[bytes], options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rows; the model is opened before the first."""
    model, level = options.model, options.level
    plain = Pair(model, level, None)
    plain.decompress(plain.compress(WARM_UP))
    yield measured("the first version", plain, texts[0])
    yield measured(f"{len(texts)} versions", plain, b"".join(texts))
    yield measured("the last version", plain, texts[-1])
    against = Pair(model, level, texts[-2])
    against.decompress(against.compress(WARM_UP))
    yield measured("the last version, --patch-from the one before", against, texts[-1])
    noise = random.Random(2).randbytes(options.noise)
    if noise:
        yield measured("noise", plain, noise)
        yield measured("noise, twice", plain, noise * 2)


def found(name: str, text: bytes) -> str:
    """Return what copies leave of a text, in words."""
    finder = CopyFinder(Spool())
    n_left = n_copies = n_layout_bytes = 0
    seconds = 0.0
    for start in range(0, len(text), GROUP_BYTES):
        group = text[start : start + GROUP_BYTES]
        begin_s = time.process_time()
        copies = finder.feed(group)
        seconds += time.process_time() - begin_s
        planned = plan_group(group, copies)
        n_left += planned.n_content
        n_copies += len(copies)
        if planned.layout is not None:
            n_layout_bytes += len(layout_chunk(planned.layout, group).payload)
    return (
        f"{name}: {len(text):,} bytes, {n_left:,} left by {n_copies:,} copies, layouts of "
        f"{n_layout_bytes:,} bytes, found in {seconds:.2f} s ({len(text) / seconds / 1e6:.0f} MB/s)"
    )


class Pair:
    """llmzip both ways, the model being kept."""

    def __init__(self, model: str, level: int, reference: bytes | None) -> None:
        self._compressor = llmzip.Compressor(model=model, level=level, patch_from=reference)
        self._decompressor = llmzip.Decompressor(default_model=model, patch_from=reference)

    def compress(self, data: bytes) -> bytes:
        """Return `data` as a file."""
        sink = io.BytesIO()
        self._compressor.compress(io.BytesIO(data), sink)
        return sink.getvalue()

    def decompress(self, packed: bytes) -> bytes:
        """Return what a file holds."""
        sink = io.BytesIO()
        self._decompressor.decompress(io.BytesIO(packed), sink)
        return sink.getvalue()


def measured(name: str, pair: Pair, data: bytes) -> Row:
    """Compress `data`, get it back and compare."""
    begin_s = time.process_time()
    packed = pair.compress(data)
    middle_s = time.process_time()
    if pair.decompress(packed) != data:
        raise AssertionError(f"{name}: it did not come back")
    end_s = time.process_time()
    row = Row(name, len(data), len(packed), middle_s - begin_s, end_s - middle_s)
    print(f"{name}: {row.n_packed_bytes:,}", file=sys.stderr, flush=True)
    return row


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    heads = ("", "bytes", "llmzip", "s to compress", "s to decompress")
    return markdown_table(heads, [
        (
            row.name,
            f"{row.n_bytes:,}",
            f"{row.n_packed_bytes:,}",
            f"{row.compress_s:.1f}",
            f"{row.decompress_s:.1f}",
        )
        for row in rows
    ])  # fmt: skip


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="benchmarks/versions.py", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--bytes", type=int, default=2_000_000, help="of the first version")
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument("--changed", type=float, default=0.01, help="of the lines, each time")
    parser.add_argument("--noise", type=int, default=5_000_000)
    parser.add_argument("--find-only", action="store_true")
    parser.add_argument("--level", type=int, default=DEFAULT_LEVEL)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
