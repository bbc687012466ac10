"""A process of its own for what may end one: a library that was built for another processor.

Names of looks go in, a line each; findings come out, a line of JSON each, and `null` after the
last. Whoever has started it holds the other ends.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, cast

import llmzip
from llmzip import children
from llmzip.doctor.findings import Finding, State, looked_at

if TYPE_CHECKING:
    from typing import Self

_START = "import sys; sys.path.append({root!r}); from llmzip.doctor.probe import main; main()"
_LONGEST_LINE = 1 << 16


def _ways() -> Iterable[Finding]:
    from llmzip.doctor import processor

    return processor.look_at_ways()


def _devices() -> Iterable[Finding]:
    from llmzip.doctor import devices

    return devices.look()


def _kernels() -> Iterable[Finding]:
    from llmzip.doctor import self_tests

    return self_tests.look_at_kernels()


def _round_trip() -> Iterable[Finding]:
    from llmzip.doctor import self_tests

    return self_tests.look_at_round_trip()


def _kernel_folders(*, clean: bool) -> Iterable[Finding]:
    from llmzip.doctor import caches

    return caches.look_at_kernels(clean=clean)


def _speed() -> Iterable[Finding]:
    from llmzip.doctor import speed

    return speed.look()


LOOKS: dict[str, Callable[[], Iterable[Finding]]] = {
    "way": _ways,
    "CUDA": _devices,
    "kernels": _kernels,
    "round trip": _round_trip,
    "kernel folder": partial(_kernel_folders, clean=False),
    "kernel folder, cleaned": partial(_kernel_folders, clean=True),
    "speed": _speed,
}
"""What the process can look at; each imports what it needs."""


def main() -> None:
    """Be the process."""
    out = io.TextIOWrapper(cast(BinaryIO, children.become_child()), encoding="ascii")
    for line in sys.stdin:
        name = line.rstrip("\n")
        for finding in looked_at(_subject(name), LOOKS[name]):
            print(json.dumps(asdict(finding)), file=out)
        print(json.dumps(None), file=out, flush=True)
    os._exit(0)


class Probe:
    """Asks such a process, and starts another where it has ended."""

    def __init__(self) -> None:
        self._process: children.Process | None = None

    def ask(self, name: str) -> list[Finding]:
        """Return what is found of one of LOOKS; that the process ended is a finding, too."""
        return looked_at(_subject(name), lambda: self._asked(name))

    def _asked(self, name: str) -> Iterator[Finding]:
        if self._process is None or self._process.poll() is not None:
            self._process = _started()
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{name}\n".encode())
        process.stdin.flush()
        while line := process.stdout.readline(_LONGEST_LINE):
            found = json.loads(line)
            if found is None:
                return
            yield Finding(**{**found, "state": State(found["state"])})
        yield _ended(_subject(name), process.wait())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            with self._process:
                self._process.kill()


def _subject(name: str) -> str:
    """Return what a look is called before the comma, whatever is done besides."""
    return name.partition(",")[0]


def _started() -> children.Process:
    root = str(Path(llmzip.__file__).parents[1])
    return children.start_code(_START.format(root=root), {})


def _ended(name: str, status: int) -> Finding:
    if status >= 0:
        value = f"the process that tried it ended with status {status}: see what it has printed"
        return Finding(name, value, State.WRONG, "install llmzip in a new environment")
    what = signal.strsignal(-status) or "unknown"
    value = f"the process that tried it was ended by signal {-status} ({what})"
    advice = "try LLMZIP_WAY=plain and LLMZIP_DEVICE=cpu; report it, with this output"
    return Finding(name, value, State.WRONG, advice)
