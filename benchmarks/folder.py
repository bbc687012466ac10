"""A folder of small files, by one command and by one for each: files a second, both ways.

    python benchmarks/folder.py FILE... [--files 1000] [--bytes 1000] [--alone 20] [--level 5]

The small files are cut from those given, one after the other. `llmzip -r` goes through all of them;
a command for each, which opens the model each time, through the first few only. Whole commands are
timed, once each, start-up included, and every file that comes back is compared.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from commands import Commands
from llmzip.bench.measure import RoundTripError
from script_options import script_parser, texts_of
from table import markdown_table

HEADINGS = ("", "files", "seconds", "files/s", "kB/s")


def main(arguments: Sequence[str] | None = None) -> str:
    """Measure; print and return a table in Markdown."""
    options = _parsed(arguments)
    texts = texts_of(options.files, options.n_files, options.bytes)
    with tempfile.TemporaryDirectory() as folder:
        rows = _rows(texts, Path(folder), options)
    table = f"level {options.level}\n\n{markdown_table(HEADINGS, rows)}\n"
    print(table)
    if options.markdown:
        options.markdown.write_text(table, encoding="utf-8")
    return table


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = script_parser("folder.py", (__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=1000, dest="n_files")
    parser.add_argument("--alone", type=int, default=20, help="files with a command each")
    parser.add_argument("--bytes", type=int, default=1000, help="of each file")
    parser.add_argument("--level", type=int, default=5)
    return parser.parse_args(arguments)


def _rows(
    texts: Sequence[bytes], folder: Path, options: argparse.Namespace
) -> list[tuple[str, ...]]:
    """Return the rows. All that is made lies in `folder`."""
    commands = Commands(folder, options.model, options.device, options.threads)
    plain = folder / "plain"
    plain.mkdir()
    for number, text in enumerate(texts):
        (plain / f"{number:06}").write_bytes(text)
    names = sorted(path.name for path in plain.iterdir())[: options.alone]
    how, packed, back = (
        (f"-{options.level}", "-m", options.model),
        folder / "packed",
        folder / "back",
    )
    commands.llmzip(*how, "-c", plain / names[0])  # prepares the model
    together = commands.llmzip(*how, "-r", plain, "--output-dir", packed)
    back_together = commands.llmzip("-d", *how, "-r", packed, "--output-dir", back)
    _compare(plain, back)
    shutil.rmtree(back)
    back.mkdir()
    alone = back_alone = 0.0
    for name in names:
        file = back / f"{name}.llmz"
        alone += commands.llmzip(*how, plain / name, "-o", file).seconds
        if file.read_bytes() != (packed / file.name).read_bytes():
            raise RoundTripError(f"{name}: alone it is another file")
        back_alone += commands.llmzip("-d", *how, "--rm", file).seconds
    _compare(plain, back, len(names))
    return [
        _row("compress, llmzip -r", len(texts), together.seconds, options.bytes),
        _row("compress, a command each", len(names), alone, options.bytes),
        _row("decompress, llmzip -dr", len(texts), back_together.seconds, options.bytes),
        _row("decompress, a command each", len(names), back_alone, options.bytes),
    ]


def _compare(plain: Path, back: Path, n_files: int | None = None) -> None:
    """Raise unless the first `n_files` files of one folder are all those of the other."""
    wanted = sorted(path.name for path in plain.iterdir())[:n_files]
    if sorted(path.name for path in back.iterdir()) != wanted:
        raise RoundTripError("not all files came back")
    for name in wanted:
        if (plain / name).read_bytes() != (back / name).read_bytes():
            raise RoundTripError(f"{name} came back as something else")


def _row(name: str, n_files: int, seconds: float, n_bytes: int) -> tuple[str, ...]:
    rates = f"{n_files / seconds:,.2f}", f"{n_files * n_bytes / seconds / 1000:,.2f}"
    return name, f"{n_files:,}", f"{seconds:.1f}", *rates


if __name__ == "__main__":
    main()
