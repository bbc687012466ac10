"""`llmzip message` and `llmzip profile` as people and programs use them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runner import environment, fails, llmzip, start, succeeds

TEXT = b"You may reproduce and distribute copies of the Work or Derivative Works thereof"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_gpt2_folder: Path) -> dict[str, str]:
    """Return the environment of somebody who has a profile."""
    folder = tmp_path_factory.mktemp("messages")
    where = {"LLMZIP_HOME": str(folder / "home"), "LLMZIP_PROFILE": str(folder / "a.llmzp")}
    known = folder / "known.txt"
    known.write_bytes((Path(__file__).parents[2] / "LICENSE").read_bytes()[4_000:6_000])
    how = ("-m", tiny_gpt2_folder, "--dict", known, "--check", "1", "-q")
    name = succeeds(llmzip("profile", "create", *how, "-o", folder / "a.llmzp", env=where))
    shown = succeeds(llmzip("profile", "show", folder / "a.llmzp", env=where))
    assert shown.split()[1] == name.strip()
    return where


def test_there_and_back_by_pipes(home: dict[str, str]) -> None:
    code = succeeds(llmzip("message", "encode", input=TEXT, env=home))
    assert len(code) < len(TEXT) // 2
    assert succeeds(llmzip("message", "decode", input=code, env=home)) == TEXT


@pytest.mark.parametrize("armor", ["base64url", "base45", "base91", "ascii85"])
def test_words_and_armor(home: dict[str, str], armor: str) -> None:
    words = TEXT.decode().split()
    code = succeeds(llmzip("message", "encode", "--armor", armor, *words, env=home))
    assert code.endswith(b"\n")
    assert code.count(b"\n") == 1
    typed = code.decode().removesuffix("\n")
    back = llmzip("message", "decode", "--armor", armor, "--", typed, env=home)
    assert succeeds(back) == TEXT


@pytest.mark.parametrize(("flag", "end"), [("--lines", b"\n"), ("-0", b"\0")])
def test_many_messages(home: dict[str, str], flag: str, end: bytes) -> None:
    texts = [b"the Work", b"", TEXT, b"Derivative"]
    codes = succeeds(llmzip("message", "encode", flag, input=end.join(texts), env=home))
    assert codes.count(end) == len(texts)
    assert succeeds(llmzip("message", "decode", flag, input=codes, env=home)) == (
        end.join(texts) + end
    )


def test_lines_are_answered_one_by_one(home: dict[str, str]) -> None:
    with start("message", "encode", "--lines", env=environment(**home)) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for text in (b"the Work\n", b"the Licensor\n"):
            running.stdin.write(text)
            running.stdin.flush()
            assert running.stdout.readline().endswith(b"\n")  # and the input is still open
        running.stdin.close()
        assert running.wait(60) == 0


@pytest.mark.parametrize(
    ("arguments", "given", "words"),
    [
        (["decode", "abc"], b"", "--armor"),
        (["decode", "--armor", "base64url", "a!c"], b"", "character 2"),
        (["decode", "--lines"], b"\xff\n", "byte 1"),
        (["decode"], b"", "cut off"),
        (["decode"], b"some other text that nobody coded", "damaged"),
        (["encode", "--profile", "nowhere"], b"a", "No such file"),
        (["encode", "--profile", __file__], b"a", "no profile"),
    ],
)
def test_what_goes_wrong(
    home: dict[str, str], arguments: list[str], given: bytes, words: str
) -> None:
    fails(llmzip("message", *arguments, input=given, env=home), words)


def test_a_profile_is_not_written_over(home: dict[str, str], tiny_gpt2_folder: Path) -> None:
    path = home["LLMZIP_PROFILE"]
    fails(llmzip("profile", "create", "-m", tiny_gpt2_folder, "-o", path, env=home), "exists")


def test_a_model_that_lies_elsewhere_is_named(
    home: dict[str, str], tiny_gpt2_folder: Path, tiny_llama_folder: Path, tmp_path: Path
) -> None:
    code = succeeds(llmzip("message", "encode", input=TEXT, env=home))
    there = home | {"LLMZIP_HOME": str(tmp_path / "home")}
    fails(llmzip("message", "decode", "-q", input=code, env=there), "with -m")
    wrong = ("-m", tiny_llama_folder)
    fails(llmzip("message", "decode", "-q", *wrong, input=code, env=there), "fingerprint")
    right = ("-m", tiny_gpt2_folder)
    assert succeeds(llmzip("message", "decode", "-q", *right, input=code, env=there)) == TEXT
