"""What the codec needs of an opened model; who opens it, and how, is the caller's affair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from llmzip.container import ModelRef, Options
from llmzip.predict.protocol import Predictor


class Tokenizer(Protocol):
    """Bytes to token ids and back, lossless for any bytes."""

    def encode(self, data: bytes) -> NDArray[np.int32]:
        """Return the ids of `data`."""

    def decode(self, ids: NDArray[np.int32]) -> bytes:
        """Return the bytes of `ids`. Raises CorruptError if no text encodes to them."""

    def lengths(self, ids: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return how many bytes each of `ids` spells: of an escape, its last spells the byte."""

    @property
    def is_text(self) -> NDArray[np.bool_]:
        """Of each id whether it may stand in a chunk: all that spell something, and escapes."""

    def split(self, ids: NDArray[np.int32], n_tokens: int) -> Sequence[NDArray[np.int32]]:
        """Cut `ids` into pieces of at most `n_tokens` that decode on their own."""


class Shortlist(Tokenizer, Protocol):
    """The tokenizer of a shortlist: its ids are those of the list."""

    @property
    def ids(self) -> NDArray[np.int32]:
        """Which ids of the whole vocabulary these are, ascending."""

    def outside(self, ids: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return which of `ids` of the whole vocabulary the list does not have."""

    def respelled(self, ids: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the list's ids that spell what `ids` of the whole vocabulary do."""


class RunningModel(Protocol):
    """What predicts tokens, what they mean, and how a file refers to the model."""

    @property
    def predictor(self) -> Predictor:
        """The source of frequencies."""

    @property
    def tokenizer(self) -> Tokenizer:
        """What its ids mean."""

    @property
    def ref(self) -> ModelRef:
        """What a file says so that the same model is found again."""


class OpenedModel(RunningModel, Protocol):
    """A model ready to run."""

    @property
    def shortlists(self) -> Mapping[int, Shortlist]:
        """The shortlists of its vocabulary, by their numbers from 1 on."""

    def listed(self, shortlist: int) -> RunningModel:
        """The same by a shortlist; 0 stands for all. Raises UnsupportedError if there is none."""


OpenToEncode = Callable[[], OpenedModel]
"""Opens the model to compress with; called once at most, when the first text is met."""

OpenToDecode = Callable[[ModelRef | None, Options], OpenedModel]
"""Opens the model that a file was made with, or raises a ModelError.

A file with a dictionary may not say which model that is: the mark in its options vouches for it.
"""

Progress = Callable[[int], None]
"""Takes how many bytes of the original have been dealt with so far."""


def unseen(_n_bytes: int) -> None:
    """Progress that nobody looks at."""
