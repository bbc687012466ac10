"""What a GGUF says of its model and transformers does not read: positions, widths, scaled RoPE.

transformers' own reader (5.23) knows for each architecture a few names. What it passes over would
be another model: RoPE as it was before it was scaled, a GPT-2 with as many positions as OpenAI's.
"""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmzip.errors import ModelUnsupportedError
from llmzip.models import digests
from llmzip.models.gguf_claims import GgufHeader

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_FREQUENCIES, _SHORT, _LONG = (
    "rope_freqs.weight",
    "rope_factors_short.weight",
    "rope_factors_long.weight",
)
_WITH_THETA, _PARTLY_ROTATED = ("stablelm", "starcoder2"), ("stablelm", "phi3")
"""Architectures of which transformers does not read how far RoPE turns, or how much of a head."""
_MARKS = (
    *(b".rope.scal", b"starcoder2.rope.", b"stablelm.rope.", b"phi3.rope."),
    *(name.encode() for name in (_FREQUENCIES, _SHORT)),
)
_N_LAYERS_OF_27B = {"gemma2": 46, "gemma3": 62}
"""Of the Gemmas whose scores are scaled by the width of the stream over the number of heads."""
_PATTERN = "attention.sliding_window_pattern"
"""Every which layer of Gemma 3 sees all keys; or of each layer whether it sees a window."""
_CAP = "logit_softcapping"
_HEAD_BYTES = 32 << 20
"""Within which a header lies: its vocabulary takes a few megabytes."""


_LOOKED_FOR = sha256(repr((_MARKS, _HEAD_BYTES)).encode()).hexdigest()[:8]


def is_more(path: Path) -> bool:
    """Say whether a GGUF seems to say more than transformers reads; it is looked at once.

    Raises: OSError; UntrustedError if others can have written what is remembered.
    """
    return bool(digests.remembered(path, f"says more than is read, {_LOOKED_FOR}", _has_marks))


def _has_marks(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return any(mark in head for mark in _MARKS)


def changes(path: Path, header: GgufHeader) -> dict[str, Any]:
    """Return what is to stand in a configuration beside what transformers reads into it.

    Raises: ModelUnsupportedError for RoPE that is scaled in a way that is not known, and for norms
        that transformers leaves out.
    """
    found: dict[str, Any] = {}
    if header.architecture == "stablelm" and header.has_head_norms:
        raise ModelUnsupportedError(
            f"{path} norms queries and keys, which transformers does not read: "
            "give the folder of the model that it was made from"
        )
    if header.architecture == "gpt2":
        width, inner = header.number("embedding_length"), header.number("feed_forward_length")
        if n_positions := header.number("context_length"):
            found["n_positions"] = int(n_positions)
        if inner and width and inner != 4 * width:
            found["n_inner"] = int(inner)
    elif rope := _unscaled(header) | _scaling(path, header):
        found["rope_parameters"] = {"rope_type": "default"} | rope
    if header.architecture == "gemma2":
        found |= _score_scale(header) | _caps(header)
    if header.architecture == "gemma3":
        _check_gemma3(path, header)
        found |= _score_scale(header)
    if header.architecture == "phi3" and (window := header.number("attention.sliding_window")):
        found["sliding_window"] = int(window)
    return found


def _caps(header: GgufHeader) -> dict[str, Any]:
    """Return the soft caps of a Gemma 2; without a word of them they are what all of these have."""
    names = (f"attn_{_CAP}", f"final_{_CAP}")
    return {name: value for name in names if (value := header.number(name)) is not None}


def _check_gemma3(path: Path, header: GgufHeader) -> None:
    """Make sure that layers differ as transformers takes it that they do.

    Raises: ModelUnsupportedError where it is in another way than every sixth does, and for caps.
    """
    is_capped = any(header.number(name) for name in header.values if name.endswith(_CAP))
    own_base = header.number("rope.freq_base_swa")
    if is_capped or not _is_every_sixth(header) or own_base not in (None, 10_000):
        raise ModelUnsupportedError(
            f"{path} has windows, RoPE or caps of its own: "
            "give the folder of the model that it was made from"
        )


def _score_scale(header: GgufHeader) -> dict[str, Any]:
    """Return how a Gemma's scores are scaled: by the width of a head, but for the largest."""
    width, n_heads = header.number("embedding_length"), header.number("attention.head_count")
    of_head, n_layers = header.number("attention.key_length"), header.number("block_count")
    if n_layers == _N_LAYERS_OF_27B[header.architecture] and width and n_heads:
        of_head = width / n_heads
    return {"query_pre_attn_scalar": int(of_head)} if of_head else {}


def _is_every_sixth(header: GgufHeader) -> bool:
    """Whether it is every sixth layer that sees all keys, as far as the header says."""
    each = header.arrays.get(_PATTERN)
    is_so = each is None or (
        len(each) == header.number("block_count")
        and all(own == ((layer + 1) % 6 != 0) for layer, own in enumerate(each))
    )
    return is_so and header.number(_PATTERN) in (None, 6)


def amend(config: PretrainedConfig, changed: dict[str, Any]) -> None:
    """Put the changes into a configuration, of older and newer transformers alike.

    Where layers of two kinds are turned each in their own way, it is those that see all keys whose
    RoPE is scaled.
    """
    others = {name: value for name, value in changed.items() if name != "rope_parameters"}
    rope = changed.get("rope_parameters")
    if rope is not None and "full_attention" in (getattr(config, "rope_parameters", None) or {}):
        both = config.rope_parameters
        others["rope_parameters"] = both | {"full_attention": both["full_attention"] | rope}
    elif rope is not None and hasattr(config, "rope_parameters"):
        kept = ("rope_theta", "partial_rotary_factor")
        known = {name: value for name, value in config.rope_parameters.items() if name in kept}
        others["rope_parameters"] = known | rope
    elif rope is not None:
        own = {name: rope[name] for name in ("rope_theta", "partial_rotary_factor") if name in rope}
        others |= own | ({"rope_scaling": rope} if rope["rope_type"] != "default" else {})
    for name, value in others.items():
        setattr(config, name, value)


def _unscaled(header: GgufHeader) -> dict[str, Any]:
    """Return what of plain RoPE is passed over."""
    found = {}
    theta, rotated = header.number("rope.freq_base"), header.number("rope.dimension_count")
    width, n_heads = header.number("embedding_length"), header.number("attention.head_count")
    if header.architecture in _WITH_THETA and theta:
        found["rope_theta"] = theta
    if header.architecture in _PARTLY_ROTATED and rotated and width and n_heads:
        found["partial_rotary_factor"] = rotated / (width // n_heads)
    return found


def _scaling(path: Path, header: GgufHeader) -> dict[str, Any]:
    """Return RoPE's parameters as transformers names them; empty: nothing is scaled."""
    factor = header.number("rope.scaling.factor") or header.number("rope.scale_linear") or 1.0
    kind = header.values.get("rope.scaling.type", "linear")
    factors = {name: header.floats(path, name) for name in header.tensors}
    if kind in ("none", "linear"):
        return _linear(header, 1.0 if kind == "none" else factor, factors.get(_FREQUENCIES))
    if kind == "yarn" and not factors and header.plain_yarn:
        return _yarn(header, factor)
    if kind == "longrope" and _SHORT in factors:
        return _longrope(header, factors[_SHORT], factors.get(_LONG) or factors[_SHORT])
    raise ModelUnsupportedError(
        f"{path} scales RoPE by {str(kind)[:40]!r} in a way that llmzip does not read: "
        "give the folder of the model that it was made from"
    )


def _linear(header: GgufHeader, factor: float, divisors: list[float] | None) -> dict[str, Any]:
    """Every pair slowed alike, or (Llama 3.1 and later) each by a divisor of its own."""
    if divisors is None:
        return {"rope_type": "linear", "factor": factor} if factor != 1 else {}
    each = [factor * divisor for divisor in divisors]
    return {
        "rope_type": "longrope",
        "short_factor": each,
        "long_factor": each,
        "factor": 1.0,
        "attention_factor": 1.0,
        "original_max_position_embeddings": int(header.number("context_length") or 0),
    }


def _yarn(header: GgufHeader, factor: float) -> dict[str, Any]:
    found: dict[str, Any] = {"rope_type": "yarn", "factor": factor}
    found["original_max_position_embeddings"] = _n_original(header)
    by = header.number("rope.scaling.yarn_attn_factor") or header.number("rope.scaling.attn_factor")
    if by is not None and by != 1:
        grown = Decimal(factor).ln() / 10 + 1 if factor > 1 else Decimal(1)
        found["attention_factor"] = float(Decimal(by) * grown)
    for name in ("beta_fast", "beta_slow"):
        if (value := header.number(f"rope.scaling.yarn_{name}")) is not None:
            found[name] = value
    return found


def _longrope(header: GgufHeader, short: list[float], long: list[float]) -> dict[str, Any]:
    found: dict[str, Any] = {"rope_type": "longrope", "short_factor": short, "long_factor": long}
    found["original_max_position_embeddings"] = _n_original(header)
    if (by := header.number("rope.scaling.attn_factor")) is not None:
        found["attention_factor"] = by
    return found


def _n_original(header: GgufHeader) -> int:
    known = header.number("rope.scaling.original_context_length")
    return int(known or header.number("context_length") or 0)
