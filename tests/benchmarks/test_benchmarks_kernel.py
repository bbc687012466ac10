"""benchmarks/kernel.py: each kernel is timed, and what does not equal the reference is an error."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from llmzip.exact.cpu.ways import runnable_ways

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import kernel  # noqa: E402

WAY = str(runnable_ways()[-1])
SMALL = [
    *("--way", WAY, "--heads", "3", "--kv-heads", "1", "--d-model", "64", "--d-ff", "64"),
    *("--vocab", "300", "--keys", "70", "--rows", "20", "--lanes", "2", "--runs", "2"),
]


@pytest.mark.parametrize("name", kernel.NAMES)
def test_a_kernel_is_timed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    kernel.main([name, *SMALL])
    assert re.match(rf"{name}, {WAY}: [\d.]+ µs a row .* 2 runs\n", capsys.readouterr().out)


def test_other_numbers_than_the_references_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([[np.zeros(3)], [np.array([0, 0, 1])]])
    monkeypatch.setattr(kernel.Bench, "_answers", lambda *_: next(answers))
    with pytest.raises(SystemExit, match="other numbers"):
        kernel.main(["layer", *SMALL])
