"""`llmzip train` as a person runs it, and what becomes of the model: used, exported, imported."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parents[1] / "training")]  # texts to learn from

from cli_runner import environment, fails, hear, llmzip, start, succeeds
from training_samples import BY_OWN_TIME, log_lines

TEXT = log_lines(200, seed=9)
PROGRAM = f"{BY_OWN_TIME}import sys; from llmzip.cli.main import main; sys.exit(main())"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of somebody who has trained a model, `logs`."""
    return {"LLMZIP_HOME": str(tmp_path_factory.mktemp("a home"))}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a log, and with what is no text."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "a.log").write_bytes(log_lines(1_000))
    (folder / "program").write_bytes(b"\x7fELF\0\0\0")
    return folder


@pytest.fixture(scope="module")
def trained(home: dict[str, str], log: Path, tiny_gpt2_folder: Path) -> tuple[str, str]:
    """Train it; return standard output and error."""
    how = ("--minutes", "0.04", "--rank", "4", "-T1")
    done = llmzip("train", log, "-o", "logs", "-m", tiny_gpt2_folder, *how, env=home, code=PROGRAM)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode(), done.stderr.decode()


def test_it_says_how_it_goes_and_what_came_of_it(trained: tuple[str, str]) -> None:
    table, progress = trained
    lines = [line for line in progress.splitlines() if "bits/byte" in line]
    assert len(lines) >= 2
    assert float(lines[0].split()[-2]) > float(lines[-1].split("text ")[1].split()[0])
    rows = ["plain", "plain with --dict", "trained", "trained with --dict", "xz -9e", "zstd -19"]
    assert [row for row in rows if row in table] == rows


def test_files_of_the_model_open_again(
    trained: tuple[str, str], home: dict[str, str], tmp_path: Path
) -> None:
    assert trained
    (tmp_path / "logs").mkdir()  # where the texts may have lain
    packed = succeeds(llmzip("-c", "-q", "-m", "logs", input=TEXT, cwd=tmp_path, env=home))
    assert succeeds(llmzip("-dc", "-q", input=packed, cwd=tmp_path, env=home)) == TEXT


def test_a_model_that_was_trained_learns_more(
    trained: tuple[str, str], home: dict[str, str], log: Path
) -> None:
    first = json.loads((Path(home["LLMZIP_HOME"]) / "trained/logs/training.json").read_text())
    how = ("--minutes", "0.02", "--rank", "4", "-T1", "-m", "logs")
    succeeds(llmzip("train", "-q", log, "-o", "more", *how, env=home, code=PROGRAM))
    more = json.loads((Path(home["LLMZIP_HOME"]) / "trained/more/training.json").read_text())
    assert more["base"] == first["base"]
    assert more["held_out_before"] == pytest.approx(first["held_out_after"], rel=0.02)
    succeeds(llmzip("models", "rm", "more", env=home))


def test_another_home_imports_what_this_one_exports(
    trained: tuple[str, str], home: dict[str, str], tiny_gpt2_folder: Path, tmp_path: Path
) -> None:
    assert trained
    other = {"LLMZIP_HOME": str(tmp_path / "other")}
    file = tmp_path / "logs.adapter"
    assert succeeds(llmzip("models", "export", "logs", file, env=home)).decode() == f"{file}\n"
    fails(llmzip("models", "export", "logs", file, env=home), "exists")
    packed = succeeds(llmzip("-c", "-q", "-m", "logs", input=TEXT, env=home))
    succeeds(llmzip("models", "import", file, env=other))
    fails(llmzip("models", "import", file, env=other), "already")
    with_adapter = ("-m", tiny_gpt2_folder, "--adapter", file)
    assert succeeds(llmzip("-dc", "-q", *with_adapter, input=packed, env=other)) == TEXT
    listed = succeeds(llmzip("models", "list", env=other)).decode()
    row = next(line for line in listed.splitlines() if line.startswith("logs"))
    assert "bits/byte" in row
    succeeds(llmzip("models", "rm", "logs", env=other))
    fails(llmzip("-c", "-m", "logs", input=TEXT, env=other), "no model 'logs'")


def test_interrupted_it_keeps_the_best_and_goes_on(
    log: Path, tiny_gpt2_folder: Path, tmp_path: Path
) -> None:
    home = {"LLMZIP_HOME": str(tmp_path)}
    how = ("-o", "half", "-m", tiny_gpt2_folder, "--minutes", "1", "--rank", "2", "-T1")
    hear(signal.SIGINT)
    running = start("train", log, *how, env=environment(**home))
    partial = tmp_path / "trained" / ".half.partial" / "progress.json"
    until = time.monotonic() + 60
    while not partial.exists() and time.monotonic() < until:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate()
    assert b"--resume goes on" in said
    assert running.returncode == -signal.SIGINT
    told = json.loads((tmp_path / "trained" / "half" / "training.json").read_text())
    assert told["held_out_after"] < told["held_out_before"]
    fails(llmzip("train", log, *how, env=home), "exists")
    fails(llmzip("train", log, *how, "--seed", "2", "--resume", env=home), "other options")
    assert sorted(path.name for path in partial.parent.parent.iterdir()) == [
        ".half.partial",
        "half",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.log"], "-o NAME"),
        (["-o", "x"], "which texts"),
        (["nothing", "-o", "x"], "No such file"),
        (["program", "-o", "x"], "no text"),
        (["small", "-o", "x"], "too few"),
        (["a.log", "-o", "gpt2"], "everybody"),
        (["a.log", "-o", "no name"], "no name"),
        (["a.log", "-o", "./folder"], "not replaced"),
        (["a.log", "-o", "x", "--resume"], "nothing to go on with"),
        (["a.log", "-o", "x", "-m", "nobody"], "no model"),
    ],
)
def test_bad_input_leaves_nothing(
    arguments: list[str], words: str, log: Path, tiny_gpt2_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_bytes(log_lines(600))
    (tmp_path / "small").write_bytes(log_lines(5))
    (tmp_path / "program").write_bytes((log / "program").read_bytes())
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.iterdir())
    model = [] if "-m" in arguments else ["-m", str(tiny_gpt2_folder)]
    force = ["-f"] if "./folder" in arguments else []
    home = {"LLMZIP_HOME": str(tmp_path / "home")}
    fails(llmzip("train", *arguments, *model, *force, cwd=tmp_path, env=home), words)
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "home"] == before
    assert not list((tmp_path / "home").glob("trained/*"))
