"""Folders that others own or may write to are not believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmzip.errors import UntrustedError
from llmzip.ownership import is_trusted, make_private, require_trusted

NOBODY = 65534


def test_a_new_folder_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_private(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    for name in ("a", "a/b"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(UntrustedError, match="may be written to by others"):
        make_private(tmp_path)
    assert not is_trusted(tmp_path)


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o555])
def test_a_folder_that_others_may_read_is_trusted(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    require_trusted(tmp_path)


def test_what_is_not_there_is_trusted(tmp_path: Path) -> None:
    assert is_trusted(tmp_path / "nothing")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can chown")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, NOBODY, NOBODY)
    with pytest.raises(UntrustedError, match="belongs to user 65534"):
        require_trusted(tmp_path)
