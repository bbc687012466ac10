"""sample and unsample, as they are typed: a pipe there and back, and what is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cli_runner import COMMAND, environment, fails, llmzip, succeeds

import llmzip as library


@pytest.fixture(scope="module")
def model(tiny_llama_folder: Path) -> str:
    """A small model, prepared."""
    succeeds(llmzip("-q", "-1", "-m", tiny_llama_folder, input=b"It was the best of times."))
    return str(tiny_llama_folder)


def test_a_file_becomes_text_and_the_text_the_file(model: str, tmp_path: Path) -> None:
    secret = bytes(range(256))[::4]
    (tmp_path / "secret.bin").write_bytes(secret)
    program = " ".join(COMMAND)
    script = (
        f"{program} sample --from secret.bin --prompt 'It was' --temperature 0.8 | tee prose.txt | "
        f"{program} unsample --prompt 'It was' --temperature 0.8 | cmp - secret.bin"
    )
    subprocess.run(
        ["sh", "-euc", script], cwd=tmp_path, env=environment(LLMZIP_MODEL=model), check=True
    )
    prose = (tmp_path / "prose.txt").read_bytes().decode()
    with library.Sampler(model=model, prompt="It was", temperature=0.8) as sampler:
        assert sampler.unsample(prose) == secret
        assert sampler.sample(secret) == prose  # longer than the model's window


def test_a_seed_gives_a_text_and_the_text_its_bits(model: str) -> None:
    text = succeeds(llmzip("sample", "-m", model, "--seed", "7", "--max-tokens", "20"))
    assert text.decode() == library.sample(seed=7, max_tokens=20, model=model)
    bits = succeeds(llmzip("unsample", "-m", model, "--raw", input=text))
    assert bits == library.unsample(text, raw=True, model=model)
    assert len(bits) > 5
    fails(llmzip("unsample", "-m", model, input=text), "standard input: ", "holds no payload")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sample", "secret.bin"], ["--from FILE"]),
        (["sample", "--temperature", "warm"], ["temperature", "warm", "0.1 to 10"]),
        (["sample", "--temperature", "0"], ["temperature"]),
        (["sample", "--from", "not-there"], ["not-there", "No such file"]),
        (["sample", "--raw"], ["--raw is for unsample"]),
        (["unsample", "a", "b"], ["one text at a time"]),
        (["unsample", "not-there"], ["not-there", "No such file"]),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], said: list[str], tmp_path: Path) -> None:
    fails(llmzip(*words, cwd=tmp_path), *said)


def test_text_that_nobody_has_written_is_refused_with_where(model: str, tmp_path: Path) -> None:
    (tmp_path / "prose.txt").write_bytes(b"no \x1b text\n")
    fails(
        llmzip("unsample", "-m", model, tmp_path / "prose.txt"),
        *("prose.txt: ", "would not have written", "at byte ", "(line 1)"),
    )
    fails(llmzip("sample", "-m", model, "--from", "-", "--max-tokens", "3", input=b"abc"), "3 tok")


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"seed": 1 << 64}, {"top_k": 1}, {"temperature": float("nan")}]
)
def test_arguments_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(library.UsageError, match="cannot be"):
        library.Sampler(**wrong)  # type: ignore[arg-type]
