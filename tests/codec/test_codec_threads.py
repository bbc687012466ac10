"""Objects that keep a model open: shared by threads, inherited by forks, interrupted, pickled."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import llmzip
from llmzip.errors import UsageError
from llmzip.kept import Kept

DATA = (Path(__file__).parents[2] / "LICENSE").read_bytes()[2000:2700]  # the model codes it best
N_WAIT_S = 240
"""After so long a process has hung, however busy the machine is."""

FORKED = Path(__file__).with_name("forked.py")


def compressed(compressor: llmzip.Compressor, data: bytes = DATA) -> bytes:
    sink = io.BytesIO()
    assert compressor.compress(io.BytesIO(data), sink).n_chunks >= 1
    return sink.getvalue()


def decompressed(decompressor: llmzip.Decompressor, packed: bytes) -> bytes:
    sink = io.BytesIO()
    decompressor.decompress(io.BytesIO(packed), sink)
    return sink.getvalue()


def both(model: Path, level: int = 5) -> tuple[llmzip.Compressor, llmzip.Decompressor]:
    how: dict[str, Any] = {"model": str(model), "threads": 2}
    return llmzip.Compressor(**how, level=level, chunk_tokens=160), llmzip.Decompressor(**how)


@pytest.mark.parametrize("level", [2, 5])
def test_threads_share_a_compressor_and_a_decompressor(tiny_team_folder: Path, level: int) -> None:
    compressor, decompressor = both(tiny_team_folder, level)
    packed = compressed(compressor)

    def run(_: int) -> bool:
        return compressed(compressor) == packed and decompressed(decompressor, packed) == DATA

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(run, range(6)))


def test_threads_share_one_of_another_kind_of_engine(tiny_gpt2_folder: Path) -> None:
    compressor, decompressor = both(tiny_gpt2_folder, 2)
    packed = compressed(compressor)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: decompressed(decompressor, packed), range(6)))
    assert found == 6 * [DATA]


def test_a_call_within_a_call_is_refused(tiny_gpt2_folder: Path) -> None:
    compressor, _ = both(tiny_gpt2_folder)

    def nosy(_: int) -> None:
        with pytest.raises(UsageError, match="at work already"):
            compressor.compress(io.BytesIO(DATA), io.BytesIO())
        with pytest.raises(UsageError, match="at work already"):
            compressor.close()

    compressor.compress(io.BytesIO(DATA), io.BytesIO(), nosy)


@pytest.mark.parametrize("folder", ["tiny_gpt2_folder", "tiny_team_folder"])
@pytest.mark.parametrize("level", [2, 5])
@pytest.mark.parametrize("where", [1, 3])
def test_what_was_interrupted_can_be_used_again(
    folder: str, level: int, where: int, request: pytest.FixtureRequest
) -> None:
    compressor, decompressor = both(request.getfixturevalue(folder), level)
    packed = compressed(compressor)
    calls = 0

    def interrupt(_: int) -> None:
        nonlocal calls
        calls += 1
        if calls == where:
            raise KeyboardInterrupt

    runs: list[tuple[Callable[..., object], bytes]] = [
        (compressor.compress, DATA),
        (decompressor.decompress, packed),
    ]
    for run, data in runs:
        calls = 0
        with pytest.raises(KeyboardInterrupt):
            run(io.BytesIO(data), io.BytesIO(), interrupt)
        assert compressed(compressor) == packed
        assert decompressed(decompressor, packed) == DATA


def test_a_closed_one_has_no_threads_left_and_opens_again(tiny_team_folder: Path) -> None:
    compressor, decompressor = both(tiny_team_folder)
    before = {thread.ident for thread in threading.enumerate()}
    with compressor, decompressor:
        packed = compressed(compressor)
        assert decompressed(decompressor, packed) == DATA
    deadline_s = time.monotonic() + N_WAIT_S
    while any(thread.ident not in before for thread in threading.enumerate()):
        assert time.monotonic() < deadline_s, "threads outlived what they worked for"
        time.sleep(0.01)
    assert compressed(compressor) == packed
    assert decompressed(decompressor, packed) == DATA


def test_an_opened_one_can_be_pickled(tiny_gpt2_folder: Path) -> None:
    compressor, decompressor = both(tiny_gpt2_folder)
    packed = compressed(compressor)
    assert decompressed(decompressor, packed) == DATA
    kept = pickle.dumps((compressor, decompressor))
    assert len(kept) < 2000
    again, back = pickle.loads(kept)
    assert compressed(again) == packed
    assert decompressed(back, packed) == DATA


def test_an_error_of_ours_keeps_the_model_and_any_other_lets_go_of_it() -> None:
    kept, model = Kept(), object()

    def ask(error: BaseException) -> None:
        def work() -> None:
            kept.model("key", lambda: model)  # type: ignore[arg-type, return-value]
            raise error

        with pytest.raises(type(error)):
            kept.call(work)

    def opened_anew() -> list[bool]:
        made = []

        def make() -> Any:
            made.append(True)
            return model

        kept.call(lambda: kept.model("key", make))
        return made

    ask(UsageError("ours"))
    assert opened_anew() == []
    for error in (KeyboardInterrupt(), ValueError("theirs"), MemoryError()):
        ask(error)
        assert opened_anew() == [True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("folder", ["tiny_gpt2_folder", "tiny_team_folder"])
@pytest.mark.parametrize("level", [2, 5])
def test_a_forked_child_works_whatever_was_opened_and_whatever_torch_has_done(
    folder: str, level: int, request: pytest.FixtureRequest
) -> None:
    """A child that hangs is killed and the test fails; `forked.py` is what it does."""
    model = request.getfixturevalue(folder)
    environment = os.environ | {"PYTHONPATH": str(Path(llmzip.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, str(FORKED), str(model), str(level)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, complaints = process.communicate(timeout=N_WAIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        pytest.fail(f"hung; until then it said: {process.communicate()[0]}")
    assert said.split() == ["compressor", "decompressor", "new", "busy", "inner", "parent"], (
        complaints
    )
