"""Training: batches to gradients to weights, for so many minutes or until nothing is gained.

AdamW (arXiv:1711.05101), a short rise of the learning rate, then a cosine down to a tenth at the
end of the time. Held-out text is judged at intervals, and what judged best is what is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

import numpy as np
import torch

from llmzip.training.learner import Learner, Learnt
from llmzip.training.texts import Ids, Material, Windows

N_JUDGEMENTS = 10
"""How often held-out text is judged in the time given."""
PATIENCE = 4
"""Judgements without a gain after which training ends."""
LEAST_JUDGED, MOST_JUDGED = 6, 48
"""Windows of held-out text that are judged each time: as many as there are minutes, within; or
as many as a plan wants."""
_WARM_UP = 20  # steps
_CLIP = 1.0
_LEAST_RATE = 0.1


@dataclass(frozen=True)
class Plan:
    """How to train.

    n_rows: windows in a batch; weight_decay: of matrices; n_judged: see MOST_JUDGED, 0: by time.
    """

    minutes: float
    n_rows: int
    seed: int = 0
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    n_judged: int = 0


@dataclass
class Progress:
    """How far training is. Times in seconds, losses in bits per byte.

    held_out: judgements so far, the first of them of the model as it was; loss: lately, in bits
    per token.
    """

    elapsed_s: float = 0.0
    n_steps: int = 0
    n_tokens: int = 0
    tokens_per_s: float = 0.0
    loss: float = 0.0
    held_out: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        """The best judgement, in bits per byte."""
        return min(self.held_out)

    @property
    def since_best(self) -> int:
        """How many judgements came after it."""
        return len(self.held_out) - 1 - self.held_out.index(self.best)


class Trainer:
    """Trains one learner on one material.

    on_progress: called after every step; on_judged: after every judgement. An exception from
        there ends training.
    """

    def __init__(
        self,
        learner: Learner,
        material: Material,
        plan: Plan,
        on_progress: Callable[[Progress], None] | None = None,
        on_judged: Callable[[Trainer], None] | None = None,
    ) -> None:
        self.learner, self._plan = learner, plan
        self._on_progress, self._on_judged = on_progress, on_judged
        n_judged = min(max(int(plan.minutes), LEAST_JUDGED), MOST_JUDGED)
        self.judged: Windows = material.judged(plan.n_judged or n_judged)
        self._material = material
        groups = learner.groups()
        self.parameters = [parameter for group in groups for parameter in group.parameters]
        self.optimizer = torch.optim.AdamW(
            [
                {
                    "params": group.parameters,
                    "rate": group.rate,
                    "weight_decay": plan.weight_decay if group.decays else 0.0,
                }
                for group in groups
            ],
            lr=plan.learning_rate,
            betas=(0.9, 0.98),
            fused=all(p.device.type == "cpu" for p in self.parameters) or None,
        )
        self.progress = Progress()
        self.best: Learnt | None = None

    def run(self) -> None:
        """Train until the time is over or nothing is gained; `best` is the result.

        It may be interrupted by an exception at any time: `best` and `progress` are whole then.
        """
        if not self.progress.held_out:
            self._judge()
        every_s = 60 * self._plan.minutes / N_JUDGEMENTS
        generator = np.random.default_rng([self._plan.seed, self.progress.n_steps])
        batches = self._material.batches(self._plan.n_rows, generator)
        while self._share < 1.0 and self.progress.since_best < PATIENCE:
            until = every_s * len(self.progress.held_out)
            while self.progress.elapsed_s < min(until, 60 * self._plan.minutes):
                self._step(next(batches))
            self._judge()

    @property
    def _share(self) -> float:
        return self.progress.elapsed_s / (60 * self._plan.minutes)

    def _rate(self) -> float:
        """Return the learning rate at this point."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(self._share, 1.0)))
        warm_up = min((self.progress.n_steps + 1) / _WARM_UP, 1.0)
        falling = _LEAST_RATE + (1 - _LEAST_RATE) * cosine
        return self._plan.learning_rate * warm_up * falling

    def _step(self, ids: Ids) -> None:
        begun = monotonic()
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate() * group["rate"]
        loss = self.learner.entropy(ids) / ids[:, 1:].size
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.parameters, _CLIP)
        self.optimizer.step()
        self._note(float(loss.detach()) / math.log(2), ids.size, monotonic() - begun)

    def _note(self, bits: float, n_tokens: int, seconds: float) -> None:
        progress = self.progress
        weight = 1.0 if not progress.n_steps else 0.05
        progress.loss += weight * (bits - progress.loss)
        progress.n_steps += 1
        progress.n_tokens += n_tokens
        progress.elapsed_s += seconds
        progress.tokens_per_s = progress.n_tokens / progress.elapsed_s
        if self._on_progress is not None:
            self._on_progress(progress)

    def _judge(self) -> None:
        """Judge held-out text, and keep what is learnt if it is the best so far."""
        begun = monotonic()
        nats = 0.0
        ids, n_rows = self.judged.ids, self._plan.n_rows
        with torch.no_grad():
            for first in range(0, len(ids), n_rows):
                nats += float(self.learner.entropy(ids[first : first + n_rows]))
        bits = nats / math.log(2) / self.judged.n_bytes
        if not self.progress.held_out or bits < self.progress.best:
            self.best = self.learner.learnt()
        self.progress.held_out.append(bits)
        if self.progress.n_steps:
            self.progress.elapsed_s += monotonic() - begun
        if self._on_judged is not None:
            self._on_judged(self)
