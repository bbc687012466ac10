"""What needs no model imports none of the heavy libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import llmzip
from llmzip.exact.cpu.ways import WAY_VARIABLE, Way
from llmzip.predict import devices
from tiny_files import Tiny
from ways import every_way

HEAVY = {"torch", "transformers", "numba", "tokenizers", "safetensors", "huggingface_hub"}
ROOMS = ["cli", "cli.main", "coder", "container", "errors", "exact", "models", "predict"]
LIGHT = ["llmzip", *(f"llmzip.{room}" for room in ROOMS)]


@pytest.mark.parametrize("module", LIGHT)
def test_importing_does_not_import_what_is_heavy(module: str) -> None:
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(Path(llmzip.__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()).isdisjoint(HEAVY)


@every_way
@pytest.mark.parametrize("device", ["auto", "cpu"])
@pytest.mark.parametrize("verb", ["compress", "decompress"])
def test_a_prepared_model_is_run_without_torch_and_numba(
    tiny_team_folder: Path, device: str, verb: str, way: Way
) -> None:
    if way is Way.PLAIN:
        pytest.skip("the way plain computes by torch")
    if device == "auto" and devices._has_driver():
        pytest.skip("torch is asked for the device whose driver is here")
    model, text = str(tiny_team_folder), Tiny.prepare(tiny_team_folder).foreseen(80)
    given = text if verb == "compress" else llmzip.compress(text, model=model)
    program = (
        "import sys, llmzip; "
        f"llmzip.{verb}({given!r}, model={model!r}, device={device!r}); "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )

    def modules() -> set[str]:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, WAY_VARIABLE: str(way)},
            capture_output=True,
            text=True,
        )
        assert not done.returncode, done.stderr
        return set(done.stdout.split())

    heavy = {"torch", "transformers", "safetensors", "yaml", "numba"}
    # where nobody has wanted a kernel yet, it is compiled, and there for the next process
    assert modules().isdisjoint(heavy) or modules().isdisjoint(heavy)


MESSAGE = """
import sys
from llmzip import MessageCodec, make_profile
profile = make_profile({model!r}, dictionary={dictionary!r})
codec = MessageCodec(profile)
code = {code!r} or codec.encode({text!r})
if {code!r}:
    assert codec.decode(code) == {text!r}
print(code.hex(), *{{name.partition(".")[0] for name in sys.modules}})
"""


@every_way
@pytest.mark.parametrize("has_dictionary", [False, True])
def test_messages_are_coded_without_torch_and_the_tokenizers_library(
    tiny_team_folder: Path, way: Way, has_dictionary: bool
) -> None:
    if way is Way.PLAIN:
        pytest.skip("the way plain computes by torch")
    if devices._has_driver():
        pytest.skip("torch is asked for the device whose driver is here")
    tiny = Tiny.prepare(tiny_team_folder)
    text, dictionary = tiny.foreseen(30), tiny.foreseen(200) if has_dictionary else b""
    given = {"model": str(tiny_team_folder), "text": text, "dictionary": dictionary}
    env = {**os.environ, WAY_VARIABLE: str(way)}

    def said(code: bytes) -> list[str]:
        program = MESSAGE.format(**given, code=code)
        done = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True
        )
        assert not done.returncode, done.stderr
        return done.stdout.split()

    heavy = {"torch", "transformers", "safetensors", "huggingface_hub", "yaml", "numba"}
    code, *modules = said(b"")
    if not heavy.isdisjoint(modules):  # as above
        again, *modules = said(b"")
        assert again == code
    assert heavy.isdisjoint(modules)
    heavy |= {"tokenizers"}
    decoded, *modules = said(bytes.fromhex(code))
    if not heavy.isdisjoint(modules):
        decoded, *modules = said(bytes.fromhex(code))
    assert decoded == code
    assert heavy.isdisjoint(modules)
