"""An output that was cut off anywhere is completed to the same bytes; whole groups stay."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator

import pytest
from codec_samples import FakeModel, mostly_foretold

from llmzip import Compressor, Decompressor, ResumeError
from llmzip.codec import encode_stream, groups, resume_decoding, resume_encoding
from llmzip.codec.levels import Level
from llmzip.container import Chunk, ModelRef, Options, Reader, Wave

GROUP = 1 << 20
DATA = random.Random(8).randbytes(3 * GROUP + GROUP // 2)
"""Four groups, the last one shorter."""

SMALL_GROUP = 4096
ADAPTIVE = Level(Options(60, 2048, 256, adaptive=True), SMALL_GROUP, n_lanes=3, target_tokens=20)
FROZEN = Level(Options(60, 2048, 256), SMALL_GROUP, n_lanes=3, target_tokens=60)


class Watched(io.BytesIO):
    """Remembers the first place that is written to."""

    first: int | None = None

    def write(self, data: object, /) -> int:
        if self.first is None:
            self.first = self.tell()
        return super().write(data)  # type: ignore[arg-type]


@pytest.fixture(scope="module", autouse=True)
def quickly() -> Iterator[None]:
    """Do without the seconds that LZMA takes to find out that noise is noise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "classical_chunk", Chunk.stored)
        yield


@pytest.fixture(scope="module")
def compressor() -> Compressor:
    return Compressor(level=1)


@pytest.fixture(scope="module")
def packed(compressor: Compressor) -> bytes:
    sink = io.BytesIO()
    compressor.compress(io.BytesIO(DATA), sink)
    return sink.getvalue()


def test_a_file_cut_off_anywhere(compressor: Compressor, packed: bytes) -> None:
    dice = random.Random(1)
    places = [dice.randrange(len(packed)) for _ in range(6)]
    for n_kept in [
        0,
        3,
        11,
        GROUP,
        GROUP + 60,
        2 * GROUP + 70,
        len(packed) - 1,
        len(packed),
        *places,
    ]:
        unfinished = Watched(packed[:n_kept])
        stats = compressor.resume(io.BytesIO(DATA), unfinished)
        assert unfinished.getvalue() == packed, n_kept
        assert (stats.n_bytes, stats.n_file_bytes) == (len(DATA), len(packed))
        assert unfinished.first is not None
        assert n_kept - unfinished.first <= GROUP + 200


def test_a_text_cut_off_anywhere(packed: bytes) -> None:
    dice = random.Random(2)
    places = [dice.randrange(len(DATA)) for _ in range(6)]
    for n_kept in [0, 1, GROUP - 1, GROUP, 3 * GROUP, len(DATA) - 1, len(DATA), *places]:
        unfinished = Watched(DATA[:n_kept])
        stats = Decompressor().resume(io.BytesIO(packed), unfinished)
        assert unfinished.getvalue() == DATA
        assert stats.n_bytes == len(DATA)
        expected = None if n_kept == len(DATA) else n_kept // GROUP * GROUP
        assert unfinished.first == expected


@pytest.mark.parametrize("place", [0, GROUP + 5, 2 * GROUP - 1])
def test_other_bytes_are_refused_and_stay(
    compressor: Compressor, packed: bytes, place: int
) -> None:
    other = DATA[:place] + bytes([DATA[place] ^ 1]) + DATA[place + 1 :]
    unfinished = io.BytesIO(packed[:-9])
    with pytest.raises(ResumeError):
        compressor.resume(io.BytesIO(other), unfinished)
    assert unfinished.getvalue() == packed[:-9]
    unfinished = io.BytesIO(other)
    with pytest.raises(ResumeError):
        Decompressor().resume(io.BytesIO(packed), unfinished)
    assert unfinished.getvalue() == other


def test_a_shorter_input_is_refused(compressor: Compressor, packed: bytes) -> None:
    with pytest.raises(ResumeError):
        compressor.resume(io.BytesIO(DATA[: GROUP + 7]), io.BytesIO(packed))


def test_another_level_is_refused(packed: bytes) -> None:
    for level in (2, 3):
        with pytest.raises(ResumeError):
            Compressor(level=level).resume(io.BytesIO(DATA), io.BytesIO(packed[:-1]))


def test_damage_in_what_was_left_is_done_anew(compressor: Compressor, packed: bytes) -> None:
    """As after a power failure: the sums that a file has of itself tell how far it is whole."""
    spoilt = packed[: GROUP + 500] + bytes(1000) + packed[GROUP + 1500 : 2 * GROUP]
    unfinished = Watched(spoilt)
    compressor.resume(io.BytesIO(DATA), unfinished)
    assert unfinished.getvalue() == packed
    assert unfinished.first is not None
    assert GROUP < unfinished.first < GROUP + 500


@pytest.fixture(scope="module")
def model(byte_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(byte_tokenizer_json)


def with_text(model: FakeModel) -> bytes:
    """Return noise, then text, then noise, then text: the model is met after the first group."""
    text = mostly_foretold(model, 2 * SMALL_GROUP, seed=6)
    noise = random.Random(4).randbytes(SMALL_GROUP)
    return noise + text[: 2 * SMALL_GROUP] + noise + text[:3000]


def written(model: FakeModel, data: bytes, level: Level) -> bytes:
    sink = io.BytesIO()
    encode_stream(io.BytesIO(data), sink, model.open_to_encode, level)
    return sink.getvalue()


@pytest.mark.parametrize("level", [FROZEN, ADAPTIVE], ids=["frozen", "adaptive"])
def test_with_a_model(model: FakeModel, level: Level) -> None:
    """Cut off before, in and after the record that names it, and in groups that it has coded."""
    data = with_text(model)
    packed = written(model, data, level)
    waves = [record for record in Reader(io.BytesIO(packed)) if isinstance(record, Wave)]
    assert not waves[0].needs_model
    assert sum(wave.needs_model for wave in waves) > 2
    places = {*range(0, len(packed), len(packed) // 40), *range(4090, 4200, 7), len(packed)}
    for n_kept in sorted(places):
        unfinished = io.BytesIO(packed[:n_kept])
        resume_encoding(io.BytesIO(data), unfinished, model.open_to_encode, level)
        assert unfinished.getvalue() == packed, n_kept
    for n_kept in range(0, len(data) + 1, 1024):
        unfinished = io.BytesIO(data[:n_kept])
        resume_decoding(io.BytesIO(packed), unfinished, model.open_to_decode)
        assert unfinished.getvalue() == data, n_kept


def test_another_model_is_refused(model: FakeModel) -> None:
    data = with_text(model)
    left = written(model, data, ADAPTIVE)[:-10]
    other = FakeModel(model.predictor, model.tokenizer, ModelRef("other", "local", b"prints"))
    unfinished = io.BytesIO(left)
    with pytest.raises(ResumeError, match="another model"):
        resume_encoding(io.BytesIO(data), unfinished, other.open_to_encode, ADAPTIVE)
    assert unfinished.getvalue() == left
