"""How long `llmzip message --lines` takes to answer, as a shell loop sees it: a real process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import llmzip

_LENGTH = 100
"""Bytes of a message."""


@dataclass(frozen=True)
class Answers:
    """first_s: from the start of the process to the first answer; others_s: of each after it."""

    verb: str
    first_s: float
    others_s: Sequence[float]

    def __str__(self) -> str:
        """Say so on one line."""
        return (
            f"message {self.verb} --lines: first answer {self.first_s:.2f} s after the start, then "
            f"{median(self.others_s):.3f} s for {_LENGTH} bytes (median of {len(self.others_s)}), "
            f"{max(self.others_s):.3f} s at worst"
        )


def answers(messages: Sequence[bytes], count: int, profile: llmzip.Profile) -> list[Answers]:
    """Encode `count` messages of 100 bytes, then decode them; compare.

    messages: in ASCII, what those are cut from, one after the other.
    """
    lines = cut(b" ".join(messages), count)
    encoded, codes = _asked("encode", lines, profile)
    decoded, back = _asked("decode", codes, profile)
    if back != lines:
        raise AssertionError("a message did not come back")
    return [encoded, decoded]


def cut(text: bytes, count: int) -> list[bytes]:
    """Return `count` pieces of text, from the beginning again where it ends."""
    text = text * (1 + count * _LENGTH // len(text))
    return [text[at : at + _LENGTH] for at in range(0, count * _LENGTH, _LENGTH)]


def _asked(
    verb: str, lines: Sequence[bytes], profile: llmzip.Profile
) -> tuple[Answers, list[bytes]]:
    """Give a process each line once the one before is answered."""
    took_s, back = [], []
    command = [sys.executable, "-m", "llmzip", "message", verb, "--lines"]
    begin_s = time.monotonic()
    with subprocess.Popen(
        [*command, "--profile", profile.to_json()], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for line in lines:
            running.stdin.write(line + b"\n")
            running.stdin.flush()
            back.append(running.stdout.readline().removesuffix(b"\n"))
            took_s.append(time.monotonic() - begin_s)
            begin_s = time.monotonic()
        running.stdin.close()
    return Answers(verb, took_s[0], took_s[1:]), back
