"""INT, TERM and HUP: unfinished files go, every room unwinds, the process dies of the signal."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from llmzip.temporaries import unfinished

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_AGAIN_S = 0.02
_SIGNALS = [s for s in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, s)]


class InterruptedBySignal(BaseException):
    """A signal asks the program to end; unwinds the stack so that every room cleans up."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def clean_up_on_signals() -> None:
    """Make INT, TERM and HUP remove unfinished outputs and unwind as InterruptedBySignal.

    A signal that the parent has asked to ignore (nohup, a shell's background job) stays ignored.
    """
    before = sys.unraisablehook
    if not isinstance(before, _Resending):
        sys.unraisablehook = _Resending(before)
    for name in _SIGNALS:
        number = getattr(signal, name)
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)


@dataclass(frozen=True)
class _Resending:
    """Sends a signal again that came within what may not raise, such as the end of an object.

    otherwise: the hook that is told what else is lost.
    """

    otherwise: Callable[[UnraisableHookArgs], object]

    def __call__(self, lost: UnraisableHookArgs) -> None:
        if not isinstance(lost.exc_value, InterruptedBySignal):
            self.otherwise(lost)
            return
        signum = lost.exc_value.signum
        signal.signal(signum, _on_signal)
        threading.Timer(_AGAIN_S, _raise_in_main_thread, [signum]).start()


def _raise_in_main_thread(signum: int) -> None:
    """Send this process a signal, which cuts short what its main thread waits for where it can."""
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main, signum)
    else:
        signal.raise_signal(signum)


def _on_signal(signum: int, _frame: FrameType | None) -> None:
    """Remove at once, for what follows may be cut short; a second signal ends the program."""
    for path in list(unfinished):
        with suppress(OSError):
            path.unlink()
    for name in _SIGNALS:
        if signal.getsignal(getattr(signal, name)) is _on_signal:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    raise InterruptedBySignal(signum)


def die_by(signum: int) -> None:
    """End this process by the signal, so that its parent sees the true reason."""
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)
