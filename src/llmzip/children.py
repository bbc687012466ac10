"""The one place that starts other processes: Python, for modules and for our own code.

`python -m NAME` takes the current folder for the first place to look for modules, and people
stand in folders that others have filled: a folder `pip` there would be run. So a child is told
not to look there (-P, which its own children inherit as PYTHONSAFEPATH), and one that runs the
module of somebody else stands elsewhere besides.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

Process = subprocess.Popen[bytes]

_POLL_S = 0.1
_SAFE_PATH = {"PYTHONSAFEPATH": "1"}


def run_module(
    name: str,
    arguments: list[str],
    *,
    folder: Path,
    log: IO[bytes],
    watch: Callable[[], None],
) -> int:
    """Run `python -m name arguments` until it ends; return its exit status.

    folder: an absolute path; where the child works and keeps its temporary files. Relative
        paths in its arguments or its environment start there.
    log: takes what it writes to standard output and standard error. Its input is empty.
    watch: called while it runs; the child is ended when this raises, or when we are interrupted.

    Raises: OSError if it cannot be started; what `watch` raises.
    """
    command = [sys.executable, "-P", "-m", name, *arguments]
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    environment = os.environ | temporary | _SAFE_PATH
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=folder
    )
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(_POLL_S)
            watch()
    finally:
        process.kill()  # does nothing to one that has ended
        process.wait()


def start_code(code: str, variables: Mapping[str, str]) -> Process:
    """Start `python -c code`, to be talked to through its standard input and output.

    variables: of its environment, beside ours. Raises: OSError if it cannot be started.
    """
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **variables, **_SAFE_PATH},
    )


def become_child() -> IO[bytes]:
    """Be a process that was started so; return what takes its answers.

    An interrupt is for whoever has started it, who ends it; what libraries print is no answer.
    """
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sink
