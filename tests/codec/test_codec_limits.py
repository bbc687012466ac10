"""What a file may cost: computing, memory and output are bounded by its bytes and its reader."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from codec_samples import FakeModel, Foreteller, chunks_of, encode, foretold
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fake_predictor import FakeGroup, FakeLanes, intervals_of
from llmzip import mixing
from llmzip.codec import decode_stream
from llmzip.codec.lanes import Lanes, Slot
from llmzip.codec.memory import HISTORY_BYTES, wave_bytes
from llmzip.codec.spelling import take_spelling
from llmzip.coder import encode_lanes
from llmzip.container import Chunk, Kind, Options, Writer, chunk_checksum
from llmzip.container.claims import is_plausible
from llmzip.errors import CorruptError, LimitError
from llmzip.mixing import kernel, states
from llmzip.predict.protocol import MOST_ROWS, Drafted

LEARNING = Options(1 << 16, 1024, 128, adaptive=True)


@pytest.fixture(scope="module")
def model(gappy_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(gappy_tokenizer_json)


def file_of(chunks: Sequence[Chunk], data: bytes, options: Options, model: FakeModel) -> bytes:
    sink = io.BytesIO()
    writer = Writer(sink, options)
    writer.model(model.ref)
    writer.group()
    writer.wave(chunks, data)
    writer.finish()
    return sink.getvalue()


def decoded(model: FakeModel, file: bytes, **limits: Any) -> bytes:
    sink = io.BytesIO()
    decode_stream(io.BytesIO(file), sink, model.open_to_decode, **limits)
    return sink.getvalue()


# Mixed chunks: work by the payload


def test_an_empty_payload_is_all_ones_and_takes_no_computing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kernel, "decode", None)
    for n_bytes in (1, 5_000, 1 << 24):
        assert mixing.decompress(b"", n_bytes) == b"\xff" * n_bytes


def test_the_payload_of_ones_is_empty() -> None:
    """So the shortcut gives what the encoder, which has none, means by it."""
    for n_bytes in (1, 2, 100, 20_000):
        assert mixing.compress(b"\xff" * n_bytes, 1_000) == b""


@given(text=st.binary(max_size=60), n_ones=st.integers(0, 3_000))
@example(text=b"and then", n_ones=60_000)
@example(text=bytes(40), n_ones=60_000)
def test_ones_at_the_end_of_a_text_come_back(text: bytes, n_ones: int) -> None:
    data = (text or b"a") + b"\xff" * n_ones
    payload = mixing.compress(data, len(data) + 100)
    assert payload is not None
    assert mixing.decompress(payload, len(data)) == data


@pytest.mark.parametrize("n_payload", [1, 2, 3, 4, 5, 20, 100])
@pytest.mark.parametrize("byte", [0x01, 0x55, 0x80, 0xFE, 0xFF])
def test_computing_is_bounded_by_the_payload(n_payload: int, byte: int) -> None:
    payload = np.full(n_payload, byte, dtype=np.uint8)
    payload[:-1] = np.random.default_rng(byte).integers(0, 256, n_payload - 1)
    text = np.zeros(1 << 20, dtype=np.uint8)
    state = kernel.new_state(16)
    assert kernel.decode(state, payload, text)
    n_computed = int(state.heads.max())  # a head is the place after a byte that was computed
    assert 0 < n_computed <= 4_200 * n_payload + 17_000
    assert (text[n_computed:] == 0xFF).all()


def test_chances_stay_as_far_from_certain_as_the_bound_takes_them_to_be() -> None:
    """squash and the refining leave p from 11 to 65,514: a bit costs 2.4e-4 bits or more."""
    squash = kernel.new_state(16).squash.astype(np.int64)
    least, most = int(squash[1:].min()), int(squash.max())
    cell = most
    while cell > (cell + (-cell >> 6)):
        cell += -cell >> 6
    assert (least + cell) >> 1 == 11
    rising = 0
    while rising < rising + ((65_535 - rising) >> 6):
        rising += (65_535 - rising) >> 6
    assert (most + max(most, rising)) >> 1 == 65_514
    per_byte = 8 * -np.log2(65_525 / 65_536)
    assert 8 / per_byte < 4_200
    assert 32 / per_byte < 17_000


# Mixed chunks: state


def encoded_afresh(data: bytes) -> bytes:
    text = np.frombuffer(data, dtype=np.uint8).copy()
    payload = np.zeros(2 * len(data) + 100, dtype=np.uint8)
    bits = min(max((64 * len(data) - 1).bit_length(), 16), 26)
    n = kernel.encode(kernel.new_state(bits), text, payload)
    return payload[:n].tobytes()


texts = st.binary(min_size=1, max_size=300) | st.text("ab \n", min_size=1, max_size=1_500).map(
    str.encode
)


@given(data=texts)
@example(data=bytes(range(256)) * 16)
@example(data=b"once more " * 400)
def test_a_kept_state_is_as_good_as_new(data: bytes) -> None:
    payload = mixing.compress(data, 2 * len(data) + 100)
    assert payload == encoded_afresh(data)
    assert mixing.decompress(payload, len(data)) == data
    kept = states._kept.blank
    for name, fresh in kernel.new_state(states.MIN_TABLE_BITS)._asdict().items():
        assert (getattr(kept, name) == fresh).all(), name


def test_a_state_is_as_good_as_new_after_a_payload_that_is_refused() -> None:
    good = mixing.compress(b"once more " * 30, 200)
    assert good is not None
    for n_cut in range(1, len(good)):
        with pytest.raises(CorruptError):
            mixing.decompress(good + b"\x01" * n_cut, 300)
    assert mixing.compress(b"once more " * 30, 200) == good


def test_many_small_chunks_share_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    new_state = kernel.new_state

    def counted(table_bits: int) -> kernel.State:
        made.append(table_bits)
        return new_state(table_bits)

    monkeypatch.setattr(kernel, "new_state", counted)
    payload = mixing.compress(b"a", 9)
    assert payload is not None
    for _ in range(1_000):
        assert mixing.decompress(payload, 1) == b"a"
    assert len(made) <= 1


# LM chunks


def chunk_of(model: FakeModel, ids: Sequence[int], data: bytes) -> Chunk:
    """Return a chunk of any tokens, which says that it decodes to `data`."""
    coded = [intervals_of(model.predictor.frequencies, np.array(ids, dtype=np.int32))]
    return Chunk.spelled(Kind.LM, data, len(ids), encode_lanes(coded)[0])


def test_a_special_token_is_refused_at_its_step(
    byte_tokenizer_json: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = FakeModel.of(byte_tokenizer_json)
    (special,) = np.flatnonzero(~model.tokenizer.is_text).tolist()
    words = model.predictor.words
    ids = [words[0], words[1], special, *words[:40]]
    n_steps: list[int] = []
    totals = FakeLanes.totals

    def counted(lanes: FakeLanes, which: NDArray[np.int64]) -> NDArray[np.uint64]:
        n_steps.append(len(which))
        return totals(lanes, which)

    monkeypatch.setattr(FakeLanes, "totals", counted)
    data = b"x" * 100
    file = file_of([chunk_of(model, ids, data)], data, Options(), model)
    with pytest.raises(CorruptError, match="special token"):
        decoded(model, file)
    assert len(n_steps) == 3


def test_all_that_an_encoder_writes_is_text(model: FakeModel) -> None:
    ids = model.tokenizer.encode(bytes(range(256)) + " any wörds".encode())
    assert model.tokenizer.is_text[ids].all()


def test_a_list_of_line_ends_takes_little_more_than_its_bytes() -> None:
    payload = b"\xc0\x84\x3d" + bytes(1_000_000) + b"coded"
    tracemalloc.start()
    spelling, coded = take_spelling(Kind.LM_LINES, 2_000_000, payload)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    places = spelling.places
    assert places is not None
    assert (len(places), places[-1], coded) == (1_000_000, 999_999, b"coded")
    assert peak < 10 * len(payload)


def test_coded_bytes_after_line_ends_are_no_more_than_tokens_can_have() -> None:
    data = b"x" * 1_000
    fits = Chunk(Kind.LM_LINES, 1_000, 10, chunk_checksum(data), b"\0" + b"\1" * 68)
    assert len(Slot(fits).coded()) == 68
    surplus = replace(fits, payload=b"\0" + b"\1" * 69)
    with pytest.raises(CorruptError, match="69 coded bytes are too many for 10 tokens"):
        Slot(surplus).coded()


# Limits of the reader


@pytest.mark.parametrize("options", [Options(), LEARNING])
def test_what_no_encoder_claims_is_refused_before_a_model_is_opened(
    model: FakeModel, options: Options
) -> None:
    data = b"x" * 4_000
    chunk = Chunk(Kind.LM, 4_000, 1_025, chunk_checksum(data), b"")
    file = file_of([chunk], data, options, model)
    model.opened.clear()
    with pytest.raises(LimitError, match="1,025 tokens in 0 bytes"):
        decoded(model, file)
    assert model.opened == []
    with pytest.raises(CorruptError):  # it is tried by who asks for it
        decoded(model, file, max_output=4_000)


@pytest.mark.parametrize("options", [Options(chunk_tokens=30), LEARNING])
def test_output_beyond_the_limit_is_refused(model: FakeModel, options: Options) -> None:
    text = foretold(model, 100)
    file = encode(model, text, options)
    assert decoded(model, file, max_output=len(text)) == text
    model.opened.clear()
    with pytest.raises(LimitError, match=f"decodes to {len(text)} bytes"):
        decoded(model, file, max_output=len(text) - 1)
    assert model.opened == []


def test_the_limit_counts_all_members(model: FakeModel) -> None:
    text = foretold(model, 20)
    file = encode(model, text)
    sink = io.BytesIO()
    with pytest.raises(LimitError):
        decode_stream(
            io.BytesIO(file * 3), sink, model.open_to_decode, max_output=3 * len(text) - 1
        )
    assert sink.getvalue() == text * 2


def test_chunks_that_share_nothing_take_fewer_lanes_where_memory_is_short(
    model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = foretold(model, 200)
    file = encode(model, text, Options(chunk_tokens=20))
    made: list[int] = []
    lanes = model.predictor.lanes
    lane_bytes = model.predictor.lane_bytes()

    def counted(n_lanes: int) -> FakeLanes:
        made.append(n_lanes)
        return lanes(n_lanes)

    monkeypatch.setattr(model.predictor, "lanes", counted)
    for memlimit in (None, 3 * lane_bytes - 1, lane_bytes):
        assert decoded(model, file, n_lanes=4, memlimit=memlimit) == text
    assert made == [4, 2, 1]
    with pytest.raises(LimitError, match=r"takes 100 bytes of memory .* --memlimit allows 99"):
        decoded(model, file, memlimit=lane_bytes - 1)


def test_chunks_that_learn_need_all_their_memory(
    model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = foretold(model, 120)
    file = encode(model, text, LEARNING)
    n_tokens = [chunk.n_tokens for chunk in chunks_of(file)]
    needed = len(n_tokens) * model.predictor.lane_bytes(max(n_tokens)) + HISTORY_BYTES * sum(
        n_tokens
    )
    assert decoded(model, file, memlimit=needed) == text
    made: list[int] = []
    monkeypatch.setattr(Lanes, "__init__", lambda *_: made.append(1))
    with pytest.raises(LimitError, match="learn from each other takes"):
        decoded(model, file, memlimit=needed - 1)
    assert made == []


def test_drafts_have_the_memory_that_is_left(
    model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = foretold(model, 120)
    file = encode(model, text, LEARNING)
    n_tokens = [chunk.n_tokens for chunk in chunks_of(file)]
    needed = wave_bytes(model.predictor, n_tokens, 0)
    allowed: list[int] = []
    lanes = FakeGroup.lanes

    def noted(group: FakeGroup, n: Sequence[int], drafted: Drafted | None = None) -> FakeLanes:
        assert drafted is not None
        allowed.append(drafted.most_rows)
        return lanes(group, n, drafted)

    monkeypatch.setattr(FakeGroup, "lanes", noted)
    monkeypatch.setattr(model.predictor, "row_bytes", 10)
    for memlimit in (needed, needed + 9, needed + 35, needed + 1_000_000, None):
        assert decoded(model, file, memlimit=memlimit) == text
    n_lanes = len(n_tokens)
    assert allowed == [n_lanes, n_lanes, n_lanes + 3, MOST_ROWS, MOST_ROWS]


class Certain(Foreteller):
    """All but certain of what it foresees, as a model may be of a text that repeats."""

    def frequencies(self, context: list[int]) -> NDArray[np.uint64]:
        freq = np.ones(self.vocab_size, dtype=np.uint64)
        freq[self.foreseen(context[-2:])] += np.uint64(1 << 47)
        return freq


def test_an_encoder_makes_no_claim_that_a_reader_asks_about(model: FakeModel) -> None:
    certain = replace(model, predictor=Certain(model.tokenizer))
    text = foretold(certain, 5_300)
    n_tokens = len(model.tokenizer.encode(text))
    coded = [intervals_of(certain.predictor.frequencies, model.tokenizer.encode(text))]
    alone = Chunk.spelled(Kind.LM, text, n_tokens, encode_lanes(coded)[0])
    assert not is_plausible(alone)  # or this would test nothing
    for options in (Options(chunk_tokens=8_192), LEARNING):
        file = encode(certain, text, options)
        assert all(map(is_plausible, chunks_of(file)))
        assert decoded(certain, file) == text
