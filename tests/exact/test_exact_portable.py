"""The default model's files: the same bytes under every setting, and each opens under any other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import llmzip
from llmzip.errors import ModelNotFoundError

TEXT = (Path(__file__).parent.parent.parent / "LICENSE").read_bytes()[200:800]
CHUNK_TOKENS = "24"  # several chunks of such a short text, so that lanes have company
Setting = tuple[dict[str, str], list[str]]

WRITERS: list[Setting] = [
    ({}, ["--batch", "64"]),
    ({"OMP_NUM_THREADS": "1", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, ["--batch", "1"]),
    ({"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}, ["--threads", "2"]),
    ({"OMP_NUM_THREADS": "2", "ATEN_CPU_CAPABILITY": "avx2"}, ["--batch", "3"]),
]
READERS: list[Setting] = [
    ({"OMP_NUM_THREADS": "2", "ONEDNN_MAX_CPU_ISA": "AVX2"}, ["--batch", "64"]),
    ({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"}, ["--batch", "1"]),
    ({"ATEN_CPU_CAPABILITY": "default"}, ["--batch", "3", "--threads", "1"]),
]
if torch.cuda.is_available():
    WRITERS.append(({}, ["--device", "cuda"]))
    READERS.append(({}, ["--device", "cuda"]))


@pytest.fixture(scope="module")
def prepared_default(request: pytest.FixtureRequest) -> str:
    """The default model, prepared, or a skip where it cannot be had."""
    try:
        name: str = request.getfixturevalue("prepared_default_model")
    except ModelNotFoundError as exc:
        pytest.skip(f"the default model cannot be fetched: {exc}")
    return name


def llmzip_as(setting: Setting, verb: str, *options: str, data: bytes) -> bytes:
    """Run llmzip as a filter in a process of its own under `setting`."""
    variables, more = setting
    source = str(Path(llmzip.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-m", "llmzip", verb, "-q", "-c", "--device", "cpu", *more, *options],
        env={**os.environ, "PYTHONPATH": source, **variables},
        input=data,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.slow
def test_a_file_is_the_same_from_every_machine_and_opens_on_every_other(
    prepared_default: str,
) -> None:
    options = ("-m", prepared_default, "--chunk-tokens", CHUNK_TOKENS)
    first, *others = (llmzip_as(s, "compress", *options, data=TEXT) for s in WRITERS)
    assert len(first) < len(TEXT) // 2
    assert others == [first] * len(others)
    for setting in READERS:
        assert llmzip_as(setting, "decompress", data=first) == TEXT
