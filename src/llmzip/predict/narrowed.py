"""A model by shortlists of its vocabulary: what predicts the tokens of a list alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from weakref import WeakValueDictionary

import numpy as np

from llmzip.container import ModelRef
from llmzip.errors import UnsupportedError
from llmzip.exact.narrowed import NarrowedModel
from llmzip.exact.stored import AnyModel
from llmzip.predict.protocol import Predictor
from llmzip.predict.windows import Window
from llmzip.tokens.shortlists import ListedTokenizer, shortlists
from llmzip.tokens.table import Ids
from llmzip.tokens.tokenizer import ByteTokenizer

MakePredictor = Callable[[AnyModel, Window], Predictor]


@dataclass(frozen=True)
class ListedPredictor:
    """A predictor of the tokens of a list, and what its ids mean. ref: of the whole model."""

    predictor: Predictor
    tokenizer: ListedTokenizer
    ref: ModelRef


class Narrowed:
    """The lists of a model, each with what predicts its tokens, made when it is asked for.

    That of the list asked for last is kept, and of others what somebody still uses.
    """

    def __init__(
        self,
        model: AnyModel,
        tokenizer: ByteTokenizer,
        window: Window,
        ref: ModelRef,
        make: MakePredictor,
    ) -> None:
        """`make`: makes the predictor of a model. window: that of the whole vocabulary."""
        self._model, self._tokenizer, self._window = model, tokenizer, window
        self._ref, self._make = ref, make
        self._last: Predictor | None = None
        self._in_use = WeakValueDictionary[int, Predictor]()

    @cached_property
    def tokenizers(self) -> Mapping[int, ListedTokenizer]:
        """The tokenizer of each list, by its number."""
        return shortlists(self._tokenizer, [self._window.bos_id])

    def listed(self, number: int) -> ListedPredictor:
        """The model by list `number`. Raises UnsupportedError, and what opening an engine does."""
        if number not in self.tokenizers:
            raise UnsupportedError(f"shortlist {number} is not known here; update llmzip")
        predictor = self._in_use.get(number)
        if predictor is None:
            self._last = None  # before another takes as much memory
            predictor = self._in_use[number] = self._predictor(self.tokenizers[number].ids)
        self._last = predictor
        return ListedPredictor(predictor, self.tokenizers[number], self._ref)

    def _predictor(self, ids: Ids) -> Predictor:
        bos_id = int(np.searchsorted(ids, self._window.bos_id))
        model = NarrowedModel(self._model, ids.astype(np.int64))
        return self._make(model, replace(self._window, bos_id=bos_id))
