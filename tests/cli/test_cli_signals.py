"""A signal unwinds the program wherever it comes, even where an exception is lost."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from cli_runner import environment, hear

WITHIN = """
import signal, sys, time, weakref
from llmzip.cli.signals import InterruptedBySignal, clean_up_on_signals, die_by

class Object:
    pass

def ended(_):  # nothing that is raised here gets out
    signal.raise_signal(signal.SIG{name})
    time.sleep(0)

clean_up_on_signals()
one = Object()
watched = weakref.ref(one, ended)
try:
    del one
    time.sleep(60)
except InterruptedBySignal as exc:
    print("unwound", flush=True)
    die_by(exc.signum)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="processes do not die by signals there")
@pytest.mark.parametrize("name", ["INT", "TERM"])
def test_a_signal_within_what_may_not_raise_is_not_lost(name: str) -> None:
    hear(getattr(signal, f"SIG{name}"))
    done = subprocess.run(
        [sys.executable, "-c", WITHIN.replace("{name}", name)],
        env=environment(),
        capture_output=True,
        check=False,
        timeout=15,  # long before the sleep is over
    )
    assert (done.stdout, done.stderr) == (b"unwound\n", b"")
    assert done.returncode < 0


def test_what_else_is_lost_is_told_as_ever() -> None:
    script = (
        "from llmzip.cli.signals import clean_up_on_signals\n"
        "class Object:\n"
        "    def __del__(self): raise ValueError('told')\n"
        "clean_up_on_signals()\n"
        "Object()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, check=False
    )
    assert b"ValueError: told" in done.stderr
