"""How fast llmzip is and could be, in one run: python benchmarks/speed.py [FILE ...]

Measures what the machine can do at most (int8 products, memory), what the exact engine does,
what others do with the same model, a GPT-2 of 124 million random weights, whole files, whole
commands from start to end, and files of growing size: beginnings of all FILEs joined. Each
figure that has a limit stands beside its fraction of it; the limit counts the multiply-adds of
the model alone. Figures in tokens a second stand beside transformers in float32 doing the same.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from llmzip.bench.measure import RoundTripError
from llmzip.errors import LlmzipError
from script_options import names_among, numbers, script_parser, write_report
from sections import SECTIONS, Plan, measure_sections

DEFAULT_FILE = Path(__file__).parent / "data" / "alice-1-3.txt"
SIZES = (1_000, 10_000, 100_000, 1_000_000, 5_000_000)
LANES = (1, 8, 32, 64)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write what was asked for; return the exit status."""
    options = parse(arguments)
    try:
        plan = _plan(options)
        report = measure_sections(plan, options.only)
        if options.plots:
            report.draw(options.plots)
    except (OSError, RoundTripError, LlmzipError, subprocess.CalledProcessError) as exc:
        print(f"speed.py: {exc}", getattr(exc, "stderr", None) or "", file=sys.stderr)
        return 1
    print(report.markdown())
    write_report(report, options)
    return 0


def _plan(options: argparse.Namespace) -> Plan:
    quick = options.quick
    files = options.files or [DEFAULT_FILE]
    text = b"".join(file.read_bytes() for file in files)
    return Plan(
        text=text[:1_500] if quick else text,
        name=" + ".join(file.name for file in files),
        model=options.model,
        device=options.device,
        threads=options.threads,
        lanes=options.lanes or (LANES[:2] if quick else LANES),
        sizes=options.sizes or (SIZES[:1] if quick else SIZES),
        n_context=64 if quick else 1024,
        n_steps=8 if quick else 64,
        min_s=0.02 if quick else 0.5,
        n_gpt2_layers=1 if quick else 12,
        gpt2_vocab_size=1_024 if quick else 50_257,
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = script_parser("speed.py", __doc__, n_files="*")
    parser.add_argument("--quick", action="store_true", help="less of everything: a minute or so")
    parser.add_argument(
        "--only", type=names_among(SECTIONS), default=SECTIONS, metavar="SECTION,..."
    )
    parser.add_argument("--sizes", type=numbers, metavar="BYTES,...", help="sizes of files")
    parser.add_argument("--lanes", type=numbers, metavar="N,...", help="lanes to decode in")
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--plots", type=Path, metavar="FOLDER")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
