"""How many threads decode a step: one, while other work wants the processors.

The threads of a step wait for each other some hundred times. Where one of them has to wait for a
processor, the others lose theirs in waiting for it, and a step takes a hundred times as long; a
thread alone only goes slower. That is seen by how much of a step is waiting for others.
"""

from __future__ import annotations

JUDGED_STEPS = 4
"""Steps that are judged together."""
CROWDED = 0.5
"""The share of them that is waiting where there is a crowd.

If it is one step that waits, the steps judged next must be so, too: else the machine had a hiccup.
After a crowd one step that waits is enough.
"""
LEAST_S = 0.02
"""What is waited at least: what is shorter may be by chance."""
FEWEST_ALONE, MOST_ALONE = 64, 1024
"""Steps of one thread before others are tried again; twice as many after each time in vain."""


class Crowding:
    """Learns from how long steps take how many threads the next one should have."""

    def __init__(self, n_threads: int) -> None:
        self._n_threads = n_threads
        self._alone = 0  # steps that are yet to be done by one thread
        self._next_alone = FEWEST_ALONE
        self._is_suspected = False
        self._begin()

    def _begin(self) -> None:
        self._n_steps, self._n_crowded, self._all_s, self._waited_s = 0, 0, 0.0, 0.0

    @property
    def n_threads(self) -> int:
        """How many threads the next step should have."""
        return 1 if self._alone else self._n_threads

    def note(self, seconds: float, waited: float) -> None:
        """Take in a step: how long it took, and the share of waiting in what a thread did."""
        if self._n_threads == 1:
            return
        if self._alone:
            self._alone -= 1
            return
        self._n_steps += 1
        self._n_crowded += waited > CROWDED
        self._all_s += seconds
        self._waited_s += seconds * waited
        # after a crowd a single step that waits is enough to say that it is there yet
        is_back = self._was_there and waited > CROWDED and seconds * waited > LEAST_S
        if self._n_steps == JUDGED_STEPS or is_back:
            self._judge()
            self._begin()

    @property
    def _was_there(self) -> bool:
        """Whether there was a crowd when several threads were last tried."""
        return self._next_alone > FEWEST_ALONE

    def _judge(self) -> None:
        is_crowd = self._waited_s > max(LEAST_S, CROWDED * self._all_s)
        if is_crowd and (self._was_there or self._is_suspected or self._n_crowded > 1):
            self._alone = self._next_alone
            self._next_alone = min(2 * self._next_alone, MOST_ALONE)
        elif not is_crowd:
            self._next_alone = FEWEST_ALONE
        self._is_suspected = is_crowd
