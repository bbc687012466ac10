"""What README, docs/CLI.md and docs/RECIPES.md show, as it stands there, in a real shell.

And pipes of which one end breaks.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import cli_runner
import pytest
from cli_runner import environment, for_shells, succeeds

import llmzip
from llmzip.cli.main import llmzip as program

PAGE = Path(__file__).parents[2] / "docs" / "RECIPES.md"
TUTORIAL = PAGE.with_name("TUTORIAL.md")
RECIPES = dict(
    re.findall(
        r"^## (.*?)\n.*?^```sh\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
)
LOG = b"".join(
    b"2026-11-26 12:00:00 service: all is well\n" if i % 150 else b"2026-11-26: hour %d\n" % i
    for i in range(600)
)
"""Such that a model has next to nothing to do: it repeats itself."""

CHANGED = LOG.replace(b"hour 300\n", b"hour three hundred\n")


@pytest.fixture(scope="module")
def model(tiny_llama_folder: Path) -> Path:
    """A small model, prepared."""
    succeeds(
        cli_runner.llmzip("-q", "-1", "-m", tiny_llama_folder, input=b"It was the best of times.")
    )
    return tiny_llama_folder


@pytest.fixture
def folder(tmp_path: Path, model: Path) -> Path:
    """A folder with a few files, and `llmzip` and an `ssh` to this machine on the path."""
    for name, script in {
        "llmzip": f'LLMZIP_MODEL="{model}" exec {for_shells()} "$@"',
        "ssh": 'shift; exec sh -c "$*"',
    }.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    work = tmp_path / "work"
    for name in ("notes/a.txt", "notes/b c.txt", "logs/a.log", "logs/b c.log", "app.log"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_bytes(LOG)
    (work / "notes.txt").write_text("just notes\n")
    return work


def shell(script: str, folder: Path, name: str = "sh") -> subprocess.CompletedProcess[bytes]:
    path = f"{folder.parent / 'bin'}{os.pathsep}{os.environ['PATH']}{os.pathsep}/usr/sbin"
    return subprocess.run(
        [name, "-euc", script],
        capture_output=True,
        env=environment(PATH=path, HOME=str(folder), GIT_CONFIG_NOSYSTEM="1", GIT_PAGER="cat"),
        check=False,
        timeout=300,
        cwd=folder,
    )


def follow(title: str, folder: Path, before: str = "") -> bytes:
    """Do what a recipe says; return what it shows."""
    result = shell(before + RECIPES[title], folder)
    assert (result.returncode, result.stderr) == (0, b"")
    return result.stdout


def needs(tool: str) -> pytest.MarkDecorator:
    found = shutil.which(tool, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    return pytest.mark.skipif(found is None, reason=f"needs {tool}")


def test_every_recipe_is_followed_here() -> None:
    text = "".join(Path(__file__).read_text("utf-8").split())
    assert len(RECIPES) == PAGE.read_text("utf-8").count("```sh") == 10
    for title in RECIPES:
        assert f'follow("{title}",folder'.replace(" ", "") in text


@needs("tar")
def test_tar(folder: Path) -> None:
    assert sorted(follow("tar", folder).splitlines()) == [
        b"notes/",
        b"notes/a.txt",
        b"notes/b c.txt",
    ]
    for name in ("a.txt", "b c.txt"):
        assert (folder / "out" / "notes" / name).read_bytes() == LOG
    for name in ("notes.tar.llmz", "small.tar.llmz"):
        assert llmzip.is_llmz(folder / name)


@needs("less")
def test_less(folder: Path) -> None:
    shown = follow("less", folder, "llmzip -k app.log\n")
    assert shown == LOG + b"just notes\n"


@needs("logrotate")
def test_logrotate(folder: Path) -> None:
    follow("Logs: logrotate", folder)
    for name in ("a.log", "b c.log"):
        assert (folder / "logs" / name).read_bytes() == b""
        with llmzip.open(folder / "logs" / f"{name}.1.llmz") as file:
            assert file.read() == LOG


def test_versions(folder: Path) -> None:
    follow("Versions: only what is new", folder)
    assert (folder / "app.log.new.llmz").stat().st_size < 120


A_REPOSITORY = """\
git init -q .
git config user.name somebody
git config user.email somebody@example.org
"""


@needs("git")
def test_git_diff(folder: Path) -> None:
    (folder / "changed").write_bytes(CHANGED)
    shown = follow(
        "git: diff of compressed files",
        folder,
        A_REPOSITORY + "llmzip --rm app.log\ngit add app.log.llmz\ngit commit -qm first\n"
        "llmzip -cf changed > app.log.llmz\n",
    )
    assert b"\n-2026-11-26: hour 300\n+2026-11-26: hour three hundred\n" in shown
    assert b"Binary" not in shown


@needs("git")
def test_git_filter(folder: Path, model: Path) -> None:
    follow("git: compressed in the repository, plain in the working tree", folder, A_REPOSITORY)
    blob = shell("git cat-file blob HEAD:app.log", folder).stdout
    assert blob == llmzip.compress(LOG, model=str(model))
    again = shell("rm app.log; git checkout -q app.log; cat app.log; git status -s -uno", folder)
    assert (again.returncode, again.stdout) == (0, LOG)


def test_messages_in_a_shell_loop(folder: Path) -> None:
    lines = follow("Messages: a shell loop", folder).decode().splitlines()
    assert [line.split()[0] for line in lines] == ["16", "35"]
    codes = "".join(line.split()[-1] + "\n" for line in lines)
    back = shell(f"printf '{codes}' | llmzip message decode --lines", folder)
    assert back.stdout == b"See you at nine.\nThe road is closed, take the ferry.\n"


def test_messages_by_radio(folder: Path) -> None:
    follow("Messages: packets of a radio", folder)
    assert (folder / "packet").stat().st_size <= (folder / "reading").stat().st_size + 2


def test_find(folder: Path) -> None:
    follow("Many files: find", folder)
    assert sorted(path.name for path in (folder / "logs").iterdir()) == [
        "a.log.llmz",
        "b c.log.llmz",
    ]


def test_ssh(folder: Path) -> None:
    shown = follow("Through ssh", folder)
    assert (folder / "copy.log").read_bytes() == LOG
    assert (folder / "begin.log").read_bytes() == b"".join(LOG.splitlines(keepends=True)[:2])
    assert f"{len(LOG):,}".encode() in shown


@needs("bash")
def test_a_connection_that_breaks_is_an_error(folder: Path) -> None:
    script = (
        "set -o pipefail; llmzip -c app.log app.log > two.llmz; "
        "n=$(wc -c < two.llmz); ssh backup head -c $((n - 9)) two.llmz | llmzip -d > copy.log"
    )
    result = shell(script, folder, "bash")
    assert result.returncode == 1
    assert result.stderr.count(b"\n") == 1
    assert b"cut off" in result.stderr
    assert (folder / "copy.log").read_bytes().startswith(LOG)


def test_a_reader_that_goes_away_ends_it_quietly(folder: Path) -> None:
    script = "cat /dev/urandom | llmzip -1 | head -c 100000 | wc -c; echo done"
    result = shell(script, folder)
    assert (result.stdout.split(), result.stderr) == ([b"100000", b"done"], b"")


def test_the_tutorial_goes_from_a_text_to_all_commands(folder: Path) -> None:
    steps = re.findall(r"^```sh\n(.*?)^```", TUTORIAL.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    result = shell("".join(steps), folder)
    assert (result.returncode, result.stderr) == (0, b"")
    pages = [path.read_text("utf-8") for path in sorted(folder.glob("*.html"))]
    assert len(pages) == 3
    assert all(page.startswith("<!DOCTYPE html>") for page in pages)
    figures = json.loads((folder / "jabberwocky.json").read_text("utf-8"))
    assert figures["bytes"] == (folder / "jabberwocky.txt").stat().st_size == 410
    named = {word for step in steps for word in re.findall(r"llmzip ([a-z]+)", step)}
    elsewhere = {"compress", "decompress", "test", "list", "models", "train"}  # which takes minutes
    assert named >= program.commands.keys() - elsewhere


SHOWN = re.findall(
    r"^ {4}((?:llmzip|find) .*?)(?: +#.*)?$",
    "".join((PAGE.parents[1] / name).read_text("utf-8") for name in ("README.md", "docs/CLI.md")),
    re.MULTILINE,
)
NOT_HERE = (
    *("[FILE...]", " FILE...", "pull|path"),  # what a verb takes
    *("-m gpt2", "-m gemma3", "-m ./my-model", "-m org/name"),  # test_cli_model has models
    "smollm2-135m",
    *(" train ", "-m logs", "logs.adapter"),  # test_cli_train
    *("encode|decode", "create|show", "message decode", "llmzip profile"),  # test_cli_message
)
COMMANDS = sorted({line for line in SHOWN if not any(part in line for part in NOT_HERE)})
BEFORE = {
    r"\*\.llmz": "llmzip --rm book.txt app.log",
    r"(list -r|-dr) packed": "llmzip -qr notes --output-dir packed",
    r"bad\.llmz": "llmzip -1 --rm bad; printf XX | dd of=bad.llmz bs=1 seek=1500000 conv=notrunc",
    r"decompress --dict": "llmzip --rm --dict earlier.jsonl message.json",
    r"decompress --patch": "llmzip --rm --patch-from monday.sql tuesday.sql",
    r"(book\.txt|notes\.txt|novel\.txt|app\.log)\.llmz": r"llmzip --rm \1",
}
"""What there has to be, by what a command names."""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_a_page(command: str, folder: Path) -> None:
    noise = random.Random(1).randbytes(2_500_000)  # stored, with a line end every 256 bytes or so
    for name, text in {
        **dict.fromkeys(("book.txt", "earlier.jsonl", "monday.sql"), noise[:3000]),
        **dict.fromkeys(("notes/a.txt", "notes/b c.txt", "logs/a.log"), noise[:3000]),
        "tuesday.sql": noise[:2000] + b"one line more\n" + noise[2000:3000],
        "app.log": noise[:60_000],
        "message.json": noise[:300],
        **dict.fromkeys(("old.txt", "new.txt"), b"just notes, more of them\n"),
        "secret.bin": noise[:16],
        "novel.txt": noise[:1_600_000],
        "bad": noise,
    }.items():
        if len(text) < 100_000 or name in command:
            (folder / name).write_bytes(text)
    needed = next(
        (m.expand(do) for name, do in BEFORE.items() if (m := re.search(name, command))), ":"
    )
    assert shell(needed, folder).returncode == 0
    result = shell(command, folder)
    assert result.returncode == (1 if "--recover" in command else 0), result.stderr


def test_pages_show_commands() -> None:
    assert len(COMMANDS) > 20
