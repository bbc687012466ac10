"""What the codec writes, the documents' decoder reads: with a fake model, in milliseconds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from codec_samples import FakeModel, awkward, encode, foretold, mostly_foretold, words
from hypothesis import given, settings
from hypothesis import strategies as st

import document_models
from decoder import decode
from decoder.container import LM_KINDS, members
from llmzip.codec.levels import LEVELS


@pytest.fixture(scope="module")
def model(byte_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(byte_tokenizer_json)


@pytest.fixture(scope="module")
def documented(model: FakeModel, byte_tokenizer_json: str) -> document_models.FakeModel:
    return document_models.FakeModel(model.predictor, byte_tokenizer_json)


@pytest.mark.parametrize("name", sorted(set(awkward()) - {"1 MB of one letter"}))
@pytest.mark.parametrize("level", [1, 5])
def test_awkward_data(
    model: FakeModel, documented: document_models.FakeModel, level: int, name: str
) -> None:
    data = awkward()[name]
    assert decode(encode(model, data, LEVELS[level]), documented) == data


stretches = st.sampled_from(["foretold", "mostly", "words", "noise", "crlf"])


@settings(max_examples=40)
@given(
    layout=st.lists(st.tuples(stretches, st.integers(1, 60)), max_size=6),
    level=st.sampled_from([1, 3, 5, 9]),
    chunk_tokens=st.integers(2, 60),
    n_lanes=st.integers(1, 3),
    group_bytes=st.integers(50, 900),
)
def test_any_mixture_in_any_layout(
    model: FakeModel,
    documented: document_models.FakeModel,
    layout: list[tuple[str, int]],
    level: int,
    chunk_tokens: int,
    n_lanes: int,
    group_bytes: int,
) -> None:
    data = b"".join(stretch(model, kind, n) for kind, n in layout)
    chosen = replace(
        LEVELS[level].with_chunks(chunk_tokens), n_lanes=n_lanes, group_bytes=group_bytes
    )
    assert decode(encode(model, data, chosen), documented) == data


def stretch(model: FakeModel, kind: str, n: int) -> bytes:
    match kind:
        case "foretold":
            return foretold(model, n)
        case "mostly":
            return mostly_foretold(model, n, n)
        case "crlf":
            return foretold(model, n).replace(b" t", b"\r\nt")
        case "words":
            return words(n)
    return bytes(n * i % 251 for i in range(n))


@pytest.mark.parametrize("level", [1, 5])
def test_text_goes_through_the_model(
    model: FakeModel, documented: document_models.FakeModel, level: int
) -> None:
    file = encode(model, foretold(model, 300), LEVELS[level])
    waves = [wave for member in members(file) for group in member.groups for wave in group]
    assert all(chunk.kind in LM_KINDS for wave in waves for chunk in wave)
    assert decode(file, documented) == foretold(model, 300)
