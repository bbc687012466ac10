"""What starts workers and talks to them: the one thing that differs between kinds of workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from llmzip.errors import LlmzipError
from llmzip.spread.units import Result, Unit


class WorkersLostError(LlmzipError):
    """No worker is left, or one unit has cost several of them."""


@dataclass(frozen=True)
class Ready:
    """A worker can be given units. where: what runs it, in words."""

    worker: int
    where: str


@dataclass(frozen=True)
class Advanced:
    """So many bytes of a unit are done, as n_bytes_of counts."""

    worker: int
    number: int
    n_bytes: int


@dataclass(frozen=True)
class Finished:
    """A unit is done."""

    worker: int
    number: int
    result: Result


@dataclass(frozen=True)
class Lost:
    """A worker has ended, its units undone: whoever replaces it has another number."""

    worker: int
    reason: str


Event = Ready | Advanced | Finished | Lost


class Pool(Protocol):
    """Workers with numbers, each of which does its units in the order in which it gets them.

    n_coming: how many workers are being started, so that Ready or Lost is to be heard of them.
    is_here: whether they see all files that this process sees, those in its memory left out.
    """

    @property
    def is_here(self) -> bool:
        """See above."""

    @property
    def n_coming(self) -> int:
        """See above."""

    def submit(self, worker: int, number: int, unit: Unit) -> None:
        """Give a unit, under a number, to a worker that is ready. Raises as Span.read does."""

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """Return what has happened; if nothing has, what does within the time."""

    def close(self) -> None:
        """End the workers, whatever they are at."""
