"""The cache folder: where it is, who holds its locks, and that only whole files show up in it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llmzip.models import digests, gguf_config, home

HOLD_LOCK = """
import sys, time
from llmzip.models import home
with home.staging(sys.argv[1], lambda: print("waits", flush=True)) as folder:
    (folder / "half").write_bytes(b"half")
    print("holds", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "a home with spaces"
    monkeypatch.setenv(home.HOME_VARIABLE, str(folder))
    return folder


def hold_lock(name: str, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD_LOCK, name, str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def never() -> None:
    raise AssertionError("nobody else holds this lock")


def test_the_variable_moves_the_folder(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home.home_folder() == own_home
    monkeypatch.setenv(home.HOME_VARIABLE, "~/models here")
    assert home.home_folder() == Path("~/models here").expanduser()


def test_without_the_variable_it_is_the_platforms_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(home.HOME_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert home.home_folder().name == "llmzip"
    monkeypatch.setenv(home.HOME_VARIABLE, "")
    assert home.home_folder().name == "llmzip"


def test_staging_leaves_nothing_behind(own_home: Path) -> None:
    def interrupted() -> None:
        with home.staging("a model", never) as folder:
            (folder / "part").write_bytes(b"1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list((own_home / "staging").iterdir())


def test_a_killed_process_frees_its_lock_and_its_rubbish_is_cleared(own_home: Path) -> None:
    process = hold_lock("a model", 600)
    assert said(process) == "holds"
    assert (own_home / "staging" / "a model" / "half").exists()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with home.staging("a model", never) as folder:
        assert not list(folder.iterdir())


def test_one_process_waits_for_the_other() -> None:
    first = hold_lock("a model", 0.5)
    assert said(first) == "holds"
    waits: list[float] = []
    with home.staging("another model", never):
        pass
    with home.staging("a model", lambda: waits.append(time.monotonic())):
        assert first.wait(timeout=10) == 0
        assert len(waits) == 1
    first.communicate()


def test_publish_replaces_files_and_folders(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / "new").mkdir()
        (tmp_path / "new" / "x").write_text(str(number))
        home.publish(tmp_path / "new", tmp_path / "deep" / "target")
        (tmp_path / "file").write_text(str(number))
        home.publish(tmp_path / "file", tmp_path / "deep" / "other")
        assert (tmp_path / "deep" / "target" / "x").read_text() == str(number)
        assert (tmp_path / "deep" / "other").read_text() == str(number)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def written_long_ago(path: Path, data: bytes, hours: int = 1) -> Path:
    path.write_bytes(data)
    then = time.time() - 3600 * hours
    os.utime(path, (then, then))
    return path


def test_a_digest_is_remembered(tmp_path: Path, own_home: Path) -> None:
    path = written_long_ago(tmp_path / "big", b"x" * 3_000_000)
    assert digests.file_sha256(path) == sha256(b"x" * 3_000_000)
    (note,) = (own_home / "digests").iterdir()
    known = json.loads(note.read_text())
    note.write_text(json.dumps({**known, "sha256": "from memory"}))
    assert digests.file_sha256(path) == "from memory"
    assert digests.read_sha256(path) == sha256(b"x" * 3_000_000)


def test_what_else_was_found_is_remembered_beside_it(tmp_path: Path, own_home: Path) -> None:
    path = written_long_ago(tmp_path / "a.gguf", b"GGUF starcoder2.rope. and more")
    read: list[Path] = []

    def has_more(path: Path) -> bool:
        read.append(path)
        return b"more" in path.read_bytes()

    for _ in range(2):
        assert digests.remembered(path, "has more", has_more)
        assert digests.file_sha256(path) == sha256(path.read_bytes())
        assert gguf_config.is_more(path)
    assert read == [path]
    (note,) = (own_home / "digests").iterdir()
    text = note.read_text()
    assert gguf_config.is_more(path)
    note.write_text(text.replace("true", "false"))
    assert not gguf_config.is_more(path)  # nothing was read
    written_long_ago(path, b"GGUF", hours=2)
    assert not digests.remembered(path, "has more", has_more)
    assert read == [path, path]


@pytest.mark.parametrize("rubbish", ["", "{}", "[]", "\0", '{"n_bytes": "1"}'])
def test_a_damaged_memory_is_no_harm(tmp_path: Path, own_home: Path, rubbish: str) -> None:
    path = written_long_ago(tmp_path / "big", b"x")
    digests.file_sha256(path)
    (note,) = (own_home / "digests").iterdir()
    note.write_text(rubbish)
    assert digests.file_sha256(path) == sha256(b"x")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = written_long_ago(tmp_path / "big", b"old")
    assert digests.file_sha256(path) == sha256(b"old")
    written_long_ago(path, b"new", hours=2)
    assert digests.file_sha256(path) == sha256(b"new")


def test_a_file_just_written_is_not_remembered(tmp_path: Path, own_home: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(b"x")
    digests.file_sha256(path)
    assert not (own_home / "digests").exists()


def test_many_files_have_one_digest_that_depends_on_names_and_contents(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"1")
    b.write_bytes(b"2")
    both = digests.files_sha256([a, b])
    assert digests.files_sha256([b, a]) == both
    a.write_bytes(b"2")
    b.write_bytes(b"1")
    assert digests.files_sha256([a, b]) != both
