"""What a trainer needs to know of that which it trains, be it an adapter or a whole model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from llmzip.training.texts import Ids


@dataclass(frozen=True)
class Group:
    """Parameters that learn alike.

    rate: their learning rate, as a multiple of the plan's. decays: whether weight decay is theirs.
    """

    parameters: list[nn.Parameter]
    rate: float = 1.0
    decays: bool = True


class Learnt(Protocol):
    """What has been learnt up to some time, apart from what goes on learning."""

    def write(self, folder: Path) -> None:
        """Write it into a folder that is there, as -m takes it from there. Raises OSError."""


class Learner(Protocol):
    """Something that learns from windows of token ids."""

    def groups(self) -> list[Group]:
        """Return all that is trained, in an order that is the same in every run."""

    def entropy(self, ids: Ids) -> Tensor:
        """Return the cross-entropy of all tokens in windows but the first of each, in nats.

        ids: (rows, length). A float32 scalar with a gradient, unless torch is told to make none.
        """

    def learnt(self) -> Learnt:
        """Return what has been learnt up to now, on the CPU."""

    def read(self, folder: Path) -> Learnt:
        """Return what `write` has written, of an equal learner.

        Raises: ValueError or ModelDamagedError for what is none; OSError.
        """
