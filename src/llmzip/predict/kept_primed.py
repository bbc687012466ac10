"""What a dictionary gives to every group, kept beside the model: worked out but once.

Kept are the dictionary's tokens, what has been learnt of them, and the keys and values of those
that stand before every chunk. The history is made anew, which takes no time. What is kept belongs
to a dictionary, a window, a way of the CPU's engine, and the very sources of all this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.adapt.mixing import Mixer
from llmzip.exact.cache import KVCache
from llmzip.exact.distribution import Engine
from llmzip.exact.stored import KeptForms
from llmzip.predict.adaptive import Adaptive
from llmzip.predict.prefix import Prefix
from llmzip.predict.primed import Primed
from llmzip.predict.windows import Ids, Window

KEEPING = 1
"""What is kept, and how dictionaries are learnt; another way is another number."""

_CACHE = "keys", "values", "key_scales", "value_scales"


@dataclass(eq=False)
class KeptPrimed:
    """What is kept, or will be, of one dictionary. way: the engine's. sources: their state."""

    forms: KeptForms
    dictionary: bytes
    window: Window
    way: str
    sources: str

    @property
    def tokens(self) -> NDArray[np.int32] | None:
        """The dictionary's tokens, if they are kept."""
        return None if self._arrays is None else self._arrays["tokens"]

    def load(self, adaptive: Adaptive, engine: Engine) -> Primed | None:
        """What is kept, with a fresh `adaptive` for an engine of that way; None if nothing is."""
        arrays = self._arrays
        if arrays is None:
            return None
        if not _are_tokens(arrays["tokens"], len(adaptive.bias.learnt)):
            return None
        tokens = arrays["tokens"].astype(np.int64)
        own = Prefix.end_of(tokens, self.window)
        cache = engine.cache(1, len(own))
        wanted = {"bias": adaptive.bias.learnt, **adaptive.learner.mixer._asdict()}
        wanted |= {name: getattr(cache, name) for name in _CACHE}
        if not _are_like(arrays, wanted):
            return None
        kept = KVCache(*(arrays[name] for name in _CACHE))
        adaptive.bias = adaptive.bias.having_learnt(arrays["bias"])
        mixer = Mixer(*(arrays[name] for name in Mixer._fields))
        return Primed.again(tokens, adaptive, Prefix(own, kept), mixer)

    def keep(self, primed: Primed, tokens: Ids) -> None:
        """Keep what was worked out."""
        cache, adaptive = primed.prefix.cache, primed.adaptive
        arrays = {"tokens": tokens.astype(np.int32), "bias": adaptive.bias.learnt}
        arrays |= adaptive.learner.mixer._asdict()
        arrays |= {name: getattr(cache, name) for name in _CACHE}
        self.forms.keep_one_of_many(self._name, self._rules, arrays)

    @cached_property
    def _arrays(self) -> Mapping[str, NDArray[Any]] | None:
        return self.forms.load_one_of_many(self._name, self._rules)

    @cached_property
    def _name(self) -> str:
        return sha256(self._rules.encode()).hexdigest()[:32]

    @cached_property
    def _rules(self) -> str:
        digest = sha256(self.dictionary).hexdigest()
        return (
            f"primed {KEEPING} by {digest}, {self.window}, way {self.way}, sources {self.sources}"
        )


def _are_tokens(tokens: NDArray[Any], vocab_size: int) -> bool:
    """Whether there are some, and all of the vocabulary."""
    whole = tokens.dtype == np.int32 and tokens.ndim == 1 and tokens.size > 0
    return whole and int(tokens.min()) >= 0 and int(tokens.max()) < vocab_size


def _are_like(arrays: Mapping[str, NDArray[Any]], wanted: Mapping[str, NDArray[Any]]) -> bool:
    """Whether all that is wanted is there, of the same types and sizes."""
    return wanted.keys() <= arrays.keys() and all(
        arrays[name].dtype == array.dtype and arrays[name].shape == array.shape
        for name, array in wanted.items()
    )
