"""Groups whose chunks learn from each other, decoded in lanes of one decoder.

Whenever there are lanes for the next wave of a group, it begins; what groups share is the steps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from llmzip.codec.lanes import Lanes, Slot
from llmzip.codec.model import RunningModel
from llmzip.predict.protocol import Drafted, LearningGroup


@dataclass(eq=False)
class LearningWaves:
    """A group: its waves to come, of chunks for the model, and what of it is in lanes."""

    waves: deque[list[Slot]]
    group: LearningGroup | None = None
    wave: list[Slot] = field(default_factory=list)

    def is_idle(self) -> bool:
        """Whether all of its wave is decoded."""
        return all(slot.data is not None for slot in self.wave)


class Together:
    """Groups, each of a wave at least, that are being decoded.

    n_lanes: at least the chunks of the widest wave. n_tokens: at least those of any chunk.
    drafted: counts drafts.
    """

    def __init__(
        self,
        model: RunningModel,
        groups: Sequence[LearningWaves],
        n_lanes: int,
        n_tokens: int,
        drafted: Drafted | None = None,
    ) -> None:
        self._predictor = model.predictor
        own = drafted or Drafted()
        self._shared = model.predictor.group().shared_lanes(n_lanes, n_tokens, own)
        self._lanes = Lanes(model, n_lanes, self._shared)
        self._waiting = deque(groups)
        self._going: list[LearningWaves] = []

    def steps(self) -> Iterator[int]:
        """Decode all of them; yield how many steps are done, after each. Raises CorruptError."""
        n_steps = 0
        while self._waiting or self._going:
            self._begin()
            self._lanes.step()
            n_steps += 1
            yield n_steps
            for one in [one for one in self._going if one.is_idle()]:
                self._going.remove(one)
                if one.waves:
                    self._waiting.appendleft(one)

    def note_progress(self) -> None:
        """Write into the slots how far their lanes have come."""
        self._lanes.note_progress()

    def _begin(self) -> None:
        """Give lanes to the next waves, in order, as far as there are any."""
        while self._waiting and len(self._waiting[0].waves[0]) <= self._lanes.n_free:
            one = self._waiting.popleft()
            one.wave = one.waves.popleft()
            one.group = one.group or self._predictor.group()
            lanes = [self._lanes.open(slot) for slot in one.wave]
            self._shared.begin(one.group, lanes, [slot.chunk.n_tokens for slot in one.wave])
            self._going.append(one)
