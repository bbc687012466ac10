"""Kernels are run, so they are taken only from where nobody else can have put them."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kernel_files import kernel_files
from test_compiled_cache import adding, was_found

from llmzip.compiled import folders
from llmzip.compiled.folders import FOLDER_VARIABLE, kernel_folders, sources_digest
from llmzip.errors import UntrustedError

SOMEBODY_ELSE = 65534
needs_owners = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owners here")
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away"
)
pytestmark = needs_owners


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.touch, (self._mark,)


@pytest.fixture
def strict_umask() -> Iterator[None]:
    """Give new files every permission that is not held back on purpose."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in NUMBA_CACHE_DIR."""
    path = tmp_path / "chosen"
    path.mkdir(mode=0o700)
    monkeypatch.setenv(FOLDER_VARIABLE, str(path))
    return path


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The folders beside the sources and in the user's cache, where none is chosen."""
    beside, own = tmp_path / "compiled" / "__pycache__", tmp_path / "cache" / "kernels"
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(folders, "__file__", str(tmp_path / "compiled" / "folders.py"))
    monkeypatch.setattr(folders, "user_cache_path", lambda _: tmp_path / "cache")
    beside.mkdir(parents=True)
    state = str(sources_digest())
    return beside / state, own / state


@pytest.mark.usefixtures("strict_umask")
def test_nobody_else_may_write_to_what_is_made(chosen: Path) -> None:
    was_found(adding(1), 5, 6)
    (folder,) = chosen.iterdir()
    (file,) = kernel_files(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
@pytest.mark.parametrize("inner", [False, True])
def test_a_chosen_folder_that_others_may_write_to_is_refused(
    chosen: Path, mode: int, inner: bool
) -> None:
    was_found(adding(1), 5, 6)
    (chosen / str(sources_digest()) if inner else chosen).chmod(mode)
    with pytest.raises(UntrustedError, match=rf"^{FOLDER_VARIABLE} leads to .* unset it[^\n]*$"):
        was_found(adding(1), 5, 6)


@as_root
@pytest.mark.parametrize("inner", [False, True])
def test_a_chosen_folder_of_somebody_else_is_refused(chosen: Path, inner: bool) -> None:
    was_found(adding(1), 5, 6)
    os.chown(chosen / str(sources_digest()) if inner else chosen, SOMEBODY_ELSE, -1)
    with pytest.raises(UntrustedError, match="others own"):
        was_found(adding(1), 5, 6)


def test_a_folder_where_owners_are_kept_apart_serves(chosen: Path) -> None:
    """As /tmp: all may write there, and nobody to what is another's."""
    chosen.chmod(0o1777)
    assert not was_found(adding(1), 5, 6)
    assert was_found(adding(1), 5, 6)


@as_root
def test_a_file_of_somebody_else_is_not_opened_in_a_folder_of_ones_own(
    chosen: Path, tmp_path: Path
) -> None:
    was_found(adding(1), 5, 6)
    (file,) = kernel_files(chosen / str(sources_digest()))
    body = pickle.dumps(Bomb(tmp_path / "mark"))
    file.write_bytes(hashlib.sha256(body).digest() + body)
    os.chown(file, SOMEBODY_ELSE, -1)
    assert not was_found(adding(1), 5, 6)
    assert not (tmp_path / "mark").exists()


def test_a_file_that_others_may_write_to_is_compiled_anew(chosen: Path) -> None:
    was_found(adding(1), 5, 6)
    (file,) = kernel_files(chosen / str(sources_digest()))
    file.chmod(0o666)
    assert not was_found(adding(1), 5, 6)
    assert was_found(adding(1), 5, 6)


def test_an_untrusted_folder_that_nobody_chose_is_passed_over(both: tuple[Path, Path]) -> None:
    beside, own = both
    assert kernel_folders() == [beside, own]
    beside.mkdir()
    beside.chmod(0o777)
    assert kernel_folders() == [own]
    assert not was_found(adding(1), 5, 6)
    assert was_found(adding(1), 5, 6)
    assert kernel_files(beside) == []
    own.chmod(0o777)
    assert kernel_folders() == []
    assert not was_found(adding(1), 5, 6)


def test_a_shared_folder_is_read_and_ones_own_written_to(both: tuple[Path, Path]) -> None:
    """An installation of the superuser's with kernels in it, and another one is needed."""
    beside, own = both
    was_found(adding(1), 5, 6)
    assert len(kernel_files(beside)) == 1
    moved = beside.rename(beside.with_name("aside"))
    beside.touch()  # nothing can be written there, not even by root
    assert not was_found(adding(2), 5, 7)
    assert len(kernel_files(own)) == 1
    beside.unlink()
    moved.rename(beside)
    assert was_found(adding(1), 5, 6)
    assert was_found(adding(2), 5, 7)
    assert len(kernel_files(beside)) == 1


def test_without_a_home_the_current_folder_is_not_it(
    both: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "user_cache_path", lambda _: Path("~/.cache/llmzip"))
    assert kernel_folders() == [both[0]]


def test_an_empty_variable_chooses_nothing(
    both: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, "")
    assert kernel_folders() == list(both)
