"""What hands do without thinking, from thirty years of gzip, bzip2, xz and zstd: a line each.

Every habit is a script for a real shell, in habits.sh; what it says must hold. Those that need more
than a line are named here with the test that shows them. Habits of the Python module stand in
tests/api/test_api_habits.py.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runner import NOISE, environment, for_shells

SCRIPTS = (Path(__file__).parent / "habits.sh").read_text(encoding="utf-8")
BEFORE, *PIECES = re.split(r"^# (?!=)(.*)\n", SCRIPTS.partition("\n\n")[2], flags=re.MULTILINE)
HABITS = dict(zip(PIECES[::2], PIECES[1::2], strict=True))

SHOWN_BY = {
    "-15, -2, -1 half-way": "cli/test_cli_streams.py::test_a_signal_removes_what_is_unfinished",
    "nohup, an ignored signal": "cli/test_cli_streams.py::test_nohup_is_respected",
    "Ctrl-C in the first moments": "cli/test_cli_descriptors.py::test_ctrl_c_while_it_starts",
    "kill -9": "cli/test_cli_temporaries.py::test_random_kills_lose_nothing",
    "a full disk": "cli/test_cli_errors.py::test_full_disk_under_a_file_leaves_nothing",
    "what may not be read or written": "cli/test_cli_errors.py::test_no_permission",
    "no model, and no network": "cli/test_cli_errors.py::test_default_model_without_network",
    "a cache of several users": "models/test_models_trust.py::test_one_users_cache_serves_others",
    "tar, less, logrotate, git and ssh": "cli/test_cli_recipes.py::test_",
    "man page, completion, file(1)": "cli/test_cli_share.py::test_",
    "progress on a terminal": "cli/test_cli_progress.py::test_",
    "memory of a long pipe": "cli/test_cli_progress.py::test_",
    "-9 is never larger than -5": "codec/test_codec_levels.py::test_",
    "help takes no time": "cli/test_cli_streams.py::test_help_version_list_and_refusals",
}


FRESH = re.compile(r"\b(timeout|kill|on_terminal)\b")
"""What is told a process by other means than its arguments, environment and streams."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """A folder with llmzip, with python, and with what runs a command on a terminal.

    And by whether llmzip is to be a fresh process: see `for_shells`.
    """
    terminal = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    folders = {fresh: tmp_path_factory.mktemp("programs") for fresh in (True, False)}
    for fresh, folder in folders.items():
        for name, line in {
            "llmzip": for_shells(fresh=fresh),
            "python": sys.executable,
            "on_terminal": f"{sys.executable} -c '{terminal}'",
        }.items():
            path = folder / name
            path.write_text(f'#!/bin/sh\nexec {line} "$@"\n')
            path.chmod(0o755)
    return folders


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    "script", [pytest.param(script, id=name) for name, script in HABITS.items()]
)
def test_a_habit_works(script: str, programs: dict[bool, Path], tmp_path: Path) -> None:
    folder = programs[FRESH.search(script) is not None]
    for name in ("a", "b", "d/c", "d/e/f"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(NOISE)
    done = subprocess.run(
        ["bash", "-c", BEFORE + script],
        cwd=tmp_path,
        env=environment(PATH=os.pathsep.join([str(folder), os.environ["PATH"]])),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")


@pytest.mark.parametrize("place", [pytest.param(at, id=name) for name, at in SHOWN_BY.items()])
def test_other_habits_have_a_test(place: str) -> None:
    file, _, name = place.partition("::")
    text = (Path(__file__).parents[1] / file).read_text(encoding="utf-8")
    assert re.search(rf"^def {name}", text, flags=re.MULTILINE)
