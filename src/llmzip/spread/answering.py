"""Whether a cluster of Ray may be at an address: looked at first, for Ray itself tries for minutes.

All that Ray listens with is gRPC, so HTTP/2: who connects begins with a preface, and is answered
with settings.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from llmzip.errors import UsageError

ANSWER_TIMEOUT_S = 10.0

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS_TYPE, _FRAME_HEAD_BYTES = 4, 9

_OF_RAY = re.compile(rb"^\[\d{4}-\d\d-\d\d [^]]*\] \w+\.(?:cc|h):\d+: (.*)\n", re.MULTILINE)


def require_answer(address: str) -> None:
    """Raise UsageError unless a gRPC server answers at HOST:PORT or ray://HOST:PORT.

    Where connections are secured by TLS it is enough that somebody listens.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():
        raise UsageError(f"{address} is no address of a cluster of Ray; give HOST:PORT")
    try:
        where = host.strip("[]"), int(port)
        with socket.create_connection(where, ANSWER_TIMEOUT_S) as connection:
            if os.environ.get("RAY_USE_TLS", "0").lower() not in ("1", "true"):
                _require_settings(connection)
    except (OSError, ValueError, OverflowError) as exc:
        raise UsageError(f"no cluster of Ray answers at {address}: {exc}") from exc


def _require_settings(connection: socket.socket) -> None:
    """Raise OSError unless the other side speaks HTTP/2."""
    connection.sendall(_PREFACE)
    head, end_s = b"", time.monotonic() + ANSWER_TIMEOUT_S
    while len(head) < _FRAME_HEAD_BYTES:
        connection.settimeout(max(end_s - time.monotonic(), 0.001))
        piece = connection.recv(_FRAME_HEAD_BYTES - len(head))
        if not piece:
            raise OSError("what listens there hangs up")
        head += piece
    if head[3] != _SETTINGS_TYPE:
        raise OSError("what listens there is something else")


@contextmanager
def hearing() -> Iterator[list[str]]:
    """Keep what Ray's own core writes to standard error while it connects; yield those lines.

    They are there once the block has ended. All else that was written there is written then; a
    process that dies meanwhile takes it along.
    """
    heard: list[str] = []
    try:
        own = os.dup(2)
    except OSError:
        yield heard
        return
    with tempfile.TemporaryFile() as file:
        _flush(sys.stderr)
        os.dup2(file.fileno(), 2)
        try:
            yield heard
        finally:
            with suppress(OSError, ValueError):
                _flush(sys.stderr)
            os.dup2(own, 2)
            os.close(own)
            file.seek(0)
            said = file.read()
            heard += [line.decode("utf-8", "replace") for line in _OF_RAY.findall(said)]
            if rest := _OF_RAY.sub(b"", said):
                os.write(2, rest)


def _flush(stream: IO[str] | None) -> None:
    if stream is not None:
        stream.flush()
