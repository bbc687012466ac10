"""What is of no more use in the caches is told, and removed where that is wanted; no other."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmzip.compiled.folders import FOLDER_VARIABLE, sources_digest
from llmzip.doctor import caches
from llmzip.doctor.findings import Finding, State
from llmzip.exact import ENGINE_VERSION
from llmzip.models import home
from llmzip.models.prepared_info import PreparedInfo, write_info

as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away"
)


@pytest.fixture(autouse=True)
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv(home.HOME_VARIABLE, str(folder))
    return folder


def prepare(top: Path, key: str, engine_version: int) -> Path:
    folder = top / "prepared" / key
    folder.mkdir(parents=True, mode=0o700)
    (folder / "model.safetensors").write_bytes(bytes(2000))
    checks = dict.fromkeys(("model.safetensors", "tokenizer.json"), "0")
    write_info(folder, PreparedInfo("a", "local", "00" * 8, 0, engine_version, checks))
    return folder


def leave(top: Path, name: str) -> Path:
    folder = top / "staging" / name
    folder.mkdir(parents=True, mode=0o700)
    (folder / "half").write_bytes(bytes(3000))
    return folder


def found(name: str, *, clean: bool = False) -> list[Finding]:
    return [one for one in caches.look_at_models(clean=clean) if one.name == name]


@contextmanager
def held(name: str) -> Iterator[None]:
    with home.locked(home.lock_path(name), lambda: None):
        yield


def test_what_is_stale_is_told_and_stays(top: Path) -> None:
    old = prepare(top, "old", ENGINE_VERSION - 1)
    prepare(top, "new", ENGINE_VERSION)
    left = leave(top, "killed")
    stale = found("stale")
    assert [one.value.split(",")[0] for one in stale] == [str(old), str(left)]
    assert {one.advice for one in stale} == {"llmzip doctor --clean"}
    assert stale[1].figures == {"bytes": 3000}
    assert old.exists()
    assert left.exists()


def test_what_is_stale_is_removed_and_nothing_else(top: Path) -> None:
    old, damaged = prepare(top, "old", ENGINE_VERSION - 1), prepare(top, "bad", ENGINE_VERSION)
    (damaged / "info.json").write_text("{}")
    new, left = prepare(top, "new", ENGINE_VERSION), leave(top, "killed")
    model = top / "models" / "smollm2-135m" / "weights.gguf"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"weights")
    assert len(found("removed", clean=True)) == 3
    assert [path.exists() for path in (old, damaged, left)] == [False] * 3
    assert new.exists()
    assert model.exists()
    assert list((top / "staging").iterdir()) == []
    assert found("stale") == []


def test_what_is_in_use_stays(top: Path) -> None:
    """By whoever holds its lock: before it is looked at, or since."""
    old, left = prepare(top, "old", ENGINE_VERSION - 1), leave(top, "busy")
    with held("old"), held("busy"):
        assert found("removed", clean=True) == []
    stale = [*caches._stale_prepared(), *caches._stale_staging()]
    with held("old"), held("busy"):
        assert [one.removed().name for one in stale] == ["kept", "kept"]
    assert old.exists()
    assert left.exists()


@as_root
def test_what_others_own_is_told_and_stays(top: Path) -> None:
    left = leave(top, "killed")
    os.chown(top / "staging", 65534, 65534)
    with pytest.raises(Exception, match="belongs to user 65534"):
        found("removed", clean=True)
    os.chown(top, 65534, 65534)
    (cache,) = caches.look_at_models(clean=True)
    assert cache.state is State.WRONG
    assert "belongs to user 65534" in cache.value
    assert left.exists()


def test_a_cache_that_is_not_there_is_no_fault(top: Path) -> None:
    top.rmdir()
    findings = list(caches.look_at_models(clean=True))
    assert [one.name for one in findings] == ["cache", "models", "prepared"]
    assert {one.state for one in findings} == {State.OK}
    assert not top.exists()


def test_kernels_of_other_sources_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "kernels"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    state = sources_digest()
    assert state is not None
    for name in (state, "0123456789abcdef", "somebody else's", "fedcba9876543210"):
        (folder / name).mkdir(parents=True, mode=0o700)
        (folder / name / "a.b-01.kernel").write_bytes(bytes(1000))
    (folder / "fedcba9876543210" / "notes.txt").write_text("not of kernels alone")
    (stale,) = (one for one in caches.look_at_kernels(clean=False) if one.name == "stale")
    assert "0123456789abcdef, 1 kB" in stale.value
    assert "an installation that still has them compiles them anew" in stale.value
    (removed,) = (one for one in caches.look_at_kernels(clean=True) if one.name == "removed")
    assert removed.figures == {"bytes": 1000}
    left = sorted(path.name for path in folder.iterdir())
    assert left == sorted([state, "fedcba9876543210", "somebody else's"])


def test_information_of_another_kind_is_damage(top: Path) -> None:
    folder = prepare(top, "old", ENGINE_VERSION - 1)
    content = json.loads((folder / "info.json").read_text())
    content["info"]["engine_version"] = ENGINE_VERSION
    (folder / "info.json").write_text(json.dumps(content))
    (stale,) = found("stale")
    assert "damaged" in stale.value


def test_forms_are_counted_and_go_with_their_model(top: Path) -> None:
    assert found("forms") == []
    old, new = prepare(top, "old", ENGINE_VERSION - 1), prepare(top, "new", ENGINE_VERSION)
    for folder in (old, new):
        (folder / "packed-vnni.form").write_bytes(bytes(500))
        (folder / ".tokens.form.partial").write_bytes(bytes(70))
    (forms,) = found("forms")
    assert forms.value.startswith("4 in the folders of prepared models")
    assert forms.figures == {"bytes": 2 * 570}
    found("removed", clean=True)
    assert [one.figures for one in found("forms")] == [{"bytes": 570}]
