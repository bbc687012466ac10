"""What runs in the process that one row has to itself: a task in, its figures out, as JSON.

In, by standard input: a line with the task, then the text. Out: one object, which holds `error`
where there are no figures.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import Any

from llmzip.bench.measure import Codec, measure
from llmzip.bench.memory import peak_bytes
from llmzip.bench.rows import OTHERS
from llmzip.bench.task import Task
from llmzip.children import become_child
from llmzip.errors import LlmzipError

MOST_RUNS = 25
ENOUGH_S = 1.0
"""What is over sooner is repeated, for the median of up to MOST_RUNS runs."""


def main() -> None:
    """Be the process."""
    sink = become_child()
    task = Task(**json.loads(sys.stdin.buffer.readline()))
    answer = answered(task, sys.stdin.buffer.read())
    sink.write(json.dumps(answer).encode())
    sink.flush()
    os._exit(0)  # nothing is left to do, and freeing a model takes its time


def answered(task: Task, text: bytes) -> dict[str, Any]:
    """Return the figures of a row, or what went wrong."""
    try:
        return _measured(task, text) if text else _prepared(task)
    except ImportError as exc:
        return {"error": str(exc), "is_absent": True}
    except MemoryError:
        return {"error": "not enough memory"}
    except (LlmzipError, OSError) as exc:
        return {"error": str(exc)}
    except Exception as exc:  # a library's own
        return {"error": f"{type(exc).__name__}: {exc}"}


def _measured(task: Task, text: bytes) -> dict[str, Any]:
    start_bytes = peak_bytes()
    result = measure(_opened(task), text, MOST_RUNS, ENOUGH_S)
    return {**asdict(result), "start_bytes": start_bytes, "peak_bytes": peak_bytes()}


def _opened(task: Task) -> Codec:
    if task.level is None:
        return OTHERS[task.row].opened()
    from llmzip.bench.codec import LlmzipCodec, Settings  # its libraries count as the row's

    return LlmzipCodec(Settings(task.model, task.device, task.threads), level=task.level)


def _prepared(task: Task) -> dict[str, Any]:
    """Prepare the model, which takes minutes and memory that no row is to be charged with."""
    from llmzip.models import open_exact

    open_exact(task.model, quiet=task.quiet)
    return {}
