"""What the fork server runs is as a fresh process is: all that a program can tell is compared."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runner import COMMAND, NOISE, environment, llmzip, succeeds
from fork_server import AVAILABLE, ForkServer

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="the fork server is for Linux")

TELL = """
import os, signal, stat, sys, threading, warnings
from pathlib import Path
import llmzip, json
from llmzip import torch_threads
def lines(name):
    words = ("SigBlk", "SigIgn", "Umask", "Groups", "NoNewPrivs")
    text = Path(f"/proc/self/{name}").read_text()
    return [line for line in text.splitlines() if line.startswith(words)]
def stream(file):
    number = file.fileno()
    return [file.name, file.mode, file.encoding, file.errors, file.line_buffering, number,
            file.isatty(), stat.S_IFMT(os.fstat(number).st_mode), os.get_blocking(number)]
print(json.dumps({
    "argv": sys.argv, "cwd": os.getcwd(), "environment": dict(os.environ),
    "streams": [stream(f) for f in (sys.stdin, sys.stdout, sys.stderr)],
    "status": lines("status"), "limits": Path("/proc/self/limits").read_text(),
    "group": [os.getpgid(0), os.getsid(0)], "cpus": sorted(os.sched_getaffinity(0)),
    "descriptors": sorted(os.listdir("/proc/self/fd"), key=int)[:-1],
    "signals": [str(signal.getsignal(n)) for n in sorted(signal.valid_signals())],
    "path": sys.path, "flags": list(sys.flags), "inherited": torch_threads._torch_is_inherited,
    "threads": threading.active_count(), "warnings": sys.warnoptions,
    "input": sys.stdin.read(),
}))
print("a word", file=sys.stderr)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    started = ForkServer(environment())
    yield started
    started.close()


def both(
    server: ForkServer, code: str, *arguments: str, cwd: Path, data: bytes = b"", **env: str
) -> list[subprocess.CompletedProcess[bytes]]:
    """What a fresh process does, and a forked one."""
    where = environment(**env)
    fresh = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=data, capture_output=True, cwd=cwd, env=where, check=False,
    )  # fmt: skip
    return [fresh, server.run(arguments, where, input=data, cwd=cwd, code=code, timeout=60)]


def test_all_that_a_program_can_tell_is_the_same(server: ForkServer, tmp_path: Path) -> None:
    words = ("one", "two words", "caf\udce9", "")
    found = both(server, TELL, *words, cwd=tmp_path, data=b"some\ninput", LLMZIP_MODEL="caf\udce9")
    told = [json.loads(result.stdout) for result in found]
    for one in told:
        one["path"] = [place for place in one["path"] if place]  # -c looks in the current folder
    assert told[0] == told[1]
    assert told[0]["input"] == "some\ninput"
    assert [(result.returncode, result.stderr) for result in found] == 2 * [(0, b"a word\n")]


@pytest.mark.parametrize(
    "end",
    ["sys.exit(3)", "os._exit(4)", "1 / 0", "os.abort()", "os.kill(os.getpid(), signal.SIGTERM)",
     "os.kill(os.getpid(), signal.SIGPIPE); print('ignored', flush=True)",
     "os.kill(os.getpid(), signal.SIGKILL)",
     "signal.signal(signal.SIGINT, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGINT)"],
)  # fmt: skip
def test_it_ends_in_the_same_way(server: ForkServer, tmp_path: Path, end: str) -> None:
    fresh, forked = both(server, f"import os, signal, sys\n{end}\n", cwd=tmp_path)
    assert (forked.returncode, forked.stdout) == (fresh.returncode, fresh.stdout)
    assert forked.stderr.splitlines()[-1:] == fresh.stderr.splitlines()[-1:]


def test_the_command_line_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(NOISE)
    for arguments in (["--version"], ["-c", "noise"], ["list", "noise"], ["nosuch"], ["models"]):
        fresh, forked = (llmzip(*arguments, cwd=tmp_path, fresh=fresh) for fresh in (True, False))
        answers = [(run.returncode, run.stdout, run.stderr) for run in (fresh, forked)]
        assert answers[0] == answers[1]


def test_what_libraries_read_when_they_are_imported_wants_a_fresh_process(
    server: ForkServer,
) -> None:
    assert server.may_run(environment(LLMZIP_WAY="plain"))
    for name in ("OMP_NUM_THREADS", "NUMBA_CACHE_DIR", "PYTHONUNBUFFERED", "LC_ALL", "HF_HOME"):
        assert not server.may_run(environment(**{name: "some"})), name
    assert not server.may_run({n: value for n, value in environment().items() if n != "PATH"})


def shell(script: str, command: list[str], cwd: Path) -> tuple[int, bytes, bytes]:
    """What a script in which $LLMZIP is the command does."""
    script = script.replace("$LLMZIP", shlex.join(command))
    done = subprocess.run(
        ["/bin/sh", "-c", script], capture_output=True, env=environment(), cwd=cwd, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "script",
    ["exec $LLMZIP -c noise", "$LLMZIP < noise | $LLMZIP -d", "exec $LLMZIP nosuch", "$LLMZIP -h",
     "(sleep 0.5; exec $LLMZIP list x.llmz) | head -c 0", "LLMZIP_LEVEL=x $LLMZIP noise",
     "$LLMZIP -c nosuch 2>&1 >&-", "LC_ALL=C $LLMZIP 'caf\xe9'",
     "umask 7; $LLMZIP -c noise > y; $LLMZIP -o z y; stat -c %a y z"],
)  # fmt: skip
def test_to_a_shell_it_is_the_same(server: ForkServer, tmp_path: Path, script: str) -> None:
    answers = []
    for name, command in (("fresh", COMMAND), ("forked", server.command())):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "noise").write_bytes(NOISE)
        succeeds(llmzip("noise", "-o", "x.llmz", cwd=folder))
        answers.append(shell(script, command, folder))
    assert answers[0] == answers[1]


def test_a_shell_is_answered_by_the_server_unless_its_environment_wants_otherwise(
    server: ForkServer, tmp_path: Path
) -> None:
    *command, door = server.command()
    nobody = tmp_path / "door"  # nobody is behind it
    shutil.copy(Path(door).with_name("environment"), tmp_path)
    command.append(str(nobody))
    assert b"FileNotFoundError" in shell("$LLMZIP --version", command, tmp_path)[2]
    for otherwise in ("OMP_NUM_THREADS=1 $LLMZIP --version", "$LLMZIP --version 2>&-"):
        assert shell(otherwise, command, tmp_path)[0] == 0


def test_whom_a_shell_kills_is_killed(server: ForkServer, tmp_path: Path) -> None:
    command = [*server.command(), "-1", "-o", str(tmp_path / "x"), "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment()) as client:
        assert client.stdin is not None
        client.stdin.write(bytes(1_000_000))
        client.stdin.flush()
        (child,) = _children_of(server._process.pid)
        client.kill()
        client.stdin.close()
    _wait_for_the_end_of(child)


def _children_of(process_id: int) -> list[int]:
    text = Path(f"/proc/{process_id}/task/{process_id}/children").read_text("ascii")
    return [int(word) for word in text.split()]


def test_who_takes_too_long_is_killed(server: ForkServer, tmp_path: Path) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        server.run([], environment(), code=code, timeout=0.5)
    _wait_for_the_end_of(int(caught.value.output))


def test_large_streams_in_several_threads_at_once(server: ForkServer) -> None:
    code = "import sys; d = sys.stdin.buffer.read(); sys.stderr.buffer.write(d); print(len(d))"
    answers: list[subprocess.CompletedProcess[bytes]] = []

    def work(size: int) -> None:
        answers.append(server.run([], environment(), input=bytes(size), code=code, timeout=60))

    threads = [threading.Thread(target=work, args=(size,)) for size in range(300_000, 300_004)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(answer.stdout) for answer in answers) == [*range(300_000, 300_004)]
    assert all(len(answer.stderr) == int(answer.stdout) for answer in answers)


def test_it_and_its_children_end_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = (
        "import sys, os; from cli_runner import environment; from fork_server import ForkServer\n"
        "server = ForkServer(environment())\n"
        "code = 'import os, time; print(os.getppid(), os.getpid(), flush=True); time.sleep(600)'\n"
        "server.run([], environment(), stdout=1, code=code, timeout=600)\n"
    )
    env = {**environment(), "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        process_ids = [int(word) for word in worker.stdout.readline().split()]
        worker.send_signal(signal.SIGKILL)
    for process_id in process_ids:
        _wait_for_the_end_of(process_id)


def _wait_for_the_end_of(process_id: int) -> None:
    end_s = time.monotonic() + 60
    while _is_alive(process_id):
        assert time.monotonic() < end_s, "it lives on"
        time.sleep(0.02)


def _is_alive(process_id: int) -> bool:
    """Whether it is there, and not merely waiting for somebody to hear of its end."""
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
