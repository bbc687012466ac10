"""What configurations say of single layers, of whatever transformers they are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from llmzip.errors import ModelUnsupportedError
from llmzip.exact.families.layered import FULL, SLIDING, by_kind, turned_if_named

KINDS = [SLIDING, FULL, SLIDING]
YARN = {"rope_type": "yarn", "factor": 8.0}


def config(**values: Any) -> SimpleNamespace:
    own = {"num_hidden_layers": 3, "layer_types": KINDS, "sliding_window": 12, "rope_theta": 5e5}
    return SimpleNamespace(**own | values)


def test_scaling_is_for_layers_that_see_all_where_a_configuration_has_one_rope() -> None:
    found = by_kind(config(rope_scaling=YARN))
    assert found.ropes == (0, 1, 0)
    sliding, full = found.settings
    assert sliding == {"rope_type": "default", "rope_theta": 5e5}
    assert full["rope_type"] == "yarn"


def test_without_scaling_there_is_one_rope() -> None:
    assert by_kind(config()).ropes == (0, 0, 0)


def test_nested_and_flat_configurations_are_the_same() -> None:
    nested = {
        SLIDING: {"rope_type": "default", "rope_theta": 1e4},
        FULL: {"rope_type": "default", "rope_theta": 1e6},
    }
    old = by_kind(config(rope_theta=1e6, rope_local_base_freq=1e4))
    new = by_kind(config(rope_parameters=nested))
    assert old.ropes == new.ropes == (0, 1, 0)
    assert next(s["rope_theta"] for s in old.settings if "rope_theta" in s) == 1e4
    assert [s["rope_theta"] for s in new.settings] == [1e4, 1e6]


def test_a_kind_without_a_rope_is_refused() -> None:
    with pytest.raises(ModelUnsupportedError, match="a RoPE for layers of full_attention"):
        by_kind(config(rope_parameters={SLIDING: {"rope_type": "default", "rope_theta": 1e4}}))


def test_windows_are_those_of_the_layers_whatever_a_switch_says() -> None:
    found = turned_if_named(config(no_rope_layers=[1, 0, 1], use_sliding_window=False))
    assert found.windows == (12, 0, 12)
    assert found.ropes == (0, -1, 0)


def test_each_layer_has_its_number() -> None:
    with pytest.raises(ModelUnsupportedError, match="no_rope_layers"):
        turned_if_named(config(no_rope_layers=[]))
