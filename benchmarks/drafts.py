"""What drafts gain in decompressing: python benchmarks/drafts.py FILE... [--lanes N]

Each file is compressed in as many chunks as --lanes says, then decompressed without drafts and with
them in turn, in one process, and compared with the original every time. Of the times the best
counts; --busy takes processor time instead, for a machine that others use, with --threads 1. What
is printed: tokens a second either way, how many times as fast drafts are, and the share of the
drafts that was accepted. On the CPU only.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING
from unittest import mock

from llmzip import Compressor, Decompressor
from llmzip.errors import LlmzipError
from llmzip.exact.cpu.engine import CpuEngine
from llmzip.models.files import locate
from llmzip.models.prepared import open_files
from script_options import script_parser

if TYPE_CHECKING:
    from llmzip.codec import Stats

LONGEST_CHUNK = 65_535
HEAD = "| file | bytes | tokens | lanes | without, tokens/s | with, tokens/s | ratio | accepted |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; print a table; return the exit status."""
    options = parse(arguments)
    print(HEAD)
    print("| --- |" + " ---: |" * (HEAD.count("|") - 2), flush=True)
    try:
        for path in options.files:
            data = path.read_bytes()[: options.bytes]
            print(_row(path.name, data, options), flush=True)
    except (OSError, LlmzipError) as exc:
        print(f"drafts.py: {exc}", file=sys.stderr)
        return 1
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = script_parser("drafts.py", __doc__)
    parser.add_argument("--bytes", type=int, metavar="N", help="of each file, its first N bytes")
    parser.add_argument("--lanes", type=int, default=1, metavar="N", help="chunks side by side")
    parser.add_argument("--level", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=3, help="runs either way")
    parser.add_argument("--busy", action="store_true", help="count processor time")
    return parser.parse_args(arguments)


def _row(name: str, data: bytes, options: argparse.Namespace) -> str:
    """Measure one file; return its row of the table."""
    packed, n_chunks = _packed(data, options)
    decompressor = Decompressor(device="cpu", threads=options.threads)
    _decoded(
        decompressor, packed, data, options.busy
    )  # which opens the model and loads all kernels
    runs: dict[bool, list[Stats]] = {False: [], True: []}
    for _ in range(options.repeat):
        for with_drafts, own in runs.items():
            with nullcontext() if with_drafts else _no_drafts():
                own.append(_decoded(decompressor, packed, data, options.busy))
    without, drafted = (max(_speed(stats) for stats in runs[kind]) for kind in (False, True))
    last = runs[True][-1]
    share = f"{100 * last.n_drafts_taken / last.n_drafted:.0f} %" if last.n_drafted else "no drafts"
    return (
        f"| {name} | {len(data):,} | {last.n_tokens:,} | {n_chunks} | {without:,.0f} | "
        f"{drafted:,.0f} | {drafted / without:.2f} | {share} |"
    )


def _packed(data: bytes, options: argparse.Namespace) -> tuple[bytes, int]:
    """Compress, in `options.lanes` chunks or about; return the file and the number of chunks."""
    tokenizer = open_files(locate(options.model, quiet=True), quiet=True).tokenizer
    n_tokens = len(tokenizer.encode(data))
    chunk_tokens = min(LONGEST_CHUNK, -(-n_tokens // options.lanes) + 1)
    how = {"model": options.model, "device": "cpu", "threads": options.threads}
    sink = io.BytesIO()
    with Compressor(**how, level=options.level, chunk_tokens=chunk_tokens) as compressor:
        stats = compressor.compress(io.BytesIO(data), sink)
    if not stats.n_tokens:
        raise LlmzipError("nothing of it is the model's")
    return sink.getvalue(), stats.n_chunks


def _decoded(decompressor: Decompressor, packed: bytes, data: bytes, is_busy: bool) -> Stats:
    """Decompress and compare. is_busy: let the time be the processor's. Raises LlmzipError."""
    sink, begin_s = io.BytesIO(), time.process_time()
    stats = decompressor.decompress(io.BytesIO(packed), sink)
    if is_busy:
        stats.seconds, stats.opening_seconds = time.process_time() - begin_s, 0.0
    if sink.getvalue() != data:
        raise LlmzipError("the file does not decompress to what was compressed")
    return stats


def _no_drafts() -> AbstractContextManager[object]:
    """Engines that say nothing of what steps cost get one row a lane."""
    return mock.patch.object(CpuEngine, "step_costs", None)


def _speed(stats: Stats) -> float:
    return stats.n_tokens / (stats.seconds - stats.opening_seconds)


if __name__ == "__main__":
    sys.exit(main())
