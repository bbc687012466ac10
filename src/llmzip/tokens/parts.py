"""What a tokenizer is made of: read from a `tokenizer.json`, or from arrays, in no time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from llmzip.errors import ModelDamagedError
from llmzip.tokens.merges import Merges
from llmzip.tokens.table import TokenTable
from llmzip.tokens.vocabulary import lossless_json, token_bytes

_UNREADABLE = ValueError, KeyError, TypeError, AttributeError


@dataclass(frozen=True, eq=False)
class TokenizerParts:
    """What `ByteTokenizer` needs.

    lossless: gives the `tokenizer.json` that the library is given; see `lossless_json`.
    merges: what makes tokens of short texts, if it does.
    """

    RULES: ClassVar = "tokens 1"
    """How the arrays are made; another way is another number."""

    table: TokenTable
    lossless: Callable[[], str]
    merges: Merges | None

    @classmethod
    def read(cls, tokenizer_json: str) -> TokenizerParts:
        """Read the contents of a `tokenizer.json`.

        Raises:
            ModelUnsupportedError: the tokenizer cannot carry all bytes.
            ModelDamagedError: it is not a readable `tokenizer.json`.
        """
        try:
            spec = json.loads(tokenizer_json)
            table = TokenTable.from_tokens(token_bytes(spec))
        except _UNREADABLE as exc:
            raise damaged(exc) from exc
        return cls(table, partial(lossless_json, spec), _merges_of(spec))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> TokenizerParts:
        """Make them of what `arrays` gave. Raises: KeyError, ValueError for anything else."""
        table = TokenTable(arrays["blob"], arrays["offsets"])
        merges = Merges.from_arrays(arrays) if "pairs" in arrays else None
        lossless = arrays["lossless"]
        return cls(table, lambda: lossless.tobytes().decode(), merges)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All there is, as arrays with names."""
        own: dict[str, NDArray[Any]] = {
            "blob": self.table.blob,
            "offsets": self.table.offsets,
            "lossless": np.frombuffer(self.lossless().encode(), dtype=np.uint8),
        }
        return own if self.merges is None else own | self.merges.arrays()


def damaged(exc: Exception) -> ModelDamagedError:
    """Say of a `tokenizer.json` that it cannot be read."""
    reason = " ".join(str(exc).split())
    return ModelDamagedError(
        f"the model's tokenizer.json cannot be read ({reason}); fetch the model again"
    )


def _merges_of(spec: Mapping[str, Any]) -> Merges | None:
    try:
        return Merges.of(spec)
    except _UNREADABLE:  # the library says what it is, when it is asked
        return None
