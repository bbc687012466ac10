"""Forks with models opened, and says which kinds of use work in the child. MODEL LEVEL"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import llmzip

DATA = (Path(__file__).parents[2] / "LICENSE").read_bytes()[2000:2700]
HOW: dict[str, Any] = {"model": sys.argv[1], "threads": 2}
LEVEL = int(sys.argv[2])


def compressor() -> llmzip.Compressor:
    return llmzip.Compressor(**HOW, level=LEVEL, chunk_tokens=160)


def compress(with_: llmzip.Compressor) -> bytes:
    sink = io.BytesIO()
    with_.compress(io.BytesIO(DATA), sink)
    return sink.getvalue()


def decompress(with_: llmzip.Decompressor, packed: bytes) -> bytes:
    sink = io.BytesIO()
    with_.decompress(io.BytesIO(packed), sink)
    return sink.getvalue()


def in_child(name: str, work: Callable[[], bool]) -> None:
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        try:
            os._exit(0 if work() else 1)
        finally:  # an exception: told by its status
            os._exit(2)
    _, status = os.waitpid(pid, 0)
    print(name if not status else f"{name}:{status}")


def is_refused(work: Callable[[], object], why: str) -> bool:
    try:
        work()
    except llmzip.UsageError as exc:
        return why in str(exc)
    return False


def fork_during_a_call(opened: llmzip.Compressor) -> None:
    """In another thread's, and in one's own."""
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: int) -> None:
        begun.set()
        go_on.wait()

    thread = threading.Thread(target=lambda: opened.compress(io.BytesIO(DATA), io.BytesIO(), wait))
    thread.start()
    begun.wait()
    in_child("busy", lambda: is_refused(lambda: compress(compressor()), "forked while"))
    go_on.set()
    thread.join()
    parent = os.getpid()
    children: list[int] = []

    def fork(_: int) -> None:
        if os.getpid() == parent and not children:
            children.append(os.fork())

    sys.stdout.flush()
    try:
        compressor().compress(io.BytesIO(DATA * 3), io.BytesIO(), fork)
    except llmzip.UsageError:
        os._exit(7 if os.getpid() != parent else 2)
    if os.getpid() != parent:
        os._exit(7)  # it needed no thread any more
    print("inner" if os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 7 else "bad")


def main() -> None:
    torch.set_num_threads(2)
    torch.mm(torch.ones(1500, 1500), torch.ones(1500, 1500))  # with threads of its own
    opened, back = compressor(), llmzip.Decompressor(**HOW)
    packed = compress(opened)
    assert decompress(back, packed) == DATA
    in_child("compressor", lambda: compress(opened) == packed)
    in_child("decompressor", lambda: decompress(back, packed) == DATA)
    in_child("new", lambda: decompress(llmzip.Decompressor(**HOW), packed) == DATA)
    fork_during_a_call(opened)
    if compress(opened) == packed and decompress(back, packed) == DATA:
        print("parent")


main()
