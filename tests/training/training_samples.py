"""Texts to learn from, made on the spot: lines of a log that looks like a service's; and time."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from unittest import mock

import pytest

BY_OWN_TIME = (
    "import time; from llmzip.training import trainer; trainer.monotonic = time.thread_time; "
)
"""Has a program train for so much time of its own, whatever else the machine has to do."""


@pytest.fixture(autouse=True, scope="module")
def own_time() -> Iterator[None]:
    """The same for what is trained in this process."""
    with mock.patch("llmzip.training.trainer.monotonic", time.thread_time):
        yield


def log_lines(n_lines: int, seed: int = 0) -> bytes:
    """Return a log of so many lines, another one for another seed."""
    dice = random.Random(seed)
    verbs = ["GET", "PUT", "POST", "DELETE"]
    places = ["orders", "users", "baskets", "invoices", "sessions"]
    lines = [
        f"2026-03-{dice.randrange(1, 29):02} {dice.choice(verbs)} /v2/{dice.choice(places)}/"
        f"{dice.randrange(10_000)} {dice.choice([200, 200, 200, 404, 500])} "
        f"{dice.randrange(900)} ms\n"
        for _ in range(n_lines)
    ]
    return "".join(lines).encode()
