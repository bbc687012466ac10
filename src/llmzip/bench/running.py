"""Runs rows over a text, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llmzip.bench.results import RowResult, TextResult
from llmzip.bench.rows import OTHERS, SHOWN, absence
from llmzip.bench.task import AbsentError, RowError, Task, done_apart
from llmzip.models import locate, prepared_path


@dataclass(frozen=True)
class Plan:
    """Which rows there are, and how the model is run."""

    levels: Sequence[int]
    model: str
    device: str = "auto"
    threads: int | None = None
    quiet: bool = True

    def tasks(self) -> list[Task]:
        """Return the rows: those of other compressors, then llmzip's."""
        others = [Task(name) for name in SHOWN]
        return [*others, *(self._own(level) for level in self.levels)]

    def _own(self, level: int) -> Task:
        return Task("llmzip", level, self.model, self.device, self.threads, self.quiet)

    def prepare(self) -> int:
        """Fetch and prepare the model where needed; return the size of its files.

        Raises ModelError, OSError, RowError.
        """
        files = locate(self.model, quiet=self.quiet)
        if not prepared_path(files).exists():
            done_apart(self._own(self.levels[0]), b"")
        return files.n_bytes


def run_rows(
    plan: Plan, name: str, text: bytes, note: Callable[[str], None] = lambda _: None
) -> TextResult:
    """Run every row over a text (not empty); one that is absent or fails is said to be so.

    note: told the name of each row before it begins. Raises OSError.
    """
    result = TextResult(name, len(text))
    for task in plan.tasks():
        shown = title_of(task)
        note(shown)
        try:
            result.rows.append(_run(task, shown, text))
        except RowError as exc:
            if isinstance(exc, AbsentError) and task.level is None:
                result.absent[shown] = absence(OTHERS[task.row])
            else:
                result.failed[shown] = str(exc).removeprefix(f"{shown}: ")
    return result


def title_of(task: Task) -> str:
    """Return what a row is called."""
    return OTHERS[task.row].name if task.level is None else f"llmzip -{task.level}"


def _run(task: Task, name: str, text: bytes) -> RowResult:
    answer = done_apart(task, text)
    return RowResult(
        name=name,
        level=task.level,
        n_bytes=len(text),
        n_packed_bytes=answer["n_packed_bytes"],
        compress_s=answer["compress_s"],
        decompress_s=answer["decompress_s"],
        n_runs=answer["n_runs"],
        start_bytes=answer["start_bytes"],
        peak_bytes=answer["peak_bytes"],
    )
