"""What a dictionary gives to every group: tokens before each chunk, and what they have taught."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from llmzip.adapt.mixing import Mixer
from llmzip.predict.adaptive import Adaptive, EncodedWave
from llmzip.predict.prefix import Prefix
from llmzip.predict.rows import RowStream
from llmzip.predict.together import encode_together
from llmzip.predict.windows import Ids, Window
from llmzip.predict.workers import Workers

LEARNT_TOKENS = 8192
"""From so many tokens at the dictionary's end it is learnt how far to trust what."""


@dataclass(frozen=True, eq=False)
class Primed:
    """The state that a group begins with. adaptive: to be copied, never to be used itself."""

    prefix: Prefix
    adaptive: Adaptive

    @classmethod
    def by(
        cls, dictionary: Ids, adaptive: Adaptive, workers: Workers, window: Window, n_together: int
    ) -> Primed:
        """Let a fresh `adaptive` learn the dictionary, which is not empty."""
        n_early = max(0, len(dictionary) - LEARNT_TOKENS)
        if n_early:
            adaptive.learner.remember(dictionary[:n_early])
        late = dictionary[n_early:].astype(np.int32)
        rows = RowStream(workers, window, [late], n_together)
        encode_together([EncodedWave(adaptive, [late])], rows, workers, lambda _: None)
        (prefix,) = workers.in_order([partial(Prefix.of, dictionary, window)])
        return cls(prefix, adaptive)

    @classmethod
    def again(cls, dictionary: Ids, adaptive: Adaptive, prefix: Prefix, mixer: Mixer) -> Primed:
        """What `by` made once, of a fresh `adaptive` whose bias has learnt the same."""
        n_early = max(0, len(dictionary) - LEARNT_TOKENS)
        for part in (dictionary[:n_early], dictionary[n_early:]):
            if len(part):
                adaptive.learner.remember(part)
        adaptive.learner.trust_as(mixer)
        return cls(prefix, adaptive)

    def begin(self) -> Adaptive:
        """What a new group starts from."""
        return self.adaptive.copy()
