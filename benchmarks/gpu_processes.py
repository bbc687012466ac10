"""Stages in processes of their own: one that fails, hangs or loses the device harms no other."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from gpu_plan import INTERPRETER, Plan
from gpu_report import DONE, FAILED, LATE, SKIPPED, Found, Outcome

SKIP_STATUS = 75
"""What a stage's process ends with that has nothing to do; its last line says why."""
MOST_WHY_CHARS = 300
_HERE = Path(__file__).parent


@dataclass
class Running:
    """A stage at work. results, log: files that its process writes."""

    name: str
    process: subprocess.Popen[bytes]
    results: Path
    log: Path
    begin_s: float = field(default_factory=time.monotonic)

    def outcome(self, until_s: float) -> Outcome:
        """Wait until it ends, at most until the clock says `until_s`; then it is stopped."""
        try:
            status = self.process.wait(max(0.0, until_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.stop()
            return self._ended(LATE, f"stopped after {time.monotonic() - self.begin_s:.0f} s")
        if status == 0:
            return self._ended(DONE, "")
        why = f"exit status {status}" if status > 0 else f"ended by signal {-status}"
        last = last_line(self.log.read_text(encoding="utf-8", errors="replace"))
        return self._ended(SKIPPED if status == SKIP_STATUS else FAILED, last or why)

    def stop(self) -> None:
        """End its process and all that this has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _ended(self, state: str, why: str) -> Outcome:
        seconds = time.monotonic() - self.begin_s
        return Outcome(self.name, state, seconds, why, found_in(self.results))


def start(name: str, plan: Plan, folder: Path) -> Running:
    """Start a stage in a process group of its own; its files lie in `folder`."""
    results, log = (folder / f"{name.replace(' ', '-')}.{end}" for end in ("jsonl", "log"))
    command = [sys.executable, str(_HERE / "gpu_stages.py"), name, plan.to_json(), str(results)]
    with log.open("wb") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment(plan),
            start_new_session=True,
        )
    return Running(name, process, results, log)


def environment(plan: Plan) -> dict[str, str]:
    """Return what a stage's process finds: Triton's interpreter only without a device."""
    env = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    if plan.where == INTERPRETER:
        env["TRITON_INTERPRET"] = "1"
    return env


def found_in(results: Path) -> tuple[Found, ...]:
    """Return what a stage has written so far; a line that is not complete does not count."""
    if not results.exists():
        return ()
    lines = results.read_text(encoding="utf-8").split("\n")[:-1]
    return tuple(Found(**json.loads(line)) for line in lines)


def last_line(log: str) -> str:
    """Return the last line that says something, not all of it if it is long."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1][:MOST_WHY_CHARS] if lines else ""
