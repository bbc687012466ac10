"""What differs from layer to layer: how far each sees, and by which RoPE it turns, if by any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from llmzip.exact.families.rope import rope_values
from llmzip.exact.families.switches import lacking

SLIDING, FULL = "sliding_attention", "full_attention"


@dataclass(frozen=True)
class Layered:
    """Of each layer: windows, as the shape has them, and which of the settings turns it, or -1.

    settings: what a configuration says of each RoPE.
    """

    windows: tuple[int, ...]
    ropes: tuple[int, ...]
    settings: tuple[dict[str, Any], ...]


Read = Callable[[Any], Layered]


def alike(config: Any) -> Layered:
    """All layers see all keys, and are turned by one RoPE."""
    return Layered((), (), (rope_values(config),))


def by_kind(config: Any) -> Layered:
    """Windows in layers that slide, and a RoPE for these and one for the others."""
    kinds = _kinds(config)
    settings: list[dict[str, Any]] = []
    ropes = []
    for kind in kinds:
        values = _values(config, kind)
        if values not in settings:
            settings.append(values)
        ropes.append(settings.index(values))
    return Layered(_windows(config, kinds), tuple(ropes), tuple(settings))


def windows_by_kind(config: Any) -> Layered:
    """Windows in layers that slide; all are turned by one RoPE."""
    return Layered(_windows(config, _kinds(config)), (), (rope_values(config),))


def turned_if_sliding(config: Any) -> Layered:
    """Windows in layers that slide, which alone are turned."""
    kinds, slides = _kinds(config), config.sliding_window is not None
    ropes = tuple(0 if slides and kind == SLIDING else -1 for kind in kinds)
    return Layered(_windows(config, kinds), ropes, (rope_values(config),))


def turned_if_sliding_or_all(config: Any) -> Layered:
    """The same; without a window all are turned."""
    found = turned_if_sliding(config)
    return found if config.sliding_window is not None else replace(found, ropes=())


def turned_if_named(config: Any) -> Layered:
    """The configuration says of each layer whether it is turned (`no_rope_layers`: 1 if so)."""
    ropes = tuple(0 if turned else -1 for turned in config.no_rope_layers)
    if len(ropes) != config.num_hidden_layers:
        raise lacking(f"no_rope_layers that are not a number for each layer ({len(ropes)})")
    return Layered(_windows(config, _kinds(config)), ropes, (rope_values(config),))


def _kinds(config: Any) -> list[str]:
    kinds = list(getattr(config, "layer_types", None) or [])  # which older transformers lack
    if len(kinds) != config.num_hidden_layers or not set(kinds) <= {SLIDING, FULL}:
        raise lacking(f"layers of other kinds (layer_types={str(kinds)[:60]})")
    return kinds


def _windows(config: Any, kinds: list[str]) -> tuple[int, ...]:
    window = getattr(config, "sliding_window", None)
    if window is None or SLIDING not in kinds:
        return ()
    if window < 1:
        raise lacking(f"a sliding window of {window}")
    return tuple(int(window) if kind == SLIDING else 0 for kind in kinds)


def _values(config: Any, kind: str) -> dict[str, Any]:
    """What a configuration says of the RoPE of a kind of layers, of old and new transformers."""
    found = getattr(config, "rope_parameters", None)
    if isinstance(found, dict) and isinstance(found.get(kind), dict):
        return dict(found[kind])
    if isinstance(found, dict) and any(isinstance(value, dict) for value in found.values()):
        raise lacking(f"a RoPE for layers of {kind} (rope_parameters={str(found)[:60]})")
    values, local = rope_values(config), getattr(config, "rope_local_base_freq", None)
    scaled = values.get("rope_type", values.get("type", "default")) != "default"
    if kind != SLIDING or (local is None and not scaled):
        return values
    base = values.get("rope_theta", config.rope_theta) if local is None else local
    return {"rope_type": "default", "rope_theta": base}
