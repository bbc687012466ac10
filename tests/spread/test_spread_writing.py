"""Files that workers write are complete or not there, whoever sweeps meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmzip import temporaries
from llmzip.spread.writing import write_whole, writing


@pytest.mark.parametrize("has_unnamed", [True, False])
def test_nobody_sweeps_what_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_unnamed: bool
) -> None:
    if not has_unnamed:
        monkeypatch.setattr(temporaries, "_open_unnamed", lambda _: None)
    with writing(str(tmp_path / "new" / "file"), replace=False) as file:
        file.write(b"some")
        temporaries.sweep(tmp_path / "new")
        file.write(b" more")
    assert (tmp_path / "new" / "file").read_bytes() == b"some more"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


@pytest.mark.parametrize("has_unnamed", [True, False])
def test_what_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_unnamed: bool
) -> None:
    if not has_unnamed:
        monkeypatch.setattr(temporaries, "_open_unnamed", lambda _: None)

    def fail() -> None:
        with writing(str(tmp_path / "file"), replace=False) as file:
            file.write(b"some")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_not_written_over_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(FileExistsError):
        write_whole(str(path), b"new", replace=False)
    write_whole(str(path), b"old", replace=False)
    assert path.read_bytes() == b"old"
    write_whole(str(path), b"new", replace=True)
    assert path.read_bytes() == b"new"
