"""The options that the scripts share, and where these put what was found."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol


class Report(Protocol):
    """What a run has found."""

    def markdown(self) -> str:
        """Return it for people."""

    def as_json(self) -> str:
        """Return it for programs."""


def script_parser(
    script: str, description: str | None, *, n_files: str = "+"
) -> argparse.ArgumentParser:
    """Return a parser that knows files, how the model is run, and where a table goes."""
    from llmzip.models import DEFAULT_MODEL  # not for scripts/gpu, which tells what is missing

    made = argparse.ArgumentParser(prog=f"benchmarks/{script}", description=description)
    made.add_argument("files", nargs=n_files, type=Path, metavar="FILE")
    made.add_argument("--model", default=DEFAULT_MODEL)
    made.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    made.add_argument("--threads", type=int)
    made.add_argument("--markdown", type=Path, metavar="OUT")
    return made


def texts_of(files: Sequence[Path], n_texts: int, n_bytes: int) -> list[bytes]:
    """Cut the first `n_texts` texts of `n_bytes` from the files. Raises SystemExit if too short."""
    data = b"".join(path.read_bytes() for path in files)
    texts = [data[at : at + n_bytes] for at in range(0, len(data), n_bytes)]
    if len(texts) < n_texts:
        raise SystemExit(f"the files hold {len(texts)} texts of {n_bytes} bytes")
    return texts[:n_texts]


def write_report(report: Report, options: argparse.Namespace) -> None:
    """Write it to the files of --json and --markdown. Raises OSError."""
    if options.json:
        options.json.write_text(report.as_json(), encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(report.markdown(), encoding="utf-8")


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers, from 1 on, that stand between commas; argparse reports others."""
    found = tuple(int(part) for part in text.split(","))
    if min(found) < 1:
        raise argparse.ArgumentTypeError("numbers from 1 on")
    return found


def names_among(known: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    """Return what reads names between commas; argparse reports one that is not known."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise argparse.ArgumentTypeError(f"no {unknown[0]}; there are {', '.join(known)}")
        return names

    return read
