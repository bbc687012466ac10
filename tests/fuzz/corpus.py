"""The saved corpus: of each verdict the shortest input that was met, replayed by every test run.

A file says in its first line what it gets, then its bytes in hexadecimal digits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
_LINE = 96


@dataclass(frozen=True)
class Saved:
    """An input and the verdict on it, without numbers. target: container or decode."""

    target: str
    verdict: str
    data: bytes

    @property
    def path(self) -> Path:
        slug = re.sub(r"[^a-z0-9]+", "-", self.verdict.split(": the file is")[0].lower())
        return CORPUS / f"{self.target}-{slug[:70].strip('-')}.hex"

    def save(self) -> None:
        digits = self.data.hex()
        lines = [digits[at : at + _LINE] for at in range(0, len(digits), _LINE)]
        CORPUS.mkdir(exist_ok=True)
        self.path.write_text("\n".join([f"# {self.verdict}", *lines, ""]), encoding="utf-8")


def saved(target: str) -> list[Saved]:
    """Return the corpus of a target."""
    return [_load(target, path) for path in sorted(CORPUS.glob(f"{target}-*.hex"))]


def _load(target: str, path: Path) -> Saved:
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    return Saved(target, first.removeprefix("# "), bytes.fromhex("".join(lines)))
