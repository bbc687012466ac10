"""--ray, on a real cluster of this machine: one, for all of these tests."""

from __future__ import annotations

import os
import sys
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
from llmzip.spread.cutting import InputFile, TextCutter
from llmzip.spread.manifest import Manifest
from llmzip.spread.places import state_of
from llmzip.spread.run import Run
from llmzip.spread.worker import Tools

ray = pytest.importorskip("ray")
fsspec = pytest.importorskip("fsspec")

import llmzip.ray as on_ray  # noqa: E402
from llmzip.spread.actors import Actors, Share, shares_of  # noqa: E402

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
    batch = {"id": np.arange(3), "bytes": np.array([*texts, None], dtype=object)[:3]}
    made = on_ray.compress_batch(batch, level=1)
    assert list(made["bytes"]) == [llmzip.compress(text, 1) for text in texts]
    assert list(on_ray.decompress_batch(made)["bytes"]) == texts
    assert made["id"] is batch["id"]


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
    assert not (tmp_path / "a.llmz").exists()
