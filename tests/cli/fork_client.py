"""llmzip on a shell's path, in a child of a fork server: python -IS fork_client.py DOOR [WORD...]

It hands its standard streams over, waits, and ends as the child does. If it is killed, so is the
child. Where the child could not be as a process that the shell has started, one is started.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from contextlib import suppress

FREE = ("LLMZIP_", "PIP_", "PYTEST_", "GIT_")
ALSO_FREE = {"PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "_"}
"""What may be otherwise than when the server started, and what shells set: see fork_server."""


def may_be_forked(door: str) -> bool:
    """Whether there are three standard streams, and nothing that a library reads is otherwise."""
    # pathlib would take longer to import than all of this
    with open(f"{os.path.dirname(door)}/environment", encoding="ascii") as file:  # noqa: PTH120, PTH123
        others = json.load(file).items() ^ os.environ.items()
    if any(name not in ALSO_FREE and not name.startswith(FREE) for name, _ in others):
        return False
    try:
        return all(os.fstat(number) for number in range(3))
    except OSError:
        return False


def ask(door: str, words: list[str]) -> socket.socket:
    """Send the request; return the socket that will tell the status."""
    mask = os.umask(0)
    os.umask(mask)
    asked = {
        "umask": mask,
        "arguments": words,
        "environment": dict(os.environ),
        "cwd": os.getcwd(),  # noqa: PTH109
        "code": None,
    }
    reply, theirs = socket.socketpair()
    with theirs, os.fdopen(os.memfd_create("request"), "wb") as file:
        file.write(json.dumps(asked).encode("ascii"))
        file.flush()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
            server.connect(door)
            socket.send_fds(server, [b"."], [file.fileno(), 0, 1, 2, theirs.fileno()])
    return reply


def main() -> None:
    door, *words = sys.argv[1:]
    if not may_be_forked(door):
        os.execv(sys.executable, [sys.executable, "-m", "llmzip", *words])
    reply = ask(door, words)
    os.closerange(0, 3)
    status = int(reply.recv(16) or 1)
    if status < 0:
        with suppress(OSError):  # SIGKILL is as it is
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    main()
