"""What learning gives and costs: python benchmarks/adaptation.py FILE... [--sizes 50000,200000]

Each file, or its prefixes, at the default level, and by the model alone: cut into the same chunks
and seen in the same windows, but learning nothing. The classical codecs, which llmzip takes where
they make less, are left out of both. Both are decompressed and compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from llmzip.bench import machine
from llmzip.bench.codec import LlmzipCodec, Settings
from llmzip.bench.measure import Result, RoundTripError, measure
from llmzip.codec.levels import FROZEN_LEVEL, LEVELS
from llmzip.compressor import DEFAULT_LEVEL
from llmzip.container import Chunk
from llmzip.errors import LlmzipError
from llmzip.layout.planned import Planned, Repeat, Stream
from llmzip.models import open_exact
from llmzip.tokens import ByteTokenizer
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
        texts = [text for path in options.files for text in texts_of(path, options.sizes)]
        tokenizer = open_exact(options.model, quiet=True).tokenizer
        learnt = LlmzipCodec(settings)
        for name, text in texts:
            alone = model_alone(text, settings, tokenizer)
            with no_classical_codecs():
                results = [measure(codec, text, options.repeat) for codec in (alone, learnt)]
            rows.append(Comparison(name, *results).cells())
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


def texts_of(path: Path, sizes: Sequence[int] | None) -> list[tuple[str, bytes]]:
    """Return a file's name with each prefix of it to measure. Raises OSError, RoundTripError."""
    data = path.read_bytes()
    if not data:
        raise RoundTripError(f"{path.name} is empty: there is nothing to measure")
    ends = sorted({min(size, len(data)) for size in sizes or [len(data)]})
    return [(path.name, data[:end]) for end in ends]


@contextmanager
def no_classical_codecs() -> Iterator[None]:
    """Everything goes through the model, whatever else would make less of it."""

    def one_stream(data: bytes, _copies: Sequence[Repeat] = (), **_any_text: bool) -> Planned:
        return Planned(None, [Stream(data, for_model=True)])

    with (
        mock.patch("llmzip.codec.plan.plan_group", one_stream),
        mock.patch("llmzip.codec.groups.classical_chunk", Chunk.stored),
    ):
        yield


def model_alone(data: bytes, settings: Settings, tokenizer: ByteTokenizer) -> LlmzipCodec:
    """Return what cuts `data` as the default level does, if it is all one group."""
    chunk_tokens = max(LEVELS[DEFAULT_LEVEL].chunk_tokens(len(tokenizer.encode(data))), 64)
    return LlmzipCodec(settings, level=FROZEN_LEVEL, chunk_tokens=chunk_tokens)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = script_parser("adaptation.py", __doc__)
    parser.add_argument("--sizes", type=numbers, metavar="BYTES,...", help="of prefixes")
    parser.add_argument("--repeat", type=int, default=1, help="runs of which the median is taken")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
