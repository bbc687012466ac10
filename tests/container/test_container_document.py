"""docs/FORMAT.md is true: a decoder written from it reads the files, its examples are files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import format_decoder
import pytest
from container_samples import SMOLLM2, Groups, groups_of, models, options, read, write
from hypothesis import given
from hypothesis import strategies as st
from test_container_golden import TEXTS, load

from llmzip.container import Kind, ModelRef, Options, limits

DOCUMENT = (Path(__file__).parents[2] / "docs" / "FORMAT.md").read_text()


def lm_texts(texts: Iterator[bytes]) -> format_decoder.LmDecoder:
    """Return a stand-in for a model: it knows what the lm chunks decode to, in order."""
    return lambda payload, n_bytes: next(texts)


@given(st.lists(groups_of(Kind.STORED, Kind.LM), min_size=1, max_size=3), options, models)
def test_the_documents_decoder_reads_what_is_written(
    members: list[Groups], opts: Options, model: ModelRef
) -> None:
    file = b"".join(write(member, opts, model) for member in members)
    items = [item for member in members for g in member for w in g for item in w]
    of_lm = (data for chunk, data in items if chunk.kind is Kind.LM)
    text, found = format_decoder.decode(file, lm_texts(of_lm))
    assert text == b"".join(data for _, data in items)
    assert set(found) <= {(model.name, model.source)}


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_the_documents_decoder_reads_the_golden_files(name: str) -> None:
    text = TEXTS[name]
    of_lm = {
        "good-lone-lm": [text],
        "good-lone-options-tied": [text],
        "good-lone-dictionary": [text],
        "good-lone-learning": [text],
        "good-sequence-dictionary": [b"first ", b"second"],
        "good-compact-lm": [b"Prediction ", b"is ", b"compression."],
        "good-compact-mixed": [b"text"],
        "good-groups": [b"second wave", b"of two chunks", b"end"],
    }
    assert format_decoder.decode(load(name)[1], lm_texts(iter(of_lm.get(name, []))))[0] == text


def test_the_examples_are_files() -> None:
    examples = []
    for block in re.findall(r"(?:^    .*\n)+", DOCUMENT, flags=re.MULTILINE):
        if block.startswith("    89 4c 4d"):
            fields = [line[4:].split("  ")[0] for line in block.splitlines()]
            examples.append(bytes.fromhex("".join(fields)))
    assert len(examples) == 3
    texts = [format_decoder.decode(example, lm_texts(iter(())))[0] for example in examples]
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
