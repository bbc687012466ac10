"""Many small texts at once beside one by one: texts and kB a second, both ways.

    python benchmarks/many.py FILE... [--texts 1000] [--alone 100] [--bytes 200] [--level 5]

The texts are cut from the files, one after the other. Every row is the median of its runs; all
are made in one go, by turns, with the model open. One by one goes through the first of the texts
only, for it takes long. The last row is the limit: the same tokens as one long text, so that the
model is kept busy by whole windows of them.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable, Sequence

from llmzip import Compressor, Decompressor
from script_options import script_parser, texts_of
from table import markdown_table

HEADINGS = ("", "texts", "seconds", "texts/s", "kB/s")

Work = Callable[[], list[bytes]]


def main(arguments: Sequence[str] | None = None) -> str:
    """Measure; print and return a table in Markdown for each level."""
    options = _parsed(arguments)
    texts = texts_of(options.files, options.texts, options.bytes)
    tables = [_table(texts, level, options) for level in options.level]
    if options.markdown:
        options.markdown.write_text("\n".join(tables), encoding="utf-8")
    return "\n".join(tables)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = script_parser("many.py", (__doc__ or "").partition("\n")[0])
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--alone", type=int, default=100, help="texts that go one by one")
    parser.add_argument("--bytes", type=int, default=200, help="of each text")
    parser.add_argument("--level", type=int, nargs="+", default=[5])
    parser.add_argument("--runs", type=int, default=3)
    return parser.parse_args(arguments)


def _table(texts: list[bytes], level: int, options: argparse.Namespace) -> str:
    bench = _Bench(texts, level, options)
    rows = [
        (
            name,
            f"{n_texts:,}",
            f"{seconds:.2f}",
            f"{n_texts / seconds:,.1f}",
            f"{n_texts * options.bytes / seconds / 1000:,.2f}",
        )
        for name, (n_texts, seconds) in bench.timed(options.runs).items()
    ]
    title = f"{len(texts):,} texts of {options.bytes} bytes, level {level}, {bench.way}"
    table = f"{title}\n\n{markdown_table(HEADINGS, rows)}\n"
    print(table, flush=True)
    return table


class _Bench:
    """What is timed, each result being checked. The files of all texts are made together first."""

    def __init__(self, texts: Sequence[bytes], level: int, options: argparse.Namespace) -> None:
        how = {"model": options.model, "device": options.device, "threads": options.threads}
        self._texts = list(texts)
        self._n_alone = min(options.alone, len(texts))
        self._long = b"".join(texts)
        self._compressor = Compressor(level=level, **how)
        self._decompressor = Decompressor(**how)
        self._files = list(self._compressor.compress_many(self._texts))
        self.way = self._compressor.compress(io.BytesIO(texts[0]), io.BytesIO()).way
        self._decompress(self._files[0])  # opens its model, as the first of all has done above

    def _compress(self, text: bytes) -> bytes:
        sink = io.BytesIO()
        self._compressor.compress(io.BytesIO(text), sink)
        return sink.getvalue()

    def _decompress(self, file: bytes) -> bytes:
        sink = io.BytesIO()
        self._decompressor.decompress(io.BytesIO(file), sink)
        return sink.getvalue()

    def timed(self, n_runs: int) -> dict[str, tuple[int, float]]:
        """Return how many texts each deals with, and the median of the seconds that it takes."""
        texts, files = self._texts[: self._n_alone], self._files[: self._n_alone]
        work: dict[str, tuple[Work, list[bytes] | None]] = {
            "compress, one by one": (lambda: list(map(self._compress, texts)), files),
            "compress_many": (
                lambda: list(self._compressor.compress_many(self._texts)),
                self._files,
            ),
            "decompress, one by one": (lambda: list(map(self._decompress, files)), texts),
            "decompress_many": (
                lambda: list(self._decompressor.decompress_many(self._files)),
                self._texts,
            ),
            "compress, one long text": (lambda: [self._compress(self._long)], None),
        }
        seconds: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(n_runs):
            for name, (run, wanted) in work.items():
                seconds[name].append(_seconds(run, wanted))
        return {
            name: (
                len(self._texts if wanted is None else wanted),
                statistics.median(seconds[name]),
            )
            for name, (_, wanted) in work.items()
        }


def _seconds(run: Work, wanted: list[bytes] | None) -> float:
    """Time `run`; raise if it gives anything but what is wanted."""
    begin_s = time.perf_counter()
    found = run()
    seconds = time.perf_counter() - begin_s
    if wanted is not None and found != wanted:
        raise AssertionError("what came out is not what went in alone")
    return seconds


if __name__ == "__main__":
    main()
