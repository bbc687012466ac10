"""docs/FORMAT.md is true: a decoder written from it reads the files, its examples are files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from container_samples import SMOLLM2, Groups, groups_of, models, options, read, write
from hypothesis import given
from hypothesis import strategies as st
from test_container_golden import LM_TEXTS, TEXTS, load

from decoder import container, decode
from document_models import ToldModel
from llmzip.container import Kind, ModelRef, Options, limits

DOCUMENT = (Path(__file__).parents[2] / "docs" / "FORMAT.md").read_text()


@given(st.lists(groups_of(Kind.STORED, Kind.LM), min_size=1, max_size=3), options, models)
def test_the_documents_decoder_reads_what_is_written(
    members: list[Groups], opts: Options, model: ModelRef
) -> None:
    file = b"".join(write(member, opts, model) for member in members)
    items = [item for member in members for g in member for w in g for item in w]
    of_lm = (data for chunk, data in items if chunk.kind is Kind.LM)
    assert decode(file, ToldModel(of_lm)) == b"".join(data for _, data in items)
    named = [member.model for member in container.members(file) if member.model is not None]
    assert {(found.name, found.source) for found in named} <= {(model.name, model.source)}
    assert all(found.fingerprint == model.fingerprint for found in named)
    assert all(found.machine == model.machine for found in named)


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_the_documents_decoder_reads_the_golden_files(name: str) -> None:
    assert decode(load(name)[1], ToldModel(LM_TEXTS.get(name, []))) == TEXTS[name]


def test_the_examples_are_files() -> None:
    examples = []
    for block in re.findall(r"(?:^    .*\n)+", DOCUMENT, flags=re.MULTILINE):
        if block.startswith("    89 4c 4d"):
            fields = [line[4:].split("  ")[0] for line in block.splitlines()]
            examples.append(bytes.fromhex("".join(fields)))
    assert len(examples) == 3
    texts = [decode(example) for example in examples]
    assert texts == [b"Hello", b"Hello", b""]
    assert all(read(example) for example in examples)


def test_the_limits_are_the_codes() -> None:
    for stated, limit in {
        "16 MiB": limits.MAX_CHUNK_BYTES,
        "65,536, and `chunk_tokens`": limits.MAX_CHUNK_TOKENS,
        "64 MiB each": limits.MAX_WAVE_BYTES,
        "65,536 each": limits.LONE_MAX_BYTES,
        "1 MiB each": limits.COMPACT_MAX_BYTES,
    }.items():
        assert f"| {stated} |" in DOCUMENT
        number = int(stated.split()[0].replace(",", ""))
        assert limit == number * (1 << 20 if "MiB" in stated else 1)
    assert SMOLLM2.name in DOCUMENT
