"""A session with LLMZIP_MODEL set: no command fetches, prepares or opens the default model."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from cli_runner import Result, fails, llmzip

from llmzip.cli.main import llmzip as program

TEXT = b"You may reproduce and distribute copies of the Work.\n"
STEPS = (
    "compress -k text",
    "decompress -c text.llmz",
    "test text.llmz",
    "list text.llmz",
    "cat text.llmz",
    "score text",
    "explain -c text",
    "bench text",
    "sample --max-tokens 8",
    "unsample --raw -",
    "profile create -q --dict text -o profile",
    "profile show profile",
    "message encode -q --armor base45 some words",
    "message encode -q --profile profile --armor base45 some words",
    "message decode -q --profile profile --armor base45",
    "models list",
    "doctor",
)
"""In turn, in one folder, each given what the one before has written."""

NAMES_ITS_MODEL = {"models pull", "models path", "models export", "models import", "models rm"}
ELSEWHERE = {"train"}
"""It takes minutes: test_cli_train_scratch."""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, tiny_gpt2_folder: Path) -> dict[str, str]:
    """The environment; models are not to be had in it."""
    return {
        "LLMZIP_HOME": str(tmp_path_factory.mktemp("home")),
        "LLMZIP_MODEL": str(tiny_gpt2_folder),
        "PIP_NO_INDEX": "1",
        "HF_HUB_OFFLINE": "1",
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("work")
    (made / "text").write_bytes(TEXT)
    return made


def run(step: str, folder: Path, session: dict[str, str], before: bytes = b"") -> Result:
    return llmzip(*step.split(), cwd=folder, env=session, input=before)


def test_none_needs_the_default_model(folder: Path, session: dict[str, str]) -> None:
    before = b""
    for step in STEPS:
        result = run(step, folder, session, before)
        may_warn = step in ("doctor", "bench text")
        assert result.returncode in ((0, 2) if may_warn else (0,)), (step, result.stderr)
        before = result.stdout
    home = Path(session["LLMZIP_HOME"])
    assert len(list((home / "prepared").iterdir())) == 1
    assert not (home / "models").exists()


def test_without_it_the_default_model_would_be_missed(
    folder: Path, session: dict[str, str]
) -> None:
    without = session | {"LLMZIP_MODEL": ""}
    fails(run("message encode -q hi --armor base45", folder, without), "cannot fetch")


def test_all_commands_are_among_these() -> None:
    named = {
        f"{name} {inner}" if isinstance(command, click.Group) else name
        for name, command in program.commands.items()
        for inner in (command.commands if isinstance(command, click.Group) else [""])
    }
    done = {name for name in named if any(step.startswith(name) for step in STEPS)}
    assert named - done == NAMES_ITS_MODEL | ELSEWHERE
