"""benchmarks/messages.py: every message comes back, and the table says what was made of them."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import beginnings  # noqa: E402
import messages  # noqa: E402
from short_text import Other, others  # noqa: E402


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "lines"
    records = ({"id": i * 7919 % 1000, "state": "ready" * (i % 3)} for i in range(90))
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_the_table(
    lines: Path, tiny_llama_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--train", "80", "--count", "3", "--model", str(tiny_llama_folder)]
    options += ["--answers", "2"]
    assert messages.main([str(lines), *options]) == 0
    out = capsys.readouterr().out
    assert out.startswith("3 messages of ")
    for row in ("llmzip -5", "llmzip -5 --dict", "zstd -19", "zstd -19, trained dictionary"):
        assert f"| {row} |" in out
    for verb in ("encode", "decode"):
        assert f"message {verb} --lines: first answer" in out
    for package, row in {"smaz": "smaz", "unishox2": "unishox2", "pyshoco": "shoco"}.items():
        is_here = find_spec(package) is not None
        assert (f"| {row} |" in out) is is_here
        assert (f"not here: {package}" in out) is not is_here


def test_a_compressor_that_brings_back_something_else_is_told() -> None:
    with pytest.raises(AssertionError, match="did not come back"):
        messages.measured("it", bytes, bytes.upper, [b"a message"])


def test_english_is_told_from_other_prose_and_readings() -> None:
    lines = [b"See you at nine, it is late.", b"Der Hund hat den Schuh.", b"T=21.5C is a=1 b=2 c=3"]
    assert [messages.is_english(line) for line in lines] == [True, False, False]


def test_beginnings(
    tmp_path: Path, tiny_llama_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lines").write_text("one line\nanother\n")
    (tmp_path / "page").write_text("A page.\n\nOf three\nlines.\n\n" + "too long " * 100)
    files = [str(tmp_path / name) for name in ("lines", "page")]
    assert beginnings.main([*files, "--model", str(tiny_llama_folder)]) == 0
    out = capsys.readouterr().out
    assert "| lines: 2 of 7 bytes | page: 2 of 11 bytes |" in out
    assert out.count("\n") == 2 + len(beginnings.BEGINNINGS) + 1


def test_too_few_lines(lines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert messages.main([str(lines), "--train", "90"]) == 1
    assert "too few lines" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["brotli -11", "smaz", "unishox2", "shoco"])
def test_those_for_short_texts_bring_them_back(name: str) -> None:
    found = [one for one in others() if isinstance(one, Other) and one.name == name]
    if not found:
        pytest.skip(f"{name} is not installed")
    texts = [b"See you at nine.", "Grüße aus Köln".encode(), b'{"id":21,"t":21.3,"h":52}']
    assert messages.measured(name, found[0].compress, found[0].decompress, texts).n_bytes > 20
