"""What a run on a GPU does, how thoroughly, and what its stages are told."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

CPU, CUDA, INTERPRETER = "cpu", "cuda", "interpreter"
"""Where an engine runs; the last are the CUDA engine's kernels in Triton's interpreter."""


@dataclass(frozen=True)
class Gpt2Size:
    """A model of GPT-2's shape; as it stands, the one of 124 million weights."""

    n_layers: int = 12
    width: int = 768
    n_heads: int = 12
    vocab_size: int = 50_257
    n_positions: int = 1024


TINY = Gpt2Size(n_layers=1, width=32, n_heads=2, vocab_size=300, n_positions=64)


@dataclass(frozen=True)
class Plan:
    """What all stages are told.

    where: the engine that is measured, CUDA or, to rehearse without a device, one of the others.
    model: the default model's name or path. keep: a folder for what is made once.
    file_bytes: of the text whose files are compared. chunk_tokens: of a lane that is timed.
    """

    where: str
    model: str
    text: Path
    keep: Path
    lanes: tuple[int, ...] = (64, 512, 4096)
    levels: tuple[int, ...] = (1, 5)
    file_bytes: int = 24_000
    chunk_tokens: int = 768
    profile_lanes: int = 512
    profile_steps: int = 48
    min_s: float = 0.3

    @property
    def is_rehearsal(self) -> bool:
        """Whether there is no device, so that figures mean nothing."""
        return self.where != CUDA

    @property
    def other(self) -> str:
        """The engine that files are exchanged with."""
        return CPU

    @property
    def gpt2(self) -> Gpt2Size:
        """The size of the random model."""
        return TINY if self.is_rehearsal else Gpt2Size()

    def to_json(self) -> str:
        """Return it for a stage's process."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Return what `to_json` was called on."""
        fields = json.loads(text)
        for name in ("text", "keep"):
            fields[name] = Path(fields[name])
        for name in ("lanes", "levels"):
            fields[name] = tuple(fields[name])
        return cls(**fields)


def rehearsal(plan: Plan, where: str) -> Plan:
    """Return the same for a machine without a device: as little as has every line run."""
    return replace(
        plan,
        where=where,
        lanes=(2,),
        file_bytes=40,
        chunk_tokens=40,
        profile_lanes=2,
        profile_steps=3,
        min_s=0.0,
    )
