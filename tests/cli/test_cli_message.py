"""`llmzip message` and `llmzip profile` as people and programs use them."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path

import pytest
from cli_runner import environment, fails, hear, llmzip, start, succeeds

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
        (["decode"], b"", "cut off"),
        (["decode"], b"some other text that nobody coded", "damaged"),
        (["encode", "--profile", "nowhere"], b"a", "No such file"),
        (["encode", "--profile", __file__], b"a", "no profile"),
        (["encode", "--profile", "{}"], b"a", "no profile"),
        (["encode", "--profile", "/dev/zero"], b"a", "no profile"),
        (["encode", "--profile", "/"], b"a", "directory"),
        (["encode", "--profile", ""], b"a", "No such file"),
        (["encode", "--check", "2"], b"a", "has a check of 1 bytes, not 2"),
    ],
)
def test_what_goes_wrong(
    home: dict[str, str], arguments: list[str], given: bytes, words: str
) -> None:
    fails(llmzip("message", *arguments, input=given, env=home), words)


@pytest.mark.parametrize("flag", ["--lines", "-0"])
def test_one_that_is_wrong_is_answered_empty_and_the_others_rightly(
    home: dict[str, str], flag: str
) -> None:
    end = b"\0" if flag == "-0" else b"\n"
    good, other = succeeds(
        llmzip("message", "encode", flag, input=b"the Work" + end + b"a", env=home)
    ).split(end)[:2]
    wrong = (good[:-1], b"caf\xe9", b"!", other + b"AA")
    result = llmzip("message", "decode", flag, input=end.join([*wrong, good]), env=home)
    assert result.returncode == 1
    assert result.stdout == end * 4 + b"the Work" + end
    lines = result.stderr.decode().splitlines()
    assert [line.split(":")[:2] for line in lines] == [
        ["llmzip", f" message {number}"] for number in range(1, 5)
    ]
    assert "byte 4 is none" in lines[1]


def test_any_bytes_by_arguments_and_by_pipes(home: dict[str, str]) -> None:
    noise = random.Random(3).randbytes(100_000)
    for text in (b"", b"a", b"\0", b"\xff\xfe", b"a\r\n", noise):
        code = succeeds(llmzip("message", "encode", input=text, env=home))
        assert len(code) <= len(text) + 2
        assert succeeds(llmzip("message", "decode", input=code, env=home)) == text
    typed = "caf\udce9 \udcff"
    code = succeeds(llmzip("message", "encode", "--armor", "base45", typed, env=home, fresh=True))
    back = llmzip("message", "decode", "--armor", "base45", input=code, env=home)
    assert succeeds(back) == b"caf\xe9 \xff"


def test_line_ends_of_windows(home: dict[str, str]) -> None:
    """A CR before the end of a line is a part of the message; of a code it is none."""
    codes = succeeds(llmzip("message", "encode", "--lines", input=b"the Work\r\na\r\n", env=home))
    codes = codes.replace(b"\n", b"\r\n")
    back = llmzip("message", "decode", "--lines", input=codes, env=home)
    assert succeeds(back) == b"the Work\r\na\r\n"


def test_a_very_long_line(home: dict[str, str]) -> None:
    line = b"a" * 3_000_000
    codes = succeeds(llmzip("message", "encode", "--lines", input=line + b"\nb\n", env=home))
    assert (
        succeeds(llmzip("message", "decode", "--lines", input=codes, env=home)) == line + b"\nb\n"
    )


def test_the_profile_is_shown_by_both_ends(home: dict[str, str]) -> None:
    shown = succeeds(llmzip("profile", "show", home["LLMZIP_PROFILE"], env=home)).decode()
    there = llmzip("message", "encode", "-v", input=b"the Work", env=home)
    back = llmzip("message", "decode", "-v", input=there.stdout, env=home)
    for result in (there, back):
        assert shown.split()[1] in result.stderr.decode().splitlines()[0]
        assert "8 bytes" in result.stderr.decode().splitlines()[1]


def test_a_profile_is_a_string_too(home: dict[str, str], tiny_gpt2_folder: Path) -> None:
    how = ("-q", "-m", tiny_gpt2_folder, "--check", "2", "-o", "-")
    text = succeeds(llmzip("profile", "create", *how, env=home)).decode()
    assert "check       2 bytes" in succeeds(llmzip("profile", "show", text, env=home)).decode()
    there = home | {"LLMZIP_PROFILE": text}
    code = succeeds(llmzip("message", "encode", input=TEXT, env=there))
    assert succeeds(llmzip("message", "decode", input=code, env=there)) == TEXT
    fails(llmzip("message", "decode", input=code, env=home), "another profile")


def test_a_check_without_a_profile(home: dict[str, str], tiny_gpt2_folder: Path) -> None:
    bare = home | {"LLMZIP_PROFILE": "", "LLMZIP_MODEL": str(tiny_gpt2_folder)}
    code = succeeds(llmzip("message", "encode", "--check", "2", input=TEXT, env=bare))
    assert succeeds(llmzip("message", "decode", "--check", "2", input=code, env=bare)) == TEXT
    bent = code[:-1] + bytes([code[-1] ^ 1])
    fails(llmzip("message", "decode", "--check", "2", input=bent, env=bare), "damaged")


def test_a_reader_that_goes_away_and_a_hand_that_stops_it(home: dict[str, str]) -> None:
    hear(signal.SIGINT)
    for how, status in (("close", -signal.SIGPIPE), ("stop", -signal.SIGINT)):
        with start("message", "encode", "--lines", env=environment(**home)) as running:
            assert running.stdin is not None
            assert running.stdout is not None
            assert running.stderr is not None
            running.stdin.write(b"the Work\n")
            running.stdin.flush()
            assert running.stdout.readline()
            if how == "close":
                running.stdout.close()
                running.stdin.write(b"the Work\n")
                running.stdin.flush()
            else:
                running.send_signal(signal.SIGINT)
            assert running.wait(60) == status
            assert running.stderr.read() == b""


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
    told = json.loads(Path(home["LLMZIP_PROFILE"]).read_text("utf-8"))
    of_hub = json.dumps(told | {"model": "x/y", "source": "hub:x/y"})
    hub = ("--profile", of_hub)
    fails(llmzip("message", "decode", "-q", *hub, input=code, env=there), "--allow-hub")
    fails(llmzip("message", "decode", "-q", *hub, "--allow-hub", input=code, env=there), "x/y")
    right = ("-m", tiny_gpt2_folder)
    assert succeeds(llmzip("message", "decode", "-q", *right, input=code, env=there)) == TEXT
