"""`llmzip doctor` as a person runs it, on this installation and on broken ones."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cli_runner import SOURCE_ROOT, fails, llmzip, succeeds

import llmzip as package

TITLES = ["versions", "processor", "devices", "self-tests", "caches", "models"]


def by_name(findings: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in findings}


def test_a_whole_installation(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    env = {"LLMZIP_HOME": str(home)}
    found = json.loads(succeeds(llmzip("doctor", "--json", env=env, fresh=True)))
    assert list(found) == TITLES
    assert by_name(found["versions"])["llmzip"]["value"] == package.__version__
    tests = by_name(found["self-tests"])
    assert list(tests) == ["kernels", "round trip"]
    assert all(one["value"].startswith("ok: ") for one in tests.values())
    assert by_name(found["models"])["smollm2-135m-text"]["advice"] == "llmzip models pull"
    assert not home.exists()


@pytest.mark.parametrize(
    "damage", ["raise ImportError('no such symbol')", "os.kill(os.getpid(), 9)"]
)
def test_a_broken_library_is_a_line_and_the_rest_goes_on(tmp_path: Path, damage: str) -> None:
    """And caches are cleaned all the same."""
    numba = tmp_path / "broken" / "numba" / "__init__.py"
    numba.parent.mkdir(parents=True)
    numba.write_text(f"import os\n{damage}\n")
    home = tmp_path / "home"
    left = home / "staging" / "killed" / "half"
    left.parent.mkdir(parents=True)
    left.write_bytes(bytes(5000))
    for folder in (home, home / "staging", left.parent):
        folder.chmod(0o700)
    path = os.pathsep.join(map(str, (tmp_path / "broken", SOURCE_ROOT)))
    env = {"LLMZIP_HOME": str(home), "PYTHONPATH": path}
    # or it would clean away what all other tests have compiled: by another numba, as it sees it
    env["NUMBA_CACHE_DIR"] = str(tmp_path / "kernels")
    result = llmzip("doctor", "--clean", env=env, fresh=True)
    text = result.stdout.decode()
    assert result.returncode == 1
    assert result.stderr == b"llmzip: something is wrong here: kernels, round trip\n"
    assert [line.lower() for line in text.splitlines() if line[:1].strip()] == TITLES
    for name in ("kernels", "round trip"):  # what is chosen and kept, numba is not asked about
        (line,) = (line for line in text.splitlines() if line.startswith(f"  {name}  "))
        assert "no such symbol" in line or "ended by signal 9" in line
    assert f"{left.parent}, 5 kB: left behind by a run that was killed" in text
    assert not left.parent.exists()


def test_what_nothing_goes_without_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "xxhash.py").write_text("raise ImportError('no such symbol')\n")
    path = os.pathsep.join(map(str, (tmp_path, SOURCE_ROOT)))
    result = llmzip("doctor", env={"PYTHONPATH": path}, fresh=True)
    fails(result, "this installation is broken: no such symbol")


def test_it_takes_no_files() -> None:
    fails(llmzip("doctor", "book.txt", fresh=True), "unexpected extra argument")
    assert b"--clean" in succeeds(llmzip("doctor", "--help", fresh=True))


def test_an_issue_asks_for_it() -> None:
    template = SOURCE_ROOT.parent / ".github" / "ISSUE_TEMPLATE" / "bug.yml"
    assert "llmzip doctor" in template.read_text("utf-8")
