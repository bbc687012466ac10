"""Small files, which share the model's passes: all is as if each were alone."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest
from cli_runner import NOISE, llmzip, names_in, succeeds

from llmzip import Compressor
from llmzip.cli.batches import Batches
from llmzip.cli.outputs import Output
from llmzip.cli.progress import Watch
from llmzip.cli.work import Job, Work
from llmzip.codec import Stats
from llmzip.codec.many import BATCH_BYTES, BATCH_TEXTS
from llmzip.errors import UsageError

LICENSE = (Path(__file__).parents[2] / "LICENSE").read_bytes()


class Recorder:
    """Stands for the model's part; keeps what it was given."""

    def __init__(self, error: Exception | None = None) -> None:
        self.batches: list[list[bytes]] = []
        self._error = error

    def __call__(
        self, texts: Sequence[bytes], progress: Callable[[int, int], None]
    ) -> list[Work | None]:
        self.batches.append(list(texts))
        progress(1, 2)
        if self._error is not None:
            raise self._error
        return [self._work if text else None for text in texts]

    def _work(self, _source: BinaryIO, _sink: BinaryIO, _progress: object) -> Stats:
        return Stats()


def jobs_of(folder: Path, *contents: bytes) -> list[Job]:
    """A job for a file of each of `contents`."""
    jobs = []
    for number, data in enumerate(contents):
        path = folder / f"{number:03}"
        path.write_bytes(data)
        jobs.append(Job(path, Output(path.with_suffix(".llmz")), len(data)))
    return jobs


def test_small_files_go_together_and_others_alone(tmp_path: Path) -> None:
    long, text = bytes(BATCH_BYTES + 1), b"abc"
    jobs = jobs_of(tmp_path, long, text, b"", long, text, text)
    jobs[4].output.path.touch()  # it will be refused, so no work is to go into it
    recorder = Recorder()
    batches = Batches(recorder, jobs, Watch())
    found = [batches.work(number, io.BytesIO(job.source.read_bytes())) is not None
             for number, job in enumerate(jobs)]  # fmt: skip
    assert found == [False, True, False, False, False, True]
    assert recorder.batches == [[text, b"", text]]


def test_batches_are_bounded(tmp_path: Path) -> None:
    recorder = Recorder()
    jobs = jobs_of(tmp_path, *[b"x"] * (BATCH_TEXTS + 3), *[bytes(BATCH_BYTES // 2)] * 3)
    batches = Batches(recorder, jobs, Watch())
    for number, job in enumerate(jobs):
        assert batches.work(number, io.BytesIO(job.source.read_bytes())) is not None or number > 258
    sizes = [len(batch) for batch in recorder.batches]
    assert sizes == [BATCH_TEXTS, 4, 2]


def test_a_file_that_is_another_one_by_its_turn_is_dealt_with_alone(tmp_path: Path) -> None:
    batches = Batches(Recorder(), jobs_of(tmp_path, b"abc", b"abc", b"abc", b"abc"), Watch())
    assert batches.work(0, io.BytesIO(b"abc")) is not None
    for number, now in enumerate((b"abd", b"abcd", b"ab"), 1):
        stream = io.BytesIO(now)
        assert batches.work(number, stream) is None
        assert stream.tell() == 0


def test_what_is_no_file_any_more_is_left_to_its_turn(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, b"a", b"b", b"c", b"d")
    jobs[1].source.unlink()
    jobs[2].source.unlink()
    jobs[2].source.mkdir()
    recorder = Recorder()
    assert Batches(recorder, jobs, Watch()).work(0, io.BytesIO(b"a")) is not None
    assert recorder.batches == [[b"a", b"d"]]


def test_what_goes_wrong_for_all_comes_up_again_for_each(tmp_path: Path) -> None:
    recorder = Recorder(UsageError("no"))
    batches = Batches(recorder, jobs_of(tmp_path, b"abc", b"abd"), Watch())
    assert [batches.work(n, io.BytesIO(b"abc")) for n in range(2)] == [None, None]
    assert len(recorder.batches) == 1


@pytest.fixture
def texts(tmp_path: Path) -> dict[str, bytes]:
    """Names and contents of files: pieces of text, noise, and nothing."""
    pieces = [LICENSE[at : at + 300] for at in range(0, 2400, 300)]
    own = {f"text{n}": piece for n, piece in enumerate(pieces)}
    return {**own, "empty": b"", "noise": NOISE}


def write_all(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("level", [1, 5])
def test_files_are_those_that_each_has_alone(
    tmp_path: Path, tiny_llama_folder: Path, texts: dict[str, bytes], level: int
) -> None:
    folder, model = write_all(tmp_path / "src", texts), str(tiny_llama_folder)
    compressor = Compressor(model=model, level=level)
    compressor.compress(io.BytesIO(LICENSE[:900]), io.BytesIO())  # prepares it, which is told
    succeeds(llmzip(f"-{level}", "-r", "--rm", "--verify", "-m", model, "src", cwd=tmp_path))
    for name, data in texts.items():
        sink = io.BytesIO()
        compressor.compress(io.BytesIO(data), sink)
        assert (folder / f"{name}.llmz").read_bytes() == sink.getvalue()
    assert succeeds(llmzip("-dcr", "-m", model, "src", cwd=tmp_path)) == b"".join(
        texts[name] for name in sorted(texts)
    )
    succeeds(llmzip("-tr", "-m", model, "src", cwd=tmp_path))
    succeeds(llmzip("-dr", "--rm", "-m", model, "src", cwd=tmp_path))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == texts


def test_what_is_wrong_with_some_is_said_in_their_turn(
    tmp_path: Path, tiny_llama_folder: Path, texts: dict[str, bytes]
) -> None:
    folder, model = write_all(tmp_path / "src", texts), str(tiny_llama_folder)
    succeeds(llmzip("-r", "--rm", "-m", model, "src", cwd=tmp_path))
    whole = (folder / "text1.llmz").read_bytes()
    (folder / "text1.llmz").write_bytes(whole[:-9] + bytes(9))
    (folder / "text2.llmz").write_bytes((folder / "text2.llmz").read_bytes() + b"more")
    (folder / "text3").write_bytes(b"in the way")
    result = llmzip("-drv", "--rm", "-m", model, "src", cwd=tmp_path)
    assert result.returncode == 1
    lines = result.stderr.decode().splitlines()
    wrong = [line for line in lines if ": decompressed" not in line]
    assert [re.findall(r"text\d", line)[0] for line in wrong[:3]] == ["text1", "text2", "text3"]
    assert len(wrong) == 4  # the last is the total
    assert all("cpu, " in line for line in lines if re.search(r"text\d.* decompressed", line))
    kept = [f"text{n}.llmz" for n in (1, 2, 3)]
    assert names_in(folder) == sorted({*texts, *kept} - {"text1"})
    assert (folder / "text3").read_bytes() == b"in the way"
    assert (folder / "text2").read_bytes() == texts["text2"]


def test_a_model_that_is_not_there_is_said_once(tmp_path: Path, texts: dict[str, bytes]) -> None:
    write_all(tmp_path / "src", texts)
    result = llmzip("-r", "-m", "no-such-model", "src", cwd=tmp_path)
    (line,) = result.stderr.decode().splitlines()
    assert line.startswith("llmzip: no model 'no-such-model'")
    assert names_in(tmp_path / "src") == sorted([*texts, "empty.llmz", "noise.llmz"])
