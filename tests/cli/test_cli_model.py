"""With a real, if tiny, model: what people compress comes back, from files and through pipes."""

from __future__ import annotations

import gzip
import io
import os
import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from cli_runner import fails, llmzip, names_in, succeeds

import llmzip as library

MIXED = Path(__file__).parents[1] / "container" / "golden" / "good-one-mixed.hex"
LICENSE = (Path(__file__).parents[2] / "LICENSE").read_bytes()
TEXT = LICENSE[2000:2700]  # a random model still beats LZMA on so short a text

AWKWARD = {
    "empty": b"",
    "one byte": b"a",
    "every byte value": bytes(range(256)),
    "100 kB random": random.Random(4).randbytes(100_000),
    "broken utf-8": TEXT[:200]
    + b"caf\xc3 na\xefve \xe2\x82 \xf0\x9f\x98 \xed\xa0\x80 \xc0\xaf" * 3,
    "utf-16": TEXT[:500].decode().encode("utf-16"),
    "crlf": TEXT[:500].replace(b"\n", b"\r\n"),
    "nuls": TEXT[:300] + bytes(40) + TEXT[:300],
    "1 MB of one letter": b"a" * 1_000_000,
    "64 dashes": b"-" * 64,
    "200 spaces": b" " * 200,
    "emoji": "👩‍👩‍👧‍👦 ❤️ 🏳️‍🌈 🇺🇳 and some words".encode(),
    "chinese": "道可道非常道。名可名非常名。".encode() * 3,
    "special token text": TEXT[:200] + b"<|endoftext|>" + TEXT[:200] + b"<|endoftext|>",
    "gzip file": gzip.compress(TEXT, mtime=0),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment in which prepared models are shared by this module's tests."""
    return {"LLMZIP_HOME": str(tmp_path_factory.mktemp("home"))}


def prepare(folder: Path, home: dict[str, str]) -> None:
    """Have the model prepared, which tells so once on standard error."""
    if folder not in _prepared:
        assert llmzip("compress", "-m", folder, input=TEXT, env=home).returncode == 0
        _prepared.add(folder)


_prepared: set[Path] = set()


@pytest.fixture(params=["gpt2", "llama"])
def folder(request: pytest.FixtureRequest, home: dict[str, str]) -> Path:
    """Return the folder of a tiny model of each family, prepared already."""
    folder: Path = request.getfixturevalue(f"tiny_{request.param}_folder")
    prepare(folder, home)
    return folder


def test_awkward_files_come_back(folder: Path, home: dict[str, str], tmp_path: Path) -> None:
    for name, data in AWKWARD.items():
        (tmp_path / name).write_bytes(data)
    succeeds(llmzip("compress", "--rm", "-m", folder, *AWKWARD, cwd=tmp_path, env=home))
    assert names_in(tmp_path) == sorted(f"{name}.llmz" for name in AWKWARD)
    for name, data in AWKWARD.items():
        assert (tmp_path / f"{name}.llmz").stat().st_size <= len(data) * 1.001 + 64, name
    packed = [f"{name}.llmz" for name in AWKWARD]
    succeeds(llmzip("decompress", "--rm", *packed, cwd=tmp_path, env=home))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == AWKWARD


PIPED = ("empty", "one byte", "special token text", "100 kB random", "1 MB of one letter")
"""What differs to a pipe: nothing, no more than that, one read, and more than it holds."""


def test_awkward_pipes_come_back(tiny_llama_folder: Path, home: dict[str, str]) -> None:
    prepare(tiny_llama_folder, home)
    piped = {name: AWKWARD[name] for name in PIPED}
    files = {
        name: succeeds(llmzip("-m", tiny_llama_folder, input=data, env=home))
        for name, data in piped.items()
    }
    for name, data in piped.items():
        assert len(files[name]) <= len(data) * 1.001 + 64, name
        assert [m.n_bytes for m in library.inspect(io.BytesIO(files[name]))] == [len(data)], name
    # One process decodes them all: concatenated files are one.
    assert succeeds(llmzip("-d", input=b"".join(files.values()), env=home)) == b"".join(
        piped.values()
    )


def test_every_single_byte_comes_back(
    tiny_llama_folder: Path, home: dict[str, str], tmp_path: Path
) -> None:
    """Alone, and at the end of a text, where the model must carry it."""
    prepare(tiny_llama_folder, home)
    names = []
    for value in range(256):
        (tmp_path / f"alone-{value:02x}").write_bytes(bytes([value]))
        (tmp_path / f"text-{value:02x}").write_bytes(TEXT[:40] + bytes([value]))
        names += [f"alone-{value:02x}", f"text-{value:02x}"]
    originals = {name: (tmp_path / name).read_bytes() for name in names}
    succeeds(llmzip("compress", "--rm", "-m", tiny_llama_folder, *names, cwd=tmp_path, env=home))
    packed = [f"{name}.llmz" for name in names]
    succeeds(llmzip("decompress", "--rm", *packed, cwd=tmp_path, env=home))
    assert {name: (tmp_path / name).read_bytes() for name in names} == originals


def test_speed_options_never_change_the_bytes(
    tiny_llama_folder: Path, home: dict[str, str]
) -> None:
    """For either family the library's own tests show it; here options get through to it."""
    prepare(tiny_llama_folder, home)
    ways: list[Sequence[str]] = [
        ["--batch", "1"],
        ["--batch", "3", "--threads", "2"],
        ["--batch", "64", "--threads", "1"],
    ]
    common = ("compress", "-m", tiny_llama_folder, "--chunk-tokens", "100")
    packed = {succeeds(llmzip(*common, *way, input=TEXT, env=home)) for way in ways}
    assert len(packed) == 1
    for way in ways:
        assert succeeds(llmzip("-d", *way, input=next(iter(packed)), env=home)) == TEXT


def test_size_is_the_cross_entropy_that_stats_reports(folder: Path, home: dict[str, str]) -> None:
    result = llmzip("compress", "--stats", "-m", folder, input=TEXT, env=home)
    report = result.stderr.decode()
    chunks = re.search(r"through the model +([\d,]+) bytes in (\d+) chunks", report)
    entropy = re.search(r"cross-entropy +([\d,.]+) bytes", report)
    assert chunks is not None
    assert entropy is not None
    assert int(chunks[1].replace(",", "")) == len(TEXT)
    name_bytes = len(folder.name)  # a model without a public name is spelled out
    n_bytes = float(entropy[1].replace(",", ""))
    assert len(result.stdout) <= n_bytes * 1.001 + 24 * int(chunks[2]) + name_bytes + 10


def test_wrong_fingerprint_is_refused(
    tiny_gpt2_folder: Path, tiny_llama_folder: Path, home: dict[str, str], tmp_path: Path
) -> None:
    prepare(tiny_gpt2_folder, home)
    packed = tmp_path / "text.llmz"
    packed.write_bytes(succeeds(llmzip("-m", tiny_gpt2_folder, input=TEXT, env=home)))
    refused = llmzip("decompress", "-q", "-m", tiny_llama_folder, packed, env=home)
    fails(refused, "text.llmz", "fingerprint")
    elsewhere = {"LLMZIP_HOME": str(tmp_path / "elsewhere"), "HF_HUB_OFFLINE": "1"}
    fails(llmzip("decompress", packed, env=elsewhere), "a model of somebody's own", "with -m")
    found = llmzip("decompress", "-q", "-m", tiny_gpt2_folder, "-c", packed, env=elsewhere)
    assert found.stdout == TEXT
    assert "text" not in names_in(tmp_path)


def test_float_files_come_back_on_this_machine_only(
    tiny_llama_folder: Path, home: dict[str, str]
) -> None:
    arguments: list[str | Path] = ["compress", "--float", "--threads", "1", "-m", tiny_llama_folder]
    packed = succeeds(llmzip(*arguments, input=TEXT, env=home))
    decompress: list[str | Path] = ["decompress", "-m", tiny_llama_folder, "--threads", "1"]
    assert succeeds(llmzip(*decompress, input=packed, env=home)) == TEXT
    other = {**home, "ATEN_CPU_CAPABILITY": "default"}
    fails(llmzip(*decompress, input=packed, env=other), "machine", "--force-foreign")
    forced = llmzip(*decompress, "--force-foreign", input=packed, env=other)
    assert forced.stdout == TEXT or forced.returncode == 1


def test_the_library_and_the_command_line_agree(
    folder: Path, home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMZIP_HOME", home["LLMZIP_HOME"])
    packed = library.compress(TEXT, model=str(folder))
    assert packed == succeeds(llmzip("-m", folder, input=TEXT, env=home))
    assert library.decompress(packed) == TEXT
    assert [member.n_bytes for member in library.inspect(io.BytesIO(packed))] == [len(TEXT)]


def test_the_way_of_computing_is_told_and_can_be_chosen(
    tiny_gpt2_folder: Path, home: dict[str, str]
) -> None:
    prepare(tiny_gpt2_folder, home)
    plain = {**home, "LLMZIP_WAY": "plain"}
    options = ("compress", "--device", "cpu", "-m", tiny_gpt2_folder)
    result = llmzip(*options, "-v", "--stats", input=TEXT, env=plain)
    assert result.returncode == 0
    told, *figures = result.stderr.decode().splitlines()
    assert told.endswith("s (cpu, plain)")
    assert any(line.split() == ["computed", "by", "cpu,", "plain"] for line in figures)
    assert succeeds(llmzip(*options, input=TEXT, env=home)) == result.stdout
    for way, words in (("avx2", ("LLMZIP_WAY", "plain")), ("sse9", ("plain, avx2, ",))):
        fails(llmzip(*options, input=TEXT, env={**home, "LLMZIP_WAY": way}), *words)


@pytest.mark.skipif(os.name != "posix", reason="files have no owners here")
def test_kernels_that_others_may_have_written_are_refused_in_one_line(tmp_path: Path) -> None:
    """Text that needs no model, but the codec for what no model knows."""
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels").chmod(0o777)
    mixed = bytes.fromhex("".join(MIXED.read_text(encoding="ascii").splitlines()[1:]))
    env = {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    fails(llmzip("decompress", input=mixed, env=env), "NUMBA_CACHE_DIR", "unset it")
