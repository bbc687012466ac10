"""Groups that are encoded alone make the file that is made at once; alone they decode, too."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parents[1] / "codec")]  # a model in milliseconds

from codec_samples import FakeModel, awkward, encode, foretold, words

from llmzip.codec.access import parts_of
from llmzip.codec.levels import LEVELS, Level
from llmzip.codec.parts import PartWriter, decode_part, encode_part
from llmzip.codec.stats import Stats
from llmzip.container import ModelRef
from llmzip.errors import CorruptError, LimitError, ResumeError
from llmzip.spread.packing import pack, unpack
from llmzip.spread.units import MadeText

SMALL = replace(LEVELS[5], group_bytes=3000, target_tokens=200)
FROZEN = replace(LEVELS[1], group_bytes=3000, target_tokens=200)


@pytest.fixture(scope="module")
def model(byte_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(byte_tokenizer_json)


@pytest.fixture(scope="module")
def texts(model: FakeModel) -> dict[str, bytes]:
    mixed = foretold(model, 1200) + awkward()["100 kB random"][:5000] + words(4000)
    return {
        "mixed": mixed,
        "one group": foretold(model, 300),
        "one small group": b"It was the best of times, it was the worst of times",
        "no model": awkward()["100 kB random"][:7000],
        "whole groups": mixed[:6000],
        "crlf": words(4000).replace(b"\n", b"\r\n"),
    }


def in_parts(model: FakeModel, text: bytes, level: Level) -> bytes:
    sink = io.BytesIO()
    writer = PartWriter(sink)
    for start in range(0, len(text), level.group_bytes):
        data = text[start : start + level.group_bytes]
        writer.add(encode_part(data, model.open_to_encode, level), data)
    stats = writer.finish()
    assert (stats.n_bytes, stats.n_file_bytes) == (len(text), len(sink.getvalue()))
    return sink.getvalue()


@pytest.mark.parametrize("level", [SMALL, FROZEN], ids=["learning", "frozen"])
def test_the_bytes_are_those_of_one_run(
    model: FakeModel, texts: dict[str, bytes], level: Level
) -> None:
    for name, text in texts.items():
        assert in_parts(model, text, level) == encode(model, text, level), name


@pytest.mark.parametrize("level", [SMALL, FROZEN], ids=["learning", "frozen"])
def test_any_group_decodes_from_its_own_bytes(
    model: FakeModel, texts: dict[str, bytes], level: Level
) -> None:
    packed = encode(model, texts["mixed"], level)
    parts = parts_of(io.BytesIO(packed))
    assert parts is not None
    assert len(parts.groups) > 2
    decoded = [
        decode_part(packed[part.start : part.stop], part, model.open_to_decode)
        for part in parts.groups
    ]
    assert b"".join(text for text, _ in decoded) == texts["mixed"]
    assert sum(stats.n_tokens for _, stats in decoded) > 100


def test_files_that_have_no_groups_to_spread_say_so(
    model: FakeModel, texts: dict[str, bytes]
) -> None:
    one = encode(model, texts["one group"], SMALL)
    several = encode(model, texts["mixed"], SMALL)
    assert parts_of(io.BytesIO(several)) is not None
    for file in (one, several * 2, several + bytes(9), several + b"more", several[:-1], b""):
        assert parts_of(io.BytesIO(file)) is None
    with pytest.raises(LimitError, match="--max-output"):
        parts_of(io.BytesIO(several), max_output=100)


def test_a_text_that_has_changed_meanwhile_is_noticed(
    model: FakeModel, texts: dict[str, bytes]
) -> None:
    data = texts["mixed"][:3000]
    part = encode_part(data, model.open_to_encode, SMALL)
    for other in (data[:-1], data + b"x", b"x" + data[1:], b""):
        with pytest.raises(CorruptError, match="has changed"):
            PartWriter(io.BytesIO()).add(part, other)


def test_parts_by_different_models_are_not_one_file(
    model: FakeModel, texts: dict[str, bytes]
) -> None:
    data = texts["one group"]
    part = encode_part(data, model.open_to_encode, SMALL)
    writer = PartWriter(io.BytesIO())
    writer.add(part, data)
    with pytest.raises(ResumeError, match="different models"):
        writer.add(replace(part, model=ModelRef("another", "", b"prints")), data)


def test_what_was_measured_comes_back_and_adds_up() -> None:
    stats = Stats(n_bytes=7, model_name="a", transcoded={"UTF-16LE": 5, "BIG5": 2})
    kept = pack(MadeText(b"text", stats))
    assert kept is not None
    found = unpack(kept)
    assert found == MadeText(b"text", stats)
    stats.add(Stats(n_bytes=3, way="cpu", transcoded={"BIG5": 1, "EUC-KR": 2}))
    wanted = {"UTF-16LE": 5, "BIG5": 3, "EUC-KR": 2}
    assert stats == Stats(n_bytes=10, model_name="a", way="cpu", transcoded=wanted)
