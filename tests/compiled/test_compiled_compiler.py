"""No folder has a say in what is compiled, nor in what is run."""

from __future__ import annotations

import ast
import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from numba.core.caching import _CacheLocator
from test_compiled_trust import Bomb

import llmzip
from llmzip.compiled.folders import ROOMS, sources_digest
from llmzip.mixing import kernel

PACKAGE = Path(llmzip.__file__).parent
GOLDEN = Path(__file__).parents[1] / "container" / "golden" / "good-one-mixed.hex"
MIXED = bytes.fromhex("".join(GOLDEN.read_text(encoding="ascii").splitlines()[1:]))

CONFIGS = {
    "kernels from there": "cache_dir: ./kernels",
    "a list": "- cache_dir",
    "no mapping at all": "'",
    "no compiler": "disable_jit: 1",
    "talk on standard output": "debug_cache: 1\ndump_llvm: 1",
    "another processor": "cpu_name: no-such-processor\ncpu_features: +no-such-feature",
}


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What appears if something planted is run."""
    return tmp_path / "mark"


@pytest.fixture
def hostile(tmp_path: Path, mark: Path) -> Path:
    """A folder, as of an unpacked archive, with kernels as numba and as llmzip keep them."""
    folder = tmp_path / "hostile"
    there = folder / "kernels" / _CacheLocator.get_suitable_cache_subpath(kernel.__file__)
    there.mkdir(parents=True)
    version = f"py{sys.version_info[0]}{sys.version_info[1]}{sys.abiflags}"
    for name in ("encode", "decode"):
        function = getattr(kernel, name).py_func
        line = function.__code__.co_firstlineno
        (there / f"kernel.{name}-{line}.{version}.nbi").write_bytes(pickle.dumps(Bomb(mark)))
    for path in (folder, folder / "kernels", folder / "~/.cache/llmzip/kernels"):
        _plant_our_own(path / str(sources_digest()), Bomb(mark))
    return folder


def _plant_our_own(folder: Path, bomb: Bomb) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    body = pickle.dumps(bomb)
    for path in _kept_kernels():
        (folder / path.name).write_bytes(hashlib.sha256(body).digest() + body)


def _kept_kernels() -> Iterator[Path]:
    """The kernels of mixing that this process has, so that their names are right."""
    from llmzip import mixing

    mixing.decompress(mixing.compress(b"likely " * 20, 100) or b"", 140)
    folder = Path(str(kernel.decode.stats.cache_path))
    yield from folder.glob("llmzip.mixing.kernel.*")


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=env, capture_output=True)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_configuration_in_the_current_folder_has_no_say(
    hostile: Path, mark: Path, config: str
) -> None:
    (hostile / ".numba_config.yaml").write_text(CONFIGS[config], encoding="ascii")
    (hostile / "mixed.llmz").write_bytes(MIXED)
    done = run("-P", "-m", "llmzip", "decompress", "-c", "mixed.llmz", folder=hostile)
    assert not mark.exists()
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == llmzip.decompress(MIXED)


HOST = """
import os, sys, warnings
os.chdir(sys.argv[1])
import numba
os.chdir(sys.argv[2])
from llmzip import mixing
print(mixing.decompress(mixing.compress(b"likely " * 20, 100), 140).decode().count("likely"))
from llmzip.mixing import kernel
print(kernel.decode.stats.cache_path)
"""


@pytest.mark.parametrize("imported_there", [False, True])
def test_a_program_that_imported_numba_before_has_its_kernels_from_the_same_folder(
    hostile: Path, mark: Path, tmp_path: Path, imported_there: bool
) -> None:
    (hostile / ".numba_config.yaml").write_text(CONFIGS["kernels from there"], encoding="ascii")
    first = hostile if imported_there else tmp_path
    done = run("-c", HOST, str(first), str(hostile), folder=tmp_path)
    assert not mark.exists()
    assert done.stdout.decode().split() == ["20", str(kernel.decode.stats.cache_path)]


def test_a_list_does_not_stop_a_program_that_imported_numba_before(
    hostile: Path, tmp_path: Path
) -> None:
    """numba reads the file again whenever it compiles."""
    (hostile / ".numba_config.yaml").write_text(CONFIGS["a list"], encoding="ascii")
    program = f"{HOST}\nfrom llmzip.compiled import kernel\nprint(kernel(lambda x: x + 1)(1))"
    done = run("-c", program, str(tmp_path), str(hostile), folder=tmp_path)
    assert done.stdout.decode().split()[-1] == "2", done.stderr.decode()


def imported(path: Path) -> set[str]:
    """The modules that a file imports from, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names.add(node.module)
    return names


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_numba_is_imported_in_one_place() -> None:
    places = [
        path.relative_to(PACKAGE).as_posix()
        for path in sources()
        if {name.partition(".")[0] for name in imported(path)} & {"numba"}
    ]
    assert places == ["compiled/importing.py"]


def test_the_hash_covers_all_rooms_with_kernels_and_all_that_they_import() -> None:
    """What a kernel takes from elsewhere would be frozen into it, unnoticed."""
    for path in sources():
        names = imported(path)
        compiling = {name for name in names if name.startswith("llmzip.compiled")}
        if not compiling - {"llmzip.compiled.folders"}:
            continue  # who asks where kernels are kept has none
        room = path.relative_to(PACKAGE).parts[0]
        rooms = {name.split(".")[1] for name in names if name.startswith("llmzip.")}
        assert room in ROOMS, path
        assert rooms <= {*ROOMS, "errors", "ownership"}, path
