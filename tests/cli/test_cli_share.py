"""What is installed beside the program: made from its declarations, and read by what it is for."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import llmzip
from llmzip.cli.grammar import VERB_FLAGS
from llmzip.cli.options import OPTIONS

ROOT = Path(__file__).parents[2]
SHARE = ROOT / "share"
MAN = SHARE / "man" / "man1" / "llmzip.1"
BASH = SHARE / "bash-completion" / "completions" / "llmzip"
ZSH = SHARE / "zsh" / "site-functions" / "_llmzip"
FISH = SHARE / "fish" / "vendor_completions.d" / "llmzip.fish"
MAGIC = SHARE / "llmzip" / "magic"


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"needs {tool}")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    result = subprocess.run(
        command, capture_output=True, check=False, text=True, cwd=cwd, timeout=120
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_it_is_as_the_commands_declare_it() -> None:
    """Otherwise: scripts/share.py --write."""
    assert run(sys.executable, ROOT / "scripts" / "share.py") == ""


def test_a_wheel_brings_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["shared-data"] == {"share": "share"}
    for path in (MAN, BASH, ZSH, FISH, MAGIC):
        assert path.is_file()


@needs("groff")
def test_the_man_page_has_every_option_and_no_errors() -> None:
    page = run("groff", "-man", "-ww", "-Tascii", "-P-c", "-P-b", "-P-u", MAN)
    for option in OPTIONS:
        for name in option.opts:
            assert name in page, name
    for section in ("NAME", "SYNOPSIS", "COMMANDS", "OPTIONS", "ENVIRONMENT", "EXIT STATUS"):
        assert f"\n{section}\n" in page
    for word in (*VERB_FLAGS, "models pull", "LLMZIP_OPT"):
        assert word in page


def completed_by_bash(line: str, cwd: Path) -> list[str]:
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    script = (
        f"source '{BASH}'; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
        "_llmzip; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    return sorted(run("bash", "-c", script, cwd=cwd).split("\n")[:-1])


@needs("bash")
def test_bash_completes_verbs_options_values_and_names(tmp_path: Path) -> None:
    for name in ("text.txt", "te xt.llmz", "other.llmz"):
        (tmp_path / name).touch()
    (tmp_path / "tests").mkdir()
    assert completed_by_bash("llmzip te", tmp_path) == ["te xt.llmz", "test", "tests", "text.txt"]
    assert completed_by_bash("llmzip -d te", tmp_path) == ["te xt.llmz", "tests"]
    assert completed_by_bash("llmzip list o", tmp_path) == ["other.llmz"]
    assert completed_by_bash("llmzip compress te", tmp_path) == ["te xt.llmz", "tests", "text.txt"]
    assert completed_by_bash("llmzip --rang", tmp_path) == ["--range"]
    assert completed_by_bash("llmzip cat --device c", tmp_path) == ["cpu", "cuda"]
    assert completed_by_bash("llmzip --dict t", tmp_path) == ["te xt.llmz", "tests", "text.txt"]
    assert completed_by_bash("llmzip models p", tmp_path) == ["path", "pull"]
    every = completed_by_bash("llmzip -", tmp_path)
    for option in OPTIONS:
        assert set(option.opts) <= set(every)


@needs("fish")
def test_fish_completes_verbs_options_and_values(tmp_path: Path) -> None:
    for name in ("text.txt", "text.llmz"):
        (tmp_path / name).touch()

    def completed(line: str) -> list[str]:
        shown = run("fish", "-Nc", f"source '{FISH}'; complete -C '{line}'", cwd=tmp_path)
        return sorted(word.split("\t")[0] for word in shown.splitlines())

    assert completed("llmzip --rang") == ["--range"]
    assert completed("llmzip dec") == ["decompress"]
    assert completed("llmzip --device c") == ["cpu", "cuda"]
    assert completed("llmzip models p") == ["path", "pull"]
    assert completed("llmzip list te") == ["text.llmz"]
    assert completed("llmzip compress te") == ["text.llmz", "text.txt"]


@needs("zsh")
def test_zsh_completes_verbs_options_and_values(tmp_path: Path) -> None:
    """In a pseudo terminal, as only there zsh completes."""
    (tmp_path / "text.txt").touch()
    (tmp_path / "text.llmz").touch()

    def completed(line: str) -> str:
        script = (
            "zmodload zsh/zpty; zpty -b z zsh -f; "
            f"zpty -w z \"PS1=; fpath=('{ZSH.parent}' \\$fpath); autoload -U compinit; "
            'compinit -u -D; compdef _llmzip llmzip; print READY"; '
            "zpty -r -m z out '*READY*READY*'; "
            f"zpty -w -n z $'{line}\\t'; sleep 2; zpty -w -n z $'\\x15print DONE\\n'; "
            "zpty -r -m z out '*DONE*DONE*'; print -r -- $out; zpty -d z"
        )
        return run("zsh", "-fc", script, cwd=tmp_path)

    assert "llmzip --range" in completed("llmzip --rang")
    assert "llmzip decompress" in completed("llmzip dec")
    assert "llmzip list text.llmz" in completed("llmzip list te")


@needs("file")
@pytest.mark.parametrize("level", [1, 5])
def test_file_recognises_a_file(tmp_path: Path, level: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(llmzip.compress(b"\x00\xff\x80 nothing", level))
    version = 1 if level == 1 else 2
    assert run("file", "-b", "-m", MAGIC, path) == (
        f"llmzip compressed text, format version {version}\n"
    )
    assert run("file", "-b", "-i", "-m", MAGIC, path).startswith("application/x-llmzip")
    assert run("file", "-b", "--extension", "-m", MAGIC, path) == "llmz\n"
    path.write_bytes(b"\x89PNG\r\n")
    assert "llmzip" not in run("file", "-b", "-m", MAGIC, path)
