"""--verify: what was written counts only when it has been decoded to what was read."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runner import NOISE, environment, fails, llmzip, names_in, succeeds

LICENSE = (Path(__file__).parents[2] / "LICENSE").read_bytes()
BIG = random.Random(3).randbytes(1_200_000)
SPOILT = (
    "import sys; from llmzip.compressor import Compressor; from llmzip.start import program\n"
    "compress = Compressor.compress\n"
    "def spoilt(self, source, sink, progress=None):\n"
    "    stats = compress(self, source, sink, progress)\n"
    "    sink.seek({offset}); sink.write({data!r}); sink.seek(0, 2)\n"
    "    return stats\n"
    "Compressor.compress = spoilt\n"
    "program()\n"
)


def spoilt(
    folder: Path, code: str, *arguments: str, data: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run llmzip in which a fault of some kind spoils what is written."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=data, capture_output=True, env=environment(), cwd=folder, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("data", [b"", NOISE, BIG], ids=["empty", "3 kB", "1.2 MB"])
def test_the_same_bytes_with_and_without(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "in").write_bytes(data)
    succeeds(llmzip("compress", "-1", "in", "-o", "plain", cwd=tmp_path))
    plain = (tmp_path / "plain").read_bytes()
    assert succeeds(llmzip("compress", "-1", "--verify", "-c", "in", cwd=tmp_path)) == plain
    assert succeeds(llmzip("-1", "--verify", input=data)) == plain
    succeeds(llmzip("compress", "-1", "--verify", "--rm", "in", cwd=tmp_path))
    assert (tmp_path / "in.llmz").read_bytes() == plain
    assert names_in(tmp_path) == ["in.llmz", "plain"]


@pytest.mark.parametrize("offset", [1, 40, 3000])
@pytest.mark.parametrize("flags", [[], ["--resume"], ["-f"]])
def test_damage_is_an_error_with_nothing_left_behind(
    tmp_path: Path, offset: int, flags: list[str]
) -> None:
    (tmp_path / "in").write_bytes(NOISE)
    before = ["in"]
    if flags == ["-f"]:
        (tmp_path / "in.llmz").write_bytes(b"precious")
        before.append("in.llmz")
    code = SPOILT.format(offset=offset, data=b"??")
    if flags == ["--resume"]:
        code = code.replace("Compressor.compress", "Compressor.resume")
    fails(spoilt(tmp_path, code, "compress", "--verify", "--rm", *flags, "in"), "in: what was")
    assert names_in(tmp_path) == before
    assert (tmp_path / "in").read_bytes() == NOISE
    if flags == ["-f"]:
        assert (tmp_path / "in.llmz").read_bytes() == b"precious"


def test_damage_reaches_no_stream(tmp_path: Path) -> None:
    code = SPOILT.format(offset=40, data=b"??")
    fails(spoilt(tmp_path, code, "--verify", data=NOISE), "what was written cannot be decoded")
    assert spoilt(tmp_path, code, data=NOISE).stdout


@pytest.mark.parametrize("through", ["a file", "a pipe"])
def test_a_sound_file_of_other_bytes_is_noticed(tmp_path: Path, through: str) -> None:
    """As if the fault was in the compressor: only the comparison can tell."""
    (tmp_path / "in").write_bytes(NOISE)
    other = succeeds(llmzip(input=NOISE[:-1] + b"?"))
    code = SPOILT.format(offset=0, data=other)
    arguments = ["in", "-o", "out"] if through == "a file" else ["-", "-o", "out"]
    result = spoilt(tmp_path, code, "compress", "--verify", *arguments, data=NOISE)
    fails(result, "decodes to something else than the input")
    assert names_in(tmp_path) == ["in"]


def test_a_source_that_grows_meanwhile_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(NOISE)
    code = SPOILT.format(offset=0, data=b"").replace(
        "sink.write(b'')", "open('in','ab').write(b'x')"
    )
    fails(spoilt(tmp_path, code, "compress", "--verify", "--rm", "in"), "after byte 3,000")
    assert names_in(tmp_path) == ["in"]


def test_with_a_model(tmp_path: Path, tiny_llama_folder: Path) -> None:
    text = LICENSE[2000:2700]
    (tmp_path / "in").write_bytes(text)
    (tmp_path / "dictionary").write_bytes(LICENSE[:4000])
    assert llmzip("compress", "-m", tiny_llama_folder, "-c", "in", cwd=tmp_path).returncode == 0
    for flags in ([], ["-1"], ["--dict", "dictionary"]):
        command: list[str | Path] = ["compress", "-f", "-m", tiny_llama_folder, *flags]
        plain = succeeds(llmzip(*command, "-c", "in", cwd=tmp_path))
        if not flags:  # of streams and files all is told apart above, without a model
            assert succeeds(llmzip(*command, "--verify", "-c", "in", cwd=tmp_path)) == plain
        succeeds(llmzip(*command, "--verify", "in", cwd=tmp_path))
        assert (tmp_path / "in.llmz").read_bytes() == plain
