"""What commands hand to whoever does the work: what is to be done to which file, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from llmzip.cli.messages import AheadProgress, Progress
from llmzip.cli.outputs import Output
from llmzip.cli.verify import Decode

if TYPE_CHECKING:
    from llmzip.codec import Stats
    from llmzip.spread.cutting import Cutter
    from llmzip.spread.worker import Tools

Work = Callable[[BinaryIO, BinaryIO, Progress], "Stats"]
"""Makes of what the first stream holds what goes into the second."""

WorkAhead = Callable[[Sequence[bytes], AheadProgress], Sequence[Work | None]]
"""Does the model's part for what many small inputs hold; returns for each what does the rest, or
None."""


@dataclass(frozen=True)
class Spreadable:
    """How the work of a verb is done elsewhere. settings: all that decides what comes out."""

    tools: Tools
    cutter: Cutter
    settings: str


@dataclass(frozen=True)
class Verb:
    """A command that turns one stream into another.

    target_of: names the output of a file, beside it, or None to skip it (having said why).
    total_bytes: how many bytes of the original are to be expected, None if unknown; may refuse
        the input before anything else is done.
    work: does it. work_ahead: does part of it for many small inputs at once, where that is
        offered. resume: does what is missing in the output of an earlier run, where that is
        offered. decode: undoes it, for whoever wants it verified.
    spread: says how others do it, where that was asked for.
    keeps: whether what comes out goes anywhere.
    """

    name: str
    reads_llmz: bool
    target_of: Callable[[Path], Path | None]
    total_bytes: Callable[[BinaryIO], int | None]
    work: Work
    resume: Work | None = None
    decode: Decode | None = None
    work_ahead: WorkAhead | None = None
    spread: Callable[[], Spreadable] | None = None
    keeps: bool = True

    @property
    def done(self) -> str:
        """What was done to files, in a word."""
        return self.name if self.keeps else "tested"


@dataclass(frozen=True)
class Job:
    """One file and where its output goes. n_bytes: of the file, None if that is not known."""

    source: Path
    output: Output
    n_bytes: int | None
