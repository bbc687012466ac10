"""Nothing is imported from the folder that a person happens to stand in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import llmzip

SOURCE_ROOT = Path(llmzip.__file__).parents[1]
PLANTED = (
    # what is imported at once, what later, and what is tried for whether it is there
    *("click", "dataclasses", "numpy", "torch", "safetensors", "xxhash", "platformdirs", "rich"),
    *("yaml", "PIL", "sentencepiece", "peft", "kernels", "triton", "pip", "transformers"),
    *("numba", "sitecustomize_of_nobody", "zipfile", "secrets", "lzma"),
)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Return a folder full of modules that leave a mark if they are imported."""
    folder = tmp_path / "unpacked archive"
    folder.mkdir()
    trap = f"import os\nos.close(os.open({str(tmp_path / 'sprung')!r}, os.O_CREAT))\n"
    for name in PLANTED:
        (folder / f"{name}.py").write_text(trap)
    return folder


def run(folder: Path, *words: str, data: bytes = b"", **variables: str) -> bytes:
    """Run Python there, with llmzip's sources on its path; return what it writes."""
    env = os.environ | {"PYTHONPATH": str(SOURCE_ROOT)} | variables
    command = [sys.executable, *words]
    result = subprocess.run(command, cwd=folder, env=env, input=data, capture_output=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


SCRIPT = "import sys; from llmzip.cli import program; sys.exit(program())"


@pytest.mark.parametrize("options", [(), ("-X", "importtime=0"), ("-W", "ignore")], ids=str)
def test_the_module_imports_nothing_from_the_current_folder(
    hostile: Path, options: tuple[str, ...]
) -> None:
    noise = os.urandom(3000)  # needs no model, but numpy and the classical codecs
    packed = run(hostile, *options, "-m", "llmzip", "compress", data=noise)
    assert run(hostile, *options, "-m", "llmzip", "-d", data=packed) == noise
    assert not (hostile.parent / "sprung").exists()


def test_a_model_is_opened_without_the_current_folder(
    hostile: Path, tiny_llama_folder: Path
) -> None:
    text = b"It was the best of times, it was the worst of times. " * 3
    packed = run(hostile, "-mllmzip", "-1", "-m", str(tiny_llama_folder), data=text)
    assert run(hostile, "-mllmzip", "-d", data=packed) == text
    assert not (hostile.parent / "sprung").exists()


def test_the_script_imports_nothing_from_the_current_folder(
    hostile: Path, tmp_path: Path, tiny_llama_folder: Path
) -> None:
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "llmzip"
    script.write_text(SCRIPT)
    text = b"It was the best of times, it was the worst of times. " * 3
    packed = run(hostile, str(script), "-1", "-m", str(tiny_llama_folder), data=text)
    assert run(hostile, str(script), "-d", data=packed) == text
    assert not (hostile.parent / "sprung").exists()


def test_the_trap_works(hostile: Path) -> None:
    run(hostile, "-c", "import secrets")
    assert (hostile.parent / "sprung").exists()


@pytest.mark.parametrize(
    "words",
    [("-c", "import sys, llmzip; print(sys.path[0] == '')"), ("-m", "asks", "llmzip")],
    ids=["a command", "another module"],
)
def test_other_programs_keep_their_path(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "asks").mkdir()
    (tmp_path / "asks" / "__init__.py").write_text("import llmzip")
    (tmp_path / "asks" / "__main__.py").write_text(
        "import os, sys; print(sys.path[0] == os.getcwd())"
    )
    assert run(tmp_path, *words).strip() == b"True"
