"""Runs the command line in children of a process that has imported everything already.

A fresh interpreter takes a third of a second before llmzip's first line runs, and some four once
torch, numba and the kernels are wanted; the tests of the command line start hundreds. So each
worker of a run keeps one process, started afresh, that imports what the command line imports and
loads the kernels that have been compiled by then (it runs none and starts no thread), and forks a
child for each request. The child takes its
arguments, environment, folder and standard streams from the request and enters llmzip where
`python -m llmzip` does. What it cannot know is how a process starts: tests of that, and those
whose environment is read by libraries when they are imported, start a fresh one: see cli_runner.

Requests are messages on one socket: the descriptors of a file that says what to run, of the
standard streams, and of a socket that takes the child's status. Closing that ends the child.
Closing the first, as the end of the worker does, ends the server. Shells have a door, a socket with
a name, through which a client sends one request: see `fork_client`.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

AVAILABLE = sys.platform == "linux"
"""Elsewhere forks of a process that has loaded its libraries may not work, nor process handles."""

_FREE = ("LLMZIP_", "PIP_", "PYTEST_")
"""How the variables begin that are read when they are used, not when a library is imported."""
_IMPORTS = (
    *("llmzip.cli.main", "llmzip.api", "llmzip.codec.groups", "llmzip.predict.exact"),
    *("llmzip.exact.cpu.engine", "llmzip.exact.engines", "llmzip.mixing", "llmzip.models.prepared"),
    *("llmzip.exact.cpu.plain_prefill", "llmzip.exact.prepare", "llmzip.exact.families"),
    *("llmzip.models.load", "llmzip.tokens.tokenizer", "llmzip.mixing.kernel", "numpy", "numpy.ma"),
    *("llmzip.codec.plan", "llmzip.layout.copies", "llmzip.mixing.counted"),
    *("numba", "torch", "tokenizers", "safetensors.numpy"),
    *("transformers", "transformers.modeling_utils", "transformers.models.auto.modeling_auto"),
)
_N_DESCRIPTORS = 5
_CLIENT = Path(__file__).with_name("fork_client.py")


class ForkServer:
    """A worker's one server. Several threads may run commands at once."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._folder = tempfile.TemporaryDirectory(prefix="llmzip-")  # for its user alone
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
            door.bind(str(self._door))
            door.listen(64)
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno()), str(door.fileno())],
                env=self._environment,
                pass_fds=[theirs.fileno(), door.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._door.with_name("environment").write_text(json.dumps(self._environment), "ascii")
        atexit.register(self.close)

    def close(self) -> None:
        """End the server, and with it whatever it has started."""
        self._control.close()
        self._process.wait()
        self._folder.cleanup()

    @property
    def _door(self) -> Path:
        return Path(self._folder.name) / "door"

    def command(self) -> list[str]:
        """The first words of a command for shells by which the server runs llmzip.

        With an environment that wants a fresh process, or streams missing, that starts one.
        """
        return [sys.executable, "-I", "-S", str(_CLIENT), str(self._door)]

    def may_run(self, environment: Mapping[str, str]) -> bool:
        """Whether nothing differs that has been read when the server imported its libraries."""
        ours = self._environment.items() ^ environment.items()
        return all(name.startswith(_FREE) for name, _ in ours)

    def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        input: bytes | None = None,
        stdin: Any = subprocess.DEVNULL,
        stdout: Any = subprocess.PIPE,
        cwd: str | Path | None = None,
        timeout: float,
        code: str | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run llmzip, or `code` instead, to its end, as subprocess.run does."""
        asked = {
            "arguments": [os.fsdecode(word) for word in arguments],
            "environment": dict(environment),
            "cwd": os.fsdecode(cwd or Path.cwd()),
            "code": code,
        }
        with _Pipes(input, stdin, stdout) as pipes, self._request(asked, pipes.theirs) as reply:
            pipes.close_theirs()
            # closing our half has the child killed, so that all reading ends
            deadline = threading.Timer(timeout, reply.shutdown, [socket.SHUT_WR])
            deadline.start()
            try:
                output, errors = pipes.communicate()
                status = reply.recv(16)
                is_late = deadline.finished.is_set()
            finally:
                deadline.cancel()
        if is_late:
            raise subprocess.TimeoutExpired(list(arguments), timeout, output, errors)
        assert status, "the fork server has ended"
        return subprocess.CompletedProcess(list(arguments), int(status), output, errors)

    def _request(self, asked: Mapping[str, object], streams: Sequence[int]) -> socket.socket:
        """Send a request; return the socket that will tell the status."""
        reply, theirs = socket.socketpair()
        with theirs, os.fdopen(os.memfd_create("request"), "wb") as file:
            file.write(json.dumps(asked).encode("ascii"))
            file.flush()
            socket.send_fds(self._control, [b"."], [file.fileno(), *streams, theirs.fileno()])
        return reply


class _Pipes:
    """A child's standard streams, and our ends of those that are pipes."""

    def __init__(self, data: bytes | None, stdin: Any, stdout: Any) -> None:
        self._data, self._made = data, list[int]()
        self._feed = self._output = -1
        if data is not None:
            source, self._feed = self._pipe()
        else:
            source = self._descriptor(stdin, os.O_RDONLY)
        if stdout == subprocess.PIPE:
            self._output, sink = self._pipe()
        else:
            sink = self._descriptor(stdout, os.O_WRONLY)
        self._errors, complaints = self._pipe()
        self.theirs = (source, sink, complaints)

    def __enter__(self) -> _Pipes:
        return self

    def __exit__(self, *_: object) -> None:
        self._close(*self._made)

    def close_theirs(self) -> None:
        """The child has them by now; pipes end when it does."""
        self._close(*self.theirs)

    def communicate(self) -> tuple[bytes | None, bytes]:
        """Feed the child, and read all that it writes to pipes."""
        with ThreadPoolExecutor(2) as pool:
            pool.submit(self._write)
            errors = pool.submit(self._read, self._errors)
            output = None if self._output < 0 else self._read(self._output)
            return output, errors.result()

    def _pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        self._made += ends
        return ends

    def _descriptor(self, stream: Any, flags: int) -> int:
        """The descriptor of what subprocess takes for a stream."""
        if stream == subprocess.DEVNULL:
            self._made.append(os.open(os.devnull, flags))
            return self._made[-1]
        return stream if isinstance(stream, int) else int(stream.fileno())

    def _write(self) -> None:
        if self._data is None:
            return
        with suppress(BrokenPipeError):
            rest = memoryview(self._data)
            while rest:
                rest = rest[os.write(self._feed, rest) :]
        self._close(self._feed)

    @staticmethod
    def _read(descriptor: int) -> bytes:
        pieces = []
        while piece := os.read(descriptor, 1 << 20):
            pieces.append(piece)
        return b"".join(pieces)

    def _close(self, *descriptors: int) -> None:
        """Close those of them that were made here and are open still."""
        for descriptor in descriptors:
            if descriptor in self._made:
                self._made.remove(descriptor)
                os.close(descriptor)


def serve(control: socket.socket, door: socket.socket) -> None:
    """Fork a child for each request, and tell its status, until the worker is gone."""
    for name in _IMPORTS:
        importlib.import_module(name)
    _load_kernels()
    gc.collect()
    gc.freeze()  # or the collector would touch, and so copy, all of it in every child
    with selectors.DefaultSelector() as waiting:

        def come_in() -> None:
            visitor, _ = door.accept()
            with visitor:
                _take_request(visitor, waiting)

        def take_request() -> None:
            if not _take_request(control, waiting):
                waiting.unregister(control)
                waiting.unregister(door)

        waiting.register(control, selectors.EVENT_READ, take_request)
        waiting.register(door, selectors.EVENT_READ, come_in)
        while waiting.get_map():  # once the worker is gone, nobody waits for the children either
            for key, _ in waiting.select():
                key.data()


def _load_kernels() -> None:
    """Load what was kept of the kernels that stand in modules."""
    from llmzip.compiled import cache

    for name, module in list(sys.modules.items()):
        if not name.startswith("llmzip."):
            continue
        for kernel in vars(module).values():
            kept = getattr(kernel, "_cache", None)
            if isinstance(kept, cache.KernelCache):
                for signature in kept.signatures(kernel.targetctx):
                    kernel.compile(signature)


def _take_request(control: socket.socket, waiting: selectors.BaseSelector) -> bool:
    """Start a child for the next request; return False if there are no more."""
    message, descriptors, _, _ = socket.recv_fds(control, 1, _N_DESCRIPTORS)
    if not message:
        return False
    child = os.fork()
    if not child:
        _be_the_child(descriptors)
    reply = socket.socket(fileno=descriptors.pop())
    for descriptor in descriptors:
        os.close(descriptor)
    _Child(child, reply, waiting)
    return True


class _Child:
    """A child that runs: its status is told when it ends; it ends when nobody waits for that."""

    def __init__(
        self, process_id: int, reply: socket.socket, waiting: selectors.BaseSelector
    ) -> None:
        self._process_id, self._reply, self._waiting = process_id, reply, waiting
        self._handle = os.pidfd_open(process_id)
        waiting.register(self._handle, selectors.EVENT_READ, self._ended)
        waiting.register(reply, selectors.EVENT_READ, self._abandoned)

    def _ended(self) -> None:
        status = os.waitstatus_to_exitcode(os.waitpid(self._process_id, 0)[1])
        with suppress(OSError):
            self._reply.sendall(str(status).encode("ascii"))
        self._waiting.unregister(self._handle)
        os.close(self._handle)
        self._handle = -1
        with suppress(KeyError):
            self._waiting.unregister(self._reply)
        self._reply.close()

    def _abandoned(self) -> None:
        if self._handle < 0:  # it has ended, too
            return
        signal.pidfd_send_signal(self._handle, signal.SIGKILL)
        self._waiting.unregister(self._reply)


def _be_the_child(descriptors: Sequence[int]) -> NoReturn:
    """In the child: become what was asked for, run it, and never return."""
    status = 1
    try:
        with os.fdopen(os.dup(descriptors[0]), "rb") as file:
            file.seek(0)
            asked = json.load(file)
        _become(asked, descriptors[1:4])
        if asked["code"] is None:
            from llmzip.start import program

            program()
        exec(asked["code"], {"__name__": "__main__"})
        status = 0
    except SystemExit as exc:
        status = int(exc.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(status)


def _become(asked: dict[str, Any], streams: Sequence[int]) -> None:
    """Take over the request's environment, folder, arguments and standard streams.

    The libraries hold no descriptor, and torch has no thread yet that a fork could have lost:
    to llmzip it shall be as if this process had imported it.
    """
    from llmzip import torch_threads

    torch_threads._torch_is_inherited = False
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(asked["cwd"])
    if "umask" in asked:
        os.umask(asked["umask"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    program = os.fspath(Path(torch_threads.__file__).with_name("__main__.py"))
    sys.argv[:] = [program if asked["code"] is None else "-c", *asked["arguments"]]
    sys.orig_argv[:] = [sys.executable, "-m", "llmzip", *asked["arguments"]]
    sys.stdin, sys.stdout, sys.stderr = map(_reopened, (sys.stdin, sys.stdout, sys.stderr))


def _reopened(stream: Any) -> Any:
    """A standard stream made anew, as Python does when it starts: whatever it leads to now."""
    made = open(  # noqa: SIM115 - it stays open
        stream.fileno(),
        stream.mode,
        1 if stream is sys.stderr else -1,
        encoding=stream.encoding,
        errors=stream.errors,
        closefd=False,
    )
    made.buffer.raw.name = stream.name
    return made


if __name__ == "__main__":
    del sys.path[0]  # this folder, in which no library is to be looked for
    sockets = [socket.socket(fileno=int(number)) for number in sys.argv[1:]]
    for one in sockets:
        one.set_inheritable(False)
    with suppress(KeyboardInterrupt):
        serve(*sockets)
    the_door = Path(sockets[1].getsockname())  # whoever is killed leaves its folder to us
    with suppress(OSError):
        the_door.unlink()
        the_door.with_name("environment").unlink()
        the_door.parent.rmdir()
