"""Seconds for a run of several stages: what each may take, and when there is no use beginning."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

LEAST_S = 5.0
"""With less than this left, nothing is begun."""


@dataclass(frozen=True)
class Budget:
    """`seconds` from `begin_s` on, of which the last `reserve_s` are for what is written."""

    seconds: float
    reserve_s: float = 2.0
    clock: Callable[[], float] = time.monotonic
    begin_s: float = 0.0

    @classmethod
    def starting_now(cls, seconds: float, reserve_s: float = 2.0) -> Budget:
        """A budget whose clock runs from now on."""
        return cls(seconds, reserve_s, time.monotonic, time.monotonic())

    def left_s(self) -> float:
        """How many seconds there are for stages still."""
        return self.seconds - self.reserve_s - (self.clock() - self.begin_s)

    def allowed_s(self, most_s: float) -> float | None:
        """How long a stage that would take `most_s` may run; None where there is no time for it."""
        left_s = self.left_s()
        return min(most_s, left_s) if left_s >= LEAST_S else None
