"""Prepared models: made once, opened without transformers, never stale, never damaged unnoticed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import llmzip.exact
from llmzip.errors import FingerprintError, ModelNotFoundError
from llmzip.models import (
    home,
    list_prepared,
    locate,
    open_exact,
    open_recorded,
    prepared_path,
    remove,
)

OPEN = """
import sys
from llmzip.models import open_exact
opened = open_exact(sys.argv[1])
print(opened.fingerprint.hex(), "transformers" in sys.modules)
"""


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "a home with spaces"
    monkeypatch.setenv(home.HOME_VARIABLE, str(folder))
    return folder


@pytest.fixture(params=["tiny_gpt2_folder", "tiny_llama_folder"])
def model_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(request.getfixturevalue(request.param), tmp_path / "a model"))


def open_elsewhere(folder: Path) -> tuple[str, str]:
    """Open a model in another process; return its fingerprint and whether it took transformers."""
    command = [sys.executable, "-c", OPEN, str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    fingerprint, took_transformers = result.stdout.split()
    return fingerprint, took_transformers


def test_prepared_once_and_said_so(model_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = open_exact(str(model_folder))
    assert capfd.readouterr() == ("", "llmzip: preparing a model, once, about a minute\n")
    again = open_exact(str(model_folder))
    assert capfd.readouterr() == ("", "")
    assert again.fingerprint == first.fingerprint
    assert again.model.digest() == first.model.digest()
    assert (again.name, again.source, again.bos_id) == ("a model", "local", 0)
    assert len(again.fingerprint) == 8


def test_a_warm_start_needs_no_transformers(tiny_llama_folder: Path) -> None:
    cold, took_transformers = open_elsewhere(tiny_llama_folder)
    assert took_transformers == "True"
    assert open_elsewhere(tiny_llama_folder) == (cold, "False")


def test_another_model_has_another_fingerprint(
    tiny_gpt2_folder: Path, tiny_llama_folder: Path
) -> None:
    gpt2, llama = (open_exact(str(f), quiet=True) for f in (tiny_gpt2_folder, tiny_llama_folder))
    assert gpt2.fingerprint != llama.fingerprint
    assert len(list(list_prepared())) == 2


def test_copies_share_one_form_and_keep_their_names(model_folder: Path) -> None:
    copy = Path(shutil.copytree(model_folder, model_folder.parent / "a copy"))
    first, second = open_exact(str(model_folder)), open_exact(str(copy))
    assert (first.name, second.name) == ("a model", "a copy")
    assert first.fingerprint == second.fingerprint
    assert len(list(list_prepared())) == 1


def test_a_changed_model_is_prepared_anew(model_folder: Path, tiny_gpt2_folder: Path) -> None:
    first = open_exact(str(model_folder))
    tokenizer = (model_folder / "tokenizer.json").read_text().replace("<|endoftext|>", "<s>")
    (model_folder / "tokenizer.json").write_text(tokenizer)
    second = open_exact(str(model_folder))
    assert prepared_path(locate(str(model_folder))).is_dir()
    assert len(list(list_prepared())) == 2
    assert first.model.digest() == second.model.digest()


def test_another_engine_prepares_anew(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = prepared_path(locate(str(model_folder)))
    monkeypatch.setattr(llmzip.exact, "ENGINE_VERSION", llmzip.exact.ENGINE_VERSION + 1)
    assert prepared_path(locate(str(model_folder))) != old


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "info.json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_damage_is_noticed_and_mended(tiny_llama_folder: Path, name: str, harm: str) -> None:
    first = open_exact(str(tiny_llama_folder), quiet=True)
    path = prepared_path(locate(str(tiny_llama_folder))) / name
    data = bytearray(path.read_bytes())
    path.unlink()
    if harm == "flip":
        data[len(data) // 2] ^= 1
    if harm != "remove":
        path.write_bytes(data[: len(data) // 2] if harm == "cut" else data)
    again = open_exact(str(tiny_llama_folder), quiet=True)
    assert again.fingerprint == first.fingerprint
    assert again.model.digest() == first.model.digest()


def test_no_flipped_bit_changes_the_fingerprint_unnoticed(tiny_llama_folder: Path) -> None:
    first = open_exact(str(tiny_llama_folder), quiet=True)
    path = prepared_path(locate(str(tiny_llama_folder))) / "info.json"
    good = path.read_bytes()
    for position in range(len(good)):
        flipped = bytearray(good)
        flipped[position] ^= 1
        path.write_bytes(flipped)
        assert all(i.fingerprint == first.fingerprint.hex() for _, i in list_prepared())
    path.write_bytes(good)
    assert len(list(list_prepared())) == 1


def test_a_file_finds_its_model_by_fingerprint(model_folder: Path) -> None:
    made_with = open_exact(str(model_folder), quiet=True)
    shutil.rmtree(model_folder)
    found = open_recorded(made_with.name, made_with.source, made_with.fingerprint)
    assert found.model.digest() == made_with.model.digest()
    assert found.name == made_with.name


def test_a_file_whose_model_is_not_here_says_which(model_folder: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"'a model'.*with -m"):
        open_recorded("a model", "local", b"12345678")


def test_a_name_that_leads_to_another_model_is_refused(
    tiny_gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = replace(locate(str(tiny_gpt2_folder)), name="org/name", source="hub:org/name")
    monkeypatch.setattr("llmzip.models.prepared.locate_recorded", lambda *_, **__: found)
    with pytest.raises(FingerprintError, match=b"12345678".hex()):
        open_recorded("org/name", "hub:org/name", b"12345678", quiet=True)


def test_two_processes_prepare_once(tiny_gpt2_folder: Path) -> None:
    command = [sys.executable, "-c", OPEN, str(tiny_gpt2_folder)]
    pipe = subprocess.PIPE
    both = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert len({out.split()[0] for out, _ in said}) == 1
    assert sum(err.count("preparing tiny gpt2") for _, err in said) == 1


def test_remove_frees_what_was_prepared(model_folder: Path, own_home: Path) -> None:
    opened = open_exact(str(model_folder), quiet=True)
    n_bytes = sum(p.stat().st_size for p in (own_home / "prepared").rglob("*") if p.is_file())
    assert remove("another") == 0
    assert remove(opened.name) == n_bytes
    assert not list(list_prepared())
    assert not list((own_home / "staging").iterdir())
    assert model_folder.exists()
