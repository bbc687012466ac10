"""The architectures that the engine runs: transformers' models as FloatModel.

Each family comes down to the engine's one shape by what docs/EXACT.md (*Families*) says: weights
are named, stacked, put in another order, multiplied. What needs another operation is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from llmzip.errors import ModelUnsupportedError
from llmzip.exact.checks import MOST_TOKENS
from llmzip.exact.families.gpt2 import read_gpt2, read_gpt_bigcode
from llmzip.exact.families.gpt_neo import read_gpt_neo
from llmzip.exact.families.known import ROTARY
from llmzip.exact.families.opt import read_opt
from llmzip.exact.families.refused import NEEDS
from llmzip.exact.families.rotary import read_rotary
from llmzip.exact.families.switches import lacking
from llmzip.exact.families.weights import Weights
from llmzip.exact.floats import FloatModel

FAMILIES: dict[str, Callable[[Any, Weights], FloatModel]] = {
    "gpt2": read_gpt2,
    "gpt_bigcode": read_gpt_bigcode,
    "gpt_neo": read_gpt_neo,
    "opt": read_opt,
    **{kind: partial(read_rotary, family) for kind, family in ROTARY.items()},
}


def read_model(model: Any) -> FloatModel:
    """Read a transformers causal language model; see `read_weights`."""
    return read_weights(model.config, model.state_dict())


def read_weights(config: Any, state: Mapping[str, Any]) -> FloatModel:
    """Read a causal language model of a configuration and of tensors by the names of its own.

    state: see `Weights`. Layers, embedding and head are read from it when they are asked for.

    Raises ModelUnsupportedError for an architecture or a switch that the engine lacks, and, when
    they are read, for weights that are no numbers.
    """
    kind = require_family(config)
    if config.vocab_size >= MOST_TOKENS:
        raise ModelUnsupportedError(
            f"the exact engine runs vocabularies of fewer than {MOST_TOKENS:,} tokens, "
            f"not {config.vocab_size:,}; try --float"
        )
    return FAMILIES[kind](config, Weights(state))


def gain_shift(config: Any) -> float:
    """What the norms of a model of this configuration add to their weights for their gains."""
    family = ROTARY.get(str(getattr(config, "model_type", "unknown")))
    return 0.0 if family is None else family.gain_shift


def require_family(config: Any) -> str:
    """Return what family a configuration is of. Raises ModelUnsupportedError for one we lack."""
    kind = str(getattr(config, "model_type", "unknown"))
    if kind in FAMILIES:
        return kind
    if kind in NEEDS:
        raise lacking(f"what {kind} needs: {NEEDS[kind]}")
    raise ModelUnsupportedError(
        f"the exact engine does not know models of the kind {kind}; "
        "--float runs it, tied to one machine"
    )
