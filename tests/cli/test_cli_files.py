"""From file to file: names, modes, times, replacing, several files. Nothing here needs a model."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cli_runner import NOISE, fails, llmzip, names_in, succeeds


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    path = tmp_path / "noise"
    path.write_bytes(NOISE)
    return path


def test_there_and_back(noise: Path) -> None:
    succeeds(llmzip("compress", noise))
    assert names_in(noise.parent) == ["noise", "noise.llmz"]
    noise.unlink()
    succeeds(llmzip("decompress", f"{noise}.llmz"))
    assert noise.read_bytes() == NOISE
    assert names_in(noise.parent) == ["noise", "noise.llmz"]


@pytest.mark.parametrize(
    "name", ["two words", "new\nline", "ünï", "-dash", ".hidden", "a.llmz.txt"]
)
def test_odd_file_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(NOISE)
    succeeds(llmzip("compress", "--rm", "--", name, cwd=tmp_path))
    assert names_in(tmp_path) == [f"{name}.llmz"]
    succeeds(llmzip("decompress", "--rm", "--", f"{name}.llmz", cwd=tmp_path))
    assert names_in(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == NOISE


def test_mode_and_times_are_copied_both_ways(noise: Path) -> None:
    noise.chmod(0o640)
    os.utime(noise, ns=(1_600_000_000_000_000_001, 1_500_000_000_000_000_003))
    succeeds(llmzip("compress", "--rm", noise))
    packed = noise.with_name("noise.llmz")
    succeeds(llmzip("decompress", packed))
    for path in (packed, noise):
        status = path.stat()
        assert stat.S_IMODE(status.st_mode) == 0o640
        assert status.st_mtime_ns == 1_500_000_000_000_000_003


def test_output_of_a_pipe_has_the_usual_mode(tmp_path: Path) -> None:
    succeeds(llmzip("compress", "-o", tmp_path / "out", input=NOISE, umask=0o027))
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_existing_output_is_kept_without_force_and_replaced_with_it(noise: Path) -> None:
    packed = noise.with_name("noise.llmz")
    packed.write_bytes(b"precious")
    fails(llmzip("compress", noise), "noise.llmz exists", "-f")
    assert packed.read_bytes() == b"precious"
    succeeds(llmzip("compress", "-f", noise))
    assert packed.read_bytes() != b"precious"
    noise.write_bytes(b"precious too")
    fails(llmzip("decompress", packed), "exists", "-f")
    assert noise.read_bytes() == b"precious too"
    succeeds(llmzip("decompress", "-f", packed))
    assert noise.read_bytes() == NOISE
    assert names_in(noise.parent) == ["noise", "noise.llmz"]


def test_a_dangling_link_counts_as_existing(noise: Path) -> None:
    link = noise.with_name("noise.llmz")
    link.symlink_to("nowhere")
    fails(llmzip("compress", noise), "exists")
    assert link.is_symlink()


def test_output_option_names_the_file(noise: Path, tmp_path: Path) -> None:
    succeeds(llmzip("compress", noise, "-o", tmp_path / "packed"))
    succeeds(llmzip("decompress", tmp_path / "packed", "-o", tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == NOISE


def test_stdout_option_keeps_files_away(noise: Path) -> None:
    packed = succeeds(llmzip("compress", "-c", noise))
    assert succeeds(llmzip("decompress", "-", input=packed)) == NOISE
    assert succeeds(llmzip("compress", noise, "-o", "-")) == packed
    assert names_in(noise.parent) == ["noise"]


def test_several_files_to_stdout_decode_as_one(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(name.encode() * 20 + NOISE)
    packed = succeeds(llmzip("compress", "-c", *(tmp_path / name for name in "abc")))
    expected = b"".join(name.encode() * 20 + NOISE for name in "abc")
    assert succeeds(llmzip("decompress", input=packed)) == expected


def test_of_several_files_the_good_ones_are_done(noise: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(NOISE)
    result = llmzip("compress", noise, tmp_path / "missing", tmp_path, tmp_path / "other")
    assert result.returncode == 1
    lines = result.stderr.decode().splitlines()
    assert len(lines) == 2
    assert "missing: No such file or directory" in lines[0]
    assert f"{tmp_path} is a folder; use -r" in lines[1]
    assert {"noise.llmz", "other.llmz"} <= set(names_in(tmp_path))


def test_a_file_with_the_suffix_is_skipped_with_a_warning(noise: Path, tmp_path: Path) -> None:
    packed = noise.rename(tmp_path / "noise.llmz")
    fails(llmzip("compress", packed), "skipped", status=2)
    assert llmzip("compress", "-q", packed).stderr == b""
    assert names_in(tmp_path) == ["noise.llmz"]
    succeeds(llmzip("compress", packed, "-o", tmp_path / "twice"))


def test_an_error_outweighs_a_warning(noise: Path, tmp_path: Path) -> None:
    packed = noise.rename(tmp_path / "noise.llmz")
    assert llmzip("compress", "missing", packed).returncode == 1
    assert llmzip("compress", packed, "missing").returncode == 1


def test_unknown_suffix_is_refused_with_advice(noise: Path) -> None:
    fails(llmzip("decompress", noise), "-o")
    fails(llmzip("decompress", noise.with_name(".llmz")), "-o")


def test_rm_removes_only_what_was_done(noise: Path) -> None:
    packed = noise.with_name("noise.llmz")
    packed.write_bytes(b"in the way")
    fails(llmzip("compress", "--rm", noise), "exists")
    assert noise.read_bytes() == NOISE
    succeeds(llmzip("compress", "--rm", "-f", noise))
    assert names_in(noise.parent) == ["noise.llmz"]
    packed.write_bytes(packed.read_bytes()[:-1])
    fails(llmzip("decompress", "--rm", packed))
    assert names_in(noise.parent) == ["noise.llmz"]


def test_keep_is_accepted_and_wins(noise: Path) -> None:
    succeeds(llmzip("compress", "-k", "--rm", noise))
    assert names_in(noise.parent) == ["noise", "noise.llmz"]


def test_options_that_contradict_each_other(noise: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fails(llmzip("compress", noise, noise, "-o", out), "-o")
    fails(llmzip("compress", noise, "-c", "-o", out), "-c")
    fails(llmzip("compress", noise, "-c", "--rm"), "--rm")
    fails(llmzip("compress", "-", "--rm"), "--rm")
    fails(llmzip("compress", "-", "-", "-c"), "once")
    fails(llmzip("compress", noise, "-o", noise, "-f"), "both input and output")
    fails(llmzip("compress", "-", "-o", tmp_path, "-f"), "folder", "name a file")
    fails(llmzip("compress", noise, "--threads", "-1"), "--threads")
    fails(llmzip("compress", noise, "--device", "abacus"), "--device")
    fails(llmzip("compress", noise, "--no-such-option"), "--no-such-option")
    fails(llmzip("frobnicate"), "frobnicate: No such file or directory")
    assert noise.read_bytes() == NOISE
    assert names_in(tmp_path) == ["noise"]


def test_appending_to_the_input_is_refused(noise: Path) -> None:
    with noise.open("ab") as out:
        assert llmzip("compress", "-c", noise, stdout=out).returncode == 1
    assert noise.read_bytes() == NOISE


def test_an_output_that_is_a_device_is_written_not_replaced(noise: Path) -> None:
    succeeds(llmzip("compress", noise, "-o", "/dev/null"))
    succeeds(llmzip("compress", noise, "-f", "-o", "/dev/null"))
    assert not Path("/dev/null").is_file()


def test_list_shows_sizes_and_needs_no_model(noise: Path) -> None:
    succeeds(llmzip("compress", noise))
    packed = noise.with_name("noise.llmz")
    lines = succeeds(llmzip("list", packed)).decode().splitlines()
    assert lines[0].split() == [
        "COMPRESSED", "ORIGINAL", "BITS/BYTE", "CHUNKS", "GROUPS", "MODEL", "FILE",
    ]  # fmt: skip
    assert lines[1].split()[:2] == [f"{packed.stat().st_size:,}", f"{len(NOISE):,}"]
    assert succeeds(llmzip("list", "-", input=packed.read_bytes())).decode().count("\n") == 2
    fails(llmzip("list", noise), "noise", "not a .llmz file")


def test_verbose_says_what_was_done(noise: Path) -> None:
    result = llmzip("compress", "-v", noise)
    assert result.returncode == 0
    (line,) = result.stderr.decode().splitlines()
    assert "compressed 3,000 bytes" in line
    assert line.endswith("; the model coded 0 of 3,000 bytes: 3,000 bytes do not compress")


def test_stats_go_to_standard_error(noise: Path) -> None:
    result = llmzip("compress", "--stats", "-c", noise)
    assert result.returncode == 0
    assert "original    3,000 bytes" in result.stderr.decode()
    assert succeeds(llmzip("decompress", input=result.stdout)) == NOISE
