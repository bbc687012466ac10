"""Folders to spread: some real text among cheap content, in small and large files."""

from __future__ import annotations

import random
from pathlib import Path

from llmzip.bench.measure import RoundTripError

LEAST_BYTES, MOST_BYTES = 500, 2_000_000


def make_folder(folder: Path, texts: bytes, n_files: int, n_texts: int, seed: int = 1) -> int:
    """Write `n_files` files of 0.5 kB to 2 MB into `folder`; return how many bytes they have.

    `n_texts` of them are pieces of `texts`, a few kB each; the others are noise and repetitions,
    which need no model.
    """
    chance = random.Random(seed)
    folder.mkdir(parents=True)
    n_all = 0
    for number in range(n_files):
        share = 1.0 if number == 0 else chance.random() ** 3  # most are small
        size = int(LEAST_BYTES * (MOST_BYTES / LEAST_BYTES) ** share)
        is_text = number % max(1, n_files // max(1, n_texts)) == 1
        data = _text(texts, chance) if is_text else _cheap(size, chance)
        (folder / f"{number:03}").write_bytes(data)
        n_all += len(data)
    return n_all


def _text(texts: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(max(1, len(texts) - 4000))
    return texts[start : start + chance.randrange(LEAST_BYTES, 4000)]


def _cheap(size: int, chance: random.Random) -> bytes:
    noise = chance.randbytes(size // 2)
    return noise + bytes(size - len(noise))


def compare(one: Path, other: Path) -> int:
    """Return how many files two folders have. Raises RoundTripError where they differ."""
    names = sorted(path.name for path in one.iterdir())
    if names != sorted(path.name for path in other.iterdir()):
        raise RoundTripError(f"{one} and {other} do not hold the same files")
    for name in names:
        if (one / name).read_bytes() != (other / name).read_bytes():
            raise RoundTripError(f"{name} is not the same in {one} and {other}")
    return len(names)
