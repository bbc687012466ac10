"""A model by shortlists of its vocabulary: what predicts the tokens of a list alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from llmzip.container import ModelRef
from llmzip.errors import UnsupportedError
from llmzip.exact.narrowed import NarrowedModel
from llmzip.exact.stored import AnyModel
from llmzip.predict.protocol import Predictor
from llmzip.predict.windows import Window
from llmzip.tokens.shortlists import ListedTokenizer, shortlists
from llmzip.tokens.tokenizer import ByteTokenizer

MakePredictor = Callable[[AnyModel, Window], Predictor]


@dataclass(frozen=True)
class ListedPredictor:
    """A predictor of the tokens of a list, and what its ids mean. ref: of the whole model."""

    predictor: Predictor
    tokenizer: ListedTokenizer
    ref: ModelRef


class Narrowed:
    """The lists of a model, each with what predicts its tokens, made when it is asked for."""

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
        self._found: dict[int, ListedPredictor] = {}

    @cached_property
    def tokenizers(self) -> Mapping[int, ListedTokenizer]:
        """The tokenizer of each list, by its number."""
        return shortlists(self._tokenizer, [self._window.bos_id])

    def listed(self, number: int) -> ListedPredictor:
        """The model by list `number`. Raises UnsupportedError, and what opening an engine does."""
        if number not in self.tokenizers:
            raise UnsupportedError(f"shortlist {number} is not known here; update llmzip")
        if number not in self._found:
            tokenizer = self.tokenizers[number]
            bos_id = int(np.searchsorted(tokenizer.ids, self._window.bos_id))
            model = NarrowedModel(self._model, tokenizer.ids.astype(np.int64))
            predictor = self._make(model, replace(self._window, bos_id=bos_id))
            self._found[number] = ListedPredictor(predictor, tokenizer, self._ref)
        return self._found[number]
