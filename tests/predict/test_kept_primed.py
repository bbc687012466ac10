"""What a dictionary leads to, kept: the same integers, and nothing that is not as it was kept."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from test_dictionary import decode, encode

from exact_models import CPU, WIDE, exact_model, random_ids
from llmzip.exact.cpu.ways import Way
from llmzip.exact.engines import make_engine
from llmzip.models import home
from llmzip.models.forms import Forms
from llmzip.predict import primed
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.kept_primed import KeptPrimed
from llmzip.predict.windows import Window
from ways import every_way

RECIPE = WIDE["llama-wide"]
WINDOW = Window(48, 20, 0)
DICTIONARY = random_ids(RECIPE, 90, 7)
CHUNKS = [random_ids(RECIPE, 30, 8), np.concatenate([DICTIONARY[40:60], random_ids(RECIPE, 9, 9)])]


@pytest.fixture
def forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Forms:
    monkeypatch.setenv(home.HOME_VARIABLE, str(tmp_path / "home"))
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "prepared").mkdir(mode=0o700)
    folder = tmp_path / "home" / "prepared" / "key"
    folder.mkdir(mode=0o700)
    return Forms(folder, "a check")


def keeping(forms: Forms, way: Way, dictionary: bytes = b"words", sources: str = "1") -> KeptPrimed:
    return KeptPrimed(forms, dictionary, WINDOW, str(way), sources)


def predictor(
    way: Way, kept: KeptPrimed | None, dictionary: NDArray[np.int32] = DICTIONARY
) -> ExactPredictor:
    make = partial(make_engine, exact_model(RECIPE), CPU, WINDOW.size, way=str(way))
    return ExactPredictor(lambda n: make(step_threads=n), WINDOW, 2, None, dictionary, kept)


def said(source: ExactPredictor) -> list[list[int]]:
    found = [
        [numbers.low, numbers.freq, numbers.total] for numbers in encode(source.group(), CHUNKS)
    ]
    return [[int(x) for x in array] for arrays in found for array in arrays]


@every_way
@pytest.mark.parametrize("n_learnt", [1000, 30])
def test_what_is_kept_says_the_same(
    forms: Forms, way: Way, n_learnt: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(primed, "LEARNT_TOKENS", n_learnt)
    own = said(predictor(way, None))
    assert keeping(forms, way).tokens is None
    assert said(predictor(way, keeping(forms, way))) == own
    monkeypatch.setattr(primed.Primed, "by", None)  # what is kept is not worked out again
    kept = keeping(forms, way)
    assert kept.tokens is not None
    assert (kept.tokens == DICTIONARY).all()
    again = predictor(way, kept, kept.tokens)
    assert said(again) == own
    coded = encode(again.group(), CHUNKS)
    sizes = [len(chunk) for chunk in CHUNKS]
    assert decode(again.group(), coded, sizes) == [chunk.tolist() for chunk in CHUNKS]


def test_another_dictionary_window_way_or_state_of_the_sources_finds_nothing(forms: Forms) -> None:
    said(predictor(Way.PLAIN, keeping(forms, Way.PLAIN)))
    assert keeping(forms, Way.PLAIN).tokens is not None
    assert keeping(forms, Way.PLAIN, b"Words").tokens is None
    assert keeping(forms, Way.AVX2).tokens is None
    assert keeping(forms, Way.PLAIN, sources="2").tokens is None
    assert KeptPrimed(forms, b"words", Window(48, 20, 1), "plain", "1").tokens is None


def test_damage_is_noticed_and_mended(forms: Forms) -> None:
    way = Way.PLAIN
    own = said(predictor(way, keeping(forms, way)))
    (path,) = forms.folder.iterdir()
    good = path.read_bytes()
    for harm in (good[: len(good) // 2], good[:-1] + bytes([good[-1] ^ 1]), b""):
        path.write_bytes(harm)
        assert keeping(forms, way).tokens is None
        assert said(predictor(way, keeping(forms, way))) == own
        assert keeping(forms, way).tokens is not None


@pytest.mark.parametrize("name", ["keys", "value_scales", "bias", "weights", "tokens"])
def test_a_form_that_lacks_something_is_none(forms: Forms, name: str) -> None:
    way = Way.PLAIN
    own = said(predictor(way, keeping(forms, way)))
    kept = keeping(forms, way)
    arrays = forms.load_one_of_many(kept._name, kept._rules)
    assert arrays is not None
    arrays[name] = arrays[name][..., :-1] if name != "tokens" else arrays[name] + 10_000
    forms.keep_one_of_many(kept._name, kept._rules, arrays)
    assert said(predictor(way, keeping(forms, way))) == own
