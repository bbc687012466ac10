"""Kills llmzip at random moments, with --rm, and looks at what is left: nothing may be lost.

    python scripts/kill_test.py --count 300 --seed 1

After each SIGKILL the input or a complete output is there, nothing partial has a final name;
after the next run in that folder no temporary file is left; and with --resume, killed again and
again, the output is that of a run without interruption. Inputs need no model. Exit status 1, and
a line that says which round and what, if anything is wrong.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLAIN = ["-m", "llmzip"]
WITHOUT_UNNAMED = ["-c", "import os; del os.O_TMPFILE; from llmzip.start import program; program()"]
OLD = b"what is to be replaced"
SMALL_BYTES, LARGE_BYTES = 200_000, 3_300_000  # 3.3 MB are four groups of level 1
MAX_KILLS = 3


@dataclass(frozen=True)
class Pair:
    """A file and what it is compressed to, and how long either way takes."""

    original: bytes
    packed: bytes
    compress_s: float
    decompress_s: float


@dataclass(frozen=True)
class Round:
    """One command, and what it begins with."""

    verb: str
    pair: Pair
    replaces: bool
    resumes: bool
    unnamed: bool

    @property
    def source(self) -> tuple[str, bytes]:
        """Name and contents of the input."""
        return ("in", self.pair.original) if self.verb == "compress" else ("in.llmz", self.packed)

    @property
    def target(self) -> tuple[str, bytes]:
        """Name and contents of the complete output."""
        return ("in.llmz", self.packed) if self.verb == "compress" else ("in", self.pair.original)

    @property
    def packed(self) -> bytes:
        """The compressed file."""
        return self.pair.packed

    @property
    def seconds(self) -> float:
        """How long the command takes if it is let."""
        return self.pair.compress_s if self.verb == "compress" else self.pair.decompress_s

    def arguments(self) -> list[str]:
        """Return the command's arguments."""
        level = ["-1"] if self.verb == "compress" else []
        flags = [
            "--rm",
            *(["-f"] if self.replaces else []),
            *(["--resume"] if self.resumes else []),
        ]
        return [self.verb, *level, *flags, self.source[0]]

    def name(self) -> str:
        """Return what kind of round this is."""
        how = [self.verb, *(["-f"] if self.replaces else []), *(["--resume"] * self.resumes)]
        return " ".join([*how, *([] if self.unnamed else ["(named temporaries)"])])


def main() -> int:
    """Run the rounds; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=300, help="how many kills (default 300)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    kinds: Counter[str] = Counter()
    n_kills = 0
    with tempfile.TemporaryDirectory(prefix="llmzip-kill-") as scratch:
        pairs = [_pair(dice.randbytes(n), Path(scratch)) for n in (SMALL_BYTES, LARGE_BYTES)]
        while n_kills < options.count:
            one = _chosen(dice, pairs)
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                killed, wrong = _play(one, Path(folder), dice)
            if wrong:
                print(f"round after {n_kills} kills, seed {options.seed}: {one.name()}: {wrong}")
                return 1
            n_kills += killed
            kinds[one.name()] += killed
    for kind, n in sorted(kinds.items()):
        print(f"{n:5}  {kind}")
    print(f"{n_kills:5}  kills (seed {options.seed}): nothing lost, partial or left behind")
    return 0


def _chosen(dice: random.Random, pairs: list[Pair]) -> Round:
    resumes = dice.random() < 0.4
    verb = dice.choice(["compress", "decompress"])
    unnamed = dice.random() < 0.7 or not hasattr(os, "O_TMPFILE")
    return Round(verb, pairs[resumes], dice.random() < 0.4, resumes, unnamed)


def _play(one: Round, folder: Path, dice: random.Random) -> tuple[int, str]:
    """Return how often the command was killed, and what was wrong with what that left."""
    source, target = one.source, one.target
    (folder / source[0]).write_bytes(source[1])
    if one.replaces:
        (folder / target[0]).write_bytes(OLD)
    n_killed = 0
    for _ in range(dice.randint(1, MAX_KILLS) if one.resumes else 1):
        n_killed += _run_and_kill(one, folder, dice.uniform(0, 1.1 * one.seconds))
        if wrong := _lost(one, folder):
            return n_killed, wrong
        if not (folder / source[0]).exists():
            break  # it was faster than the signal
    return n_killed, _finish(one, folder)


def _run_and_kill(one: Round, folder: Path, after_s: float) -> bool:
    """Run the command, and end it after a while; return whether it was still there then."""
    with subprocess.Popen(_command(one), cwd=folder, stderr=subprocess.PIPE) as process:
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
    return process.returncode == -signal.SIGKILL


def _lost(one: Round, folder: Path) -> str:
    """Return what is wrong with input and output, whichever moment it was."""
    source, target = one.source, one.target
    path = folder / target[0]
    output = path.read_bytes() if path.exists() else None
    if output is not None and output != target[1] and not (one.replaces and output == OLD):
        return f"{target[0]} is neither what it was nor complete"
    if (folder / source[0]).exists():
        return "" if (folder / source[0]).read_bytes() == source[1] else "the input has changed"
    return "" if output == target[1] else "the input is gone and there is no output"


def _finish(one: Round, folder: Path) -> str:
    """Run the command once more, and let it; return what is wrong then."""
    source, target = one.source, one.target
    if (folder / source[0]).exists():
        done = (folder / target[0]).exists() and not one.replaces
        result = subprocess.run(_command(one), cwd=folder, capture_output=True, check=False)
        if result.returncode != done:  # if it was killed before it could remove the input
            return f"the next run exits with {result.returncode}: {result.stderr.decode().strip()}"
        if done:
            (folder / source[0]).unlink()
    else:  # a next run of any kind
        (folder / "other").write_bytes(b"x")
        command = [sys.executable, *PLAIN, "compress", "-1", "--rm", "other"]
        subprocess.run(command, cwd=folder, check=True)
        (folder / "other.llmz").unlink()
    names = sorted(path.name for path in folder.iterdir())
    if names != [target[0]]:
        return f"left behind: {names}"
    return "" if (folder / target[0]).read_bytes() == target[1] else "the output is another one"


def _command(one: Round) -> list[str]:
    start = PLAIN if one.unnamed else WITHOUT_UNNAMED
    return [sys.executable, *start, *one.arguments()]


def _pair(original: bytes, folder: Path) -> Pair:
    """Compress without any interruption, and back."""
    (folder / "in").write_bytes(original)
    times = []
    for verb, name in (("compress", "in"), ("decompress", "in.llmz")):
        begin_s = time.monotonic()
        level = ["-1"] if verb == "compress" else []
        command = [sys.executable, *PLAIN, verb, *level, "-f", name]
        subprocess.run(command, cwd=folder, check=True)
        times.append(time.monotonic() - begin_s)
    assert (folder / "in").read_bytes() == original
    return Pair(original, (folder / "in.llmz").read_bytes(), *times)


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(ROOT / "src")
    sys.exit(main())
