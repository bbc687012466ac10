"""What is left of threads after a fork: their memory, and nothing that goes on working in it.

A forked child that waits for a thread of its parent waits for ever. So threads are asked for
work through Threads, which refuses at once; what keeps a model open opens it anew in the child
(see `kept`); and torch does without them there (see `torch_threads`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from llmzip.errors import UsageError

P = ParamSpec("P")
T = TypeVar("T")


class Origin:
    """The process in which something was made."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def require(self) -> None:
        """Raise UsageError in any other process."""
        if os.getpid() != self._pid:
            raise UsageError(
                "this was begun before a fork, and its threads have stayed in the parent process: "
                "begin it anew in the child"
            )


class Threads(ThreadPoolExecutor):
    """A pool of threads for the process that made it: others are refused, not kept waiting."""

    def __init__(
        self, n_threads: int, name: str, initializer: Callable[[], None] | None = None
    ) -> None:
        super().__init__(n_threads, name, initializer=initializer)
        self._origin = Origin()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As the class it extends. Raises UsageError in a forked child."""
        self._origin.require()
        return super().submit(fn, *args, **kwargs)

    def wait(self, parts: Iterable[Future[Any]]) -> None:
        """Wait until what was submitted has ended, whichever way. Raises UsageError as `submit`."""
        for part in parts:
            self._origin.require()
            part.exception()
