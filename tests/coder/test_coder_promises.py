"""What the range coder promises: exact words, size, and that nothing gets past its end."""

from __future__ import annotations

import contextlib
import math
import random

import numpy as np
import pytest
from coder_samples import (
    Symbol,
    confined,
    decode,
    documented_decode,
    ideal_bytes,
    lane,
    reference_encode,
)
from hypothesis import given
from hypothesis import strategies as st

from decoder import RefusedError
from llmzip.coder import MAX_TOTAL, RangeDecoder, encode_lanes
from llmzip.errors import CorruptError
from llmzip.predict import protocol


@st.composite
def symbols(draw: st.DrawFn) -> Symbol:
    total = draw(st.integers(0, 48).flatmap(lambda bits: st.integers(1, 1 << bits)))
    low = draw(st.integers(0, total - 1))
    freq = draw(st.one_of(st.just(1), st.just(total - low), st.integers(1, total - low)))
    return low, freq, total


sequences = st.lists(symbols(), max_size=60)


def random_symbols(seed: int, n: int) -> list[Symbol]:
    rng = random.Random(seed)
    out = []
    for _ in range(n):
        total = rng.randint(1, 1 << rng.randint(0, 48))
        low = rng.randrange(total)
        out.append((low, rng.randint(1, total - low), total))
    return out


def decode_or_refuse(payload: bytes, case: list[Symbol]) -> None:
    if not decode(RangeDecoder(1), 0, payload, case):
        raise CorruptError("other symbols")


EDGE_CASES = {
    "empty": [],
    "certain": [(0, 1, 1)] * 50,
    "certain with a large total": [(0, MAX_TOTAL, MAX_TOTAL)] * 50,
    "rarest, first": [(0, 1, MAX_TOTAL)] * 50,
    "rarest, last": [(MAX_TOTAL - 1, 1, MAX_TOTAL)] * 50,
    "every byte": [(byte, 1, 256) for byte in range(256)],
    # The interval closes in on one half from both sides: is it 0.7FFF… or 0.8000…?
    "middle third": [(1, 1, 3)] * 500,
    "middle third, then up": [(1, 1, 3)] * 500 + [(2, 1, 3)],
    "middle third, then down": [(1, 1, 3)] * 500 + [(0, 1, 3)],
    "no power of two": [(MAX_TOTAL // 3, 1, MAX_TOTAL - 1)] * 50,
}


@pytest.mark.parametrize("name", EDGE_CASES)
def test_edge_case_is_coded_as_the_reference_does(name: str) -> None:
    case = EDGE_CASES[name]
    (payload,) = encode_lanes([lane(case)])
    assert payload == reference_encode(case)
    assert decode(RangeDecoder(1), 0, payload, case)


@given(sequences)
def test_payload_is_the_reference_coders(case: list[Symbol]) -> None:
    (payload,) = encode_lanes([lane(case)])
    assert payload == reference_encode(case)


@given(sequences)
def test_round_trip(case: list[Symbol]) -> None:
    (payload,) = encode_lanes([lane(case)])
    assert decode(RangeDecoder(1), 0, payload, case)


@given(sequences)
def test_decoder_written_from_the_document_reads_it(case: list[Symbol]) -> None:
    (payload,) = encode_lanes([lane(case)])
    targets = documented_decode(payload, case)
    assert all(low <= t < low + f for t, (low, f, _) in zip(targets, case, strict=True))


@given(sequences, st.binary(max_size=30))
def test_decoder_refuses_what_the_document_refuses(case: list[Symbol], payload: bytes) -> None:
    try:
        documented_decode(payload, case)
    except RefusedError:
        with pytest.raises(CorruptError):
            decode_or_refuse(payload, case)
    else:
        assert decode(RangeDecoder(1), 0, payload, case)


@given(sequences)
def test_size_is_the_information_and_at_most_a_byte(case: list[Symbol]) -> None:
    (payload,) = encode_lanes([lane(case)])
    # One unit of range in 2**8 may be missing from a symbol at the largest totals.
    dealt_unevenly = sum(math.log2(1 + total / 2**56) for _, _, total in case) / 8
    assert len(payload) <= ideal_bytes(case) + dealt_unevenly + 1.01


def test_long_sequence_costs_its_information_and_nothing_else() -> None:
    case = random_symbols(seed=1, n=5_000)
    (payload,) = encode_lanes([lane(case)])
    assert payload == reference_encode(case)
    assert abs(len(payload) - ideal_bytes(case)) < 2


@pytest.mark.parametrize("total", [1 << 32, 1 << 40, MAX_TOTAL - 1, MAX_TOTAL])
def test_likely_symbols_cost_nearly_nothing(total: int) -> None:
    case = [(10, total - 20, total)] * 100_000
    (payload,) = encode_lanes([lane(case)])
    assert len(payload) <= ideal_bytes(case) + 2


def test_exact_words() -> None:
    """Other bytes here mean that old files no longer decode: a new format version."""
    cases = [
        [(1, 9, 10)] * 100,
        [(1, 1, 3)] * 30,
        [(3**i // 2, 1 + 3**i // 7, 3**i) for i in range(30)],
        [(MAX_TOTAL - 1 - i, 1, MAX_TOTAL - i) for i in range(4)],
    ]
    assert [payload.hex() for payload in encode_lanes([lane(case) for case in cases])] == [
        "ffff",
        "80",
        "8604e431ede789d8b5a4",
        "fffffffffffffeffffffffffffffffffffffffffffffffff01",
    ]


def test_lanes_do_not_touch_each_other() -> None:
    cases = [random_symbols(seed, n=seed * 7 % 90) for seed in range(20)]
    together = encode_lanes([lane(case) for case in cases])
    assert together == [encode_lanes([lane(case)])[0] for case in cases]


def test_no_lanes() -> None:
    assert encode_lanes([]) == []


def test_lanes_open_and_close_while_others_run() -> None:
    cases = [random_symbols(seed, n=1 + seed * 13 % 50) for seed in range(30)]
    waiting = list(zip(cases, encode_lanes([lane(case) for case in cases]), strict=True))
    n_decoded = 0
    decoder = RangeDecoder(4)
    running: dict[int, list[Symbol]] = {}
    while waiting or running:
        for i in set(range(4)) - set(running):
            if waiting:
                case, payload = waiting.pop()
                decoder.open(i, payload)
                running[i] = list(case)
        lanes = np.array(list(running))
        low, freq, total = np.array([running[i].pop(0) for i in lanes], dtype=np.uint64).T
        targets = decoder.targets(lanes, total)
        assert ((low <= targets) & (targets < low + freq)).all()
        decoder.consume(lanes, low, freq, total)
        for i in [i for i in running if not running[i]]:
            decoder.close(i)
            del running[i]
            n_decoded += 1
    assert n_decoded == len(cases)


@given(sequences, st.data())
def test_altered_payload_never_passes(case: list[Symbol], data: st.DataObject) -> None:
    (payload,) = encode_lanes([lane(case)])
    altered = data.draw(
        st.one_of(
            st.binary(max_size=len(payload) + 9),
            st.binary(min_size=1, max_size=9).map(lambda tail: payload + tail),
            st.integers(0, len(payload)).map(lambda n: payload[:n]),
        ).filter(lambda altered: altered != payload)
    )
    with pytest.raises(CorruptError):
        decode_or_refuse(altered, case)


def test_every_flipped_bit_changes_a_symbol_or_is_refused() -> None:
    case = random_symbols(seed=5, n=40)
    (payload,) = encode_lanes([lane(case)])
    for bit in range(8 * len(payload)):
        altered = bytearray(payload)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptError):
            decode_or_refuse(bytes(altered), case)


@given(st.binary(max_size=40), st.lists(st.integers(1, MAX_TOTAL), max_size=40))
def test_garbage_gives_symbols_not_crashes(payload: bytes, totals: list[int]) -> None:
    decoder = RangeDecoder(1)
    lanes = np.array([0])
    one = np.array([1], dtype=np.uint64)
    with contextlib.suppress(CorruptError):
        decoder.open(0, payload)
        for total in np.array(totals, dtype=np.uint64):
            target = decoder.targets(lanes, total[None])
            assert 0 <= target[0] < total
            decoder.consume(lanes, target, one, total[None])
        decoder.close(0)


def settled(symbols: list[Symbol]) -> int:
    """Of how many first bytes a decoder of `symbols` says that they are settled."""
    (payload,) = encode_lanes([lane(symbols)])
    decoder = RangeDecoder(1)
    assert decode(decoder, 0, payload, symbols)
    return decoder.settled(0)


@given(st.one_of(sequences, st.lists(st.sampled_from([(0, 1, 256), (255, 1, 256), (1, 1, 3)]))))
def test_bytes_are_settled_when_no_other_number_is_left(symbols: list[Symbol]) -> None:
    low, width, n_digits = confined(symbols)
    shared = [
        n
        for n in range(n_digits - 7)
        if len({x >> 8 * (n_digits - n) for x in (low, low + width - 1)}) == 1
    ]
    assert settled(symbols) == shared[-1]


def test_a_carry_that_may_come_unsettles_all_that_it_would_change() -> None:
    third = (1, 1, 3)  # 0x5555... to 0xAAAA...
    half = (127, 2, 256)  # across the middle: what follows decides between 0x7F... and 0x80...
    assert settled([third]) == 0
    assert settled([(7, 1, 256), half] + [(1, 2, 4)] * 20) == 1


@pytest.mark.parametrize(
    "symbol",
    [(0, 0, 1), (0, 1, 0), (1, 1, 1), (0, 2, 1), (0, 1, MAX_TOTAL + 1), (2**64 - 1, 2, 10)],
)
def test_what_is_no_interval_is_refused(symbol: Symbol) -> None:
    with pytest.raises(ValueError, match="symbol 1 is not one"):
        encode_lanes([lane([(0, 1, 2), symbol])])


def test_coder_takes_every_total_that_a_predictor_may_give() -> None:
    assert MAX_TOTAL == protocol.MAX_TOTAL
