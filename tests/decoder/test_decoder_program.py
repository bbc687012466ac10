"""The documents' decoder as a program: `cd docs && python -m decoder FILE MODEL`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tiny_files import Tiny, lines_of

DOCS = Path(__file__).parents[2] / "docs"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "decoder", *map(str, arguments)]
    return subprocess.run(command, cwd=DOCS, capture_output=True)


def test_a_file_with_a_dictionary(llama: Tiny, tmp_path: Path) -> None:
    dictionary, text = llama.foreseen(40, 1), lines_of(llama.foreseen(40), b"\r\n")
    (tmp_path / "text.llmz").write_bytes(llama.compress(text, 5, dictionary))
    (tmp_path / "dictionary").write_bytes(dictionary)
    done = run(tmp_path / "text.llmz", llama.folder, "--dict", tmp_path / "dictionary")
    assert (done.returncode, done.stdout, done.stderr) == (0, text, b"")


@pytest.mark.parametrize("damage", ["cut off", "no model", "no file"])
def test_a_refusal_is_one_line_and_no_output(gpt2: Tiny, tmp_path: Path, damage: str) -> None:
    file = gpt2.compress(gpt2.foreseen(40), 1)
    if damage != "no file":
        (tmp_path / "text.llmz").write_bytes(file[:-1] if damage == "cut off" else file)
    done = run(tmp_path / "text.llmz", *([] if damage == "no model" else [gpt2.folder]))
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"decoder: ")
    assert done.stderr.count(b"\n") == 1


def test_it_shares_no_code_with_the_product() -> None:
    """Run with everything that it can import, and nothing of llmzip is."""
    names = sorted(path.stem for path in (DOCS / "decoder").glob("[a-z]*.py"))
    code = "import sys, " + ", ".join(f"decoder.{name}" for name in names)
    code += "; print([name for name in sys.modules if name.startswith(('llmzip', 'torch'))])"
    done = subprocess.run([sys.executable, "-c", code], cwd=DOCS, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"[]\n", b"")
    assert len(names) > 9
