"""What a process of a row is told, and how it is started and heard."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import llmzip
from llmzip import children
from llmzip.errors import LlmzipError

_CODE = """
import sys
sys.path.append({root!r})
from llmzip.bench.worker import main
main()
"""


class RowError(LlmzipError):
    """A row has no figures: its process ended, or said what is wrong."""


class AbsentError(RowError):
    """A row's library is not installed."""


@dataclass(frozen=True)
class Task:
    """A row to be measured. level: of llmzip, None for another compressor."""

    row: str
    level: int | None = None
    model: str = ""
    device: str = "auto"
    threads: int | None = None
    quiet: bool = True


def done_apart(task: Task, text: bytes) -> dict[str, Any]:
    """Do a task in a new process, which is ended if this is interrupted; return its answer.

    Raises RowError, AbsentError; OSError where no process can be started.
    """
    root = str(Path(llmzip.__file__).parents[1])
    with children.start_code(_CODE.format(root=root), {}) as process:
        try:
            said, _ = process.communicate(json.dumps(asdict(task)).encode() + b"\n" + text)
        finally:
            process.kill()  # does nothing to one that has ended
    return _read(said, process.returncode)


def _read(said: bytes, status: int) -> dict[str, Any]:
    if not said:
        why = f"by signal {-status}" if status < 0 else f"with status {status}"
        raise RowError(f"its process ended {why}; perhaps it had too little memory")
    answer: dict[str, Any] = json.loads(said)
    if answer.get("is_absent"):
        raise AbsentError(answer["error"])
    if "error" in answer:
        raise RowError(answer["error"])
    return answer
