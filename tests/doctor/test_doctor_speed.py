"""Speeds are those of the paths that files take, beside what is known of the same way."""

from __future__ import annotations

import pytest

from llmzip.doctor import State, speed
from llmzip.doctor.tiny import tiny_opened, tiny_shape
from llmzip.exact.cpu.ways import way_of


def test_it_measures_prefill_and_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "ready_default", tiny_opened)
    monkeypatch.setattr(speed, "_ENOUGH_S", 0.1)
    own = str(way_of(tiny_shape()))
    reached = {"prefill": 10**9, "steps, 1 lane": 1, "steps, 32 lanes": 1}
    monkeypatch.setattr(speed, "REACHED", {own: ("another machine", reached)})
    prefill, one, many = speed.look()
    assert prefill.state is State.NOTE
    assert "(1,000,000,000 on another machine)" in prefill.value
    assert "at work on this machine" in prefill.advice
    assert (one.name, many.name) == ("steps, 1 lane", "steps, 32 lanes")
    assert one.state is many.state is State.OK
    assert many.figures["tokens_per_s"] > one.figures["tokens_per_s"] > 0


def test_of_other_ways_nothing_is_known_to_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "REACHED", {})
    bench = speed._Bench(tiny_opened(), "cpu", 1)
    assert bench.finding("prefill", 1234.5).value == "1,234 tokens/s"
