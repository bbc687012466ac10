"""--ray, on a real cluster of this machine: one, for all of these tests."""

from __future__ import annotations

import os
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path += [str(Path(__file__).parents[1] / "cli")]  # how the command line is run

from cli_runner import fails, succeeds
from cli_runner import llmzip as run_llmzip
from run_samples import COMPRESSOR, made_by, noise, packed, some_files

import llmzip
from llmzip.spread import answering
from llmzip.spread.cutting import InputFile, TextCutter
from llmzip.spread.manifest import Manifest
from llmzip.spread.places import state_of
from llmzip.spread.run import Run
from llmzip.spread.worker import Tools

ray = pytest.importorskip("ray")
fsspec = pytest.importorskip("fsspec")

import llmzip.ray as on_ray  # noqa: E402
from llmzip.spread.actors import Actors, Share, _reason, shares_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Return the address of a cluster with two processors."""
    environment = dict(os.environ)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=80 << 20,
            logging_level="ERROR",
            log_to_driver=False,
        )
        yield str(context.address_info["address"])
        ray.shutdown()
    os.environ.clear()  # where Ray leaves words for processes of its own
    os.environ.update(environment)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return some_files(tmp_path / "in")


def test_a_folder_by_the_command_line(cluster: str, files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    (files[0].parent / "z groups").write_bytes(noise(1_100_000))
    files.append(files[0].parent / "z groups")
    how = ("-1", "-r", files[0].parent, "--output-dir", out, "--ray", cluster)
    succeeds(run_llmzip(*how, "--processes", "2", "--resume"))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        f"{path.name}.llmz": llmzip.compress(path.read_bytes(), 1) for path in files
    }


def test_back_with_damage_in_two_of_them(cluster: str, files: list[Path], tmp_path: Path) -> None:
    packed_ones, out = tmp_path / "packed", tmp_path / "out"
    large = noise(700_000, 9)
    (files[0].parent / "z copies").write_bytes(large + noise(500_000, 8) + large)
    succeeds(run_llmzip("-3", "-r", files[0].parent, "--output-dir", packed_ones))
    bent = [packed_ones / "z copies.llmz", packed_ones / "e.llmz"]
    for path in bent:
        data = path.read_bytes()
        path.write_bytes(data[:-100] + bytes([data[-100] ^ 1]) + data[-99:])
    how = ("-dr", packed_ones, "--output-dir", out, "--ray", cluster, "--processes", "2")
    result = run_llmzip(*how, "--resume")
    lines = result.stderr.decode().splitlines()
    assert result.returncode == 1
    assert [any(str(path) in line for line in lines) for path in bent] == [True, True]
    assert len(lines) == 2
    succeeds(
        run_llmzip(
            "-3", "-f", *[files[0].parent / path.stem for path in bent], "-o", f"{packed_ones}/"
        )
    )
    result = run_llmzip(*how, "--resume", "-v")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count(b"finished by an earlier run") == len(files) - 1
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in files[0].parent.iterdir()
    }


def test_an_actor_killed_and_the_driver_too(
    cluster: str, files: list[Path], tmp_path: Path
) -> None:
    files[0].write_bytes(noise(320_000))  # the first turn lasts until one is lost
    with closing(Actors(Tools(COMPRESSOR), 2)) as pool:
        killed: list[int] = []

        def meddle() -> None:
            if run.counts.n_finished and not killed:
                pool.kill_one()
                killed.append(run.counts.n_finished)
            if run.counts.n_finished >= 2 and run.counts.n_lost:  # the cluster says so late
                raise KeyboardInterrupt

        with closing(Manifest(tmp_path / "resume", COMPRESSOR.settings)) as manifest:
            run = a_run(pool, files, manifest, meddle)
            with pytest.raises(KeyboardInterrupt):
                made_by(run, files)
        assert run.counts.n_lost == 1
    with (
        closing(Actors(Tools(COMPRESSOR), 1)) as pool,
        closing(Manifest(tmp_path / "resume", COMPRESSOR.settings)) as manifest,
    ):
        run = a_run(pool, files, manifest, lambda: None)
        assert made_by(run, files) == [packed(path) for path in files]
        assert manifest.n_found >= 2
    n_parts = 4 + 2  # groups of two large files, and what is small or in one group
    assert run.counts.n_finished <= n_parts + len(files) - 2 - manifest.n_found


def a_run(pool: Actors, files: list[Path], manifest: Manifest, on_step: Callable[[], None]) -> Run:
    def look(number: int) -> InputFile:
        return InputFile(str(files[number]), state_of(str(files[number])))

    return Run(pool, len(files), look, TextCutter(COMPRESSOR), manifest=manifest, on_step=on_step)


def test_files_by_urls_and_what_goes_wrong_with_one(cluster: str) -> None:
    memory = fsspec.filesystem("memory")
    texts = {"a": noise(600), "b/large": noise(1_100_000), "b/c": noise(70_000), "d": b""}
    for name, text in texts.items():
        memory.pipe_file(f"/texts/{name}", text)
    how: dict[str, Any] = {"workers": 1, "threads": 1}
    reports = on_ray.compress_files(["memory://texts"], "memory://packed", level=1, **how)
    assert [report.error for report in reports] == [None] * 4
    for name, text in texts.items():
        assert memory.cat_file(f"/packed/{name}.llmz") == llmzip.compress(text, 1)
    memory.pipe_file("/packed/bad.llmz", b"no such file")
    reports = on_ray.decompress_files(["memory://packed"], "memory://back", **how)
    (bad,) = [report for report in reports if report.error is not None]
    assert (bad.source, type(bad.error)) == ("memory:///packed/bad.llmz", llmzip.NotLlmzError)
    for name, text in texts.items():
        assert memory.cat_file(f"/back/{name}") == text
    assert not memory.exists("/back/bad")


def test_columns_of_ray_data() -> None:
    texts = [noise(50), b"", noise(10) + b"\0"]
    batch = {"id": np.arange(4), "bytes": np.array([*texts, None], dtype=object)}
    made = on_ray.compress_batch(batch, level=1)
    assert list(made["bytes"]) == [*(llmzip.compress(text, 1) for text in texts), None]
    assert list(on_ray.decompress_batch(made)["bytes"]) == [*texts, None]
    assert made["id"] is batch["id"]
    words = {"text": ["née", "", float("nan"), type("NAType", (), {})()]}  # the last is pandas' own
    back = on_ray.decompress_batch(on_ray.compress_batch(words, column="text"), column="text")
    assert list(back["text"]) == ["née".encode(), b"", None, None]
    assert list(on_ray.compress_batch({"bytes": []})["bytes"]) == []


def test_columns_that_are_none() -> None:
    batch = {"id": np.arange(3)}
    with pytest.raises(llmzip.UsageError, match="no column 'bytes', but id"):
        on_ray.compress_batch(batch)
    with pytest.raises(llmzip.UsageError, match="holds int64"):
        on_ray.compress_batch(batch, column="id")
    with pytest.raises(llmzip.UsageError, match="batch_format"):
        on_ray.compress_batch(object())  # type: ignore[arg-type]


def test_what_actors_die_of_in_a_line() -> None:
    page = """The actor died because of an error, \x1b[36mray::_Actor.__init__()\x1b[39m (pid=1)
      At least one of the input arguments could not be computed:
    traceback: Traceback (most recent call last):
      File "nowhere.py", line 5, in find_spec
    """
    lacking = _reason(RuntimeError(page + "ModuleNotFoundError: No module named 'llmzip'"))
    assert lacking.startswith("the cluster has no llmzip: pip install")
    assert _reason(RuntimeError(page + "OSError: no room")) == "OSError: no room"
    assert _reason(RuntimeError("\x1b[36mThe node died.\x1b[39m\n\tpid: 1")) == "The node died."


def test_what_an_actor_takes() -> None:
    def node(cpus: float, gpus: float = 0.0, *, alive: bool = True) -> dict[str, Any]:
        return {"Alive": alive, "Resources": {"CPU": cpus, "GPU": gpus}}

    assert (
        shares_of([node(32, 4), node(8, 2), node(9, alive=False)], None, wants_gpus=True)
        == [Share(1.0, 1.0)] * 6
    )
    assert shares_of([node(32, 4)], None, wants_gpus=False) == [Share(8.0)] * 4
    assert shares_of([node(9), node(2)], None, wants_gpus=True) == [
        Share(4.0),
        Share(4.0),
        Share(2.0),
    ]
    assert shares_of([node(2)], 4, wants_gpus=True) == [Share(0.5)] * 4


def test_without_ray_a_line_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(noise(100))
    code = "import sys; sys.modules['ray'] = None; from llmzip.start import program; program()"
    line = fails(run_llmzip("-1", tmp_path / "a", "--ray", code=code), "pip install 'llmzip[ray]'")
    assert "Ray" in line
    fails(run_llmzip("-1", tmp_path / "a", "--ray", "127.0.0.1:1"), "no cluster of Ray")
    named = {"RAY_ADDRESS": "127.0.0.1:2"}
    fails(run_llmzip("-1", tmp_path / "a", "--ray", env=named), "answers at 127.0.0.1:2")
    with pytest.raises(llmzip.UsageError, match="give HOST:PORT"):
        answering.require_answer("ray://head")
    assert not (tmp_path / "a.llmz").exists()


def test_another_release_of_ray_is_a_line(cluster: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(noise(100))
    code = "import ray; ray.__version__ = '1.2.3'; from llmzip.start import program; program()"
    line = fails(run_llmzip("-1", tmp_path / "a", "--ray", cluster, code=code), "Version mismatch")
    assert "Ray: 1.2.3" in line


@pytest.mark.parametrize("says", [b"", b"SSH-2.0-here\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_what_listens_and_is_no_cluster(monkeypatch: pytest.MonkeyPatch, says: bytes) -> None:
    monkeypatch.setattr(answering, "ANSWER_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        accepted: list[socket.socket] = []

        def serve() -> None:
            accepted.append(server.accept()[0])
            accepted[0].sendall(says)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(llmzip.UsageError, match=f"no cluster of Ray answers at {address}"):
            answering.require_answer(address)
        thread.join()
        accepted[0].close()


def test_what_the_core_of_ray_says_is_kept_and_nothing_else(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with answering.hearing() as said:
        os.write(2, b"[2026-01-02 03:04:05,678 W 12 12] gcs_client.cc:210: Failed: no token\nown\n")
    assert said == ["Failed: no token"]
    assert capfd.readouterr().err == "own\n"
