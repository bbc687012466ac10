"""What learning gives and costs: python benchmarks/adaptation.py FILE... [--sizes 50000,200000]

Each file, or its prefixes, at the default level, and by the model alone: cut into the same chunks
and seen in the same windows, but learning nothing. Both are decompressed and compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import machine
from llmzip.api import DEFAULT_LEVEL
from llmzip.codec.levels import FROZEN_LEVEL, LEVELS
from llmzip.errors import LlmzipError
from llmzip.models import open_exact
from measure import Result, RoundTripError, measure
from neural import LlmzipCodec, Settings
from script_options import numbers, script_parser
from table import markdown_table


@dataclass(frozen=True)
class Comparison:
    """One text, without and with learning."""

    name: str
    alone: Result
    learnt: Result

    def cells(self) -> list[str]:
        """Return a row of the table."""
        alone, learnt = self.alone, self.learnt
        saved = 1 - learnt.n_packed_bytes / alone.n_packed_bytes
        slower = (
            1 - learnt.compress_kb_per_s / alone.compress_kb_per_s,
            1 - learnt.decompress_kb_per_s / alone.decompress_kb_per_s,
        )
        sizes = (alone.n_bytes, alone.n_packed_bytes, learnt.n_packed_bytes)
        return [
            self.name,
            *(f"{n:,}" for n in sizes),
            *(f"{100 * x:.1f} %" for x in (saved, *slower)),
        ]


HEADINGS = (
    "",
    "bytes",
    "model alone",
    "learning",
    "saved",
    "compressing slower by",
    "decompressing slower by",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; print the table; return the exit status."""
    options = parse(arguments)
    settings = Settings(options.model, options.device, options.threads)
    rows = []
    try:
        for path in options.files:
            data = path.read_bytes()
            for n_bytes in sorted({min(size, len(data)) for size in options.sizes or [len(data)]}):
                rows.append(compare(path.name, data[:n_bytes], settings, options.repeat).cells())
                print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    except (OSError, RoundTripError, LlmzipError) as exc:
        print(f"adaptation.py: {exc}", file=sys.stderr)
        return 1
    facts = {**machine.describe(), "model": options.model, "runs": options.repeat}
    listed = "; ".join(f"{name} {fact}" for name, fact in facts.items())
    report = f"### What learning gives\n\n{markdown_table(HEADINGS, rows)}\n\n{listed}.\n"
    print(report)
    if options.markdown:
        options.markdown.write_text(report, encoding="utf-8")
    return 0


def compare(name: str, data: bytes, settings: Settings, n_runs: int) -> Comparison:
    """Measure `data` both ways. Raises RoundTripError."""
    if not data:
        raise RoundTripError(f"{name} is empty: there is nothing to measure")
    chunk_tokens = chunk_tokens_of(data, settings.model)
    alone = LlmzipCodec(settings, level=FROZEN_LEVEL, chunk_tokens=chunk_tokens)
    learnt = LlmzipCodec(settings)
    return Comparison(name, measure(alone, data, n_runs), measure(learnt, data, n_runs))


def chunk_tokens_of(data: bytes, model: str) -> int:
    """Return how long the chunks of `data` are at the default level, if it is all one group."""
    n_tokens = len(open_exact(model, quiet=True).tokenizer.encode(data))
    return max(LEVELS[DEFAULT_LEVEL].chunk_tokens(n_tokens), 64)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = script_parser("adaptation.py", __doc__)
    parser.add_argument("--sizes", type=numbers, metavar="BYTES,...", help="of prefixes")
    parser.add_argument("--repeat", type=int, default=1, help="runs of which the median is taken")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
