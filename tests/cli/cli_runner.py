"""Runs the command line as people do: in a process of its own, with real pipes and files."""

from __future__ import annotations

import os
import random
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import fork_server

COMMAND = [sys.executable, "-m", "llmzip"]
SOURCE_ROOT = Path(__file__).parents[2] / "src"

NOISE = random.Random(5).randbytes(3_000)
"""Needs no model: what does not compress is stored."""

Result = subprocess.CompletedProcess[bytes]


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment without what would change the command's defaults."""
    ours = (
        *("LLMZIP_MODEL", "LLMZIP_DEVICE", "LLMZIP_LEVEL", "LLMZIP_OPT", "LLMZIP_WAY"),
        "PYTHONUNBUFFERED",
    )
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "PYTHONPATH": str(SOURCE_ROOT), **changes}


def llmzip(
    *arguments: str | Path,
    env: Mapping[str, str] | None = None,
    fresh: bool = False,
    code: str | None = None,
    **how: Any,
) -> Result:
    """Run llmzip, or `code` instead, to its end; `how` goes to subprocess.run.

    Where nothing depends on how a process starts, it is forked: see `fork_server`.
    """
    if "input" not in how:
        how.setdefault("stdin", subprocess.DEVNULL)
    how.setdefault("stdout", subprocess.PIPE)
    where = environment(**(env or {}))
    if not fresh and fork_server.AVAILABLE and how.keys() <= _FORKED:
        server = _server()
        if server.may_run(where):
            return server.run([*map(str, arguments)], where, timeout=1200, code=code, **how)
    return subprocess.run(
        [*_command(code), *map(str, arguments)],
        stderr=subprocess.PIPE,
        env=where,
        timeout=1200,
        check=False,
        **how,
    )


_FORKED = {"input", "stdin", "stdout", "cwd"}
_first = Lock()


def _server() -> fork_server.ForkServer:
    """The one of this process."""
    with _first:  # several threads may come at once
        return _started()


@cache
def _started() -> fork_server.ForkServer:
    return fork_server.ForkServer(environment())


def for_shells(*, fresh: bool = False) -> str:
    """The beginning of a command by which a shell with our `environment` runs llmzip.

    Forked as `llmzip` above, unless it has to be a process of its own: for its standard streams and
    its environment that is seen to, for signals, limits and terminals whoever asks says so.
    """
    return shlex.join(COMMAND if fresh or not fork_server.AVAILABLE else _server().command())


def start(*arguments: str | Path, code: str | None = None, **how: Any) -> subprocess.Popen[bytes]:
    """Start llmzip, or `code` instead, and leave it running; `how` goes to subprocess.Popen."""
    how.setdefault("stdin", subprocess.PIPE)
    how.setdefault("stdout", subprocess.PIPE)
    how.setdefault("env", environment())
    return subprocess.Popen([*_command(code), *map(str, arguments)], stderr=subprocess.PIPE, **how)


def _command(code: str | None) -> list[str]:
    return COMMAND if code is None else [sys.executable, "-c", code]


def succeeds(result: Result) -> bytes:
    """Check that all went well and silently; return standard output."""
    assert (result.returncode, result.stderr) == (0, b"")
    return bytes(result.stdout or b"")


def fails(result: Result, *words: str, status: int = 1) -> str:
    """Check for one line on standard error that holds `words`, and no output; return the line."""
    text = result.stderr.decode()
    assert result.returncode == status, text
    assert text.count("\n") == 1, text
    assert text.startswith("llmzip: ")
    assert not result.stdout
    for word in words:
        assert word in text
    return text


def opened_in(process_id: int, folder: Path) -> list[Path]:
    """Return what a process has open of `folder`: links that lead to the files, named or not."""
    links = []
    for link in Path(f"/proc/{process_id}/fd").iterdir():
        with suppress(OSError):
            if str(link.readlink()).startswith(f"{folder}/"):
                links.append(link)
    return links


def has_written_into(process_id: int, folder: Path) -> bool:
    """Return whether the process has put anything into a file there, with a name or without."""
    return any(link.stat().st_size for link in opened_in(process_id, folder))


def hear(number: int) -> None:
    """Let processes that are started from here hear a signal, ignored as under nohup or not."""
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


def names_in(folder: Path) -> list[str]:
    """Return what lies in `folder`, hidden files included."""
    return sorted(path.name for path in folder.iterdir())
