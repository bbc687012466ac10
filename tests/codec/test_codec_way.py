"""Whoever runs the codec learns how the model was computed: from the figures, and from an error."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from codec_samples import FakeModel, decode, encode, encode_with_stats, foretold
from numpy.typing import NDArray

import llmzip
from llmzip.codec import Stats
from llmzip.codec.stats import share_drafts
from llmzip.predict.protocol import Drafted
from llmzip.report.stats import stats_lines


@pytest.fixture
def model(byte_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(byte_tokenizer_json)


def test_the_figures_say_how_the_model_was_computed(model: FakeModel) -> None:
    _, stats = encode_with_stats(model, foretold(model, 300))
    assert stats.way == "fake"
    assert any(re.fullmatch(r"computed by +fake", line) for line in stats_lines(stats))


def test_where_no_model_was_needed_nothing_is_said_of_one() -> None:
    assert not any(line.startswith("computed by") for line in stats_lines(Stats(n_bytes=1)))


def test_the_figures_say_how_many_drafts_were_accepted() -> None:
    stats = Stats(n_tokens=9, n_drafted=4000)
    stats.count_drafts(Drafted(8000, 6000))
    (line,) = (line for line in stats_lines(stats) if line.startswith("drafts"))
    assert re.fullmatch(r"drafts +6,000 of 12,000 accepted \(50.0 %\)", line)
    assert not any(line.startswith("drafts") for line in stats_lines(Stats(n_tokens=9)))


def test_drafts_of_files_that_were_decoded_together_are_shared_out() -> None:
    files = [Stats(n_bytes=n) for n in (0, 10, 1, 7)]
    share_drafts(files, Drafted(1000, 100))
    assert [one.n_drafted for one in files] == [0, 555, 56, 389]
    assert sum(one.n_drafts_taken for one in files) == 100


def fail(*_arguments: object) -> NDArray[np.uint64]:
    raise ZeroDivisionError("a bug")


@pytest.mark.parametrize("encoding", [True, False])
def test_a_bug_is_reported_with_the_way(
    model: FakeModel, encoding: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = foretold(model, 300)
    packed = encode(model, data)
    monkeypatch.setattr(model.predictor, "frequencies", fail)
    with pytest.raises(ZeroDivisionError) as caught:
        encode(model, data) if encoding else decode(model, packed)
    assert caught.value.__notes__ == ["computed by fake"]


def test_the_command_line_says_so_in_the_same_line() -> None:
    program = (
        "import sys, llmzip.cli\n"
        "module = sys.modules['llmzip.cli.main']\n"
        "def run(*_):\n"
        "    bug = ZeroDivisionError('a bug')\n"
        "    bug.add_note('computed by cpu, avx2')\n"
        "    raise bug\n"
        "module._run = run\n"
        "sys.exit(module.main(['compress']))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(llmzip.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith("ZeroDivisionError: a bug; computed by cpu, avx2")
