"""A folder by one process, by several, and by actors of Ray: bytes a second, both ways.

    python benchmarks/spread.py FILE... [--bytes 2000000] [--files 8] [--level 5] [--workers 1,2,4]

The folder holds the first --bytes of the files, cut into --files pieces. Whole commands are timed,
once each, start-up included; for Ray a cluster is started before and stays. Every output is
compared with that of one process, and every text that comes back with what it was. With
--decompress-once, only that of one process is decompressed: the others are the same bytes.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from commands import Commands
from script_options import numbers, script_parser
from spread_cluster import cluster
from spread_folders import compare
from table import markdown_table

HEADINGS = ("", "compress s", "kB/s", "decompress s", "kB/s")


def main(arguments: Sequence[str] | None = None) -> str:
    """Measure; print and return a table in Markdown."""
    options = _parsed(arguments)
    data = b"".join(path.read_bytes() for path in options.files)[: options.bytes]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _cut(data, folder / "plain", options.n_files)
        rows = list(_rows(folder, len(data), options))
    table = f"{len(data):,} bytes, level {options.level}\n\n{markdown_table(HEADINGS, rows)}\n"
    print(table)
    if options.markdown:
        options.markdown.write_text(table, encoding="utf-8")
    return table


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = script_parser("spread.py", (__doc__ or "").partition("\n")[0])
    parser.add_argument("--bytes", type=int, default=2_000_000)
    parser.add_argument("--files", type=int, default=8, dest="n_files")
    parser.add_argument("--level", type=int, default=5)
    parser.add_argument("--workers", type=numbers, default=(1, 2, 4))
    parser.add_argument("--no-ray", action="store_true")
    parser.add_argument("--no-processes", action="store_true")
    parser.add_argument(
        "--decompress-once", action="store_true", help="what one process made, and no more"
    )
    return parser.parse_args(arguments)


def _cut(data: bytes, folder: Path, n_files: int) -> None:
    folder.mkdir()
    size = -(-len(data) // n_files)
    for number, start in enumerate(range(0, len(data), size)):
        (folder / f"{number:03}").write_bytes(data[start : start + size])


def _rows(folder: Path, n_bytes: int, options: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    """Yield the rows. All that is made lies in `folder`."""
    commands = Commands(folder, options.model, options.device, options.threads)
    first = next((folder / "plain").iterdir())
    commands.llmzip("-1", "-m", options.model, "-c", first)  # prepares the model
    yield _row("one process", commands, (), folder, n_bytes, options)
    for count in () if options.no_processes else options.workers:
        here = ("--processes", str(count))
        yield _row(f"--processes {count}", commands, here, folder, n_bytes, options)
    if options.no_ray:
        return
    with cluster(n_nodes=1, n_cpus=max(options.workers)) as running:
        for count in options.workers:
            how = ("--ray", running.address, "--processes", str(count))
            yield _row(f"--ray, {count} actors", commands, how, folder, n_bytes, options)


def _row(
    name: str,
    commands: Commands,
    how: Sequence[str],
    folder: Path,
    n_bytes: int,
    options: argparse.Namespace,
) -> tuple[str, ...]:
    label = name.replace(" ", "-")
    packed, back = folder / f"packed {label}", folder / f"back {label}"
    level: tuple[str, ...] = (f"-{options.level}", "-m", options.model)
    runs = [commands.llmzip(*level, *how, "-r", folder / "plain", "--output-dir", packed)]
    if (alone := folder / "packed one-process") != packed:
        compare(alone, packed)
    if alone == packed or not options.decompress_once:
        again = ("-d", "-m", options.model, *how, "-r", packed, "--output-dir", back)
        runs.append(commands.llmzip(*again))
        compare(folder / "plain", back)
    cells = [(f"{run.seconds:.1f}", f"{n_bytes / run.seconds / 1000:,.2f}") for run in runs]
    cells += [("", "")] * (2 - len(runs))
    return name, *(cell for pair in cells for cell in pair)


if __name__ == "__main__":
    main()
