"""Groups by shortlists: chosen by what they cost, and read in every way that files are read."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import cache, partial
from unittest import mock
from weakref import ref

import numpy as np
import pytest
from golden_cases import FROZEN, LEARNING, lists_taken
from golden_models import golden_model
from golden_texts import load_text
from numpy.typing import NDArray

from llmzip.codec import (
    decode_stream,
    encode_stream,
    recover_stream,
    resume_encoding,
    shortlisting,
)
from llmzip.codec.access import GroupAccess
from llmzip.codec.decode_many import decode_ahead
from llmzip.codec.groups import PreparedGroup, PreparedRun
from llmzip.codec.levels import LEVELS, Level
from llmzip.codec.many import encode_batch
from llmzip.codec.pieces import Tokens
from llmzip.codec.shortlisting import by_shortlist, shortlist_for
from llmzip.codec.unaided import Unaided
from llmzip.container import Group, ModelRef, Options, Reader, Wave, inspect, read_index
from llmzip.errors import UnsupportedError
from llmzip.layout.program import Supplied
from llmzip.predict import OpenedPredictor
from llmzip.report.stats import stats_lines

PLAIN = load_text("listed")
STRANGE = " это 日本 था".encode()
TEXT = PLAIN[:417] + STRANGE * 3 + PLAIN[417:620]
levels = pytest.mark.parametrize(
    "level",
    [replace(LEARNING, group_bytes=240), replace(FROZEN, group_bytes=240)],
    ids=["learning", "frozen"],
)


@cache
def opened(options: Options) -> OpenedPredictor:
    return golden_model("listed").opened(replace(options, dictionary=None))


def to_decode(_ref: ModelRef | None, options: Options) -> OpenedPredictor:
    return opened(options)


def encoded(level: Level, text: bytes = TEXT) -> bytes:
    sink = io.BytesIO()
    with lists_taken():
        encode_stream(io.BytesIO(text), sink, partial(opened, level.options), level)
    return sink.getvalue()


def decoded(file: bytes, n_lanes: int | None = None) -> bytes:
    sink = io.BytesIO()
    decode_stream(io.BytesIO(file), sink, to_decode, n_lanes)
    return sink.getvalue()


def lists_of(file: bytes) -> list[int | None]:
    """The shortlist of each group."""
    found: list[int | None] = []
    for record in Reader(io.BytesIO(file)):
        if isinstance(record, Group):
            found.append(None)
        if isinstance(record, Wave) and record.shortlist is not None:
            found[-1] = record.shortlist
    return found


@levels
@pytest.mark.parametrize("n_lanes", [None, 1, 3, 200])
def test_groups_by_different_lists_come_back(level: Level, n_lanes: int | None) -> None:
    file = encoded(level)
    assert lists_of(file) == [1, 0, 1]
    assert decoded(file, n_lanes) == TEXT


@levels
def test_a_group_is_read_alone(level: Level) -> None:
    access = GroupAccess(io.BytesIO(encoded(level)), to_decode)
    assert b"".join(access.pieces(2)) == TEXT[480:]
    assert b"".join(access.pieces(1)) == TEXT[240:480]


@levels
def test_what_is_intact_comes_back(level: Level) -> None:
    file = bytearray(encoded(level))
    (index,) = read_index(io.BytesIO(bytes(file)))
    file[index.groups[2].offset - 9] ^= 1  # in the payloads of the group before
    sink = io.BytesIO()
    recover_stream(io.BytesIO(bytes(file)), sink, lambda ref, options, _: to_decode(ref, options))
    assert sink.getvalue()[:240] == TEXT[:240]
    assert sink.getvalue().endswith(TEXT[480:])


@levels
def test_many_files_are_read_and_written_together(level: Level) -> None:
    texts = [PLAIN[:200], PLAIN[:100] + STRANGE * 3, TEXT, PLAIN[200:400]]
    alone = [encoded(level, text) for text in texts]
    with lists_taken():
        together = encode_batch(texts, partial(opened, level.options), level)
    assert [one.file for one in together] == alone
    known = decode_ahead(alone, to_decode)
    assert [None if one is None else b"".join(one.chunks) for one in known] == [
        texts[0],
        texts[1],
        None,  # it goes by several
        texts[3],
    ]


@levels
def test_what_was_begun_is_completed(level: Level) -> None:
    whole = encoded(level)
    unfinished = io.BytesIO(whole[: len(whole) * 2 // 3])
    with lists_taken():
        resume_encoding(io.BytesIO(TEXT), unfinished, partial(opened, level.options), level)
    assert unfinished.getvalue() == whole


def test_what_a_file_holds_names_its_lists() -> None:
    (summary,) = inspect(io.BytesIO(encoded(replace(LEARNING, group_bytes=240))))
    assert summary.n_listed_bytes == {"latin": 240 + len(TEXT) - 480}


def test_a_small_vocabulary_is_used_as_a_whole() -> None:
    sink = io.BytesIO()
    with mock.patch.multiple(shortlisting, BITS_OF_CHOICE=0):
        stats = encode_stream(io.BytesIO(PLAIN), sink, partial(opened, LEARNING.options), LEARNING)
    assert lists_of(sink.getvalue()) == [0]
    assert not stats.listed
    assert not any(line.startswith("shortlist") for line in stats_lines(stats))


def test_the_figures_of_a_run_name_its_lists() -> None:
    level = replace(LEARNING, group_bytes=240)
    stats = decode_stream(io.BytesIO(encoded(level)), io.BytesIO(), to_decode)
    assert stats.listed == {"latin": 240 + len(TEXT) - 480}
    assert f"shortlist          {stats.listed['latin']} bytes by latin" in stats_lines(stats)


def test_the_shortest_list_is_taken_that_costs_next_to_nothing() -> None:
    model = opened(LEARNING.options)
    sizes = {number: len(own.ids) for number, own in model.shortlists.items()}
    texts = (" there" * 8, " было" * 8, " th" * 8, " 日本" * 8)
    latin, cyrillic, both, cjk = (model.tokenizer.encode(text.encode()) for text in texts)
    shortest = min(sizes, key=lambda number: sizes[number])

    def taken(*texts: tuple[NDArray[np.int32], int], n_named: int = 1) -> int:
        return shortlist_for([np.tile(ids, n) for ids, n in texts], model, n_named)

    assert taken((latin, 1000)) == taken((latin, 1000), (both, 1000)) == 1
    assert taken((cyrillic, 1000)) == taken((cyrillic, 1000), (both, 1000)) == 2
    assert taken((both, 1000)) == shortest
    assert taken((latin, 1000), (cyrillic, 1)) == taken((latin, 1), (cyrillic, 1000)) == 5
    assert taken((latin, 1000), (cjk, 1)) == 6
    assert taken((cjk, 1000), (cyrillic, 1)) == taken((latin, 1), (cyrillic, 1), (cjk, 1000)) == 0
    assert taken((latin, 10)) == 0  # naming it would cost more
    assert [taken((latin, 1000), n_named=n) for n in (3, 4)] == [1, 0]


def test_a_list_is_named_by_each_chunk_but_in_a_compact_file() -> None:
    def taken(n_bytes: int, level: Level, n_tokens: int) -> bool:
        own = golden_model("listed").opened(replace(FROZEN.options, dictionary=None))
        tokens: Future[Tokens] = Future()
        tokens.set_result(Tokens(np.resize(own.tokenizer.encode(b" there"), n_tokens)))
        run = PreparedRun(b"", Unaided(Future), tokens, own.tokenizer)
        group = PreparedGroup(bytes(n_bytes), [run], None, Supplied(), None)
        with mock.patch.object(shortlisting, "LEAST_TOKENS", 0):
            return by_shortlist(group, lambda: own, level).shortlist == 1

    assert taken(1 << 14, LEVELS[2], 4096)
    assert not taken(1 << 20, LEVELS[2], 1 << 18)
    assert taken(1 << 19, LEVELS[5], 1 << 17)
    assert taken(1 << 22, LEVELS[5], 1 << 20)


def test_one_list_is_kept_and_what_is_in_use() -> None:
    model = golden_model("listed").opened(replace(FROZEN.options, dictionary=None))
    held = model.listed(1).predictor
    assert model.listed(1).predictor is held
    last = ref(model.listed(2).predictor)
    assert last() is not None
    assert model.listed(2).predictor is last()
    assert model.listed(1).predictor is held
    assert last() is None


def refused(make: Callable[[], object]) -> str:
    with pytest.raises(UnsupportedError) as caught:
        make()
    return str(caught.value)


def test_models_without_lists_say_so() -> None:
    file = encoded(LEARNING, PLAIN)
    bare = replace(opened(LEARNING.options), narrowed=None)
    message = refused(lambda: decode_stream(io.BytesIO(file), io.BytesIO(), lambda *_: bare))
    assert message == "golden-listed has no shortlists as it is used here"
    assert refused(lambda: opened(LEARNING.options).listed(8)).startswith(
        "shortlist 8 is not known"
    )
