"""The tests of the CUDA engine, each file in a process of its own, so a fault stops no other."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from gpu_plan import Plan
from gpu_report import Found

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "tests" / "exact" / "cuda"
WITHOUT_DEVICE = ("test_cuda_scalars.py",)
"""What is quick in Triton's interpreter; scripts/test runs all of them."""
MOST_SHOWN = 3


class TestsFailedError(Exception):
    """Some tests have failed."""


@dataclass(frozen=True)
class Counts:
    """What pytest says of a file. failures: the tests that failed, and with what."""

    n_tests: int
    n_skipped: int
    failures: tuple[str, ...]

    def __str__(self) -> str:
        n_passed = self.n_tests - self.n_skipped - len(self.failures)
        return f"{n_passed} passed, {len(self.failures)} failed, {self.n_skipped} skipped"


def run_tests(plan: Plan) -> Iterator[Found]:
    """Yield what becomes of each file, several at once. Raises TestsFailedError in the end."""
    names = WITHOUT_DEVICE if plan.is_rehearsal else [p.name for p in FOLDER.glob("test_*.py")]
    n_at_once = max(1, min(len(names), (os.cpu_count() or 1) // 2))
    failed = 0
    with ThreadPoolExecutor(n_at_once) as pool:
        running = {pool.submit(_run_file, FOLDER / name): name for name in names}
        for future in as_completed(running):
            counts = future.result()
            failed += len(counts.failures)
            note = "; ".join(counts.failures[:MOST_SHOWN])
            yield Found(running[future], str(counts), note=note)
    if failed:
        raise TestsFailedError(f"{failed} tests failed")


def _run_file(path: Path) -> Counts:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        options = ["-q", "-W", "default", "-p", "no:cacheprovider", f"--junitxml={results}"]
        command = [sys.executable, "-m", "pytest", str(path), *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        print(done.stdout, done.stderr, sep="\n", flush=True)
        if not results.exists():
            last = (done.stdout + done.stderr).strip().splitlines()[-1:]
            return Counts(1, 0, (f"pytest ended with status {done.returncode}: {' '.join(last)}",))
        return counts_of(results.read_text(encoding="utf-8"))


def counts_of(junit: str) -> Counts:
    """Read what pytest's --junitxml has written."""
    cases = list(ET.fromstring(junit).iter("testcase"))
    failures = [
        f"{case.get('name')}: {' '.join((bad.get('message') or '').split())[:200]}"
        for case in cases
        for bad in (*case.findall("failure"), *case.findall("error"))
    ]
    n_skipped = sum(case.find("skipped") is not None for case in cases)
    return Counts(len(cases), n_skipped, tuple(failures))
