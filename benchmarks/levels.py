"""The curve of size against speed: python benchmarks/levels.py FILE... [--levels 1,2,5,9]

Every level over every file, compressed, decompressed and compared; with --plots a picture of the
curve.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from llmzip.bench import machine
from llmzip.bench.codec import LlmzipCodec, Settings
from llmzip.bench.measure import RoundTripError, measure
from llmzip.errors import LlmzipError
from plots import plot_levels
from script_options import script_parser, write_report
from table import Report, Section, section_markdown

LEVELS = tuple(range(1, 10))
QUICK_BYTES = 2000


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; print the tables; return the exit status."""
    options = parse(arguments)
    settings = Settings(options.model, options.device, options.threads)
    facts = {"model": options.model, "threads": options.threads, "runs": options.repeat}
    report = Report(machine.describe(), {**facts, **machine.describe_device(options.device)})
    try:
        for path in options.files:
            data = path.read_bytes()[: QUICK_BYTES if options.quick else None]
            section = Section(f"{path.name}: {len(data):,} bytes")
            for level in options.levels:
                codec = LlmzipCodec(settings, level=level)
                section.results.append(measure(codec, data, options.repeat))
                print(f"{section.title}: level {level}", file=sys.stderr, flush=True)
            report.sections.append(section)
            print(section_markdown(section) + "\n", flush=True)
        if options.plots:
            plot_levels(report.sections, options.plots)
    except (OSError, RoundTripError, LlmzipError) as exc:
        print(f"levels.py: {exc}", file=sys.stderr)
        return 1
    write_report(report, options)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = script_parser("levels.py", __doc__)
    parser.add_argument("--levels", type=_levels, default=LEVELS, metavar="N,...")
    parser.add_argument("--repeat", type=int, default=1, help="runs of which the median is taken")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_BYTES:,} bytes of each file")
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--plots", type=Path, metavar="OUT.png")
    return parser.parse_args(arguments)


def _levels(text: str) -> tuple[int, ...]:
    numbers = tuple(int(part) for part in text.split(","))
    if not set(numbers) <= set(LEVELS):
        raise argparse.ArgumentTypeError("levels are 1 to 9")
    return numbers


if __name__ == "__main__":
    sys.exit(main())
