"""A model that stays open between calls, which threads make one after the other."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Lock, get_ident
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakSet

from llmzip import torch_threads
from llmzip.errors import LlmzipError, UsageError

if TYPE_CHECKING:
    from llmzip.predict import OpenedPredictor

T = TypeVar("T")


class Kept:
    """The model that was opened last, for one call at a time.

    Calls from other threads wait for their turn. A forked child finds nothing opened, for the
    model's threads have stayed in the parent; so does whoever unpickles it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._owner: int | None = None  # the thread whose call is running
        self._model: OpenedPredictor | None = None
        self._key: object = None
        _alive.add(self)

    def call(self, work: Callable[[], T]) -> T:
        """Run `work` once no other thread does, and return what it returns.

        What it raises lets go of the model too, unless it is an error of ours: threads might
        still be at work for what was broken off, and the next call wants all of them.

        Raises UsageError within another call, and in a process that was forked during one.
        """
        self._require_free()
        with self._lock:
            try:
                self._owner = get_ident()
                torch_threads.spare_lost_threads()
                return work()
            except LlmzipError:
                raise
            except BaseException:
                self._model = self._key = None
                raise
            finally:
                self._owner = None

    def model(self, key: object, open_model: Callable[[], OpenedPredictor]) -> OpenedPredictor:
        """Within `call`: return the model kept for `key`, opening it if that is another."""
        if self._model is None or self._key != key:
            self._model = None  # its memory is wanted for the next
            opened = open_model()
            self._model, self._key = opened, key
        return self._model

    def close(self) -> None:
        """Let go of the model and its threads, after the call that runs. Raises UsageError."""
        self._require_free()
        with self._lock:
            self._model = self._key = None

    @property
    def is_busy(self) -> bool:
        """Whether a call is running."""
        return self._owner is not None

    def _forget(self) -> None:
        self._lock = Lock()
        self._owner = self._model = self._key = None

    def _require_free(self) -> None:
        if _forked_while_busy:
            raise UsageError(
                "this process was forked while llmzip was at work in its parent, so what it would "
                "wait for may never come: fork at another time, or start processes by spawn"
            )
        if self._owner == get_ident():
            raise UsageError(
                "this object is at work already, and was called by what reads, writes or follows "
                "that: use another one there"
            )

    def __reduce__(self) -> tuple[type[Kept], tuple[()]]:
        return Kept, ()


_alive: WeakSet[Kept] = WeakSet()
_forked_while_busy = False


def _forget_all() -> None:
    """In a forked child: no thread is left that could go on, or give back a lock."""
    global _forked_while_busy
    kept = list(_alive)
    _forked_while_busy = _forked_while_busy or any(one.is_busy for one in kept)
    for one in kept:
        one._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
