"""`llmzip train --from-scratch` as a person runs it; the model it makes is smaller than small."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parents[1] / "training")]  # texts to learn from

from cli_runner import fails, llmzip, succeeds
from training_samples import BY_OWN_TIME, log_lines

LOG = log_lines(2_400)
MESSAGE = log_lines(3, seed=9)
TINY_PROGRAM = (
    f"{BY_OWN_TIME}import sys; from llmzip.training import sizes; "
    "sizes.SHAPES['small'] = sizes.Shape(1, 64, 128); "
    "from llmzip.cli.main import main; sys.exit(main())"
)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a log, and with one that is too short."""
    folder = tmp_path_factory.mktemp("logs")
    (folder / "a.log").write_bytes(LOG)
    (folder / "short").write_bytes(LOG[:60_000])
    return folder


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.log", "--from-scratch", "auto", "-m", "gpt2"], "-m is for an adapter"),
        (["a.log", "--from-scratch", "auto", "--rank", "16"], "--rank is for an adapter"),
        (["a.log", "--from-scratch", "huge"], "huge"),
        (["short", "--from-scratch", "small"], "too few for a model from scratch"),
    ],
)
def test_bad_input_leaves_nothing(
    arguments: list[str], words: str, log: Path, tmp_path: Path
) -> None:
    home = {"LLMZIP_HOME": str(tmp_path / "home")}
    fails(llmzip("train", *arguments, "-o", "x", cwd=log, env=home), words)
    assert not list((tmp_path / "home").glob("trained/*"))


def test_one_command_from_text_to_model(log: Path, tmp_path: Path) -> None:
    home = {"LLMZIP_HOME": str(tmp_path / "home"), "LLMZIP_MODEL": "gpt2"}
    how = ("-o", "fast", "--from-scratch", "small", "--minutes", "0.03", "-T1")
    done = llmzip("train", "a.log", *how, cwd=log, env=home, code=TINY_PROGRAM)
    assert done.returncode == 0, done.stderr
    table = done.stdout.decode()
    rows = ["trained", "trained with --dict", "llmzip without a model", "xz -9e", "ppmd", "zstd"]
    assert [row for row in rows if row in table] == rows
    assert "plain" not in table  # and no default model, which is not here
    (ours,) = [line for line in table.splitlines() if line.strip().startswith("trained  ")]
    assert all(float(cell) > 0 for cell in ours.split()[3:5])
    assert [path.name for path in (tmp_path / "home" / "trained").iterdir()] == ["fast"]
    told = json.loads((tmp_path / "home" / "trained" / "fast" / "training.json").read_text())
    assert (told["base"], told["scratch"]) == ("", "small")
    assert "none (small)" in succeeds(llmzip("models", "list", env=home)).decode()
    packed = succeeds(llmzip("-c", "-q", "-m", "fast", input=MESSAGE, env=home))
    assert succeeds(llmzip("-dc", "-q", input=packed, env=home)) == MESSAGE
    succeeds(llmzip("models", "export", "fast", tmp_path / "copies", env=home))
    copy = sorted(path.name for path in (tmp_path / "copies" / "fast").iterdir())
    assert copy == ["config.json", "model.safetensors", "tokenizer.json"]
    succeeds(llmzip("models", "rm", "fast", env=home))
    assert not (tmp_path / "home" / "trained" / "fast").exists()
