"""--dict: both commands, what is listed, and errors of one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runner import fails, llmzip, names_in, succeeds

from llmzip.container.limits import MAX_DICTIONARY_BYTES

LICENSE = (Path(__file__).parents[2] / "LICENSE").read_bytes()
MESSAGE = LICENSE[2100:2500] + b" And something new."


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory, tiny_gpt2_folder: Path) -> dict[str, str]:
    """A tiny model for both commands, prepared."""
    home = tmp_path_factory.mktemp("home")
    env = {"LLMZIP_HOME": str(home), "LLMZIP_MODEL": str(tiny_gpt2_folder)}
    assert llmzip("compress", input=MESSAGE, env=env).returncode == 0
    return env


@pytest.fixture
def dictionary(tmp_path: Path) -> Path:
    path = tmp_path / "dictionary"
    path.write_bytes(LICENSE[:3000])
    return path


def test_there_and_back(env: dict[str, str], dictionary: Path, tmp_path: Path) -> None:
    folder = tmp_path / "messages"
    folder.mkdir()
    texts = {"one": MESSAGE, "two": LICENSE[4000:4400], "none": b""}
    for name, text in texts.items():
        (folder / name).write_bytes(text)
    succeeds(llmzip("compress", "--rm", "--dict", dictionary, *texts, cwd=folder, env=env))
    packed = names_in(folder)
    assert packed == sorted(f"{name}.llmz" for name in texts)
    listed = succeeds(llmzip("list", *packed, cwd=folder)).decode().splitlines()
    assert [("(dictionary)" in line, "two" in line) for line in listed] == [
        (False, False),
        (False, False),
        (True, False),
        (True, True),
        (False, False),
    ]
    assert listed[-1].endswith("3 files")
    succeeds(llmzip("decompress", "--rm", "--dict", dictionary, *packed, cwd=folder, env=env))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == texts


def test_as_a_filter_and_smaller(env: dict[str, str], dictionary: Path) -> None:
    packed = succeeds(llmzip("--dict", dictionary, input=MESSAGE, env=env))
    assert len(packed) < 0.65 * len(succeeds(llmzip(input=MESSAGE, env=env)))
    assert succeeds(llmzip("-d", "--dict", dictionary, input=packed, env=env)) == MESSAGE


def test_without_it_or_with_another(
    env: dict[str, str], dictionary: Path, tmp_path: Path, tiny_llama_folder: Path
) -> None:
    packed = succeeds(llmzip("--dict", dictionary, input=MESSAGE, env=env))
    fails(llmzip("-d", input=packed, env=env), "needs the dictionary", "--dict")
    other = tmp_path / "other"
    other.write_bytes(LICENSE[:2999])
    fails(llmzip("-d", "--dict", other, input=packed, env=env), "dictionary", "-m")
    llama = ("-m", tiny_llama_folder)
    assert llmzip(*llama, input=MESSAGE, env=env).returncode == 0  # which prepares it
    fails(
        llmzip("-d", "--dict", dictionary, *llama, input=packed, env=env),
        "the dictionary and the model",
    )


@pytest.mark.parametrize("command", ["compress", "decompress"])
def test_no_dictionary_there(command: str, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    fails(llmzip(command, "--dict", absent, input=MESSAGE), str(absent), "No such file")
    absent.write_bytes(b"")
    fails(llmzip(command, "--dict", absent, input=MESSAGE), str(absent), "1 to 16,777,216 bytes")
    with absent.open("wb") as file:
        file.truncate(MAX_DICTIONARY_BYTES + 1)
    fails(llmzip(command, "--dict", absent, input=MESSAGE), str(absent), "1 to 16,777,216 bytes")


@pytest.mark.parametrize("option", ["-1", "-2", "--float"])
def test_levels_that_learn_nothing(option: str, dictionary: Path) -> None:
    fails(llmzip(option, "--dict", dictionary, input=MESSAGE), "levels 3 to 9")
