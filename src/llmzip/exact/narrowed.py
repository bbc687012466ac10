"""A model whose vocabulary is a list of another's tokens: all but the head is shared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.model import ExactModel, Linear
from llmzip.exact.shape import ModelShape
from llmzip.exact.stored import AnyModel, whole_model


@dataclass(eq=False)
class NarrowedModel:
    """What predicts the tokens `ids` of a model, and no others: its ids 0, 1, … stand for them.

    ids: int64, ascending, at least one.
    """

    of: AnyModel
    ids: NDArray[np.int64]

    @property
    def shape(self) -> ModelShape:
        """The sizes: those of the model, but for the vocabulary."""
        return replace(self.of.shape, vocab_size=len(self.ids))

    @cached_property
    def whole(self) -> ExactModel:
        """All of it, the embedding still that of all tokens; see `ExactModel.ids`."""
        model = whole_model(self.of)
        head = model.head
        bias = None if head.bias is None else head.bias[self.ids]
        own = Linear(head.weight[self.ids], head.scale[self.ids], bias)
        return replace(model, shape=self.shape, head=own, ids=self.ids)
