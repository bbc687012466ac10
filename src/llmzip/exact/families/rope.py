"""How far RoPE turns the pairs of a head from one position to the next, by a configuration.

In decimal arithmetic of 60 digits, so that every machine finds the same; docs/EXACT.md says each
formula to the last operation. They are transformers' own (modeling_rope_utils.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, localcontext
from fractions import Fraction
from typing import Any

from llmzip.errors import ModelDamagedError, ModelUnsupportedError
from llmzip.exact.families.switches import lacking
from llmzip.exact.tables import DIGITS, pair_turns, whole_turn

MOST_THETA = 1e15
MOST_TURN = 8
"""Radians a position; the first pair turns by 1 unless a model stretches it."""
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")

Share = float | Fraction
"""How much of a head is rotated; of elements that are counted, exactly so many."""

_Read = Callable[["_Settings", list[Decimal]], tuple[list[Decimal], Decimal]]


@dataclass(frozen=True)
class Rope:
    """What a model's RoPE is.

    turns: of each rotated pair, in 2^-128 radians a position.
    factor: what cosines and sines are multiplied by.
    n_positions: as far as these hold; a model that turns otherwise in longer windows has longer
        ones.
    """

    turns: tuple[int, ...]
    factor: float
    n_positions: int


@dataclass(frozen=True)
class _Settings:
    """RoPE's parameters in a configuration; `n_original`: positions before any stretching."""

    values: dict[str, Any]
    theta: float
    n_rotated: int
    n_positions: int

    @property
    def n_original(self) -> Decimal:
        return self.number("original_max_position_embeddings")

    def number(self, name: str, default: float | None = None) -> Decimal:
        """A positive number. Raises ModelDamagedError."""
        value = self.values.get(name)
        value = default if value is None else value
        return _positive(name, value)

    def numbers(self, name: str) -> list[Decimal]:
        """A positive number for each pair. Raises ModelDamagedError."""
        values = self.values.get(name)
        if not isinstance(values, list) or len(values) != self.n_rotated // 2:
            raise ModelDamagedError(
                f"the configuration's {name} is not {self.n_rotated // 2} numbers"
            )
        return [_positive(name, value) for value in values]


def read_rope(
    config: Any,
    d_head: int,
    n_positions: int,
    *,
    share: Share | None,
    values: dict[str, Any] | None = None,
) -> Rope:
    """Read a configuration, of older and newer transformers alike.

    values: what it says of this RoPE, if of several.
    share: how much of each head is rotated where the configuration does not say; None: all,
        whatever it says.

    Raises ModelUnsupportedError for a RoPE that is not computed here; ModelDamagedError.
    """
    values = rope_values(config) if values is None else values
    n_rotated = d_head
    if share is not None:
        n_rotated = int(d_head * _share(config, values, share))
    if n_rotated % 2 or not 0 < n_rotated <= d_head or d_head % 2:
        raise lacking(f"RoPE on {n_rotated} elements of heads of {d_head}")
    kind = str(values.get("rope_type", values.get("type", "default")))
    if kind == "dynamic" and values.get("alpha") and config.model_type == "hunyuan_v1_dense":
        kind = "ntk_alpha"
    settings = _Settings(values, _theta(config, values), n_rotated, n_positions)
    if kind not in _KINDS:
        raise lacking(f"RoPE scaling {kind}")
    with localcontext(Context(prec=DIGITS)):
        turns, factor = _KINDS[kind](settings, pair_turns(settings.theta, n_rotated))
        if not all(0 < turn <= MOST_TURN for turn in turns):
            raise lacking(f"RoPE that turns by more than {MOST_TURN} radians a position")
        if kind == "longrope":  # windows beyond what was trained first are turned otherwise
            n_positions = min(n_positions, int(settings.n_original))
        return Rope(tuple(map(whole_turn, turns)), float(factor), n_positions)


def rope_values(config: Any) -> dict[str, Any]:
    """What a configuration says of RoPE, wherever it says it."""
    known = (getattr(config, name, None) for name in ("rope_parameters", "rope_scaling"))
    values: dict[str, Any] = dict(next((value for value in known if value), {}))
    above = getattr(config, "original_max_position_embeddings", None)  # where Phi-3 has it
    values.setdefault("original_max_position_embeddings", above)
    return values


def _share(config: Any, values: dict[str, Any], default: Share) -> Share:
    found = values.get("partial_rotary_factor", getattr(config, "partial_rotary_factor", None))
    return default if found is None else float(found)


def _theta(config: Any, values: dict[str, Any]) -> float:
    found = values.get("rope_theta", getattr(config, "rope_theta", None))
    theta = float(getattr(config, "default_theta", 10000.0) if found is None else found)
    if not 1.0 <= theta <= MOST_THETA:
        raise ModelUnsupportedError(f"the exact engine lacks RoPE with a base of {theta}")
    return theta


def _positive(name: str, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e30:
        raise ModelDamagedError(f"the configuration's {name} is {str(value)[:40]!r}, no number")
    return Decimal(float(value))


def _default(_: _Settings, turns: list[Decimal]) -> tuple[list[Decimal], Decimal]:
    """Nothing is scaled; nor by `dynamic`, before a window is longer than the model's own."""
    return turns, Decimal(1)


def _ntk_alpha(settings: _Settings, _: list[Decimal]) -> tuple[list[Decimal], Decimal]:
    """A larger base, whatever the window's length."""
    n_rotated = settings.n_rotated
    if n_rotated <= 2:
        raise lacking("RoPE stretched by alpha on heads of 2")
    stretch = (settings.number("alpha").ln() * n_rotated / (n_rotated - 2)).exp()
    return pair_turns(Decimal(settings.theta) * stretch, n_rotated), Decimal(1)


def _linear(settings: _Settings, turns: list[Decimal]) -> tuple[list[Decimal], Decimal]:
    factor = settings.number("factor")
    return [turn / factor for turn in turns], Decimal(1)


def _llama3(settings: _Settings, turns: list[Decimal]) -> tuple[list[Decimal], Decimal]:
    """Slow turns are slowed by a factor, fast ones stay, those between go over smoothly."""
    factor, n_original = settings.number("factor"), settings.n_original
    low, high = settings.number("low_freq_factor"), settings.number("high_freq_factor")
    if high <= low:
        raise ModelDamagedError("the configuration's high_freq_factor is not above low_freq_factor")

    def scaled(turn: Decimal) -> Decimal:
        length = 2 * PI / turn
        if length < n_original / high:
            return turn
        if length > n_original / low:
            return turn / factor
        smooth = (n_original / length - low) / (high - low)
        return (1 - smooth) * turn / factor + smooth * turn

    return [scaled(turn) for turn in turns], Decimal(1)


def _yarn(settings: _Settings, turns: list[Decimal]) -> tuple[list[Decimal], Decimal]:
    """As `_llama3`, the way over being a ramp over the pairs; scores grow with the factor."""
    factor = _stretch(settings)
    low, high = _yarn_range(settings)

    def scaled(pair: int, turn: Decimal) -> Decimal:
        ramp = min(max((pair - low) / (high - low), Decimal(0)), Decimal(1))
        return turn / factor * ramp + turn * (1 - ramp)

    given = settings.values.get("attention_factor")
    attention = (
        _yarn_attention(settings, factor) if given is None else settings.number("attention_factor")
    )
    return [scaled(pair, turn) for pair, turn in enumerate(turns)], attention


def _yarn_range(settings: _Settings) -> tuple[Decimal, Decimal]:
    """The pairs where the ramp begins and ends."""
    n_rotated, n_original = settings.n_rotated, settings.n_original
    whole = settings.values.get("truncate", True)
    log_theta = Decimal(settings.theta).ln()
    if log_theta == 0:
        raise ModelUnsupportedError("the exact engine lacks RoPE scaling yarn with a base of 1")

    def pair(n_turns: Decimal) -> Decimal:
        return n_rotated * (n_original / (n_turns * 2 * PI)).ln() / (2 * log_theta)

    low, high = pair(settings.number("beta_fast", 32)), pair(settings.number("beta_slow", 1))
    if whole:
        low = low.to_integral_value(ROUND_FLOOR)
        high = high.to_integral_value(ROUND_CEILING)
    low, high = max(low, Decimal(0)), min(high, Decimal(n_rotated - 1))
    return low, high + Decimal("0.001") if low == high else high


def _yarn_attention(settings: _Settings, factor: Decimal) -> Decimal:
    def grown(by: Decimal) -> Decimal:
        return by * factor.ln() / 10 + 1 if factor > 1 else Decimal(1)

    values = settings.values
    if values.get("mscale") and values.get("mscale_all_dim"):
        return grown(settings.number("mscale")) / grown(settings.number("mscale_all_dim"))
    return grown(Decimal(1))


def _longrope(settings: _Settings, turns: list[Decimal]) -> tuple[list[Decimal], Decimal]:
    """A divisor for each pair; scores grow with how much longer windows may become."""
    factor, short = _stretch(settings), settings.numbers("short_factor")
    if settings.values.get("attention_factor") is not None:
        attention = settings.number("attention_factor")
    else:
        stretched = 1 + factor.ln() / settings.n_original.ln() if factor > 1 else Decimal(1)
        attention = stretched.sqrt()
    return [turn / by for turn, by in zip(turns, short, strict=True)], attention


def _stretch(settings: _Settings) -> Decimal:
    """How many times longer windows may become than they were at first."""
    if settings.values.get("factor") is not None:
        return settings.number("factor")
    return settings.n_positions / settings.n_original


_KINDS: dict[str, _Read] = {
    "default": _default,
    "dynamic": _default,
    "linear": _linear,
    "ntk_alpha": _ntk_alpha,
    "llama3": _llama3,
    "yarn": _yarn,
    "longrope": _longrope,
    "su": _longrope,
}
