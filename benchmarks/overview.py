"""The README's table: a few texts by xz, zstd and llmzip: python benchmarks/overview.py FILE...

Sizes, and llmzip's speed both ways with the model open, all in one run on one machine. Every row
is decompressed and compared with the original, or the run fails.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from llmzip.bench import classical, machine
from llmzip.bench.codec import LlmzipCodec, Settings
from llmzip.bench.measure import Codec, Result, RoundTripError, measure
from llmzip.bench.numbers import number
from llmzip.errors import LlmzipError
from script_options import script_parser
from table import markdown_table

HEADINGS = ("", "bytes", "zstd -19", "xz -9e", "llmzip", "of xz", "compress", "decompress")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; print the table; return the exit status: 1 if a row gave back other bytes."""
    options = parse(arguments)
    codecs: list[Codec] = [
        classical.zstd_row(),
        classical.xz_row(),
        LlmzipCodec(Settings(options.model, options.device, options.threads)),
    ]
    rows = []
    try:
        for path in options.files:
            data = path.read_bytes()[: options.bytes]
            if not data:
                raise RoundTripError(f"{path} is empty: there is nothing to measure")
            results = [measure(codec, data, 1) for codec in codecs]
            rows.append(cells(path.stem, results))
            print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    except (OSError, RoundTripError, LlmzipError) as exc:
        print(f"overview.py: {exc}", file=sys.stderr)
        return 1
    facts = {**machine.describe(), "model": options.model}
    listed = "; ".join(f"{key} {value}" for key, value in facts.items() if value is not None)
    report = f"{markdown_table(HEADINGS, rows)}\n\n{listed}.\n"
    print(report)
    if options.markdown:
        options.markdown.write_text(report, encoding="utf-8")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = script_parser("overview.py", __doc__)
    parser.add_argument("--bytes", type=int, help="of each file, from its beginning")
    return parser.parse_args(arguments)


def cells(name: str, results: Sequence[Result]) -> tuple[str, ...]:
    """Return a row of the table: results of zstd, xz and llmzip on one text."""
    zstd, xz, ours = results
    return (
        name.replace("-", " "),
        f"{ours.n_bytes:,}",
        f"{zstd.n_packed_bytes:,}",
        f"{xz.n_packed_bytes:,}",
        f"**{ours.n_packed_bytes:,}**",
        f"{100 * ours.n_packed_bytes / xz.n_packed_bytes:.0f} %",
        f"{number(ours.compress_kb_per_s)} kB/s",
        f"{number(ours.decompress_kb_per_s)} kB/s",
    )


if __name__ == "__main__":
    sys.exit(main())
