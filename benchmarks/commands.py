"""Whole commands as a person runs them: how long they take, how much memory; start-up included."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmzip.bench.measure import RoundTripError

_OPEN_TWICE = """
import time
from llmzip.models import open_exact
for _ in range(2):
    begin = time.perf_counter()
    open_exact({model!r}, quiet=True)
    print(time.perf_counter() - begin)
"""

# A process inherits the peak of the one that starts it, so a small one stands between.
_LAUNCHER = """
import os, subprocess, sys, time
begin = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
seconds = time.perf_counter() - begin
print(seconds, usage.ru_maxrss, usage.ru_utime + usage.ru_stime, flush=True)
os._exit(os.waitstatus_to_exitcode(status) and 1)
"""


@dataclass(frozen=True)
class Run:
    """One process: seconds from start to end, the most memory that it held.

    processor_s: seconds of all processors together, which others at work lengthen less.
    """

    seconds: float
    peak_bytes: int
    processor_s: float


@dataclass(frozen=True)
class FileRun:
    """A file of `n_bytes` compressed by one command and decompressed by another."""

    n_bytes: int
    n_packed_bytes: int
    compress: Run
    decompress: Run


@dataclass(frozen=True)
class Commands:
    """llmzip's command line with fixed options, its files in `folder`."""

    folder: Path
    model: str
    device: str
    threads: int | None

    def llmzip(self, *arguments: str | Path) -> Run:
        """Run the command line, silently."""
        how = ["-q", "--device", self.device]
        if self.threads:
            how += ["--threads", str(self.threads)]
        return run([sys.executable, "-m", "llmzip", *how, *map(str, arguments)])

    def round_trip(self, data: bytes) -> FileRun:
        """Compress and decompress `data` from file to file. Raises RoundTripError."""
        original, packed, back = (self.folder / name for name in ("text", "packed", "back"))
        original.write_bytes(data)
        compress = self.llmzip("compress", "-f", "-m", self.model, "-o", packed, original)
        decompress = self.llmzip("decompress", "-f", "-o", back, packed)
        if back.read_bytes() != data:
            raise RoundTripError(f"llmzip: a text of {len(data)} bytes came back different")
        return FileRun(len(data), packed.stat().st_size, compress, decompress)

    def opening_seconds(self) -> tuple[float, float]:
        """Return how long opening the prepared model takes, imports included, and once more."""
        code = _OPEN_TWICE.format(model=self.model)
        result = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        first_s, second_s = map(float, result.stdout.split())
        return first_s, second_s


def run(command: Sequence[str], env: Mapping[str, str] | None = None) -> Run:
    """Run `command` to its end. Raises CalledProcessError where it fails."""
    result = subprocess.run(
        [sys.executable, "-I", "-c", _LAUNCHER, *command],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, peak, processor_s = result.stdout.split()
    n_bytes = int(peak) * (1 if sys.platform == "darwin" else 1024)
    return Run(float(seconds), n_bytes, float(processor_s))
