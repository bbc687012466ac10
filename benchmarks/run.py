"""Sizes and speeds of llmzip beside other compressors: python benchmarks/run.py FILE...

Every row is decompressed and compared with the original, or the run fails. What runs a token
at a time runs on the beginning of each file only (--prefix-bytes), with llmzip beside it on
the same bytes. All rows run in this process after a warm-up, so start-up is in no figure;
benchmarks/speed.py measures that. Rows of libraries that are not installed are left out, and
the report says so.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from llmzip.bench import machine
from llmzip.bench.codec import Settings
from llmzip.bench.measure import Codec, RoundTripError, measure
from llmzip.errors import LlmzipError
from rows import ALL_ROWS, PREFIX_ROWS, WHOLE_ROWS, openers
from script_options import names_among, script_parser, write_report
from table import Report, Section, section_markdown

QUICK_FILE_BYTES = 16_000
QUICK_PREFIX_BYTES = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; print the tables; return the exit status: 1 if a row gave back other bytes."""
    options = parse(arguments)
    settings = Settings(options.model, options.device, options.threads)
    bench = Bench(openers(settings), options.only, 1 if options.quick else options.repeat)
    try:
        for path in options.files:
            data = path.read_bytes()
            if options.quick:
                data = data[:QUICK_FILE_BYTES]
            bench.run_file(path.name, data, options.prefix_bytes)
    except (OSError, RoundTripError, LlmzipError) as exc:
        print(f"run.py: {exc}", file=sys.stderr)
        return 1
    report = bench.report(options)
    write_report(report, options)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = script_parser("run.py", __doc__)
    parser.add_argument("--only", type=names_among(ALL_ROWS), default=ALL_ROWS, metavar="ROW,...")
    parser.add_argument("--repeat", type=int, default=3, help="runs a row, of which the median")
    parser.add_argument("--prefix-bytes", type=int, help="for the slow rows; default 4000")
    parser.add_argument(
        "--quick", action="store_true", help=f"once, {QUICK_FILE_BYTES:,} bytes of each file"
    )
    parser.add_argument("--json", type=Path, metavar="OUT")
    options = parser.parse_args(arguments)
    if options.prefix_bytes is None:
        options.prefix_bytes = QUICK_PREFIX_BYTES if options.quick else 4000
    return options


class Bench:
    """Runs rows over texts and collects what they give."""

    def __init__(
        self, openers: dict[str, Callable[[], Codec]], only: Iterable[str], n_runs: int
    ) -> None:
        self._openers = {name: openers[name] for name in only}
        self._codecs: dict[str, Codec] = {}
        self._n_runs = n_runs
        self._machine = machine.describe()
        self._sections: list[Section] = []
        self._absent: dict[str, str] = {}

    def run_file(self, name: str, data: bytes, n_prefix_bytes: int) -> None:
        """Run rows over a file: those that can over all of it, the others over its beginning."""
        if not data:
            raise RoundTripError(f"{name} is empty: there is nothing to measure")
        self._run_rows(f"{name}: {len(data):,} bytes", data, WHOLE_ROWS)
        prefix = data[:n_prefix_bytes]
        if {"float", "constriction"} & set(self._openers):
            self._run_rows(f"{name}: its first {len(prefix):,} bytes", prefix, PREFIX_ROWS)

    def _run_rows(self, title: str, data: bytes, names: Iterable[str]) -> None:
        section = Section(title)
        for name in names:
            codec = self._opened(name)
            if codec is not None:
                print(f"{title}: {codec.name}", file=sys.stderr, flush=True)
                section.results.append(measure(codec, data, self._n_runs))
        if section.results:
            self._sections.append(section)
            print(section_markdown(section) + "\n", flush=True)

    def _opened(self, name: str) -> Codec | None:
        if name not in self._openers or name in self._absent:
            return None
        if name not in self._codecs:
            try:
                self._codecs[name] = self._openers[name]()
            except ImportError as exc:
                self._absent[name] = f"not measured, {exc}"
                print(f"{name}: {self._absent[name]}", file=sys.stderr)
                return None
        return self._codecs[name]

    def report(self, options: argparse.Namespace) -> Report:
        """Return all that was found."""
        settings = {
            "model": options.model,
            "threads": options.threads,
            "runs": self._n_runs,
            **machine.describe_device(options.device),
        }
        return Report(self._machine, settings, self._sections, self._absent)


if __name__ == "__main__":
    sys.exit(main())
