"""Groups that begin with a dictionary: both sides see the same, whatever runs beside what."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from exact_models import CPU, GPT2, LLAMA, Recipe, exact_model, random_ids
from llmzip.exact.engines import make_engine
from llmzip.exact.torch_engine import TorchEngine
from llmzip.predict import primed
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.prefix import Prefix
from llmzip.predict.protocol import Intervals, LearningGroup
from llmzip.predict.rows import RowStream
from llmzip.predict.windows import Window
from llmzip.predict.workers import Workers

Chunk = NDArray[np.int32]
WINDOW = Window(24, 10, 0)
DICTIONARY = random_ids(GPT2, 90, 7)


def predictor(
    recipe: Recipe, dictionary: Chunk | None, window: Window = WINDOW, n_workers: int = 1
) -> ExactPredictor:
    make = partial(make_engine, exact_model(recipe), CPU, window.size)
    return ExactPredictor(make, window, n_workers, dictionary=dictionary)


def encode(group: LearningGroup, chunks: Sequence[Chunk]) -> list[Intervals]:
    return group.intervals(chunks, lambda _: None)


def decode(
    group: LearningGroup, coded: Sequence[Intervals], sizes: Sequence[int]
) -> list[list[int]]:
    """Decode a wave against what the encoder says of it."""
    decoder = group.lanes(sizes)
    for lane in range(len(sizes)):
        decoder.open(lane)
    found: list[list[int]] = [[] for _ in sizes]
    for step in range(max(sizes)):
        lanes = np.array([lane for lane, size in enumerate(sizes) if step < size])
        low, freq, total = (
            np.array([getattr(coded[lane], name)[step] for lane in lanes])
            for name in ("low", "freq", "total")
        )
        assert (decoder.totals(lanes) == total).all()
        ids, low_found, freq_found = decoder.find(lanes, low + freq // np.uint64(2))
        assert (low_found == low).all()
        assert (freq_found == freq).all()
        for lane, token in zip(lanes.tolist(), ids.tolist(), strict=True):
            found[lane].append(token)
    return found


def same(one: Sequence[Intervals], other: Sequence[Intervals]) -> bool:
    names = ("low", "freq", "total")
    return all(
        (getattr(a, name) == getattr(b, name)).all()
        for a, b in zip(one, other, strict=True)
        for name in names
    )


@pytest.mark.parametrize("recipe", [GPT2, LLAMA])
@pytest.mark.parametrize("window", [WINDOW, Window(128, 64, 0), Window(5, 0, 0), Window(1, 0, 0)])
@pytest.mark.parametrize("n_dictionary", [1, 9, 90])
def test_the_decoder_finds_what_was_coded(
    recipe: Recipe, window: Window, n_dictionary: int
) -> None:
    """Chunks shorter and longer than the window, in two waves of one group."""
    waves = [[random_ids(recipe, n, n) for n in sizes] for sizes in ((3, 70, 24), (40, 1))]
    dictionary = DICTIONARY[:n_dictionary]
    coding = predictor(recipe, dictionary, window).group()
    decoding = predictor(recipe, dictionary, window, 3).group()
    for chunks in waves:
        coded = encode(coding, chunks)
        found = decode(decoding, coded, [len(chunk) for chunk in chunks])
        assert found == [chunk.tolist() for chunk in chunks]


def test_every_group_begins_alike_and_leaves_the_dictionary_alone() -> None:
    source = predictor(GPT2, DICTIONARY)
    chunks = [random_ids(GPT2, 60, 3), DICTIONARY[20:80]]
    first = encode(source.group(), chunks)
    encode(source.group(), chunks[::-1])
    assert same(encode(source.group(), chunks), first)
    assert same(encode(predictor(GPT2, DICTIONARY, n_workers=3).group(), chunks), first)


def test_the_reference_as_engine_sees_the_same() -> None:
    chunks = [random_ids(GPT2, 60, 3), DICTIONARY[20:50]]
    model = exact_model(GPT2)
    reference = ExactPredictor(lambda _: TorchEngine(model, CPU), WINDOW, 1, dictionary=DICTIONARY)
    assert same(
        encode(reference.group(), chunks), encode(predictor(GPT2, DICTIONARY).group(), chunks)
    )


def test_the_model_sees_the_dictionarys_end_before_a_chunk() -> None:
    """What the head reads is what it reads after the same tokens of one chunk."""
    workers = Workers(partial(make_engine, exact_model(LLAMA), CPU, WINDOW.size), 2)
    prefix = Prefix.of(DICTIONARY.astype(np.int64), WINDOW, workers.engines[0])
    assert prefix.ids.tolist() == DICTIONARY[-12:].tolist()
    chunks = [random_ids(LLAMA, n, n) for n in (50, 3)]
    after = RowStream(workers, WINDOW, chunks, 2, prefix).take(50)
    whole = [np.concatenate([DICTIONARY[-12:], chunk]) for chunk in chunks]
    stream = RowStream(workers, WINDOW, whole, 2)
    stream.take(12)
    rows = stream.take(62)
    assert (rows.q == after.q).all()
    assert (rows.scale == after.scale).all()


def test_what_the_dictionary_holds_is_cheap() -> None:
    known = DICTIONARY[10:70]
    (without,) = encode(predictor(GPT2, None).group(), [known])
    (with_it,) = encode(predictor(GPT2, DICTIONARY).group(), [known])
    assert with_it.bits < 0.5 * without.bits


def test_a_long_dictionary_is_remembered_from_its_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only the end of it goes through the model, and decoding agrees."""
    monkeypatch.setattr(primed, "LEARNT_TOKENS", 40)
    known = DICTIONARY[2:40]
    (without,) = encode(predictor(GPT2, DICTIONARY[50:]).group(), [known])
    source = predictor(GPT2, DICTIONARY)
    coded = encode(source.group(), [known])
    assert coded[0].bits < 0.8 * without.bits
    assert decode(source.group(), coded, [len(known)]) == [known.tolist()]
