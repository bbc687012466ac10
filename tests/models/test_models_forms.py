"""Forms of a prepared model: taken only as they were written, and missed by nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from llmzip.errors import UntrustedError
from llmzip.exact.aligned import LINE_BYTES
from llmzip.models import forms, home
from llmzip.models.forms import Forms

ARRAYS: dict[str, NDArray[Any]] = {
    "bytes": np.arange(70, dtype=np.int8).reshape(7, 10),
    "none": np.zeros((0, 3), dtype=np.float32),
    "scales": np.linspace(0, 1, 33, dtype=np.float32),
}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Forms:
    monkeypatch.setenv(home.HOME_VARIABLE, str(tmp_path / "home"))
    folder = tmp_path / "home" / "prepared" / "key"
    folder.mkdir(parents=True, mode=0o700)
    (tmp_path / "home").chmod(0o700)
    return Forms(folder, "a check")


def path_of(kept: Forms, name: str = "packed-vnni") -> Path:
    return kept.folder / f"{name}.form"


def keep(kept: Forms) -> Path:
    kept.keep("packed-vnni", "rules 1", ARRAYS)
    return path_of(kept)


def assert_same(found: object) -> None:
    assert isinstance(found, dict)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert (found[name] == array).all()
        assert found[name].shape == array.shape
        assert found[name].ctypes.data % LINE_BYTES == 0 or not array.size


def test_what_is_kept_is_found_again(kept: Forms) -> None:
    assert not kept.look_ahead(forms.PACKED)
    keep(kept)
    assert kept.look_ahead(forms.PACKED)
    found = kept.load("packed-vnni", "rules 1")
    assert_same(found)
    assert found is not None
    found["bytes"][:] = 0  # what is written to them stays in memory
    assert_same(kept.load("packed-vnni", "rules 1"))
    again = kept.read("packed-vnni", ["scales"])
    assert again is not None
    assert (again["scales"] == ARRAYS["scales"]).all()


def test_what_is_of_other_rules_or_of_another_model_is_none(kept: Forms) -> None:
    keep(kept)
    assert kept.load("packed-vnni", "rules 2") is None
    assert kept.load("packed-amx", "rules 1") is None
    assert Forms(kept.folder, "another check").load("packed-vnni", "rules 1") is None


def test_any_flipped_bit_and_any_cut_is_noticed(kept: Forms) -> None:
    path = keep(kept)
    good = path.read_bytes()
    for place in range(len(good)):
        flipped = bytearray(good)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        assert kept.load("packed-vnni", "rules 1") is None
    for n_bytes in range(0, len(good), 7):
        path.write_bytes(good[:n_bytes])
        assert kept.load("packed-vnni", "rules 1") is None
    keep(kept)
    assert_same(kept.load("packed-vnni", "rules 1"))


@pytest.mark.parametrize("body", [b"", b"\xff" * 8, b"\2\0\0\0\0\0\0\0{}", bytes(5000)])
def test_a_file_with_a_right_check_and_nonsense_is_none(kept: Forms, body: bytes) -> None:
    import xxhash

    path_of(kept).write_bytes(xxhash.xxh3_128_digest(body) + body)
    assert kept.load("packed-vnni", "rules 1") is None
    assert kept.read("packed-vnni", ["scales"]) is None


def test_what_a_killed_process_left_is_replaced(kept: Forms) -> None:
    left = kept.folder / ".packed-vnni.form.partial"
    left.write_bytes(b"half")
    keep(kept)
    assert not left.exists()
    assert sorted(path.name for path in kept.folder.iterdir()) == ["packed-vnni.form"]


def test_while_another_is_at_work_nothing_is_written_and_nobody_waits(kept: Forms) -> None:
    with home.locked(home.lock_path("key"), lambda: None):
        kept.keep("packed-vnni", "rules 1", ARRAYS)
    assert not path_of(kept).exists()


def test_a_folder_that_is_gone_is_not_made_again(kept: Forms) -> None:
    kept.folder.rmdir()
    keep(kept)
    assert not kept.folder.exists()
    assert kept.load("packed-vnni", "rules 1") is None


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_form_that_others_can_write_to_is_refused(kept: Forms) -> None:
    keep(kept).chmod(0o666)
    with pytest.raises(UntrustedError, match="packed-vnni"):
        kept.load("packed-vnni", "rules 1")
    with pytest.raises(UntrustedError, match="packed-vnni"):
        kept.read("packed-vnni", ["scales"])
    keep(kept)  # nothing is written over it, and nothing fails


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_forms_are_as_open_as_their_model_but_for_those_of_dictionaries(kept: Forms) -> None:
    assert keep(kept).stat().st_mode & 0o777 == 0o644
    kept.keep_one_of_many("a", "rules 1", ARRAYS)
    assert path_of(kept, "primed-a").stat().st_mode & 0o777 == 0o600


def test_of_many_those_used_last_are_kept(kept: Forms, monkeypatch: pytest.MonkeyPatch) -> None:
    array = {"a": np.zeros(1000, dtype=np.int8)}
    monkeypatch.setattr(forms, "MOST_BYTES", 3500)
    for number in range(3):
        kept.keep_one_of_many(str(number), "rules 1", array)
        os.utime(path_of(kept, f"primed-{number}"), ns=(0, number))
    assert kept.load_one_of_many("0", "rules 1") is not None
    kept.keep_one_of_many("3", "rules 1", array)
    there = {number for number in range(4) if path_of(kept, f"primed-{number}").exists()}
    assert there == {0, 2, 3}
    kept.keep_one_of_many("large", "rules 1", {"a": np.zeros(2000, dtype=np.int8)})
    assert not path_of(kept, "primed-large").exists()


KEEP = """
import sys, numpy as np
from pathlib import Path
from llmzip.models.forms import Forms
kept = Forms(Path(sys.argv[1]), "a check")
for _ in range(40):
    kept.keep("tokens", "rules 1", {"a": np.arange(50_000)})
    found = kept.load("tokens", "rules 1")
    assert found is None or (found["a"] == np.arange(50_000)).all()
print(found is not None)
"""


def test_two_processes_at_once(kept: Forms) -> None:
    command = [sys.executable, "-c", KEEP, str(kept.folder)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0] for process in both] == ["True\n"] * 2
    assert [process.returncode for process in both] == [0, 0]


def test_what_changes_while_it_is_checked_is_checked_again(kept: Forms) -> None:
    path = keep(kept)
    assert kept.look_ahead(forms.PACKED)
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    os.utime(path, ns=(0, 1))
    assert kept.load("packed-vnni", "rules 1") is None
    assert kept.look_ahead(forms.PACKED)
    assert kept.load("packed-vnni", "rules 1") is None  # by the check that was begun
    path.write_bytes(good)
    assert kept.look_ahead(forms.PACKED)
    assert_same(kept.load("packed-vnni", "rules 1"))
    assert kept.look_ahead(forms.PACKED)
    path.unlink()
    assert kept.load("packed-vnni", "rules 1") is None
