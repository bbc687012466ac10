"""How long short work takes from start to end: python benchmarks/startup.py [--against PATH]

Whole processes, as a person starts them: a text of 1,000 bytes compressed and decompressed, and a
message encoded and decoded, without a profile and with one whose dictionary is a text of some
messages. The model is prepared, and everything that is kept is there: a run before the first fills
the caches. Told are medians of seconds, of processor seconds, and of the most memory.

With --against, another checkout does the same in turn with this one: run A, run B, run A, ... so
that what else the machine does is in both. Both keep models in LLMZIP_HOME.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from commands import Run, run
from llmzip.models.catalog import DEFAULT_MODEL

HERE = Path(__file__).parents[1]
TEXT = Path(__file__).parent / "data" / "alice-1-3.txt"
MESSAGES = Path(__file__).parent / "data" / "messages.txt"
N_BYTES, N_DICTIONARY_BYTES = 1_000, 24_000
MESSAGE = "See you at nine at the station, then."


@dataclass(frozen=True)
class Checkout:
    """Sources of llmzip."""

    name: str
    folder: Path

    def run(self, *arguments: str | Path) -> Run:
        """Run llmzip's command line, timed. Raises CalledProcessError."""
        return run(self._command(*arguments), self._env)

    def said(self, *arguments: str | Path) -> str:
        """Return what llmzip's command line prints. Raises CalledProcessError."""
        command, env = self._command(*arguments), self._env
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

    def _command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "llmzip", *map(str, arguments)]

    @property
    def _env(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.folder / "src")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table; return the exit status."""
    options = _options(arguments)
    checkouts = [Checkout("this", HERE)]
    if options.against:
        checkouts.append(Checkout(options.against.name, options.against))
    with tempfile.TemporaryDirectory() as folder:
        try:
            works = dict(_works(Path(folder), checkouts[0], options))
            found = _measured(works, checkouts, options.runs)
        except subprocess.CalledProcessError as exc:
            print(f"startup.py: {exc}\n{exc.stderr}", file=sys.stderr)
            return 1
    print(_table(found, [checkout.name for checkout in checkouts]))
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    made = argparse.ArgumentParser(prog="benchmarks/startup.py", description=__doc__)
    made.add_argument("--against", type=Path, metavar="PATH", help="another checkout")
    made.add_argument("--runs", type=int, default=7, help="of each, whose median is told")
    made.add_argument("--model", default=DEFAULT_MODEL)
    return made.parse_args(arguments)


def _works(
    folder: Path, checkout: Checkout, options: argparse.Namespace
) -> Iterator[tuple[str, list[str | Path]]]:
    """Yield what is done, by name, as arguments; the files are there."""
    text, packed, model = folder / "a.txt", folder / "a.txt.llmz", options.model
    text.write_bytes(TEXT.read_bytes()[:N_BYTES])
    checkout.run("-kf", "-m", model, text)
    yield "compress", ["-kf", "-m", model, text]
    yield "decompress", ["-dc", packed]
    words = folder / "words.txt"
    words.write_bytes(MESSAGES.read_bytes()[:N_DICTIONARY_BYTES])
    profiles: dict[str, list[str | Path]] = {"": [], ", dictionary": ["--dict", words]}
    for name, dictionary in profiles.items():
        profile = folder / f"profile{name}"
        checkout.run("profile", "create", "-m", model, *dictionary, "-o", profile)
        armored: list[str | Path] = ["--profile", profile, "--armor", "base64url"]
        yield f"message encode{name}", ["message", "encode", *armored, MESSAGE]
        code = checkout.said("message", "encode", *armored, MESSAGE).strip()
        yield f"message decode{name}", ["message", "decode", *armored, code]


def _measured(
    works: Mapping[str, list[str | Path]], checkouts: Sequence[Checkout], n_runs: int
) -> dict[str, list[list[Run]]]:
    """Runs of each work by each checkout, in turn."""
    found: dict[str, list[list[Run]]] = {}
    for name, arguments in works.items():
        for checkout in checkouts:
            checkout.run(*arguments)  # fills caches
        turns = [[checkout.run(*arguments) for checkout in checkouts] for _ in range(n_runs)]
        found[name] = [list(runs) for runs in zip(*turns, strict=True)]
    return found


def _table(found: Mapping[str, list[list[Run]]], names: Sequence[str]) -> str:
    """What was found, in Markdown."""
    head = ["| | checkout | seconds | processor seconds | MB |", "|---|---|---|---|---|"]
    rows = [
        f"| {work} | {name} | {median(run.seconds for run in runs):.2f} "
        f"| {median(run.processor_s for run in runs):.2f} "
        f"| {median(run.peak_bytes for run in runs) / 1e6:.0f} |"
        for work, each in found.items()
        for name, runs in zip(names, each, strict=True)
    ]
    return "\n".join([*head, *rows])


if __name__ == "__main__":
    raise SystemExit(main())
