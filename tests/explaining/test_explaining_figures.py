"""Figures of an explanation are plain JSON, and come to what the columns say."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest
from view_samples import HOSTILE, explained, single_bytes, words

from llmzip.explaining.comparing import compared
from llmzip.explaining.explanation import Explanation, Unscored
from llmzip.explaining.figures import figures

SAMPLES = [
    explained(),
    explained(b"one"),
    explained(HOSTILE),
    explained(HOSTILE, single_bytes),
    explained(b"\0\1", unscored=[Unscored(0, 2, None)]),
]


def plain(found: dict[str, Any]) -> Any:
    """Return what a strict reader of JSON makes of it."""
    return json.loads(json.dumps(found, allow_nan=False))


@pytest.mark.parametrize("sample", SAMPLES)
def test_figures_are_json_as_they_are(sample: Explanation) -> None:
    found = figures(sample)
    assert plain(found) == found
    assert found["tokens"] == len(found["each_token"])
    assert found["bits"] == pytest.approx(sum(one["bits"] for one in found["each_token"]))
    assert "each_token" not in figures(sample, with_tokens=False)


def test_totals_and_a_token() -> None:
    found = figures(explained(b"one two"))
    assert (found["bytes"], found["bits"], found["bits_per_byte"]) == (7, 7.5, 7.5 / 7)
    assert (found["file_bytes"], found["payload_bytes"], found["overhead_bytes"]) == (120, 90, 30)
    token = found["each_token"][1]
    assert (token["offset"], token["text"], token["bits"]) == (3, " two", 4.25)
    (only,) = token["likeliest"]
    assert (only["text"], only["probability"]) == (" two", 2**-4.25)


def test_what_is_not_finite_is_not_known() -> None:
    found = figures(explained(b"one two", bits=[np.inf, np.nan]))
    assert [one["bits"] for one in plain(found)["each_token"]] == [None, None]
    assert found["bits"] is None


def test_unscored_alone_has_no_rates() -> None:
    found = figures(SAMPLES[-1])
    assert found["bits_per_byte"] is None
    assert found["unscored"] == [{"offset": 0, "bytes": 2, "text": None}]


def test_a_comparison_has_both_and_what_aligns() -> None:
    first, second = explained(b"one two three"), explained(b"one too three")
    found = plain(figures(first, compared(first, second)))["comparison"]
    assert not found["same_text"]
    assert found["second"]["tokens"] == 3
    different = found["stretches"][1]
    assert different["aligned"] is False
    assert different["first"] == different["second"] == [1, 2]
    assert different["first_bits"] == 4.25


def test_a_long_text_takes_seconds() -> None:
    begin_s = time.process_time()
    found = figures(explained(b"a word " * 30_000))
    assert found["tokens"] == len(words(b"a word " * 30_000))
    assert time.process_time() - begin_s < 5
