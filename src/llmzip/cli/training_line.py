"""How training goes, for a person: a line on a terminal, and one for each judgement."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from llmzip.cli.messages import Messages

if TYPE_CHECKING:
    from rich.status import Status

    from llmzip.training.trainer import Progress

_REFRESH_S = 0.5


class TrainingLine:
    """Shows progress on standard error. minutes: how long training may take."""

    def __init__(self, messages: Messages, minutes: float) -> None:
        self._messages, self._minutes = messages, minutes
        self._status: Status | None = None
        self._shown_s = 0.0

    def __enter__(self) -> Self:
        if self._messages.verbosity >= 0 and sys.stderr is not None and sys.stderr.isatty():
            from rich.console import Console

            console = Console(stderr=True)
            self._status = console.status("reading texts and the model")
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def stepped(self, progress: Progress) -> None:
        """Show what one more step has changed."""
        now_s = time.monotonic()
        if self._status is not None and now_s - self._shown_s > _REFRESH_S:
            self._shown_s = now_s
            self._status.update(self._text(progress))

    def judged(self, progress: Progress) -> None:
        """Say what held-out text takes now."""
        if self._messages.verbosity >= 0:
            better = "" if progress.since_best == 0 else ", no better"
            self._messages.say(
                f"{progress.elapsed_s / 60:.1f} min, {progress.n_tokens:,} tokens: held-out text "
                f"{progress.held_out[-1]:.4f} bits/byte{better}"
            )

    def _text(self, progress: Progress) -> str:
        left = max(self._minutes - progress.elapsed_s / 60, 0.0)
        return (
            f"{progress.tokens_per_s:,.0f} tokens/s, loss {progress.loss:.3f} bits a token, "
            f"held-out text {progress.held_out[0]:.4f} -> {progress.best:.4f} bits/byte, "
            f"{left:.0f} min left"
        )
