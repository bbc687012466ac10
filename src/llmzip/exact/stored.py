"""A prepared model on disk, of which no more is read than an engine asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.model import ExactModel
from llmzip.exact.shape import ModelShape


class KeptForms(Protocol):
    """Where forms of a model are kept, which are made of it again and again otherwise.

    rules: by which a form was made, and from what beside the model.
    What reads raises UntrustedError for what others can have put there.
    """

    def load(self, name: str, rules: str) -> Mapping[str, NDArray[Any]] | None:
        """The arrays of a form that was made by these rules, whole as it was kept; else None."""

    def read(self, name: str, arrays: Iterable[str]) -> Mapping[str, NDArray[Any]] | None:
        """Some arrays of a form that `load` has given, again, in memory of their own; else None."""

    def keep(self, name: str, rules: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep the arrays of a form, if that can be."""

    def load_one_of_many(self, name: str, rules: str) -> Mapping[str, NDArray[Any]] | None:
        """As `load` for a form of which there may be many: those used last are kept longest."""

    def keep_one_of_many(self, name: str, rules: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """As `keep` for such a form."""


@dataclass(eq=False)
class StoredModel:
    """A model's shape, its forms, and the rest on demand. load: checks it all, and may raise."""

    shape: ModelShape
    forms: KeptForms
    load: Callable[[], ExactModel]
    ids: NDArray[np.int64] | None = None

    @cached_property
    def whole(self) -> ExactModel:
        """All of it. Raises what `load` does."""
        return self.load()


class ModelInParts(Protocol):
    """A model whose tensors come on demand."""

    @property
    def shape(self) -> ModelShape:
        """Its sizes."""

    @property
    def ids(self) -> NDArray[np.int64] | None:
        """See `ExactModel.ids`."""

    @property
    def whole(self) -> ExactModel:
        """All of it. Raises: ModelDamagedError, UntrustedError, OSError, if it is on disk."""


AnyModel = ExactModel | ModelInParts


def whole_model(model: AnyModel) -> ExactModel:
    """All of a model. Raises: ModelDamagedError, UntrustedError, OSError, if it is on disk."""
    return model if isinstance(model, ExactModel) else model.whole
