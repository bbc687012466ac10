"""Golden files: each is written again to the byte, and read, by every way of computing.

They are kept for ever: a change that breaks one breaks the users' files. tests/golden/make.py
makes new ones.
"""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path

import pytest
from golden_cases import CASES, FILES
from golden_models import REFERENCE, golden_model
from make import load

from decoder import decode
from llmzip.codec.levels import LEVELS
from llmzip.container import Kind, Reader, Wave, inspect
from llmzip.exact.cpu.ways import runnable_ways, takes


def ways(name: str) -> list[str]:
    """Return the ways in which this processor can run the model of a case, and the reference."""
    shape = golden_model(CASES[name].model).model.shape
    slow = [REFERENCE] if name.endswith("-learning") else []
    return [*(str(way) for way in runnable_ways() if takes(way, shape)), *slow]


@cache
def same_as_ever(name: str, way: str) -> bool:
    return CASES[name].encode(way) == load(name)


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if case.portable and case.is_written]
)
def test_the_same_bytes_are_written_by_every_way(name: str) -> None:
    assert [way for way in ways(name) if not same_as_ever(name, way)] == []


@pytest.mark.parametrize("name", CASES)
def test_the_text_comes_back_by_every_way(name: str) -> None:
    case, file = CASES[name], load(name)
    assert [way for way in ways(name) if case.decode(file, way) != case.text] == []


@pytest.mark.parametrize("name", CASES)
def test_the_documents_decoder_reads_it(name: str, tmp_path: Path) -> None:
    case, model = CASES[name], golden_model(CASES[name].model)
    model.model.save(tmp_path / "model.safetensors")
    (tmp_path / "tokenizer.json").write_text(model.tokenizer_json, encoding="utf-8")
    (tmp_path / "info.json").write_text(json.dumps({"info": {"bos_id": 0}}), encoding="utf-8")
    assert decode(load(name), tmp_path, case.dictionary) == case.text


@pytest.mark.parametrize("model", ["gpt2-wide", "llama-wide"])
def test_wide_models_are_for_all_kernels(model: str) -> None:
    shape = golden_model(model).model.shape
    assert all(takes(way, shape) for way in runnable_ways())


def test_every_case_has_its_file_and_no_more() -> None:
    assert {path.stem for path in FILES.glob("*.hex")} == set(CASES)
    assert sum(path.stat().st_size for path in FILES.glob("*.hex")) < 200_000


def test_every_level_kind_family_and_option_is_there() -> None:
    found = [(case, load(name)) for name, case in CASES.items()]
    assert {level for case, _ in found for level in case.levels} >= set(LEVELS.values())
    for family in ("gpt2", "llama"):
        kinds = {
            chunk.kind
            for case, file in found
            if case.model.startswith(family)
            for record in Reader(io.BytesIO(file))
            if isinstance(record, Wave)
            for chunk in record.chunks
        }
        assert kinds >= {Kind.LM, Kind.LM_LINES}
    summaries = [list(inspect(io.BytesIO(file))) for _, file in found]
    members = [member for one in summaries for member in one]
    assert {kind for member in members for kind in member.n_chunks} == set(Kind)
    assert max(len(one) for one in summaries) > 1
    assert max(member.n_groups for member in members) > 2
    assert max(member.n_waves for member in members) > 1
    assert any(member.options.dictionary for member in members)
