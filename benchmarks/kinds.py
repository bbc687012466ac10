"""Sizes of many kinds of data beside the best of others: python benchmarks/kinds.py FILE...

For each file, and for each of its prefixes that --sizes asks for: what classical compressors
make of it, what llmzip does, and llmzip as a fraction of xz and of the best of the others.
Every row is decompressed and compared with the original, or the run fails. --with puts what
earlier runs left in JSON into the table. --encodings adds rows of the same text in others than
UTF-8; --wrappings measures parts of it in archives, between binary data and in mails instead, and
--easy adds data that costs next to nothing. --classical-only leaves the model out: llmzip is then
what its own classical codecs give, stream by stream as it plans them. benchmarks/gather_kinds.py
collects files.
"""

from __future__ import annotations

import argparse
import json
import sys
import unicodedata
from codecs import lookup
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import cast

from llmzip.bench import classical, machine
from llmzip.bench.codec import LlmzipCodec, Settings
from llmzip.bench.measure import Codec, RoundTripError, timed
from llmzip.errors import LlmzipError
from ours import ClassicalSide
from script_options import numbers, script_parser
from table import markdown_table
from wrappings import easy, wrapped

BEST_OF = ("gzip -9", "bzip2 -9", "xz -9e", "zstd -19 --long", "brotli -11")
"""What llmzip must never be much worse than."""


@dataclass(frozen=True)
class KindResult:
    """One file or prefix: compressed sizes in bytes by row; seconds of llmzip."""

    name: str
    n_bytes: int
    sizes: dict[str, int]
    compress_s: float
    decompress_s: float

    @property
    def ours(self) -> int:
        """Bytes of llmzip."""
        return self.sizes["llmzip"]

    @property
    def best(self) -> tuple[str, int]:
        """The best of the classical rows that were there: its name and bytes."""
        return min(
            ((row, self.sizes[row]) for row in BEST_OF if row in self.sizes), key=lambda r: r[1]
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; print the table; return the exit status: 1 if a row gave back other bytes."""
    options = parse(arguments)
    codecs = open_codecs(options)
    try:
        results = earlier(options.earlier)
        for name, data in easy() if options.easy else ():
            results.append(measure_kind(name, data, codecs))
            print(one_line(results[-1]), file=sys.stderr, flush=True)
        for path in options.files:
            data = path.read_bytes()
            for n_bytes in sorted({min(size, len(data)) for size in options.sizes or [len(data)]}):
                for name, version in named_rows(path.name, data[:n_bytes], options):
                    results.append(measure_kind(name, version, codecs))
                    print(one_line(results[-1]), file=sys.stderr, flush=True)
    except (OSError, RoundTripError, LlmzipError) as exc:
        print(f"kinds.py: {exc}", file=sys.stderr)
        return 1
    report = markdown(results, options)
    print(report)
    if options.json:
        rows = [asdict(result) for result in results]
        text = json.dumps({"machine": machine.describe(), "results": rows}, indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(report, encoding="utf-8")
    return 0


def named_rows(name: str, data: bytes, options: argparse.Namespace) -> Iterable[tuple[str, bytes]]:
    """Return what is to be measured of a file, by names."""
    if options.wrappings:
        return wrapped(data)
    return versions(name, data, options.encodings)


def versions(name: str, data: bytes, encodings: Sequence[str]) -> list[tuple[str, bytes]]:
    """Return the name and `data`, and as much for its text in each of the encodings.

    With encodings `data` is the text in UTF-8, less the characters that any of them lacks.
    """
    if not encodings:
        return [(name, data)]
    text = unicodedata.normalize("NFC", data.decode("utf-8", "ignore"))
    for encoding in encodings:
        text = text.encode(encoding, "ignore").decode(encoding)
    others = [(f"{name} in {encoding}", text.encode(encoding)) for encoding in encodings]
    return [(name, text.encode()), *others]


def encoding_names(text: str) -> list[str]:
    """Return Python's names of encodings, of a list with commas. Raises ValueError."""
    try:
        return [lookup(name).name for name in text.split(",")]
    except LookupError as exc:
        raise ValueError(str(exc)) from exc


def earlier(paths: Sequence[Path]) -> list[KindResult]:
    """Return the results that earlier runs wrote."""
    loaded = (json.loads(path.read_text(encoding="utf-8"))["results"] for path in paths)
    return [KindResult(**result) for results in loaded for result in results]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = script_parser("kinds.py", __doc__, n_files="*")
    parser.add_argument("--sizes", type=numbers, metavar="BYTES,...", help="of prefixes")
    parser.add_argument(
        "--encodings",
        type=encoding_names,
        default=(),
        metavar="NAME,...",
        help="measure the text in each of these, too, and in UTF-8 only what all of them have",
    )
    parser.add_argument("--wrappings", action="store_true", help="parts of it, wrapped")
    parser.add_argument("--easy", action="store_true", help="zeros, repeats and noise, too")
    parser.add_argument("--with", dest="earlier", nargs="+", default=(), type=Path, metavar="JSON")
    parser.add_argument("--classical-only", action="store_true", help="without the model")
    parser.add_argument("--json", type=Path, metavar="OUT")
    return parser.parse_args(arguments)


def open_codecs(options: argparse.Namespace) -> list[Codec]:
    """Return the codecs of all rows; what is not installed is left out, with a note."""
    openers: list[Callable[[], Codec]] = [
        classical.gzip_row,
        classical.bzip2_row,
        classical.xz_row,
        classical.zstd_long_row,
        classical.brotli_row,
    ]
    codecs = []
    for opener in openers:
        try:
            codecs.append(opener())
        except ImportError as exc:
            print(f"kinds.py: not measured: {exc}", file=sys.stderr)
    settings = Settings(options.model, options.device, options.threads)
    ours = ClassicalSide() if options.classical_only else LlmzipCodec(settings)
    return [*codecs, cast(Codec, ours)]


def measure_kind(name: str, data: bytes, codecs: Sequence[Codec]) -> KindResult:
    """Compress and decompress `data` with all codecs, llmzip's last. Raises RoundTripError."""
    if not data:
        raise RoundTripError(f"{name} is empty: there is nothing to measure")
    sizes = {}
    compress_s = decompress_s = 0.0
    for codec in codecs:
        packed, compress_s, _ = timed(partial(codec.compress, data), 1)
        unpacked, decompress_s, _ = timed(partial(codec.decompress, packed), 1)
        if unpacked != data:
            raise RoundTripError(f"{codec.name} on {name}: what came back is not what went in")
        sizes[codec.name] = len(packed)
    return KindResult(name, len(data), sizes, compress_s, decompress_s)


def one_line(result: KindResult) -> str:
    """Return what a result comes to."""
    name, best = result.best
    ours = f"{result.n_bytes:,} bytes to {result.ours:,}"
    return f"{result.name}: {ours}, {result.ours / best:.1%} of {name} ({best:,})"


def markdown(results: Sequence[KindResult], options: argparse.Namespace) -> str:
    """Return the table, and what it depends on."""
    codecs = [row for row in (*BEST_OF, "llmzip") if row in results[0].sizes]
    headings = ["", "bytes", *codecs, "of xz", "of the best"]
    table = [
        [
            result.name,
            f"{result.n_bytes:,}",
            *(f"{result.sizes[row]:,}" for row in codecs),
            f"{100 * result.ours / result.sizes['xz -9e']:.1f} %",
            f"{100 * result.ours / result.best[1]:.1f} %",
        ]
        for result in results
    ]
    facts = {**machine.describe(), "model": None if options.classical_only else options.model}
    listed = "; ".join(f"{key} {value}" for key, value in facts.items() if value is not None)
    title = "### Kinds of data, in bytes"
    return f"{title}\n\n{markdown_table(headings, table)}\n\n{listed}.\n"


if __name__ == "__main__":
    sys.exit(main())
