"""The self-test's numbers are those of the reference, and every way gives them."""

from __future__ import annotations

import numpy as np
import pytest

from llmzip.doctor import answers, self_tests
from llmzip.doctor.findings import State
from llmzip.doctor.tiny import tiny_model, tiny_opened, tiny_shape
from llmzip.exact.checks import check_shape, check_tensors
from llmzip.exact.cpu import ways
from llmzip.exact.cpu.ways import Way, takes, way_of
from llmzip.exact.engines import make_engine
from llmzip.exact.torch_engine import TorchEngine


def test_the_reference_answers_what_is_written_down() -> None:
    """After a change of the engine's version: RIGHT is what this finds."""
    assert answers.answers(TorchEngine(tiny_model(), "cpu")) == answers.RIGHT


def test_the_kernels_answer_the_same() -> None:
    (finding,) = self_tests.look_at_kernels()
    assert finding.state is State.OK
    assert str(way_of(tiny_shape())) in finding.value


def test_kernels_that_answer_otherwise_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(answers.RIGHT, "steps", "something else")
    own = way_of(tiny_shape())
    monkeypatch.setattr(ways, "runnable_ways", lambda: [own])  # others would be compiled
    (finding,) = self_tests.look_at_kernels()
    assert finding.state is State.WRONG
    assert finding.value.startswith("WRONG")
    assert "in steps" in finding.value
    assert "report it" in finding.advice


def test_the_tiny_model_is_one_that_every_way_takes() -> None:
    model = tiny_model()
    check_shape(model.shape)
    check_tensors(model.shape, dict(model.named_tensors()))
    assert all(takes(way, model.shape) for way in Way)
    ids = tiny_opened().tokenizer.encode("é\0\n".encode())
    assert tiny_opened().tokenizer.decode(ids) == "é\0\n".encode()


def test_every_position_of_the_answers_is_there() -> None:
    engine = make_engine(tiny_model(), "cpu", answers.N_POSITIONS)
    assert engine.max_rows >= answers.N_POSITIONS * 3
    assert answers._ids(320).shape[1] <= answers.N_POSITIONS
    assert np.unique(answers._ids(320)).size > 50
